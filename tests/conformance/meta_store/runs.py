"""Runs: attaching, sessions, signs of life, ends, the states that follow, deleting, restoring, renaming, purging."""

from __future__ import annotations

import pytest

from pyhectiqlab.protocol import limits
from pyhectiqlab.store.meta import (
    FullError,
    IngestRun,
    MayNotAddError,
    NameTakenError,
    ProjectNotFoundError,
)
from pyhectiqlab.store.purging import PurgedError
from pyhectiqlab.store.sql import meta_purging, meta_states

from .world import LOST_AFTER_S, NOW, World, add_blob, attach, batch, end_report, new_artifact


def states_of(world: World, run: str) -> list[str]:
    return [change.state for change in world.read(lambda view: view.state_history(run))]


class RunsSuite:
    # Attaching

    def test_the_first_to_attach_makes_the_run_and_later_ones_find_it(self, world: World) -> None:
        first = world.attach("r", "s1", host="here")
        again = world.attach("r", "s1", now=NOW + 1)
        assert first.created and first.mode == "read-write" and first.sets_state and first.attempt == 1
        assert not again.created and again.run.id == first.run.id and again.attempt == 1
        run = first.run
        assert (run.name, run.project, run.author, run.state) == ("r", "p", "ada", "running")
        assert (run.created, run.started, run.ended, run.ranks, run.points) == (NOW, NOW, None, 1, 0)
        assert world.read(lambda view: view.run(run.id)) == again.run

    def test_a_project_is_found_or_made_or_missing(self, world: World) -> None:
        viewer = world.write(lambda tx: tx.add_user("vic", "viewer", None, NOW))
        made = world.attach("r", "s1", project="new", create_project=True)
        assert made.project_made and made.run.project == "new"
        assert not world.attach("r2", "s1", project="new", create_project=True).project_made
        for user, project, create in ((world.user, "missing", False), (world.user, " ", True)):
            with pytest.raises(ProjectNotFoundError):
                world.attach("r", "s1", project=project, create_project=create, user=user)
        with pytest.raises(MayNotAddError):
            world.attach("r", "s1", project="new2", create_project=True, user=viewer)
        with pytest.raises(MayNotAddError):
            world.attach("r3", "s1", user=viewer)

    def test_without_a_project_the_users_only_one_is_meant(self, world: World) -> None:
        assert world.attach("r", "s1", project=None).run.project == "p"
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        assert world.attach("r", "s2", project=None, user=bob).run.project == "default"

    def test_a_private_project_is_not_there_for_others(self, world: World) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        world.write(lambda tx: tx.set_private(world.project, True))
        with pytest.raises(ProjectNotFoundError):
            world.attach("r", "s1", create_project=True, user=bob)

    def test_somebody_elses_run_is_read_only(self, world: World) -> None:
        run = world.run("r")
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        row = world.attach("r", "s2", user=bob)
        assert (row.mode, row.created, row.run.id) == ("read-only", False, run)
        assert world.read(lambda view: view.session_count(run)) == 1

    def test_a_run_that_is_to_be_new_does_not_continue_one(self, world: World) -> None:
        made = world.attach("r", "s1", new=True)
        assert world.attach("r", "s1", new=True).run.id == made.run.id  # asked again
        with pytest.raises(NameTakenError):
            world.attach("r", "s2", new=True)

    def test_attempts_follow_from_who_lives(self, world: World) -> None:
        run = world.run("r")
        helper = world.attach("r", "s2", now=NOW + 1)
        assert (helper.attempt, helper.sets_state, list(helper.held_by)) == (1, False, ["s"])
        world.end(run)
        second = world.attach("r", "s3", now=NOW + 2)
        assert (second.attempt, second.sets_state, second.run.attempt) == (2, True, 2)
        assert states_of(world, run) == ["running", "completed", "running"]

    def test_the_batch_system_starts_a_job_again(self, world: World) -> None:
        run = world.run("r", job="slurm/7/0")
        world.end(run, state="stopped", at=NOW + 1)
        world.attach("r", "s2", now=NOW + 2, job="slurm/7/1")
        assert states_of(world, run) == ["running", "stopped", "preempted", "running"]
        first = next(iter(world.read(lambda view: list(view.sessions(run, 9)))))
        assert first.state == "preempted" and "started again" in first.cause

    def test_who_joined_those_that_are_gone_is_asked_again(self, world: World) -> None:
        run = world.run("r", opening=0)
        held = world.attach("r", "s2", opening=0)
        assert not held.sets_state and list(held.held_by) == ["s"]
        again = world.attach("r", "s2", opening=0, gone=["s"])
        assert again.sets_state and again.attempt == 2
        assert world.read(lambda view: view.session_count(run)) == 2

    def test_a_scripts_own_process_speaks_for_its_children(self, world: World) -> None:
        run = world.run("r", session="child", script="x", opening=0)
        world.attach("r", "parent", script="x", main=True, opening=0)
        said = {s.session: s.sets_state for s in world.read(lambda view: list(view.sessions(run, 9)))}
        assert said == {"child": False, "parent": True}

    def test_a_run_takes_so_many_sessions_and_a_project_so_many_runs(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "SESSIONS_MAX", 1)
        monkeypatch.setattr(limits, "RUNS_MAX", 2)
        world.run("r1")
        world.run("r2")
        with pytest.raises(FullError):
            world.attach("r1", "other")
        with pytest.raises(FullError):
            world.attach("r3")

    # Sessions

    def test_sessions_are_told_in_order_and_in_pages(self, world: World) -> None:
        run = world.run("r", session="b", rank=1, world_size=2)
        world.attach("r", "a", rank=0, world_size=2, restart="0")
        world.attach("r", "c", rank=1, now=NOW + 1)
        with world.store.reading() as view:
            items = list(view.sessions(run, 9))
            assert [(s.session, s.rank, s.sets_state) for s in items] == [
                ("a", 0, True),
                ("b", 1, True),
                ("c", 1, False),
            ]
            first = items[0]
            assert list(view.sessions(run, 9, (1, 0, first.started, "a"))) == items[1:]
            assert list(view.sessions(run, 1)) == items[:1]
            assert view.session_count(run) == 3
            assert view.newest_sessions(run, 2) == items[:2]
            assert view.attached("b", world.user.id) == {(run, 1, 1): False}
            assert view.attached("b", "somebody else") == {}

    def test_the_newest_sessions_are_those_that_live_then_the_last_attempts(self, world: World) -> None:
        run = world.run("r", session="s1")
        world.end(run, "s1")
        world.attach("r", "s2", now=NOW + 1)
        world.end(run, "s2", attempt=2)
        world.attach("r", "s3", now=NOW + 2)
        newest = world.read(lambda view: view.newest_sessions(run, 2))
        assert [(s.session, s.attempt) for s in newest] == [("s2", 2), ("s3", 3)]

    def test_a_heartbeat_tells_of_the_runs_that_it_names(self, world: World) -> None:
        one, two = world.run("r1"), world.run("r2")

        def beat(runs: list[str], at: float, losses: dict[str, int]) -> None:
            rows = [(run, 0, 1) for run in runs]
            world.write(lambda tx: tx.heartbeat("s", world.user.id, rows, skew=0.5, backlog=7, losses=losses, now=at))

        beat([one], NOW + 5, {"full": 3})
        beat(["unknown"], NOW + 6, {})
        first, second = (next(iter(world.read(lambda view, r=r: list(view.sessions(r, 1))))) for r in (one, two))
        assert (first.last_seen, first.skew, first.backlog, dict(first.losses)) == (NOW + 5, 0.5, 7, {"full": 3})
        assert (second.last_seen, second.losses) == (NOW, {})
        beat([one, two], NOW + 9, {})
        first, second = (next(iter(world.read(lambda view, r=r: list(view.sessions(r, 1))))) for r in (one, two))
        assert first.last_seen == second.last_seen == NOW + 9 and first.losses == {}

    def test_silence_is_lost_and_a_sign_of_life_brings_it_back(self, world: World) -> None:
        run = world.run("r")
        other = world.run("other")
        world.write(lambda tx: tx.delete_run(other, NOW))
        at = NOW + LOST_AFTER_S
        assert not world.read(lambda view: view.has_silent(at - LOST_AFTER_S))
        assert world.read(lambda view: view.has_silent(at + 1 - LOST_AFTER_S))
        assert world.write(lambda tx: tx.mark_lost(at, LOST_AFTER_S)) == []
        assert world.write(lambda tx: tx.mark_lost(at + 1, LOST_AFTER_S)) == [run]
        assert world.write(lambda tx: tx.mark_lost(at + 2, LOST_AFTER_S)) == []
        with world.store.reading() as view:
            assert view.attached("s", world.user.id)[run, 0, 1]
        rows = [(run, 0, 1)]
        world.write(lambda tx: tx.heartbeat("s", world.user.id, rows, skew=0.0, backlog=0, losses={}, now=at + 40))
        assert states_of(world, run) == ["running", "lost", "running"]
        last = world.read(lambda view: view.state_history(run))[-1]
        assert last.who == "lab" and "100 s" in last.why

    def test_changes_of_a_transaction_are_told(self, world: World) -> None:
        with world.store.writing() as tx:
            run = attach(tx, world.user, "r", "s").run.id
            assert tx.changes.states == {run: "running"} and tx.changes.runs == {run}
        with world.store.writing() as tx:
            assert not tx.changes.states and not tx.changes.runs

    # Ends and states

    def test_an_end_is_told_by_process_and_uploader(self, world: World) -> None:
        run = world.run("r")
        assert not world.write(lambda tx: tx.end(end_report(run, "unknown"), world.user.id, NOW))
        assert not world.write(lambda tx: tx.end(end_report(run), "somebody else", NOW))
        assert world.end(run, state="failed", final=False, cause="it raised", detail="Traceback", at=NOW + 3)
        assert world.end(run, state="ended", cause="", exit_code=1, at=NOW + 4)
        (session,) = world.read(lambda view: list(view.sessions(run, 9)))
        assert (session.state, session.cause, session.detail) == ("failed", "it raised", "Traceback")
        assert (session.exit_code, session.signal, session.ended) == (1, None, NOW + 4)
        row = world.read(lambda view: view.run(run))
        assert row is not None and (row.state, row.state_why, row.ended) == ("failed", "it raised", NOW + 4)

    def test_a_late_word_of_the_process_changes_nothing_behind_the_uploaders(self, world: World) -> None:
        run = world.run("r")
        world.end(run, state="killed", signal=9)
        assert world.end(run, state="completed", final=False)
        row = world.read(lambda view: view.run(run))
        assert row is not None and row.state == "killed"

    def test_states_that_a_script_says_and_their_history(self, world: World) -> None:
        run = world.run("r")
        for at, state in enumerate(("training", "completed", "failed")):
            world.tell(run, ("state", {"state": state}), time=NOW + at)
        history = world.read(lambda view: view.state_history(run))
        assert [(c.state, c.who, c.attempt, c.rank) for c in history] == [
            ("running", "lab", 1, None),
            ("training", "script", 1, None),
            ("completed", "script", 1, None),
            ("failed", "script", 1, None),
        ]
        assert [c.state for c in world.read(lambda view: view.state_history(run, 2))] == ["completed", "failed"]
        assert world.read(lambda view: view.runs_by_state()) == {"failed": 1}

    def test_the_history_keeps_the_newest(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(meta_states, "HISTORY_MAX", 3)
        run = world.run("r")
        for i in range(6):
            world.tell(run, ("state", {"state": ("training", "running")[i % 2]}))
        assert states_of(world, run) == ["running", "training", "running"]

    # Names, deleting, restoring

    def test_runs_are_found_by_name(self, world: World) -> None:
        old, new = world.run("r", now=NOW), world.run("r", project="q", create_project=True, now=NOW + 1)
        world.run("s", now=NOW + 2)
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        with world.store.writing() as tx:
            project = tx.project("q")
            assert project is not None
            assert [r.id for r in tx.runs_named("r")] == [new, old]
            assert [r.id for r in tx.runs_named("r", "q")] == [r.id for r in tx.runs_named("r", project.id)] == [new]
            assert [r.id for r in tx.runs_named("r", limit=1)] == [new]
            assert tx.newest_names(bob.id, None, 2) == ["s", "r"] and tx.newest_names(bob.id, project.id, 9) == ["r"]
            tx.set_private(project.id, True)
            assert [r.id for r in tx.runs_named("r", seen_by=bob.id)] == [old]
            assert tx.newest_names(bob.id, None, 9) == ["s", "r"]
            tx.delete_run(old, NOW)
            assert [r.id for r in tx.runs_named("r")] == [new]
            assert [r.id for r in tx.runs_named("r", deleted=True)] == [old]

    def test_what_ingest_checks_of_runs(self, world: World) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        mine, his = world.run("r1"), world.run("r2", user=bob)
        with world.store.writing() as tx:
            tx.delete_run(mine, NOW)
            tx.set_private(world.project, True)
            assert tx.run_ids([mine, his, "none"]) == {
                mine: IngestRun(mine, world.user.id, world.project, True, True),
                his: IngestRun(his, bob.id, world.project, False, False),
            }

    def test_a_name_is_renamed_given_free_and_taken_back(self, world: World) -> None:
        one, two = world.run("one"), world.run("two")
        world.write(lambda tx: tx.rename_run(one, "one"))
        with pytest.raises(NameTakenError):
            world.write(lambda tx: tx.rename_run(one, "two"))
        world.write(lambda tx: tx.delete_run(two, NOW))
        world.write(lambda tx: tx.rename_run(one, "two"))
        with pytest.raises(NameTakenError):
            world.write(lambda tx: tx.restore_run(two, NOW + 5))
        world.write(lambda tx: tx.rename_run(one, "one"))
        world.write(lambda tx: tx.restore_run(two, NOW + 5))
        with world.store.reading() as view:
            row = view.run(two)
            assert row is not None and row.deleted is None
            assert view.newest_sign() == NOW + 5

    def test_a_deleted_run_gives_its_name_to_a_new_one(self, world: World) -> None:
        old = world.run("r")
        world.write(lambda tx: tx.delete_run(old, NOW))
        world.write(lambda tx: tx.delete_run(old, NOW + 1))
        assert world.attach("r", "s2").created
        gone = world.read(lambda view: view.run(old))
        assert gone is not None and gone.deleted == NOW

    # Purging

    def test_what_was_deleted_long_ago_is_purged_in_steps(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(meta_purging, "PURGE_EVENTS", 3)
        run, kept = world.run("r"), world.run("kept")
        items = [
            *[("text", {"name": f"t{n}", "text": "x", "step": n}) for n in range(4)],
            ("config", {"values": {"lr": 1}}),
            ("meta", {"key": "k", "value": 1}),
            ("tag", {"name": "t"}),
            ("note", {"text": "n"}),
        ]
        world.tell(run, *items)
        world.tell(kept, *items, writer="w2")
        with world.store.writing() as tx:
            for of, ident in ((run, "a1"), (kept, "a2")):
                wanted = new_artifact(world, ident, of)
                add_blob(tx, world.user.id, wanted.digest)
                tx.add_artifact(wanted, NOW)
            tx.delete_run(run, NOW)
        assert world.read(lambda view: view.purgeable(NOW)) is None
        assert world.read(lambda view: view.purgeable(NOW + 1)) == run
        steps = 0
        while not world.write(lambda tx: tx.purge(run, NOW + 2)):
            steps += 1
        assert steps == 3  # of 8 events and 4 texts
        with world.store.reading() as view:
            assert view.purgeable(NOW + 1) is None
            assert view.event_count(run) == 0 and view.config(run) == view.meta(run) == {} and view.note(run) == ""
            assert view.tags(run, 9) == view.media_groups(run, None, "", 9, None) == []
            assert view.artifact("a1") is None and view.config_values("lr") == {kept: 1.0}
            assert list(view.state_history(run)) == []
            row = view.run(run)
            assert row is not None and (row.name, row.purged) == ("r", NOW + 2)
            assert view.event_count(kept) == 8 and view.config(kept) == {"lr": 1} and view.artifact("a2") is not None

    def test_a_run_that_was_restored_is_not_purged(self, world: World) -> None:
        run = world.run("r")
        world.tell(run, ("note", {"text": "n"}))
        world.write(lambda tx: tx.delete_run(run, NOW))
        world.write(lambda tx: tx.restore_run(run, NOW))
        assert world.write(lambda tx: tx.purge(run, NOW))
        with world.store.reading() as view:
            row = view.run(run)
            assert row is not None and row.purged is None and view.note(run) == "n"

    def test_a_run_that_is_to_be_purged_at_once_goes_with_its_bytes(self, world: World) -> None:
        run, other, alive = world.run("r"), world.run("other"), world.run("alive")
        with world.store.writing() as tx:
            for ident, of in (("a1", run), ("a2", run), ("a3", alive)):
                wanted = new_artifact(world, ident, of, name=ident, digest=("a" if ident == "a1" else "b") * 64)
                add_blob(tx, world.user.id, wanted.digest)
                tx.add_artifact(wanted, NOW)
            tx.delete_run(run, NOW)
            tx.delete_run(other, NOW + 1)
        assert [(r.id, r.name, r.asked) for r in world.read(lambda view: view.deleted())] == [
            (other, "other", False),
            (run, "r", False),
        ]
        assert world.read(lambda view: view.purgeable(None)) is None
        assert world.write(lambda tx: tx.ask_purge([run, alive, "nobody"], NOW + 2)) == [run]
        with world.store.reading() as view:
            assert (view.purgeable(None), view.purges_left()) == (run, 1)
            assert [(r.id, r.asked) for r in view.deleted(view.run(run).project_id)] == [(other, False), (run, True)]  # type: ignore[union-attr]
        with pytest.raises(PurgedError):
            world.write(lambda tx: tx.restore_run(run, NOW + 3))
        assert world.write(lambda tx: tx.purge(run, NOW + 4))
        with world.store.reading() as view:
            assert (view.purgeable(None), view.purges_left()) == (None, 0)
            assert view.unused_blobs(1.0, 9) == ["a" * 64], "the other bytes are those of a run that stays, too"
        with pytest.raises(PurgedError):
            world.write(lambda tx: tx.restore_run(run, NOW + 5))

    def test_a_batch_of_a_session_is_a_sign_of_its_life(self, world: World) -> None:
        run = world.run("r")
        world.write(lambda tx: tx.apply([batch(run, points=1)], NOW + 20))
        assert not world.read(lambda view: view.has_silent(NOW + 20))
