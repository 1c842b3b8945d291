"""Find the file of the notebook whose kernel this process is, or build a notebook from the kernel's history.

A kernel does not know which file it belongs to. VS Code puts the path into the user's namespace. A Jupyter server knows
it, also after a rename; the path at the kernel's start is in the environment. If none of these leads to a file (Colab,
a kernel on another machine, a notebook that a program runs), the cells are still here.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbformat import NotebookNode

SUFFIX = ".ipynb"
OUTPUT_CHARS_MAX = 1 << 20  # in one form of one output: a longer form is left out, a longer text is cut
CHECKED_BYTES_MAX = 32 << 20  # a larger file is not read to see whether it lacks the running cell

# Asks a Jupyter server for its sessions: (its address, its token, seconds that it may take) → its answer. Raises
# OSError or ValueError.
Ask = Callable[[str, str, float], Any]


def kernel_shell() -> Any | None:
    """Return the IPython shell of a notebook's kernel; None in a script or in IPython's terminal. Imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell if getattr(shell, "kernel", None) is not None else None


def find_file(shell: Any, ask: Ask, deadline: float) -> Path | None:
    """Return the notebook's file, under its current name; None if it is not known or not on this machine.

    Args:
        deadline: a time of time.monotonic(); no server is asked after it.
    """
    named = shell.user_ns.get("__vsc_ipynb_file__")
    if isinstance(named, str) and (file := _notebook(Path(named))):
        return file
    kernel = _kernel()
    if kernel is not None and (file := _from_servers(*kernel, ask, deadline)):
        return file
    return _notebook(Path(os.environ.get("JPY_SESSION_NAME", "")))


def lacks_cell(shell: Any, file: Path) -> bool:
    """Return whether the saved file lacks the cell that runs now: then it was not saved since. False if that is not
    known. Reads the file.
    """
    try:
        running = shell.history_manager.input_hist_raw[-1].strip()
        if not running or file.stat().st_size > CHECKED_BYTES_MAX:
            return False
        cells = json.loads(file.read_bytes())["cells"]
        return running not in {"".join(cell["source"]).strip() for cell in cells}
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return False


def _notebook(path: Path) -> Path | None:
    try:
        return path.absolute() if path.suffix == SUFFIX and path.is_file() else None
    except (OSError, ValueError):  # ValueError: a zero byte
        return None


def _kernel() -> tuple[Path, str] | None:
    """Return the folder of Jupyter's runtime files, and the id of this kernel. Both are in the path of its connection
    file.
    """
    try:
        from ipykernel.connect import get_connection_file

        path = Path(get_connection_file())
    except (ImportError, RuntimeError, OSError):  # another kind of kernel, or one inside an application
        return None
    match = re.fullmatch(r"kernel-(.+)\.json", path.name)
    return (path.parent, match[1]) if match else None


def _from_servers(folder: Path, kernel: str, ask: Ask, deadline: float) -> Path | None:
    for server in _servers(folder):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        root = server.get("root_dir") or server.get("notebook_dir")
        # Under JupyterHub the file has no token, and the one of the environment is right.
        token = server.get("token") or os.environ.get("JUPYTERHUB_API_TOKEN") or os.environ.get("JUPYTER_TOKEN") or ""
        try:
            sessions = ask(str(server["url"]), str(token), left)
        except (OSError, ValueError):
            continue  # the server is gone, or wants a password: another one may know the file
        for session in sessions if isinstance(sessions, list) else []:
            if isinstance(session, dict) and (session.get("kernel") or {}).get("id") == kernel and root:
                path = session.get("path") or (session.get("notebook") or {}).get("path") or ""
                if file := _notebook(Path(root, path.removeprefix("RTC:"))):  # a prefix of collaborative editing
                    return file
    return None


def _servers(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what this user's servers wrote about themselves, beginning with the one that started this kernel."""
    files = [*folder.glob("jpserver-*.json"), *folder.glob("nbserver-*.json")]
    ours = f"-{os.environ.get('JPY_PARENT_PID')}"
    for file in sorted(files, key=lambda f: (not f.stem.endswith(ours), f.name)):
        try:
            server = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(server, dict) and str(server.get("url", "")).startswith("http"):
            yield server


# Built again ----------------------------------------------------------------------------------------------------


def rebuilt_name() -> str:
    """Return the name of a notebook that has no file, without the suffix."""
    path = Path(os.environ.get("JPY_SESSION_NAME", ""))
    return path.stem if path.suffix == SUFFIX else "notebook"


def rebuild(shell: Any) -> NotebookNode:
    """Return a valid notebook of the cells that this kernel ran, in that order, with what they printed and returned.
    (Before IPython 9: only what they returned, as it looks now.)

    Raises nbformat.ValidationError.
    """
    import nbformat
    from nbformat import v4

    cells = []
    for count, source in enumerate(shell.history_manager.input_hist_raw):
        if count and source:  # the first cell has number 1
            outputs = list(_outputs(shell, count))
            cells.append(v4.new_code_cell(source, execution_count=count, outputs=outputs))
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python", "version": sys.version.split()[0], "file_extension": ".py"},
    }
    notebook = v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(notebook)
    return notebook


def _outputs(shell: Any, count: int) -> Iterator[NotebookNode]:
    from nbformat.v4 import new_output

    history = shell.history_manager
    recorded = getattr(history, "outputs", None)
    if not isinstance(recorded, Mapping):
        if count in shell.user_ns.get("Out", {}):
            data, _ = shell.display_formatter.format(shell.user_ns["Out"][count], include={"text/plain"})
            yield new_output("execute_result", data=_plain(data), execution_count=count)
        return
    for output in recorded.get(count, ()):
        kind, bundle = output.output_type, output.bundle
        if kind in ("out_stream", "err_stream"):
            text = "".join(bundle.get("stream", ()))
            name = "stdout" if kind == "out_stream" else "stderr"
            yield new_output("stream", name=name, text=text[:OUTPUT_CHARS_MAX])
        elif kind == "execute_result":
            yield new_output(kind, data=_plain(bundle), execution_count=count)
        elif kind == "display_data":
            yield new_output(kind, data=_plain(bundle))
    error = getattr(history, "exceptions", {}).get(count)
    if error:
        lines = [str(line) for line in error.get("traceback", ())]
        yield new_output("error", ename=str(error["ename"]), evalue=str(error["evalue"]), traceback=lines)


def _plain(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """Return the forms of one output that a notebook can hold: text and JSON; bytes in base 64."""
    kept: dict[str, Any] = {}
    for mime, value in bundle.items():
        form = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        try:
            if len(json.dumps(form)) <= OUTPUT_CHARS_MAX:
                kept[mime] = form
        except (TypeError, ValueError):
            continue  # it is not JSON: a browser could not show it either
    return kept
