"""`add_current_notebook` in real kernels: of a real Jupyter server, of VS Code, of a program; and outside of one."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..notebooks import new_notebook, read_notebook, run_notebook
from .conftest import Site, eventually
from .test_artifacts import artifacts, content
from .test_ends import unique

BEGIN = "from pyhectiqlab import Run\nrun = Run({name!r})"


def in_kernel(site: Site, monkeypatch: pytest.MonkeyPatch, *cells: str) -> list[list[Any]]:
    """Return the outputs of each cell, run in a kernel that no Jupyter server knows."""
    for variable, value in site.env.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("CI", raising=False)
    return run_notebook(new_notebook(*cells), allow_errors=True)


def stored(site: Site, name: str) -> dict[str, tuple[dict[str, Any], Any]]:
    """Return artifact and notebook by the artifact's name."""
    notebooks = {}
    for artifact in artifacts(site, name, versions="all"):
        notebooks[artifact["name"]] = (artifact, read_notebook(content(site, artifact)))
    return notebooks


def test_where_no_file_is_known_it_is_built_from_the_cells_that_ran(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unique("rebuilt")
    cells = [
        BEGIN.format(name=name),
        "class Bold:\n    def _repr_html_(self): return '<b>é</b>'\nprint('printed')\nBold()",
        "%time 3",
        "1 / 0",
        "run.add_current_notebook(stamp=None), run.add_current_notebook('date'), run.add_current_notebook()",
        "assert run.flush(30)",
    ]
    outputs = in_kernel(site, monkeypatch, *cells)
    plain, by_date, by_time = eval(outputs[4][0]["data"]["text/plain"])
    assert plain == "notebook.ipynb"
    assert re.fullmatch(r"notebook_v\d{4}-\d\d-\d\d\.ipynb", by_date)
    assert re.fullmatch(r"notebook_v\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.ipynb", by_time)
    files_there = stored(site, name)
    assert files_there.keys() == {plain, by_date, by_time}
    artifact, notebook = files_there[plain]
    assert (artifact["kind"], artifact["meta"]) == ("notebook", {"rebuilt": True})
    assert [c.source for c in notebook.cells] == cells[:5]
    assert [c.execution_count for c in notebook.cells] == [1, 2, 3, 4, 5]
    results = [o for c in notebook.cells for o in c.outputs if o.output_type == "execute_result"]
    assert results[0]["data"]["text/html"] == "<b>é</b>" and results[1]["data"]["text/plain"] == "3"
    assert {o.output_type for o in notebook.cells[3].outputs} == {"error"}
    assert notebook.cells[1].outputs[0]["text"] == "printed\n"


def test_the_kernel_of_an_older_ipython_gives_cells_and_results(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    name = unique("older")
    # Its history has no outputs; without them the kernel of a newer one cannot end the cell, so only during the call.
    cell = """
manager = type(get_ipython().history_manager)
kept, manager.outputs = manager.outputs, None
run.add_current_notebook(None)
manager.outputs = kept
"""
    outputs = in_kernel(site, monkeypatch, BEGIN.format(name=name), "6 * 7", cell)
    assert not outputs[2]
    site.ended(name, 60)
    ((_, notebook),) = stored(site, name).values()
    assert notebook.cells[1].outputs[0]["data"] == {"text/plain": "42"}


def test_vs_code_tells_the_file(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name, file = unique("vscode"), tmp_path / "étude 1.ipynb"
    cell = f"__vsc_ipynb_file__ = {str(file)!r}\nrun.add_current_notebook(None);"
    file.write_text(json.dumps(new_notebook(cell, text="# Text")))
    _, saved, changed = in_kernel(site, monkeypatch, BEGIN.format(name=name), cell, f"{cell}  # not saved")
    assert not saved
    assert changed[0]["text"] == (
        "hectiqlab: étude 1.ipynb was uploaded as last saved, without this cell: save it (Ctrl-S) and call again\n"
    )
    site.ended(name, 60)
    ((artifact, _),) = stored(site, name).values()
    assert artifact["name"] == file.name and artifact["meta"] == {"rebuilt": False}
    assert artifact["digest"] == hashlib.sha256(file.read_bytes()).hexdigest()


class Jupyter:
    """A real server, with one kernel for one notebook."""

    def __init__(self, about: dict[str, Any], runtime: Path, notebook: str) -> None:
        self._about = about
        self.session = self.ask("POST", "", path=notebook, name=notebook, type="notebook", kernel={"name": "python3"})
        from jupyter_client import BlockingKernelClient

        kernel = self.session["kernel"]["id"]
        self.client = BlockingKernelClient(connection_file=str(runtime / f"kernel-{kernel}.json"))
        self.client.load_connection_file()
        self.client.start_channels()
        eventually(self.is_ready, what="the kernel", timeout=90)

    def is_ready(self) -> bool:
        try:
            self.client.wait_for_ready(timeout=30)
        except RuntimeError:  # on a busy machine, a heart that beats late counts as dead
            return False
        return True

    def ask(self, method: str, where: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"{self._about['url']}api/sessions{where}",
            json.dumps(body).encode() if body else None,
            {"Authorization": f"token {self._about['token']}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def run(self, cell: str) -> str:
        """Return what the cell printed."""
        printed = []
        answer = self.client.execute_interactive(
            cell, timeout=60, output_hook=lambda m: printed.append(m["content"].get("text", ""))
        )
        assert answer["content"]["status"] == "ok", answer
        return "".join(printed).strip()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@contextmanager
def jupyter(site: Site, folder: Path, notebook: str) -> Iterator[Jupyter]:
    runtime, root = folder / "runtime", folder / "root"
    runtime.mkdir()
    # Two more servers: one is gone, and one never answers. The lookup must get past both.
    silent = socket.create_server(("127.0.0.1", 0))
    for pid, port in ((999_999_998, 9), (999_999_999, silent.getsockname()[1])):
        (runtime / f"jpserver-{pid}.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}/", "root_dir": "/"}))
    variables = {"JUPYTER_RUNTIME_DIR": runtime, "JUPYTER_CONFIG_DIR": folder / "config", "IPYTHONDIR": folder / "ipy"}
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--port=0"]
    server = subprocess.Popen(
        [*command, f"--ServerApp.root_dir={root}"],
        env={**site.env, **{k: str(v) for k, v in variables.items()}},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    file = runtime / f"jpserver-{server.pid}.json"
    try:
        eventually(lambda: file.exists() and file.read_bytes().endswith(b"}"), what="Jupyter's server", timeout=60)
        about = json.loads(file.read_bytes())
        eventually(lambda: listens(about["port"]), what="Jupyter's server to listen: it writes its file before that")
        opened = Jupyter(about, runtime, notebook)
        yield opened
        opened.client.stop_channels()
        opened.ask("DELETE", f"/{opened.session['id']}")
    finally:
        server.terminate()
        server.wait(20)
        silent.close()


def test_a_real_jupyter_server_tells_the_file_also_after_it_was_renamed(site: Site, tmp_path: Path) -> None:
    pytest.importorskip("jupyter_server", reason="jupyter_server is not installed: pip install '.[dev]'")
    name, root = unique("jupyter"), tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    first, second = root / "first.ipynb", root / "sub" / "second.ipynb"
    add, add_by_day = "print(run.add_current_notebook(None))", "print(run.add_current_notebook(stamp='date'))"
    first.write_text(json.dumps(new_notebook(add, add_by_day)))
    with jupyter(site, tmp_path, "first.ipynb") as server:
        server.run(BEGIN.format(name=name))
        assert server.run(add) == "first.ipynb"
        first.rename(second)
        server.ask("PATCH", f"/{server.session['id']}", path="sub/second.ipynb", name="second.ipynb")
        assert server.run(add_by_day) == time.strftime("second_v%Y-%m-%d.ipynb")
        second.rename(first)  # the server knows nothing of it; its environment variable has the name from the start
        begun = time.monotonic()
        assert server.run(add) == "first.ipynb"
        assert time.monotonic() - begun < 5, "two seconds for the server that never answers, and the machine's own"
        server.run("assert run.flush(30)")
    site.ended(name, 60)
    files_there = stored(site, name)
    assert len(files_there) == 2 and all(not artifact["meta"]["rebuilt"] for artifact, _ in files_there.values())
    assert {artifact["digest"] for artifact, _ in files_there.values()} == {
        hashlib.sha256(first.read_bytes()).hexdigest()
    }


@pytest.mark.parametrize("mode", ["online", "offline", "dry"])
def test_outside_a_notebook_it_says_so_once_and_a_wrong_stamp_raises(site: Site, mode: str) -> None:
    name = unique("script")
    script = """
        import sys
        from pyhectiqlab import Run
        run = Run(sys.argv[1])
        print(run.add_current_notebook(), run.add_current_notebook())
        for wrong in ("hour", 3):
            try:
                run.add_current_notebook(stamp=wrong)
            except (TypeError, ValueError) as e:
                print(type(e).__name__)
        """
    done = site.run(script, name, HECTIQLAB_MODE=mode)
    assert done.stdout.split() == ["None", "None", "ValueError", "TypeError"]
    assert done.stderr.count("this is not a notebook") == 1
