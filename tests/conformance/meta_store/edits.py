"""Notes and tags that people change."""

from __future__ import annotations

import pytest

from pyhectiqlab.protocol import limits
from pyhectiqlab.protocol.search import NEWEST_FIRST, parse
from pyhectiqlab.store.meta import FullError, NameTakenError, ProjectArchivedError, RunQuery, Tag
from pyhectiqlab.store.projects import ProjectGoneError
from pyhectiqlab.store.quotas import QuotaExceededError

from ...stores import MetaPlace
from .meeting import meet
from .world import World


class EditsSuite:
    def test_a_note_is_set_for_many_runs_and_says_what_was_there(self, world: World) -> None:
        one, two, three = world.run("1"), world.run("2"), world.run("3")
        world.tell(one, ("note", {"text": "first"}))
        world.tell(two, ("note", {"text": "new"}))
        with world.store.writing() as tx:
            assert tx.set_notes({one: "new", two: "new", three: "own"}) == {one: "first", three: ""}
            assert tx.changes.runs == {one, three}
        assert [world.read(lambda view, run=run: view.note(run)) for run in (one, two, three)] == ["new", "new", "own"]
        assert world.write(lambda tx: tx.set_notes({one: "new"})) == {}

    def test_a_tag_is_added_replaced_and_removed(self, world: World) -> None:
        one, two = world.run("1"), world.run("2")
        red, plain = Tag("best", "#f00", "by loss"), Tag("best", None, None)
        world.tell(one, ("tag", {"name": "best", "color": "#f00", "description": "by loss"}), ("tag", {"name": "x"}))
        with world.store.writing() as tx:
            assert tx.add_tag([one, two], plain, replace=False) == {two: None}
            assert tx.changes.runs == {two}
        assert world.read(lambda view: view.tags(one, 9)) == [red, Tag("x", None, None)]
        assert world.write(lambda tx: tx.add_tag([one, two], plain)) == {one: red}
        assert world.write(lambda tx: tx.add_tag([two, one], red)) == {one: plain, two: plain}
        with world.store.writing() as tx:
            assert tx.remove_tag([one, two], "best") == {one: red, two: red}
            assert tx.remove_tag([one, two], "best") == {} and tx.changes.runs == {one, two}
        assert world.read(lambda view: (view.tags(one, 9), view.tags(two, 9))) == ([Tag("x", None, None)], [])

    def test_what_is_stored_last_counts_whoever_said_it(self, world: World) -> None:
        run = world.run("r")
        sent = world.next_batch(run, ("tag", {"name": "t", "color": "blue"}), ("note", {"text": "script"}))
        world.write(lambda tx: tx.apply([sent], 1.0))
        world.write(lambda tx: (tx.remove_tag([run], "t"), tx.set_notes({run: "person"})))
        world.write(lambda tx: tx.apply([sent], 2.0))  # the same batch comes again
        assert world.read(lambda view: (view.tags(run, 9), view.note(run))) == ([], "person")
        world.tell(run, ("tag", {"name": "t"}), ("note", {"text": "later"}))
        assert world.read(lambda view: (view.tags(run, 9), view.note(run))) == ([Tag("t", None, None)], "later")

    def test_runs_change_their_names_and_none_is_taken_twice(self, place: MetaPlace, world: World) -> None:
        one, two, other = world.run("1"), world.run("2"), world.run("3")

        def names() -> list[str]:
            return [world.read(lambda view, run=run: view.run(run)).name for run in (one, two, other)]

        assert world.write(lambda tx: tx.rename_runs({one: "2", two: "1", other: "3"})) == {one: "1", two: "2"}
        assert names() == ["2", "1", "3"]
        for wanted in ({one: "3"}, {one: "x", two: "x"}):
            with pytest.raises(NameTakenError):
                world.write(lambda tx, wanted=wanted: tx.rename_runs(wanted))
        world.write(lambda tx: tx.delete_run(other, 1.0))
        assert world.write(lambda tx: tx.rename_runs({one: "3"})) == {one: "2"}, "a deleted run gives its name free"
        first, second = meet(place, *(lambda tx, run=run: tx.rename_runs({run: "x"}) for run in (one, two)))
        assert first.error is None and isinstance(second.error, NameTakenError)

    def test_runs_move_to_another_project_with_their_files(self, place: MetaPlace, world: World) -> None:
        one, two = world.run("1"), world.run("2")
        world.add_artifact("a1", one)
        there = world.write(lambda tx: tx.add_project("there", world.user.id, 1.0)).id
        with world.store.writing() as tx:
            assert tx.move_runs([one, two], there) == {one: world.project, two: world.project}
            assert tx.changes.projects == {world.project, there} and tx.changes.runs == {one, two}
            assert tx.move_runs([one], there) == {}
        with world.store.reading() as view:
            assert view.use_of(world.project).used == 0 and view.use_of(there).used == 10
            assert {run.project for run in view.some_runs([one, two])} == {"there"}
        taken = world.run("1", session="s2")
        assert taken != one, "its name is free"
        with pytest.raises(NameTakenError):
            world.write(lambda tx: tx.move_runs([one], world.project))
        world.write(lambda tx: tx.set_quota(world.project, 5))
        world.write(lambda tx: tx.rename_runs({taken: "other"}))
        with pytest.raises(QuotaExceededError):
            world.write(lambda tx: tx.move_runs([one], world.project))
        world.write(lambda tx: tx.set_archived(world.project, 1.0))
        with pytest.raises(ProjectArchivedError):
            world.write(lambda tx: tx.move_runs([two], world.project))
        world.write(lambda tx: tx.set_archived(world.project, None))
        first, second = meet(
            place, lambda tx: tx.move_runs([two], world.project), lambda tx: tx.rename_runs({taken: "2"})
        )
        assert first.error is None and isinstance(second.error, NameTakenError)
        world.write(lambda tx: tx.delete_project(there, 1.0))
        with pytest.raises(ProjectGoneError):
            world.write(lambda tx: tx.move_runs([two], there))

    def test_archived_runs_are_found_only_where_they_are_asked_for(self, world: World) -> None:
        one, two = world.run("1"), world.run("2")
        with world.store.writing() as tx:
            assert tx.set_runs_archived([one, two], 5.0) == {one: None, two: None}
            assert tx.set_runs_archived([two], None) == {two: 5.0} and tx.changes.runs == {one, two}
        assert world.write(lambda tx: tx.set_runs_archived([one], 9.0)) == {}, "it is since 5"
        assert world.read(lambda view: (view.run(one).archived, view.run(two).archived)) == (5.0, None)

        def matching(words: str) -> set[str]:
            query = RunQuery(world.project, parse(words), NEWEST_FIRST, 9)
            ids = world.read(lambda view: view.found_ids(query, 10.0))
            assert {run for _, run in world.read(lambda view: view.runs(query, 10.0)).places} == {*ids}
            return {*ids}

        for words, expected in {
            "": {two},
            "name=1": set(),
            "archived=true": {one},
            "archived!=false": {one},
            "archived=false": {two},
            "archived=*": {one, two},
            "archived=true,false": {one, two},
            "archived=* name=1": {one},
            f"id={one},{two}": {one, two},
            f"id!={two}": set(),
        }.items():
            assert matching(words) == expected, words

    def test_another_attempt_takes_a_run_out_of_the_archive(self, world: World) -> None:
        run = world.run("1", session="s1")
        world.write(lambda tx: tx.set_runs_archived([run], 5.0))
        assert world.run("1", session="s1") == run, "it comes back"
        assert world.read(lambda view: view.run(run)).archived == 5.0
        world.end(run, session="s1")
        assert world.run("1", session="s2") == run
        there = world.read(lambda view: view.run(run))
        assert (there.attempt, there.archived) == (2, None)

    def test_a_run_takes_so_many_tags(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "TAGS_MAX", 2)
        full, free = world.run("1"), world.run("2")
        world.tell(full, ("tag", {"name": "a"}), ("tag", {"name": "b"}))
        with pytest.raises(FullError, match=full):
            world.write(lambda tx: tx.add_tag([free, full], Tag("c", None, None)))
        assert world.read(lambda view: view.tags(free, 9)) == []
        assert world.write(lambda tx: tx.add_tag([full, free], Tag("b", "red", None))) == {
            full: Tag("b", None, None),
            free: None,
        }
