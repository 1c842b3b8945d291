"""Retention: what goes by age and what never does, in bounded steps, told in the audit log.

Rules and turns are asked in this process, at times that the tests choose.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyhectiqlab.protocol.registry import Version
from pyhectiqlab.server.tending import retention as retention_module
from pyhectiqlab.store.artifacts import NewArtifact, RemovedError
from pyhectiqlab.store.meta import MetaStore
from pyhectiqlab.store.registry import NewVersion, VersionFile
from pyhectiqlab.store.retention import DAY_S, Rule

from .ageing import LOST_AFTER_S, NOW, World
from .api import new_id


@pytest.fixture
def world(meta: MetaStore) -> World:
    return World(meta)


# Runs ---------------------------------------------------------------------------------------------------------------


def test_without_a_rule_nothing_goes(world: World) -> None:
    world.run("old", days=5000)
    world.turns()
    assert world.runs() == {"old"} and world.changes() == []


def test_a_run_goes_its_days_after_its_last_sign_and_can_be_restored(world: World) -> None:
    old, _ = world.run("old", days=30.1), world.run("young", days=29.9)
    world.set(runs_days=30)
    world.turns()
    assert world.runs() == {"young"}
    (change,) = world.changes()
    assert (change.via, change.action, change.at) == ("lab", "deleted", NOW)
    assert change.subject == f"run p/old ({old})" and "30 days" in change.detail
    with world.meta.reading() as view:
        row = view.run(old)
    assert row is not None and row.deleted == NOW, "the ordinary tombstone"
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
    assert len(world.changes()) == len({change.subject for change in world.changes()}) == 21
    assert "r20" in world.changes()[0].subject, "the longest silent first"


def test_what_came_to_life_meanwhile_stays(world: World) -> None:
    back, gone = world.run("back", days=100, end=False), world.run("gone", days=100)
    world.write(lambda tx: tx.mark_lost(NOW - 99 * DAY_S, LOST_AFTER_S))
    world.set(runs_days=30)
    with world.meta.reading() as view:
        (step,) = retention_module.due_steps(view, view.retention_settings(), NOW)
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
    items = [change for change in world.changes() if "shared.csv" in change.subject]
    assert [change.detail for change in items] == ["version 1, 2, 2 kB", "version 3, 1 kB", "version 4, 1 kB"]
    assert {change.action for change in items} == {"removed"}
    assert f"artifact 'model.pt' of step 7 in p/r ({run})" in {change.subject for change in world.changes()}


def test_versions_of_what_is_never_touched_stay(world: World) -> None:
    lives, kept = world.run("lives", days=100, end=False), world.run("kept", days=100, tag="keep")
    young, shown = world.run("young", days=100), world.run("shown", days=100)
    for run in (lives, kept, young):
        for days in (100, 99, 98):
            world.version(run, "a", days)
    world.hear(young, "young", NOW - DAY_S / 2)
    # Three ranks give a picture the same name: these are versions of it, and all of them are shown.
    for rank in range(3):
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
