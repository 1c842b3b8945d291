"""Which file a kernel belongs to, by what servers, VS Code and the environment say."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyhectiqlab.capture import notebook

SHELL = SimpleNamespace(user_ns={})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make Jupyter's runtime folder with two servers, the second of which started this kernel, and the notebooks
    in it.
    """
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setenv("JPY_PARENT_PID", "22")
    monkeypatch.setattr("ipykernel.connect.get_connection_file", lambda: str(tmp_path / "kernel-k1.json"))
    classic = {"url": "http://127.0.0.1:2/base/", "notebook_dir": str(tmp_path), "token": "two"}
    (tmp_path / "jpserver-11.json").write_text(json.dumps({"url": "http://127.0.0.1:1/", "root_dir": str(tmp_path)}))
    (tmp_path / "nbserver-22.json").write_text(json.dumps(classic))
    (tmp_path / "nbserver-33.json").write_text("torn {")
    for name in ("a", "b"):
        (tmp_path / f"{name}.ipynb").write_text("{}")
    return tmp_path


def session(path: str, kernel: str = "k1", **more: Any) -> dict[str, Any]:
    return {"path": path, "kernel": {"id": kernel}, **more}


def file_and_servers(answers: dict[str, Any], seconds: float = 5) -> tuple[Path | None, list[tuple[str, str]]]:
    """Return the file, and which servers were asked, with which token."""
    asked = []

    def ask(url: str, token: str, left: float) -> Any:
        assert 0 < left <= seconds
        asked.append((url, token))
        answer = answers.get(url)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return notebook.find_file(SHELL, ask, time.monotonic() + seconds), asked


ONE, TWO = "http://127.0.0.1:1/", "http://127.0.0.1:2/base/"


def test_the_server_that_started_the_kernel_is_asked_first(folder: Path) -> None:
    assert file_and_servers({TWO: [session("b.ipynb", "k2"), session("a.ipynb")]}) == (
        folder / "a.ipynb",
        [(TWO, "two")],
    )
    of_classic = {"kernel": {"id": "k1"}, "notebook": {"path": "b.ipynb"}}
    assert file_and_servers({TWO: [of_classic]})[0] == folder / "b.ipynb"
    assert file_and_servers({TWO: [session("RTC:a.ipynb")]})[0] == folder / "a.ipynb"


@pytest.mark.parametrize("answer", [OSError("gone"), ValueError("no JSON"), None, {"message": "Forbidden"}, [None], []])
def test_a_server_that_cannot_tell_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub")
    file, asked = file_and_servers({TWO: answer, ONE: [session("a.ipynb")]})
    assert (file, asked) == (folder / "a.ipynb", [(TWO, "two"), (ONE, "hub")])
    monkeypatch.setenv("JPY_SESSION_NAME", str(folder / "b.ipynb"))
    assert file_and_servers({TWO: answer})[0] == folder / "b.ipynb"


def test_what_is_no_notebook_on_this_machine_is_not_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("gone.ipynb", "kernel-k1.json", "", "a\0.ipynb"):
        assert file_and_servers({TWO: [session(path)]})[0] is None
    monkeypatch.setenv("JPY_SESSION_NAME", "console-1-uuid")
    assert file_and_servers({})[0] is None and notebook.rebuilt_name() == "notebook"
    monkeypatch.setenv("JPY_SESSION_NAME", "/elsewhere/étude.ipynb")
    assert file_and_servers({})[0] is None and notebook.rebuilt_name() == "étude"


def test_no_server_is_asked_when_the_time_is_over(folder: Path) -> None:
    assert file_and_servers({TWO: [session("a.ipynb")]}, seconds=-1) == (None, [])
