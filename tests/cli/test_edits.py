"""`hectiqlab tag`, `untag`, `note`, `archive` and `unarchive`, and the same from Python, at a real lab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhectiqlab import read, search_runs
from pyhectiqlab.errors import ConflictError, GoneError
from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from ..server.api import Api, batch, column, events_batch, new_id
from .conftest import Hectiqlab
from .test_delete import make


@pytest.fixture
def lab(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealLab]:
    monkeypatch.setenv("HECTIQLAB_HOME", str(home))
    with ForkedLab(tmp_path / "data", home) as lab:
        yield lab


def words(name: str) -> tuple[str, list[str]]:
    run = read.run(name)
    return run.note, run.tags


def test_runs_are_tagged_untagged_and_noted_by_the_command(lab: RealLab, hectiqlab: Hectiqlab) -> None:
    run = make(lab, "run-a")
    make(lab, "run-b")
    done = hectiqlab("tag", "best", "run-a", "vision/run-b", "--color", "#2e7d32")
    assert done.returncode == 0 and f"Tagged vision/run-a ({run})." in done.stdout, done.stderr
    assert words("run-a") == words("run-b") == ("", ["best"])
    again = hectiqlab("tag", "best", "run-a", run)
    assert (again.returncode, again.stdout) == (0, "") and "1 run had it already" in again.stderr
    assert hectiqlab("note", "why it diverged", "run-a").returncode == 0
    assert hectiqlab("untag", "best", "run-a").returncode == 0
    assert (words("run-a"), words("run-b")) == (("why it diverged", []), ("", ["best"]))
    assert hectiqlab("note", "", "run-a").returncode == 0
    assert words("run-a") == ("", [])


def test_archived_runs_are_left_out_of_lists_until_they_are_asked_for(lab: RealLab, hectiqlab: Hectiqlab) -> None:
    run = make(lab, "run-a")
    make(lab, "run-b")
    done = hectiqlab("archive", "run-a")
    assert done.returncode == 0 and f"Archived vision/run-a ({run})." in done.stdout, done.stderr
    assert [its.name for its in search_runs("vision")] == ["run-b"]
    (view,) = search_runs("vision", "archived=true")
    assert view.id == run and view.archived and read.run("run-a").archived == view.archived
    assert "run-a" not in hectiqlab("runs", "--project", "vision").stdout
    again = hectiqlab("archive", "run-a")
    assert (again.returncode, again.stdout) == (0, "") and "1 run had it already" in again.stderr
    assert hectiqlab("unarchive", "run-a").returncode == 0
    edited = read.archive_runs(search_runs("vision"))
    assert len(edited.changed) == 2 and not list(search_runs("vision"))
    edited.undo()
    assert sorted(its.name for its in search_runs("vision")) == ["run-a", "run-b"]


def test_nothing_is_changed_where_a_name_is_wrong(lab: RealLab, hectiqlab: Hectiqlab) -> None:
    make(lab, "run-a")
    missing = hectiqlab("tag", "best", "run-a", "run-z")
    assert missing.returncode == 1 and "run-z" in missing.stderr
    bad = hectiqlab("tag", " best", "run-a")
    assert bad.returncode == 2 and "begins or ends with a space" in bad.stderr
    long = hectiqlab("note", "x" * 65_537, "run-a")
    assert long.returncode == 2 and "more than 65,536 characters" in long.stderr
    assert words("run-a") == ("", [])


def test_a_search_is_tagged_from_python_and_that_is_undone(lab: RealLab) -> None:
    ids = [make(lab, f"run-{name}") for name in "abc"]
    read.run("run-a").add_tag("best", color="#f00", description="by loss")
    edited = read.add_tag(search_runs("vision", sort="name"), "best")
    assert edited.changed == ids[1:], "run-a has it, with its own color"
    assert [words(f"run-{name}")[1] for name in "abc"] == [["best"]] * 3
    back = edited.undo()
    assert [words(f"run-{name}")[1] for name in "abc"] == [["best"], [], []]
    back.undo()
    assert [words(f"run-{name}")[1] for name in "abc"] == [["best"]] * 3
    view = read.run("run-b")
    noted = view.set_note("new")
    assert (view.note, view.refreshed().note) == ("", "new")
    noted.undo()
    view.remove_tag("best")
    assert words("run-b") == ("", [])
    assert read.set_note([], "nothing").changed == [] == read.set_note([], "nothing").undo().changed
    view.delete()
    with pytest.raises(GoneError):
        view.set_note("too late")
    for wrong in (lambda: view.set_note(None), lambda: view.add_tag(3), lambda: read.set_note([view], b"x")):
        with pytest.raises(TypeError):
            wrong()  # type: ignore[no-untyped-call]


def test_runs_are_put_into_a_group_and_out_of_it(lab: RealLab, hectiqlab: Hectiqlab) -> None:
    ids = [make(lab, f"of-group-{name}") for name in "ab"]
    done = hectiqlab("group", "sweep 1", *ids)
    assert done.returncode == 0 and done.stdout.count("Grouped vision/of-group-") == 2
    runs = search_runs("vision", 'group="sweep 1"')
    assert {run.id for run in runs} == {*ids}
    undone = read.set_group(runs, "").undo()
    assert {*undone.changed} == {*ids} and {run.group for run in search_runs("vision", "group=*")} == {"sweep 1"}
    assert read.run(ids[0]).set_group("").changed == ids[:1]
    assert "name of a group" in hectiqlab("group", "a\n", ids[0]).stderr


def test_diff_shows_in_what_runs_differ(lab: RealLab, hectiqlab: Hectiqlab) -> None:
    ids = [make(lab, f"run-{name}") for name in "ab"]
    api = Api.of(lab)
    for depth, (run, loss) in enumerate(zip(ids, (0.5, float("nan")), strict=True)):
        api.ingest(events_batch(run, new_id(), 1, [("config", {"values": {"lr": 0.1, "depth": depth}})]))
        api.ingest(batch(run, new_id(), 1, 1, series=[column("loss", [0], [loss], [0])]))
    done = hectiqlab("diff", "run-a", "run-b")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [["RUN-A", "RUN-B"], ["config", "depth", "0", "1"], ["metrics", "loss", "0.5", "NaN"]], done.stderr
    first, second = read.run("run-a"), read.run("run-b")
    its = read.differences([first, second], baseline=second)
    assert [(row.section, row.name) for row in its.rows] == [("config", "depth"), ("metrics", "loss")]
    assert its.rows[0].values == [0, 1] and its.rows[1].deltas is not None and its.baseline == second.id
    alone = hectiqlab("diff", "run-a")
    assert alone.returncode == 2 and "two runs" in alone.stderr


def test_runs_are_moved_and_deleted_from_python_and_that_is_undone(lab: RealLab) -> None:
    run, _ = make(lab, "run-a"), make(lab, "run-b", project="elsewhere")
    with pytest.raises(ConflictError, match="once it has ended"):
        read.move_runs(read.run("run-a"), "elsewhere")
    deleted = read.delete_runs(search_runs("vision"))
    assert deleted.changed == [run] and list(search_runs("vision")) == []
    deleted.undo()
    assert [its.id for its in search_runs("vision")] == [run]
