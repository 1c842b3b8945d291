"""`hectiqlab views` and `hectiqlab move`, at a real lab."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhectiqlab import read, search_runs
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient

from ..labs import ForkedLab
from .conftest import Hectiqlab
from .test_delete import make


@pytest.fixture
def lab(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealLab]:
    monkeypatch.setenv("HECTIQLAB_HOME", str(home))
    with ForkedLab(tmp_path / "data", home) as lab:
        yield lab


def test_a_view_is_saved_listed_printed_and_deleted(lab: RealLab, hectiqlab: Hectiqlab, tmp_path: Path) -> None:
    make(lab, "run-a")
    document = {"columns": ['config."lr"'], "sort": ["name"]}
    file = tmp_path / "view.json"
    file.write_text(json.dumps(document))
    saved = hectiqlab("views", "save", "vision", "by lr", str(file), "--shared")
    [view] = read.saved_views("vision")
    assert (saved.returncode, saved.stdout) == (0, f"Saved by lr ({view.id}), shared.\n"), saved.stderr
    assert (view.name, view.shared, view.document) == ("by lr", True, document)
    assert f"{view.id}  by lr" in hectiqlab("views", "list", "vision").stdout
    assert json.loads(hectiqlab("views", "list", "vision", "--json").stdout)[0]["document"] == document
    assert json.loads(hectiqlab("views", "show", "vision", "by lr").stdout) == document
    file.write_text("[]")
    wrong = hectiqlab("views", "save", "vision", "by lr", str(file))
    assert wrong.returncode == 1 and "no JSON object" in wrong.stderr
    file.write_text("{")
    assert "is not JSON" in hectiqlab("views", "save", "vision", "by lr", str(file)).stderr
    assert read.saved_views("vision") == [view]
    assert hectiqlab("views", "delete", "vision", view.id).stdout == f"Deleted by lr ({view.id}).\n"
    none = hectiqlab("views", "show", "vision", "by lr")
    assert none.returncode == 1 and "by lr" in none.stderr


def test_runs_are_moved_to_another_project(lab: RealLab, hectiqlab: Hectiqlab) -> None:
    make(lab, "run-b", project="other")
    with LabClient(lab.url, lab.api_key) as client:
        asked = {"name": "run-a", "project": "vision", "create_project": True, "session": "5e55"}
        run = client.attach(asked, timeout_s=10)["run"]["id"]
        refused = hectiqlab("move", "other", "run-a")
        assert refused.returncode == 1 and "run-a" in refused.stderr  # the script continues
        client.post("/sessions/5e55/end", {"run": run, "rank": 0, "attempt": 1, "state": "completed"})
    moved = hectiqlab("move", "other", "run-a")
    assert moved.returncode == 0 and f"Moved vision/run-a ({run})." in moved.stdout, moved.stderr
    assert [its.id for its in search_runs("other", "name=run-a")] == [run]
    assert hectiqlab("move", "nowhere", "run-a").returncode == 1
