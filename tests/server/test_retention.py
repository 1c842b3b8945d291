"""Retention: what goes by age and what never does, in bounded steps, told in the audit log, by a clock to believe.

Rules and turns are asked in this process, at times that the tests choose; the command and HTTP of a real lab.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from pyhectiqlab.cli import main
from pyhectiqlab.protocol.registry import Version
from pyhectiqlab.server import retention as retention_module
from pyhectiqlab.server.clock import Clock, Sight
from pyhectiqlab.server.lab import KEEP_DELETED_S, Lab
from pyhectiqlab.server.retention import Retention
from pyhectiqlab.store.accounts import Change
from pyhectiqlab.store.artifacts import ArtifactQuery, NewArtifact, RemovedError
from pyhectiqlab.store.meta import AttachRequest, EndReport, Event, MetaBatch, Project, User
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.store.registry import NewVersion, VersionFile
from pyhectiqlab.store.retention import DAY_S, Rule, Setting
from pyhectiqlab.store.sql.meta_schema import blobs
from pyhectiqlab.store.sql.meta_store import SqlMeta, SqlMetaStore
from pyhectiqlab.testing.lab import RealLab

from .api import Api, error_of, new_id, wait_until
from .test_artifacts import add
from .test_killed_upkeep import killed_at

T = TypeVar("T")
NOW = 1_800_000_000.0
LOST_AFTER_S = 60.0


class World:
    """A lab's MetaStore, with one user and a project, and time as the test tells it. Nothing happens by itself."""

    def __init__(self, meta: SqlMetaStore, now: float = NOW) -> None:
        self.meta, self.now = meta, now
        self.retention = Retention(meta, self.write)
        with meta.writing() as tx:
            self.user: User = tx.add_user("ann", "owner", None, 0.0)
            self.project: Project = tx.add_project("p", self.user.id, 0.0)

    def write(self, function: Callable[[SqlMeta], T], /) -> T:
        with self.meta.writing() as tx:
            return function(tx)

    def set(self, project: Project | None = None, **settings: Setting) -> None:
        self.write(lambda tx: tx.set_retention(None if project is None else project.id, settings))

    def run(self, name: str, days: float, *, end: bool = True, tag: str = "", project: str = "p") -> str:
        """A run that was heard of last so many days ago, and ended then."""
        at = self.now - days * DAY_S
        request = AttachRequest(name, project, False, f"s-{name}", 0, 1, None, "h", 1, "0", 0.0)
        run = self.write(lambda tx: tx.attach(request, self.user, at, LOST_AFTER_S)).run.id
        if tag:
            fields = {"name": tag}
            event = Event(1, "tag", at, fields, b"\x80")
            self.write(lambda tx: tx.apply([MetaBatch(new_id(), run, 0, 1, f"s-{name}", 1, 1, 0, 0.0, [event])], at))
        if end:
            told = EndReport(f"s-{name}", run, 0, 1, "completed", "", 0, None, "", at, 0.0, True)
            self.write(lambda tx: tx.end(told, self.user.id, at))
        return str(run)

    def hear(self, run: str, name: str, at: float) -> None:
        """A heartbeat of its session, which has ended."""
        rows = [(run, 0, 1)]
        self.write(lambda tx: tx.heartbeat(f"s-{name}", self.user.id, rows, skew=0.0, backlog=0, losses={}, now=at))

    def version(
        self, run: str | None, name: str, days: float, step: int | None = None, meta: dict[str, Any] | None = None
    ) -> str:
        """A version of an artifact, which came so many days ago."""
        at, ident, digest = self.now - days * DAY_S, new_id(), new_id(32)
        kind = "file" if meta is None else "image"
        new = NewArtifact(ident, run, self.project.id, name, step, digest, 1000, kind, meta or {}, self.user.id, at)

        def register(tx: Any) -> None:
            tx.conn.execute(insert(blobs).values(digest=digest, bytes=1000, used=at))
            tx.add_artifact(new, at)

        self.write(register)
        return ident

    def turns(self, now: float = NOW) -> None:
        """Until nothing is left to do."""
        self.retention.turn(now)
        while self.retention._steps:
            self.retention.turn(now)

    def runs(self) -> set[str]:
        """Names of those that are there."""
        with self.meta.reading() as view:
            rows = view.conn.exec_driver_sql("SELECT name FROM runs WHERE deleted IS NULL")
            return set(rows.scalars())

    def versions(self, run: str | None, name: str, step: int | None = None) -> list[int]:
        with self.meta.reading() as view:
            query = ArtifactQuery(run, self.project.id, name, step, all_versions=True, limit=1000)
            return [artifact.version for artifact in view.artifacts(query)]

    def told(self) -> list[Change]:
        """What retention noted in the audit log, the oldest first."""
        with self.meta.reading() as view:
            return [change for change in reversed(view.changes_told(100_000)) if change.who == "retention"]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database to copy: making its tables takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "lab.db"
    SqlMetaStore(path).close()
    return path


@pytest.fixture
def world(empty: Path, tmp_path: Path) -> Iterator[World]:
    meta = SqlMetaStore(Path(shutil.copy(empty, tmp_path)))
    yield World(meta)
    meta.close()


@pytest.fixture
def idle_lab(empty: Path, tmp_path: Path) -> Iterator[Lab]:
    """All of a lab but its watch, which goes by the clock on the wall."""
    (tmp_path / "data").mkdir()
    shutil.copy(empty, tmp_path / "data")
    lab = Lab(open_storage(tmp_path / "data"))
    lab.writer.start()
    yield lab
    lab.stop()


# Runs ---------------------------------------------------------------------------------------------------------------


def test_without_a_rule_nothing_goes(world: World) -> None:
    world.run("old", days=5000)
    world.turns()
    assert world.runs() == {"old"} and world.told() == []


def test_a_run_goes_its_days_after_its_last_sign_and_can_be_restored(world: World) -> None:
    old, _ = world.run("old", days=30.1), world.run("young", days=29.9)
    world.set(runs_days=30)
    world.turns()
    assert world.runs() == {"young"}
    (change,) = world.told()
    assert (change.via, change.action, change.at) == ("lab", "deleted", NOW)
    assert change.subject == f"run p/old ({old})" and "30 days" in change.detail
    with world.meta.reading() as view:
        told = view.run(old)
    assert told is not None and told.deleted == NOW, "the ordinary tombstone"
    world.write(lambda tx: tx.restore_run(old, NOW + 60))
    world.turns(NOW + 3600)
    assert world.runs() == {"old", "young"}, "somebody wanted it: it stays for another 30 days"
    world.turns(NOW + 31 * DAY_S)
    assert world.runs() == set()


def test_what_a_rule_never_takes(world: World) -> None:
    other = world.write(lambda tx: tx.add_project("other", world.user.id, 0.0))
    world.run("gone", days=100)
    world.run("lives", days=100, end=False)
    world.run("kept", days=100, tag="keep")
    world.run("elsewhere", days=100, project="other")
    heard, made, used = (world.run(name, days=100) for name in ("heard", "made", "used"))
    world.hear(heard, "heard", NOW - 5 * DAY_S)
    blob = world.version(None, "weights", days=100)
    with world.meta.reading() as view:
        artifact = view.artifact(blob)
    assert artifact is not None
    files = [VersionFile("w", artifact.digest, 1000)]
    new = NewVersion(
        new_id(), "models", world.project.id, "net", Version(1, 0, 0), "", "", files, made, world.user.id, 0
    )
    world.write(lambda tx: tx.add_version(new, NOW))
    world.write(lambda tx: tx.add_usage(new.id, used, NOW))
    world.set(world.project, runs_days=30)
    world.turns()
    assert world.runs() == {"lives", "kept", "elsewhere", "heard", "made", "used"}
    world.set(world.project, runs_days=30, keep_tag="golden")
    world.set(other, runs_days=30)
    world.turns()
    assert world.runs() == {"lives", "heard", "made", "used"}, "another tag keeps now"


def test_a_lost_run_goes_and_one_that_came_back_does_not(world: World) -> None:
    silent, back = world.run("silent", days=100, end=False), world.run("back", days=100, end=False)
    world.write(lambda tx: tx.mark_lost(NOW - 99 * DAY_S, LOST_AFTER_S))
    world.hear(back, "back", NOW - 40 * DAY_S)
    world.set(runs_days=30)
    world.turns()
    assert world.runs() == {"back"}, silent
    world.write(lambda tx: tx.mark_lost(NOW, LOST_AFTER_S))
    world.turns(NOW + 3600)
    assert world.runs() == set(), "40 days since it was heard of"


def test_a_project_overrides_the_lab_setting_by_setting(world: World) -> None:
    world.write(lambda tx: tx.add_project("archive", world.user.id, 0.0))
    with world.meta.reading() as view:
        archive = view.project("archive")
    assert archive is not None
    world.run("a", days=100)
    world.run("b", days=100, project="archive")
    world.set(runs_days=30, versions_max=5)
    world.set(archive, runs_days=None)
    world.turns()
    assert world.runs() == {"b"}
    with world.meta.reading() as view:
        assert view.retention_of(archive.id) == Rule(None, 5)
    world.set(archive)
    world.turns()
    assert world.runs() == set(), "it is as the lab has it again"


def test_a_run_tells_until_when_it_is_kept(world: World) -> None:
    run, lives, kept = (
        world.run("a", days=10), world.run("b", days=10, end=False), world.run("c", days=10, tag="keep")
    )  # fmt: skip

    def until(run: str) -> float | None:
        with world.meta.reading() as view:
            return view.kept_until(run)

    assert until(run) is None
    world.set(runs_days=30)
    assert until(run) == NOW + 20 * DAY_S and until(lives) is None and until(kept) is None
    world.hear(run, "a", NOW - DAY_S)
    assert until(run) == NOW + 29 * DAY_S


# Steps --------------------------------------------------------------------------------------------------------------


def test_many_runs_go_in_bounded_steps_each_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "AT_ONCE", 4)
    monkeypatch.setattr(retention_module, "FOUND_MAX", 8)
    for i in range(21):
        world.run(f"r{i}", days=100 + i)
    world.set(runs_days=30)
    left = [len(world.runs())]
    while left[-1]:
        world.retention.turn(NOW)
        left.append(len(world.runs()))
        assert left[-2] - left[-1] in (4, 1), left
    world.turns()
    assert len(world.told()) == len({change.subject for change in world.told()}) == 21
    assert "r20" in world.told()[0].subject, "the longest silent first"


def test_what_came_to_life_meanwhile_stays(world: World) -> None:
    back, gone = world.run("back", days=100, end=False), world.run("gone", days=100)
    world.write(lambda tx: tx.mark_lost(NOW - 99 * DAY_S, LOST_AFTER_S))
    world.set(runs_days=30)
    with world.meta.reading() as view:
        (step,) = retention_module.found(view, view.retention_settings(), NOW)
    assert set(step.runs) == {back, gone}
    world.hear(back, "back", NOW)
    assert world.write(lambda tx: retention_module.take(tx, step, NOW)) == (1, 0)
    assert world.write(lambda tx: retention_module.take(tx, step, NOW)) == (0, 0), "a repeat finds nothing"
    assert world.runs() == {"back"}
    world.set(runs_days=31)
    assert world.write(lambda tx: retention_module.take(tx, replace(step, runs=[back]), NOW + 99 * DAY_S)) == (0, 0)


# Versions -----------------------------------------------------------------------------------------------------------


def test_earlier_versions_go_by_count_or_age_and_never_the_current_one(world: World) -> None:
    run = world.run("r", days=50)
    for days in (100, 90, 80, 70, 60):
        world.version(run, "model.pt", days)
        world.version(run, "model.pt", days, step=7)
        world.version(None, "shared.csv", days)
    world.version(run, "lonely.txt", days=100)
    world.hear(run, "r", NOW - 50 * DAY_S)
    world.set(versions_max=3)
    world.turns()
    assert world.versions(run, "model.pt", 7) == [5, 4, 3] and world.versions(None, "shared.csv") == [5, 4, 3]
    assert len(world.versions(run, "model.pt")) == 6
    world.set(versions_days=75)
    world.turns()
    assert world.versions(None, "shared.csv") == [5, 4]
    world.set(versions_days=1)
    world.turns()
    assert world.versions(None, "shared.csv") == [5] and world.versions(run, "lonely.txt") == [1]
    told = [change for change in world.told() if "shared.csv" in change.subject]
    assert [change.detail for change in told] == ["version 1, 2, 2 kB", "version 3, 1 kB", "version 4, 1 kB"]
    assert {change.action for change in told} == {"removed"}
    assert f"artifact 'model.pt' of step 7 in p/r ({run})" in {change.subject for change in world.told()}


def test_versions_of_what_is_never_touched_stay(world: World) -> None:
    lives, kept = world.run("lives", days=100, end=False), world.run("kept", days=100, tag="keep")
    young, shown = world.run("young", days=100), world.run("shown", days=100)
    for run in (lives, kept, young):
        for days in (100, 99, 98):
            world.version(run, "a", days)
    world.hear(young, "young", NOW - DAY_S / 2)
    for rank in range(3):  # three ranks call a picture by one name: versions of it, and all of them are shown
        world.version(shown, "plot.png", 100, step=1, meta={"name": "plot", "rank": rank})
    for days in (100, 99, 0.5):
        world.version(None, "just came", days)
    world.set(versions_max=1)
    world.turns()
    assert all(world.versions(run, "a") == [3, 2, 1] for run in (lives, kept, young))
    assert world.versions(shown, "plot.png", 1) == [3, 2, 1]
    assert world.versions(None, "just came") == [3]
    world.turns(NOW + DAY_S)
    assert world.versions(young, "a") == [3], "it was silent for a day"


def test_a_removed_version_is_never_registered_again_and_its_bytes_go(world: World) -> None:
    first, _ = world.version(None, "a", days=100), world.version(None, "a", days=99)
    with world.meta.reading() as view:
        artifact = view.artifact(first)
        assert artifact is not None
        freed = view.freed_bytes([], [first])
    assert freed == 1000
    world.set(versions_max=1)
    world.turns()
    again = NewArtifact(first, None, world.project.id, "a", None, artifact.digest, 1000, "file", {}, world.user.id, NOW)
    with pytest.raises(RemovedError):
        world.write(lambda tx: tx.add_artifact(again, NOW))
    with world.meta.reading() as view:
        assert artifact.digest in view.unused_blobs(NOW, 10)
        assert view.was_removed(first) == world.project.id
    assert world.versions(None, "a") == [2]


def test_bytes_that_others_name_are_not_freed(world: World) -> None:
    run, other = world.run("gone", days=100), world.run("other", days=100)
    own, named = world.version(run, "own", days=100), world.version(run, "named twice", days=100)
    with world.meta.reading() as view:
        digest = view.some_artifacts([named])[named].digest
    twin = NewArtifact(new_id(), other, world.project.id, "t", None, digest, 1000, "file", {}, world.user.id, NOW)
    world.write(lambda tx: tx.add_artifact(twin, NOW))
    with world.meta.reading() as view:
        assert view.freed_bytes([run], []) == view.freed_bytes([], [own]) == 1000
        assert view.freed_bytes([run, other], []) == view.freed_bytes([run], [twin.id]) == 2000


# The clock ----------------------------------------------------------------------------------------------------------


def test_a_clock_that_leapt_is_believed_after_a_day() -> None:
    sight = Sight(NOW)
    for hours in (8, 24, 47.9):
        sight = sight.next(NOW + hours * 3600)
    assert sight.steady_from == 0.0, "nights of a laptop are no leaps"
    later = NOW + 3650 * DAY_S
    sight = sight.next(later)
    assert sight.steady_from == later + DAY_S
    assert sight.next(later + DAY_S).steady_from == later + DAY_S, "it went on"
    back = sight.next(NOW + 3 * DAY_S)
    assert back.steady_from == NOW + 4 * DAY_S, "it was set right: that is a leap too"


def test_the_lab_remembers_where_it_saw_its_clock(world: World) -> None:
    def seen(*days: float) -> bool:
        """Whether a lab that starts, and looks then and then, believes its clock in the end."""
        clock = Clock(world.meta, world.write)
        for at in days:
            steady = clock.look(NOW + at * DAY_S)
            clock.note()
        return steady

    assert seen(0), "an empty lab has nothing to lose"
    assert seen(0.9)
    assert not seen(99, 99.9)
    assert not seen(99.95), "a restart is no way around it"
    assert seen(100.1)


def test_a_lab_that_never_looked_goes_by_the_last_sign_of_its_runs(world: World) -> None:
    world.run("r", days=3)
    clock = Clock(world.meta, world.write)
    assert not clock.look(NOW) and not clock.look(NOW + DAY_S / 2) and clock.look(NOW + DAY_S)


def test_a_lab_removes_nothing_by_a_clock_that_leapt(idle_lab: Lab) -> None:
    world = World(idle_lab.meta)
    run, deleted = world.run("a", days=0.5), world.run("b", days=0.5)
    world.write(lambda tx: tx.delete_run(deleted, NOW))
    world.set(runs_days=30)

    def turn(days: float) -> tuple[bool, bool]:
        """Whether the one is deleted then, and the other gone for good."""
        now = NOW + days * DAY_S
        idle_lab.watch_once(now, now, idle_lab.clock.look(now))
        with world.meta.reading() as view:
            one, other = view.some_runs([run, deleted])
        return one.deleted is not None, other.purged is not None

    assert turn(0) == turn(400) == turn(400.9) == (False, False)
    assert turn(401) == (True, True), "a day went by"
    assert turn(401 + KEEP_DELETED_S / DAY_S + 0.1) == (True, True)


# The command, HTTP, the lab as a process ----------------------------------------------------------------------------


def admin(data: Path, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["admin", "retention", *words, "--data", str(data)])
    assert done.exit_code == code, done.output
    return done.output


def backdate(data: Path, run: str, days: float) -> None:
    """As if all that is known of the run had happened so many days earlier; a lab may run."""
    with closing(sqlite3.connect(data / "lab.db", timeout=10)) as db, db:
        by = days * DAY_S
        db.execute("UPDATE runs SET last_activity = last_activity - ? WHERE id = ?", (by, run))
        db.execute("UPDATE sessions SET last_seen = last_seen - ? WHERE run_id = ?", (by, run))
        digests = "SELECT digest FROM artifacts WHERE run_id = ?"
        db.execute(f"UPDATE blobs SET used = used - ? WHERE digest IN ({digests})", (by, run))
        db.execute("UPDATE artifacts SET created = created - ? WHERE run_id = ?", (by, run))


def ended(api: Api, name: str, project: str) -> str:
    session = new_id(8)
    run = api.attach(name, session=session, project=project, create_project=True)["run"]["id"]
    api.end(session, run, "completed")
    return str(run)


@pytest.fixture
def project(api: Api) -> str:
    return str(api.call("POST", "/projects", 201, json={"name": f"p-{new_id(4)}"})["name"])


def test_the_command_sets_lists_and_previews(lab: RealLab, api: Api, project: str) -> None:
    run = ended(api, "old one", project)
    for i in range(3):  # that no other test has: a file that others need, too, is not freed
        add(api, f"/runs/{run}", "x", f"{run}, version {i}".encode())
    backdate(lab.data_dir, run, 100)
    previewed = admin(lab.data_dir, "--project", project, "--versions-max", "2", "--dry-run")
    assert "old one/x, version 1" in previewed and "0 runs and 1 version of artifacts would go: 23 B" in previewed
    previewed = admin(lab.data_dir, "--project", project, "--runs-days", "99", "--versions-max", "1", "--dry-run")
    assert "old one" in previewed and "1 run and 0 versions of artifacts would go: 69 B of files" in previewed
    (told,) = json.loads(admin(lab.data_dir, "--project", project, "--runs-days", "99", "--dry-run", "--json"))
    assert [r["id"] for r in told["runs"]] == [run] and told["versions"] == [] and told["freed_bytes"] == 69
    assert api.run(run)["kept_until"] is None, "nothing was set"

    admin(lab.data_dir, "--project", project, "--runs-days", "200", "--versions-max", "ever", "--keep-tag", "golden")
    listed = admin(lab.data_dir)
    (line,) = [line.split() for line in listed.splitlines() if line.startswith(project)]
    assert line[1:] == ["200", "ever", "(ever)", "golden"], "in brackets: as the lab has it"
    assert api.get(f"/projects/{project}")["retention"] == {
        "runs_days": 200, "versions_max": None, "versions_days": None, "keep_tag": "golden",
        "own": ["keep_tag", "runs_days", "versions_max"],
    }  # fmt: skip
    assert api.run(run)["kept_until"] == pytest.approx(time.time() + 100 * DAY_S, abs=600)
    admin(lab.data_dir, "--project", project, "--runs-days", "default", "--keep-tag", "default")
    assert api.get(f"/projects/{project}")["retention"]["own"] == ["versions_max"]
    change = api.get("/audit", limit=1)["items"][0]
    assert (change["action"], change["subject"], change["detail"]) == (
        "set the retention", f"project {project}", "versions_max ever"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--runs-days", "soon"), "write 1 to 36500, ever or default"),
        (("--runs-days", "0"), "'0' is no number of days"),
        (("--versions-max", "-1"), "no number of versions"),
        (("--versions-days", "9" * 5000), "no number of days"),
        (("--keep-tag", ""), "is no tag"),
    ],
)
def test_what_is_no_rule_is_said(lab: RealLab, words: tuple[str, ...], told: str) -> None:
    output = admin(lab.data_dir, *words, code=2)
    assert told in output.splitlines()[-1]


def test_a_project_or_a_lab_that_is_not_there_is_said(lab: RealLab, tmp_path: Path) -> None:
    for words in (("--project", "none such"), ("--data", str(tmp_path))):
        done = CliRunner().invoke(main, ["admin", "retention", "--runs-days", "9", "--data", str(lab.data_dir), *words])
        assert done.exit_code == 1 and done.output.count("\n") == 1 and done.output.startswith("Error: "), done.output


def test_an_admin_of_the_project_sets_it_over_http(api: Api, other: Api, project: str) -> None:
    told = api.call("PUT", f"/projects/{project}/retention", json={"runs_days": 90, "versions_days": None})
    assert told["retention"]["runs_days"] == 90 and told["retention"]["own"] == ["runs_days", "versions_days"]
    assert other.raw("PUT", f"/projects/{project}/retention", json={"runs_days": 1}).status_code == 403
    for body in (
        {"runs_days": 0},
        {"runs_days": "90"},
        {"versions_max": 1 << 40},
        {"keep_tag": ""},
        {"keep_tag": None},
    ):
        assert error_of(api.raw("PUT", f"/projects/{project}/retention", json=body))["code"] == "invalid"
    assert api.call("PUT", f"/projects/{project}/retention", json={})["retention"]["own"] == []


def test_a_running_lab_takes_a_rule_up_at_once(lab: RealLab, api: Api, project: str) -> None:
    old, young = ended(api, "old", project), ended(api, "young", project)
    first, _ = add(api, f"/runs/{young}", "x", b"1"), add(api, f"/runs/{young}", "x", b"2")
    backdate(lab.data_dir, old, 100)
    backdate(lab.data_dir, young, 2)
    admin(lab.data_dir, "--project", project, "--runs-days", "30", "--versions-max", "1")
    wait_until(lambda: api.raw("GET", f"/artifacts/{first['uuid']}").status_code == 410)
    assert error_of(api.raw("GET", f"/artifacts/{first['uuid']}"))["code"] == "version_removed"
    assert error_of(api.raw("GET", f"/runs/{old}"))["code"] == "run_deleted"
    body = {"id": first["uuid"], "name": "x", "digest": first["digest"], "bytes": 1}
    assert error_of(api.raw("POST", f"/runs/{young}/artifacts", json=body))["code"] == "version_removed"
    changes = [c for c in api.get("/audit", limit=50)["items"] if c["who"] == "retention" and project in c["subject"]]
    assert [(c["via"], c["action"]) for c in changes] == [("lab", "removed"), ("lab", "deleted")]
    api.call("POST", f"/runs/{old}/restore")
    assert api.run(old)["kept_until"] == pytest.approx(time.time() + 30 * DAY_S, abs=60)


@pytest.fixture
def old_lab(own_lab: RealLab, empty: Path) -> tuple[RealLab, list[str]]:
    """A lab that is not started, with a rule, and three runs that it ends, and one that lives."""
    own_lab.arguments = ("--lost-after", "1")
    own_lab.data_dir.mkdir(parents=True)
    with closing(SqlMetaStore(Path(shutil.copy(empty, own_lab.data_dir)))) as meta:
        world = World(meta, time.time())
        runs = [world.run(f"r{i}", days=400) for i in range(3)]
        world.run("young", days=0.1)
        world.set(runs_days=30)
    return own_lab, runs


def test_killed_in_a_step_it_is_done_once(old_lab: tuple[RealLab, list[str]], tmp_path: Path) -> None:
    lab, runs = old_lab
    killed_at(lab, "upkeep.retained", 1, tmp_path / "died")
    with closing(sqlite3.connect(lab.data_dir / "lab.db")) as db:
        assert db.execute("SELECT count(*) FROM runs WHERE deleted IS NOT NULL").fetchone() == (0,), "all or nothing"
    api = Api.of(lab.start())
    wait_until(lambda: all(api.raw("GET", f"/runs/{run}").status_code == 410 for run in runs))
    told = [c["subject"] for c in api.get("/audit", limit=100)["items"] if c["who"] == "retention"]
    assert sorted(told) == [f"run p/r{i} ({run})" for i, run in enumerate(runs)], "each once"
    assert [run["name"] for run in api.get("/runs", project="p")["items"]] == ["young"]


def test_a_lab_that_wakes_up_in_another_year_says_so_and_deletes_nothing(old_lab: tuple[RealLab, list[str]]) -> None:
    lab, runs = old_lab
    with closing(SqlMetaStore(lab.data_dir / "lab.db")) as meta, meta.writing() as tx:
        tx.set_lab_value("clock", json.dumps({"seen": time.time() - 399 * DAY_S, "steady_from": 0.0}))
    assert "Nothing goes before" not in admin(lab.data_dir)
    api = Api.of(lab.start())
    wait_until(lambda: "nothing is removed by its age until" in lab.log())
    wait_until(lambda: "Nothing goes before" in admin(lab.data_dir))
    assert "3 runs" in admin(lab.data_dir, "--dry-run")
    assert all(api.run(run)["kept_until"] < time.time() for run in runs), "due, and still there"
