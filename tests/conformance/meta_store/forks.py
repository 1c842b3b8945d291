"""Groups of runs, and runs that are forks of others."""

from __future__ import annotations

from typing import Any

from pyhectiqlab.protocol import search
from pyhectiqlab.store.meta import ForkLeft, ForkOf, RunQuery

from ...stores import MetaPlace
from .meeting import fine, meet
from .world import NOW, World


def fork(run: str = "", **fields: Any) -> tuple[str, dict[str, Any]]:
    return "fork", {"run": run, "step": None, **fields}


def losses(world: World, run: str) -> dict[str, int]:
    writers = world.read(lambda view: view.writers_of(run, 100))
    return {reason: n for writer in writers for reason, n in writer.losses.items()}


class ForksSuite:
    def fork_of(self, world: World, run: str) -> ForkOf | None:
        its = world.read(lambda view: view.run(run))
        assert its is not None
        return its.fork

    def test_a_run_is_in_the_group_that_it_was_told_last(self, world: World) -> None:
        one, two, three = (world.run(name) for name in "abc")
        world.tell(one, ("group", {"name": "first"}), ("group", {"name": "sweep é"}), writer="1")
        world.tell(two, ("group", {"name": "Sweep"}), writer="2")
        world.tell(three, ("group", {"name": "x"}), ("group", {"name": ""}), writer="3")
        with world.store.reading() as view:
            assert [run.group for run in view.some_runs([one, two, three])] == ["sweep é", "Sweep", ""]

            def matching(term: str) -> set[str]:
                return set(view.found_ids(RunQuery(terms=search.parse(term)), NOW))

            assert matching('group="sweep é"') == {one} and matching("group~sweep") == {one, two}
            assert matching("group=*") == {one, two} and matching("group!=*") == {three}
            assert view.fact_values("group", RunQuery(), NOW) == {one: "sweep é", two: "Sweep"}

    def test_runs_are_put_into_a_group_and_back(self, world: World) -> None:
        one, two = world.run("a"), world.run("b")
        world.tell(two, ("group", {"name": "old"}))
        before = world.write(lambda tx: tx.set_group([one, two, one, "none"], "new"))
        assert before == {one: "", two: "old"}
        assert world.write(lambda tx: (tx.set_group([one], "new"), tx.changes.runs)) == ({}, set())
        assert world.write(lambda tx: tx.set_group([two], "")) == {two: "new"}
        assert [world.read(lambda view, run=run: view.run(run).group) for run in (one, two)] == ["new", ""]

    def test_a_fork_is_noted_and_left_to_copy_until_it_is_whole(self, world: World) -> None:
        parent, child = world.run("parent"), world.run("child")
        world.tell(child, fork(parent, step=-7))
        assert self.fork_of(world, child) == ForkOf(parent, -7, copying=True)
        assert self.fork_of(world, parent) is None
        left = ForkLeft(child, world.user.id, parent, -7, {})
        assert world.read(lambda view: view.forks_left(9)) == [left]
        progress = {"key": "é", "sent": {0: 5, 31: 1}, "after": "x"}
        world.write(lambda tx: tx.note_fork(child, progress))
        assert world.read(lambda view: view.forks_left(9))[0].progress == progress
        world.write(lambda tx: tx.note_fork(child, None))
        assert world.read(lambda view: view.forks_left(9)) == []
        assert self.fork_of(world, child) == ForkOf(parent, -7, copying=False)

    def test_the_parent_is_named_by_id_or_by_name_in_a_project(self, world: World) -> None:
        with world.store.writing() as tx:
            tx.add_project("other", world.user.id, NOW)
        here, there = world.run("parent"), world.run("parent", project="other")
        for name, fields, parent in (
            ("a", {"run": there}, there),
            ("b", {"run": "", "name": "parent"}, here),
            ("c", {"name": "parent", "project": "other"}, there),
        ):
            run = world.run(name)
            world.tell(run, ("fork", fields), writer=name)
            assert self.fork_of(world, run) == ForkOf(parent, None, copying=True)

    def test_what_cannot_be_forked_is_a_loss(self, world: World) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, 2.0))
        with world.store.writing() as tx:
            hidden = tx.add_project("hidden", bob.id, NOW).id
            tx.set_private(hidden, True)
        theirs = world.run("theirs", project="hidden", user=bob, session="of bob")
        eve = world.write(lambda tx: tx.add_user("eve", "member", None, 2.0))
        run = world.run("r", user=eve, session="of eve")
        world.tell(
            run,
            fork(theirs),
            fork("0" * 12),
            ("fork", {}),
            ("fork", {"name": "none", "project": 3}),
            fork(run, step="x"),
        )
        assert losses(world, run) == {"fork_unknown": 5} and self.fork_of(world, run) is None
        world.tell(run, fork(run))
        assert losses(world, run) == {"fork_unknown": 5, "fork_refused": 1}

    def test_a_run_is_a_fork_once_and_no_circle_is_made(self, world: World) -> None:
        a, b, c = (world.run(name) for name in "abc")
        world.tell(b, fork(a, step=1), writer="b")
        world.tell(b, fork(a, step=1), writer="b")  # a restarted script says this again
        assert losses(world, b) == {}
        world.tell(c, fork(b), writer="c")
        world.tell(a, fork(c), writer="a")
        world.tell(b, fork(c, step=1), writer="b")
        assert losses(world, a) == {"fork_refused": 1} == losses(world, b)
        assert [self.fork_of(world, run) for run in (a, b, c)] == [
            None,
            ForkOf(a, 1, copying=True),
            ForkOf(b, None, copying=True),
        ]

    def test_of_two_runs_that_fork_each_other_one_is_refused(self, place: MetaPlace, world: World) -> None:
        one, two = world.run("one"), world.run("two")
        forks = meet(place, lambda tx: tx.add_fork(one, two, 3), lambda tx: tx.add_fork(two, one, 3))
        fine(forks)
        assert [outcome.value for outcome in forks] == [True, False] and forks[1].waited
        assert self.fork_of(world, two) is None

    def test_a_deleted_fork_is_not_copied_and_a_purged_one_is_none(self, world: World) -> None:
        parent, child = world.run("parent"), world.run("child")
        world.tell(child, fork(parent))
        world.write(lambda tx: tx.delete_run(child, NOW))
        assert world.read(lambda view: view.forks_left(9)) == []
        world.write(lambda tx: tx.restore_run(child, NOW))
        assert [left.run for left in world.read(lambda view: view.forks_left(9))] == [child]
        world.write(lambda tx: tx.delete_run(child, NOW))
        assert world.write(lambda tx: tx.purge(child, NOW))
        assert self.fork_of(world, child) is None
