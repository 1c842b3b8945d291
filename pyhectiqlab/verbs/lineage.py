"""Run's verb for its group, and the fields that make it a fork of another run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..capture.values import check_name
from ..protocol.events import is_step
from .guard import never_breaks

if TYPE_CHECKING:
    from ..client.outbox import Outbox

_ID = re.compile(r"(?:https?://\S*/runs/)?([0-9a-f]{12})(?:[/?#].*)?")


def fork_fields(fork_of: object, at_step: int | None) -> dict[str, Any]:
    """Return the fields of the event that makes a run a fork. `fork_of`: a Run, a RunView, or a text. Raises TypeError,
    ValueError.
    """
    if at_step is not None and not is_step(at_step):
        kind = TypeError if isinstance(at_step, bool) or not isinstance(at_step, int) else ValueError
        raise kind(f"at_step is a step, an integer of 64 bits, not {at_step!r}")
    if isinstance(fork_of, str):
        if match := _ID.fullmatch(fork_of):
            return {"run": match[1], "step": at_step}
        check_name("name of a run", fork_of)
        return {"name": fork_of, "step": at_step}
    name = getattr(fork_of, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"fork_of is a Run, or the name, id or link of one, not {type(fork_of).__name__}")
    run_id = getattr(fork_of, "id", None)  # None: the lab has not been asked for it
    project = getattr(fork_of, "project", None) or getattr(fork_of, "_asked_project", None)
    return {"run": run_id, "name": name, "project": project, "step": at_step}


class LineageVerbs:
    """Mixed into Run."""

    _outbox: Outbox

    @never_breaks
    def set_group(self, name: str) -> None:
        """Put the run into a group, such as the runs of one sweep; it leaves the group that it was in. Never waits.

        Args:
            name: at most 512 bytes; "": no group.

        Raises:
            TypeError, ValueError: a name that is not allowed or too long.
        """
        if name != "":
            check_name("name of a group", name)
        self._outbox.event("group", {"name": name})
