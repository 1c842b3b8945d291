"""Run's verb that uploads the notebook in which it is called."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..capture.snapshot import Source
from ..client.saying import say, say_once
from ..client.uploads import Upload
from ..protocol.names import artifact_name
from .guard import never_breaks

if TYPE_CHECKING:
    from ..client.outbox import Outbox

FIND_S = 2.0  # how long one call waits for Jupyter servers, in all
STAMPS = {"datetime": "_v%Y-%m-%d_%H-%M-%S", "date": "_v%Y-%m-%d", None: ""}


class NotebookVerbs:
    """Mixed into Run."""

    _outbox: Outbox

    @never_breaks
    def add_current_notebook(self, stamp: str | None = "datetime") -> str | None:
        """Upload the notebook in which this is called, as an artifact named `<name>_v<stamp>.ipynb`.

            run.add_current_notebook()  # digits_v2026-07-31_14-05-59.ipynb

        The file is uploaded as it was last saved, so save it first. If the saved file lacks the running cell, a line on
        stderr says so. The file is found in Jupyter (classic, Lab, Hub) and VS Code. Where it cannot be found (Colab, a
        kernel on another machine), a notebook is built from the cells that this kernel ran and their output, without
        the texts between them. Waits for Jupyter's server, never more than 2 s; never for the lab.

        Args:
            stamp: "datetime" or "date", in local time. None: no stamp, so that another call makes a new version.

        Returns:
            The artifact's name. Outside a notebook None, with a line on stderr.

        Raises:
            TypeError, ValueError: another stamp.
        """
        from ..capture import notebook

        if stamp is not None and not isinstance(stamp, str):
            raise TypeError(f'stamp is "datetime", "date" or None, not {type(stamp).__name__}')
        if stamp not in STAMPS:
            raise ValueError(f'stamp is "datetime", "date" or None, not {stamp!r}')
        shell = notebook.kernel_shell()
        if shell is None:
            say_once("add_current_notebook: this is not a notebook: add the script with run.add_artifact(__file__)")
            return None
        when = time.strftime(STAMPS[stamp])
        file = notebook.find_file(shell, _sessions, time.monotonic() + FIND_S)
        if file is not None:
            name = artifact_name(f"{file.stem}{when}{notebook.SUFFIX}")
            with contextlib.suppress(OSError), Source(file) as source:  # if the file cannot be read, the cells can
                self._outbox.file(Upload(name, kind="notebook", meta={"rebuilt": False}), source)
                if notebook.lacks_cell(shell, file):
                    say(f"{file.name} was uploaded as last saved, without this cell: save it (Ctrl-S) and call again")
                return name
        name = artifact_name(f"{notebook.rebuilt_name()}{when}{notebook.SUFFIX}")
        made = notebook.rebuild(shell)
        upload = Upload(name, kind="notebook", meta={"rebuilt": True})
        self._outbox.made_file(upload, lambda target: _write(made, target))
        return name


def _write(made: Any, target: Path) -> None:
    import nbformat

    with open(target, "x", encoding="utf-8") as out:
        nbformat.write(made, out)


def _sessions(url: str, token: str, seconds: float) -> Any:
    """Return what a Jupyter server answers about its sessions. Blocks for `seconds` at most. Raises OSError,
    ValueError.
    """
    from ..transport.deadline import deadline, new_session

    with new_session() as http, deadline(seconds):
        # No proxy, because the server is on this machine; and no .netrc, because the token is the one to use.
        http.trust_env = False
        answer = http.get(
            f"{url.rstrip('/')}/api/sessions",
            headers={"Authorization": f"token {token}"} if token else {},
            timeout=seconds,
            allow_redirects=False,  # a redirect leads to a login page
        )
        return answer.json() if answer.ok else None
