"""Run's verbs for its page: note, tags, paper, name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..capture.values import check_name
from ..client.saying import say, say_once
from ..protocol.limits import PAPER_BYTES_MAX
from .guard import never_breaks

if TYPE_CHECKING:
    from ..client.outbox import Outbox
    from ..paper import PaperContent

NAME_REFUSED = {400, 409, 422}  # answers to a rename that mean that the name is at fault


class PageVerbs:
    """Mixed into Run."""

    name: str
    _outbox: Outbox

    @never_breaks
    def set_note(self, text: str) -> None:
        """Set the run's note, which replaces an earlier one. Never waits.

        Raises:
            TypeError: it is not text.
            ValueError: it has more than 65,536 characters.
        """
        if not isinstance(text, str):
            raise TypeError(f"a note is a text, not {type(text).__name__}")
        self._outbox.event("note", {"text": text})

    @never_breaks
    def add_tag(self, name: str, description: str | None = None, color: str | None = None) -> None:
        """Attach a tag to the run; if it has one of this name, change that. Never waits.

        Args:
            name: at most 512 bytes.
            description: at most 4,096 characters.
            color: a color as hex, such as "#2e7d32"; at most 32 characters.

        Raises:
            TypeError, ValueError: an argument that is not allowed or too long.
        """
        check_name("name of a tag", name)
        self._outbox.event("tag", {"name": name, "description": description, "color": color})

    @never_breaks
    def set_paper(self, content: str | PaperContent) -> None:
        """Set the run's paper, a text longer than its note; it replaces an earlier one. Never waits.

        Raises:
            TypeError: it is not text.
            ValueError: it is larger than 1 MiB.
        """
        from ..paper import PaperContent

        if not isinstance(content, str | PaperContent):
            raise TypeError(f"a paper is a text or a PaperContent, not {type(content).__name__}")
        text = str(content)
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > PAPER_BYTES_MAX:
            raise ValueError(f"a paper of {size:,} bytes is too long: store it as an artifact")
        self._outbox.event("paper", {"text": text})

    @never_breaks
    def rename(self, name: str) -> bool:
        """Give the run another name. Waits for the lab, ten seconds at most.

        A script that is started again attaches by the name that it gives to `Run(...)`, not by this one.

        Returns:
            True if the run has the name now. False, with a line on stderr, if the lab does not answer or is not asked
            (offline, dry and read-only mode).

        Raises:
            TypeError, ValueError: a name that is not allowed, or that another run of the project has.
        """
        check_name("name of a run", name)
        from ..client.queue_outbox import QueueOutbox
        from ..errors import ConfigurationError, ConflictError, InvalidRequestError, LabRequestError

        outbox = self._outbox
        answer = outbox.binding.run if isinstance(outbox, QueueOutbox) and outbox.binding.mode == "online" else None
        if not isinstance(outbox, QueueOutbox) or answer is None:
            say_once(
                f"the run keeps its name {self.name!r}: only the lab can rename it, and this mode does not ask it."
            )
            return False
        try:
            _rename(outbox.lab, str(answer["run"]["id"]), name)
        except (LabRequestError, ConfigurationError) as e:
            if isinstance(e, ConflictError | InvalidRequestError) and e.status in NAME_REFUSED:
                raise ValueError(str(e)) from None
            say(f"the run keeps its name {self.name!r}: {e}")
            return False
        self.name = name
        return True


def _rename(its_lab: tuple[str, str, str], run_id: str, name: str) -> None:
    from ..transport.connecting import connect
    from ..transport.http import quoted

    with connect(*its_lab, waits=True) as lab:
        lab.patch(f"/runs/{quoted(run_id)}", {"name": name})
