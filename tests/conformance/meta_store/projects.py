"""Lives of projects: renamed, archived, moved, deleted, restored, purged; also where two transactions meet."""

from __future__ import annotations

from functools import partial

import pytest

from pyhectiqlab.protocol import limits
from pyhectiqlab.protocol.search import parse
from pyhectiqlab.store.accounts import NoHeirError
from pyhectiqlab.store.artifacts import ArtifactQuery
from pyhectiqlab.store.meta import (
    FullError,
    MetaTransaction,
    NameTakenError,
    ProjectArchivedError,
    ProjectNotFoundError,
    RunQuery,
)
from pyhectiqlab.store.notices import Target
from pyhectiqlab.store.projects import ProjectGoneError
from pyhectiqlab.store.sql import meta_projects

from ...stores import MetaPlace
from .meeting import Work, meet
from .world import NOW, World, attach, new_version


def names(world: World) -> list[str]:
    return [project.name for project in world.read(lambda view: view.projects(99))]


def id_of(world: World, ref: str) -> str | None:
    project = world.read(lambda view: view.project(ref))
    return None if project is None else project.id


def rename(tx: MetaTransaction, world: World, name: str, project: str | None = None, now: float = NOW) -> None:
    tx.rename_project(project or world.project, name, world.user.id, now)


class ProjectsSuite:
    # Names

    def test_a_renamed_project_is_found_by_its_names_until_they_are_taken(self, world: World) -> None:
        run = world.run("r")
        for n, name in enumerate(("q", "é")):
            with world.store.writing() as tx:
                rename(tx, world, name, now=NOW + n)
                assert tx.changes.projects == {world.project}
        assert names(world) == ["é"] and id_of(world, "p") == id_of(world, "q") == id_of(world, "é") == world.project
        assert world.read(lambda view: view.former_names([world.project, "x"])) == {world.project: ["p", "q"], "x": []}
        again = world.attach("r", "s2", project="p", create_project=True)
        assert again.run.id == run and again.run.project == "é" and not again.project_made
        assert [r.id for r in world.read(lambda view: view.runs_named("r", "q"))] == [run]
        with pytest.raises(NameTakenError):
            world.write(lambda tx: tx.add_project("é", world.user.id, NOW))
        taken = world.write(lambda tx: tx.add_project("p", world.user.id, NOW))  # by an admin of the project
        assert id_of(world, "p") == taken.id
        assert world.read(lambda view: view.former_names([world.project])) == {world.project: ["q"]}
        world.write(lambda tx: rename(tx, world, "q"))  # back
        assert world.read(lambda view: view.former_names([world.project])) == {world.project: ["é"]}
        with pytest.raises(NameTakenError):
            world.write(lambda tx: rename(tx, world, "p"))
        world.write(lambda tx: rename(tx, world, "q"))
        assert id_of(world, "q") == world.project

    def test_a_former_name_is_taken_by_nobody_who_is_no_admin_of_the_project(self, world: World) -> None:
        """Otherwise what still has the old name, such as a running script, would report to somebody else."""
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        other = world.write(lambda tx: tx.add_project("other", bob.id, NOW)).id
        world.write(lambda tx: rename(tx, world, "q"))
        world.write(lambda tx: tx.set_private(world.project, True))
        with pytest.raises(NameTakenError):
            world.write(lambda tx: tx.add_project("p", bob.id, NOW))
        with pytest.raises(NameTakenError):
            world.write(lambda tx: tx.rename_project(other, "p", bob.id, NOW))
        with pytest.raises(ProjectNotFoundError):
            world.attach("r", "s2", user=bob, project="p", create_project=True)
        world.write(lambda tx: tx.delete_project(world.project, NOW))
        world.write(lambda tx: tx.rename_project(other, "p", bob.id, NOW))

    def test_the_newest_former_names_lead_to_a_project(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "FORMER_NAMES_MAX", 2)
        for n in range(4):
            world.write(lambda tx, n=n: rename(tx, world, f"p{n}", now=NOW + n))
        assert world.read(lambda view: view.former_names([world.project])) == {world.project: ["p1", "p2"]}

    # Archived

    def test_an_archived_project_takes_no_new_runs_and_those_that_are_there_go_on(self, world: World) -> None:
        run = world.run("r")
        with world.store.writing() as tx:
            tx.set_archived(world.project, NOW)
            assert tx.changes.projects == {world.project}
        with pytest.raises(ProjectArchivedError):
            world.attach("new", "s2")
        with pytest.raises(ProjectArchivedError):
            world.attach("new", "s2", create_project=True)
        world.tell(run, ("log", {"text": "x"}), points=3)
        assert world.end(run)
        again = world.attach("r", "s2", now=NOW + 9)
        assert (again.run.id, again.mode, again.attempt) == (run, "read-write", 2)
        with world.store.reading() as view:
            assert (
                [p.archived for p in view.projects(9)] == [p.archived for p in view.projects(9, archived=True)] == [NOW]
            )
            assert view.projects(9, archived=False) == []
            of_all, of_it = (
                view.runs(RunQuery(project=project, terms=parse(), seen_by=world.user.id), NOW).places
                for project in (None, world.project)
            )
            assert of_all == [] and [place[1] for place in of_it] == [run]
        world.write(lambda tx: tx.set_archived(world.project, None))
        assert world.attach("new", "s2").created

    def test_an_archived_project_is_nobodys_default(self, world: World) -> None:
        world.write(lambda tx: tx.set_archived(world.project, NOW))
        assert world.attach("r", project=None).run.project == "default"

    # Moved

    def test_whoever_gets_a_project_owns_it_as_its_admin(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "viewer", None, NOW))
        world.write(lambda tx: tx.set_private(world.project, True))
        world.write(lambda tx: tx.move_project(world.project, bob.id))
        with world.store.reading() as view:
            project = view.project("p")
            assert project is not None and (project.owner, project.owner_id) == ("bob", bob.id)
            assert view.role_in(world.project, bob.id) == "admin"
        monkeypatch.setattr(limits, "PROJECTS_MAX", 1)
        other = world.write(lambda tx: tx.add_project("other", world.user.id, NOW)).id  # its room is free again
        with pytest.raises(FullError):
            world.write(lambda tx: tx.move_project(other, bob.id))
        world.write(lambda tx: tx.move_project(world.project, bob.id))  # he is the owner already
        world.write(lambda tx: tx.set_disabled(bob.id, NOW))
        with pytest.raises(NoHeirError):
            world.write(lambda tx: tx.move_project(other, bob.id))

    # Deleted

    def test_a_deleted_project_is_nowhere_and_comes_back_whole(self, world: World) -> None:
        gone, kept = world.run("gone", session="s1"), world.run("kept", session="s2")
        world.write(lambda tx: tx.delete_run(gone, NOW - 9))
        world.add_artifact("a1", None, "shared")
        with world.store.writing() as tx:
            rename(tx, world, "q")
            tx.delete_project(world.project, NOW)
            assert tx.changes.projects == {world.project}
        with world.store.reading() as view:
            assert (
                view.projects(9) == [] and view.project(world.project) is view.project("p") is view.project("q") is None
            )
            assert view.role_in(world.project, world.user.id) is None
            assert view.role_in(world.project, world.user.id, deleted_too=True) == "admin"
            assert view.private_projects([world.project]) == {}
            assert view.runs(RunQuery(terms=parse(), seen_by=world.user.id), NOW).places == []
            assert view.runs_named("kept", deleted=True) == [] and view.run_ids([kept])[kept].deleted
            deleted = view.deleted_project("q")
            assert deleted is not None and (deleted.id, deleted.name, deleted.deleted) == (world.project, "q", NOW)
            assert view.deleted_projects(9) == view.deleted_projects(9, world.user.id) == [deleted]
            assert view.deleted_projects(9, "nobody") == [] and view.deleted_project(world.project) == deleted
        with pytest.raises(ProjectNotFoundError):
            world.attach("kept", "s3", project="q")
        for change in (
            lambda tx: rename(tx, world, "z"),
            lambda tx: tx.move_project(world.project, world.user.id),
            lambda tx: tx.delete_project(world.project, NOW + 5),
            lambda tx: tx.restore_run(gone, NOW),
        ):
            with pytest.raises(ProjectGoneError):
                world.write(change)
        for n in range(2):
            world.write(lambda tx, n=n: tx.restore_project(world.project, world.user.id, NOW + 9 + n))
        with world.store.reading() as view:
            assert id_of(world, "p") == id_of(world, "q") == world.project and view.deleted_projects(9) == []
            there, lost = view.run(kept), view.run(gone)
            assert there is not None and there.deleted is None
            assert lost is not None and lost.deleted == NOW - 9, "what was deleted before stays so"
            query = ArtifactQuery(project=world.project)
            assert [a.name for a in view.artifacts(query)] == ["shared"]

    def test_many_runs_are_deleted_and_restored_some_at_a_time(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(meta_projects, "RUNS_AT_ONCE", 2)
        ids = [world.run(f"r{n}", session=f"s{n}") for n in range(5)]
        world.write(lambda tx: tx.delete_run(ids[0], NOW - 9))
        assert world.read(lambda view: view.half_deleted()) == []

        def deletions() -> list[float | None]:
            with world.store.reading() as view:
                row = view.run_ids(ids)
                assert all(row[run].deleted for run in ids), "from the first moment on"
                assert view.project("p") is None and view.role_in(world.project, world.user.id) is None
                assert view.runs(RunQuery(project=world.project, terms=parse()), NOW).places == []
                return [run.deleted for run in map(view.run, ids) if run is not None]

        def marked() -> int:
            return len(world.read(lambda view: view.deleted(world.project)))

        world.write(lambda tx: tx.delete_project(world.project, NOW))
        assert deletions() == [NOW - 9] + 4 * [NOW] and marked() == 3
        assert world.read(lambda view: view.half_deleted()) == [world.project]
        assert not world.write(lambda tx: tx.finish_deletion(world.project)) and marked() == 5
        assert world.write(lambda tx: tx.finish_deletion(world.project))
        assert deletions() == [NOW - 9] + 4 * [NOW] and marked() == 5
        assert world.read(lambda view: view.half_deleted()) == []

        def restore() -> bool:
            return world.write(lambda tx: tx.restore_project(world.project, world.user.id, NOW + 9))

        assert not restore() and marked() == 3
        assert deletions() == [NOW - 9] + 4 * [NOW], "until all are back none is"
        assert world.read(lambda view: view.half_deleted()) == [world.project]
        while not world.write(lambda tx: tx.finish_deletion(world.project)):
            pass
        assert deletions() == [NOW - 9] + 4 * [NOW] and marked() == 5, "somebody ended in between"
        while not restore():
            assert deletions()
        with world.store.reading() as view:
            assert [run.deleted for run in map(view.run, ids) if run is not None] == [NOW - 9] + 4 * [None]
            assert view.half_deleted() == [] and id_of(world, "p") == world.project
        assert world.write(lambda tx: tx.finish_deletion(world.project)) and marked() == 1, "it is not deleted"

    def test_who_asks_to_purge_a_project_that_is_being_deleted_asks_for_all_its_runs(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(meta_projects, "RUNS_AT_ONCE", 2)
        ids = {world.run(f"r{n}", session=f"s{n}") for n in range(5)}
        world.write(lambda tx: tx.delete_project(world.project, NOW))
        assert world.write(lambda tx: tx.ask_purge_project(world.project, NOW))
        assert world.read(lambda view: sum(run.asked for run in view.deleted())) == 2
        while not world.write(lambda tx: tx.finish_deletion(world.project)):
            pass
        assert world.read(lambda view: {run.id for run in view.deleted() if run.asked}) == ids

    def test_of_a_project_that_is_restored_no_run_is_deleted(
        self, place: MetaPlace, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(meta_projects, "RUNS_AT_ONCE", 2)
        ids = [world.run(f"r{n}", session=f"s{n}") for n in range(3)]
        world.write(lambda tx: tx.delete_project(world.project, NOW))

        def restore(tx: MetaTransaction) -> bool:
            return tx.restore_project(world.project, world.user.id, NOW + 9)

        outcomes = meet(place, restore, lambda tx: tx.finish_deletion(world.project))
        assert [outcome.error for outcome in outcomes] == [None, None]
        while not world.write(restore):
            pass
        assert not any(world.read(lambda view: [run.deleted for run in view.run_ids(ids).values()]))
        outcomes = meet(place, lambda tx: tx.finish_deletion(world.project), restore)
        assert [(outcome.error, outcome.value) for outcome in outcomes] == 2 * [(None, True)]
        assert not any(world.read(lambda view: [run.deleted for run in view.run_ids(ids).values()]))

    def test_the_name_of_a_deleted_project_is_free(self, world: World) -> None:
        world.write(lambda tx: tx.delete_project(world.project, NOW))
        other = world.attach("r", project="p", create_project=True)
        assert other.project_made
        with pytest.raises(NameTakenError):
            world.write(lambda tx: tx.restore_project(world.project, world.user.id, NOW))
        world.write(lambda tx: rename(tx, world, "q", other.run.project_id))
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        with pytest.raises(NameTakenError):  # the name still leads to the other project, of which he is not an admin
            world.write(lambda tx: tx.restore_project(world.project, bob.id, NOW))
        world.write(lambda tx: tx.restore_project(world.project, world.user.id, NOW))
        assert names(world) == ["p", "q"] and id_of(world, "p") == world.project

    def test_nothing_is_left_of_a_purged_project_but_ids(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(meta_projects, "PURGE_AT_ONCE", 1)
        elsewhere = world.write(lambda tx: tx.add_project("elsewhere", world.user.id, NOW)).id
        run, user_of_it = world.run("r", session="s1"), world.run("u", session="s2", project="elsewhere")
        for n in range(2):
            world.add_artifact(f"a{n}", None, f"shared{n}")
            world.add_blob(f"digest-v{n}")
            world.write(lambda tx, n=n: tx.add_version(new_version(world, f"v{n}", f"m{n}"), NOW))
            world.write(lambda tx, n=n: tx.add_usage(f"v{n}", user_of_it, NOW))
        world.add_artifact("of-run", run)
        with world.store.writing() as tx:
            rename(tx, world, "q")
            tx.set_quota(world.project, 10**6)
            tx.set_retention(world.project, {"runs_days": 9})
            tx.add_target(Target("t", "https://x", world.project, "q", ("failed",), "secret", NOW))
            assert tx.purge_project(world.project, NOW), "it is not deleted"
            tx.delete_project(world.project, NOW)
        before = NOW + 1
        assert world.read(lambda view: view.purgeable_project(before)) is None, "its runs come first"
        assert world.read(lambda view: view.purgeable(before)) == run
        world.write(lambda tx: tx.purge(run, NOW))
        assert world.read(lambda view: view.purgeable(before)) is None
        assert world.read(lambda view: view.purgeable_project(NOW)) is None, "too early"
        assert world.read(lambda view: view.purgeable_project(before)) == world.project
        turns = 1
        while not world.write(lambda tx: tx.purge_project(world.project, NOW)):
            turns += 1
        assert turns > 3
        with world.store.reading() as view:
            assert view.purgeable_project(before) is None and view.deleted_projects(9) == []
            assert view.retention_settings() == {} and view.quota_of(world.project) is None
            assert view.targets() == [] and view.members(world.project) == []
            assert view.use_of(world.project).used == 0
            assert [p.id for p in view.projects(9)] == [elsewhere]
        with pytest.raises(ProjectGoneError):
            world.write(lambda tx: tx.restore_project(world.project, world.user.id, NOW))
        monkeypatch.setattr(limits, "PROJECTS_MAX", 2)
        world.write(lambda tx: tx.add_project("q", world.user.id, NOW))

    def test_what_somebody_asked_to_purge_goes_before_its_time_and_stays_gone(self, world: World) -> None:
        run = world.run("r")
        world.add_artifact("a1", None, "shared")
        assert not world.write(lambda tx: tx.ask_purge_project(world.project, NOW)), "it is not deleted"
        world.write(lambda tx: tx.delete_project(world.project, NOW))
        assert world.read(lambda view: view.purgeable_project(None)) is None
        assert world.write(lambda tx: tx.ask_purge_project(world.project, NOW))
        with pytest.raises(ProjectGoneError):
            world.write(lambda tx: tx.restore_project(world.project, world.user.id, NOW))
        assert world.read(lambda view: (view.purges_left(), view.purgeable(None))) == (2, run)
        world.write(lambda tx: tx.purge(run, NOW))
        assert world.read(lambda view: view.purgeable_project(None)) == world.project
        assert world.write(lambda tx: tx.purge_project(world.project, NOW))
        assert world.read(lambda view: (view.purges_left(), view.purgeable_project(None))) == (0, None)
        assert world.read(lambda view: view.unused_blobs(1.0, 9)) == ["digest-a1"], "at once"

    # Two at once

    def test_a_name_is_that_of_one_project(self, place: MetaPlace, world: World) -> None:
        """Making, renaming and restoring, each against each."""
        old = world.write(lambda tx: tx.add_project("x", world.user.id, NOW)).id
        world.write(lambda tx: tx.delete_project(old, NOW))
        named = world.write(lambda tx: tx.add_project("named", world.user.id, NOW)).id
        ways: dict[str, Work] = {
            "make": lambda tx: tx.add_project("x", world.user.id, NOW).id,
            "rename": lambda tx: rename(tx, world, "x", named),
            "restore": lambda tx: tx.restore_project(old, world.user.id, NOW),
        }
        for one, first in ways.items():
            for other, second in ways.items():
                if one == other:
                    continue
                outcomes = meet(place, first, second)
                assert outcomes[0].error is None and isinstance(outcomes[1].error, NameTakenError), (one, other)
                holder = id_of(world, "x")
                assert holder == {"make": outcomes[0].value, "rename": named, "restore": old}[one]
                if one == "rename":
                    world.write(lambda tx: rename(tx, world, "named", named))
                    continue
                world.write(lambda tx, holder=holder: tx.delete_project(holder, NOW))

    def test_a_project_that_is_renamed_twice_at_once_is_found_by_each_name(
        self, place: MetaPlace, world: World
    ) -> None:
        outcomes = meet(place, *(partial(rename, world=world, name=name) for name in ("q", "z")))
        assert [outcome.error for outcome in outcomes] == [None, None]
        assert names(world) == ["z"] and {id_of(world, name) for name in "pqz"} == {world.project}

    @pytest.mark.parametrize("attaches_first", [True, False])
    def test_no_run_begins_in_a_project_that_is_deleted_meanwhile(
        self, place: MetaPlace, world: World, attaches_first: bool
    ) -> None:
        begin = partial(attach, user=world.user, name="r", session="s")
        works: list[Work] = [begin, lambda tx: tx.delete_project(world.project, NOW)]
        outcomes = meet(place, *(works if attaches_first else works[::-1]))
        if attaches_first:
            assert [outcome.error for outcome in outcomes] == [None, None]
            run = world.read(lambda view: view.run(outcomes[0].value.run.id))
            assert run is not None and run.deleted == NOW
        else:
            assert isinstance(outcomes[1].error, ProjectNotFoundError)
        assert world.read(lambda view: view.runs_named("r")) == []

    def test_a_run_of_a_project_that_is_deleted_meanwhile_is_not_restored(self, place: MetaPlace, world: World) -> None:
        run = world.run("r")
        world.write(lambda tx: tx.delete_run(run, NOW - 1))
        _, second = meet(place, lambda tx: tx.delete_project(world.project, NOW), lambda tx: tx.restore_run(run, NOW))
        assert isinstance(second.error, ProjectGoneError)
        world.write(lambda tx: tx.restore_project(world.project, world.user.id, NOW))
        fine = meet(place, lambda tx: tx.restore_run(run, NOW), lambda tx: tx.delete_project(world.project, NOW))
        assert [outcome.error for outcome in fine] == [None, None]
        row = world.read(lambda view: view.run(run))
        assert row is not None and row.deleted == NOW

    def test_a_project_that_is_restored_is_not_purged(self, place: MetaPlace, world: World) -> None:
        world.add_artifact("a1", None, "shared")
        world.write(lambda tx: tx.delete_project(world.project, NOW))
        outcomes = meet(
            place,
            lambda tx: tx.restore_project(world.project, world.user.id, NOW),
            lambda tx: tx.purge_project(world.project, NOW),
        )
        assert [outcome.error for outcome in outcomes] == [None, None]
        assert len(world.read(lambda view: list(view.artifacts(ArtifactQuery(project=world.project))))) == 1
        world.write(lambda tx: tx.delete_project(world.project, NOW))
        _, second = meet(
            place,
            lambda tx: [tx.purge_project(world.project, NOW) for _ in range(3)],
            lambda tx: tx.restore_project(world.project, world.user.id, NOW),
        )
        assert isinstance(second.error, ProjectGoneError)

    def test_a_project_that_is_restored_is_not_asked_to_go(self, place: MetaPlace, world: World) -> None:
        run = world.run("r")
        world.write(lambda tx: tx.delete_project(world.project, NOW))
        outcomes = meet(
            place,
            lambda tx: tx.restore_project(world.project, world.user.id, NOW),
            lambda tx: tx.ask_purge_project(world.project, NOW),
        )
        assert [outcome.error for outcome in outcomes] == [None, None] and not outcomes[1].value
        assert world.read(lambda view: view.purges_left()) == 0 and run
        world.write(lambda tx: tx.delete_project(world.project, NOW))
        _, second = meet(
            place,
            lambda tx: tx.ask_purge_project(world.project, NOW),
            lambda tx: tx.restore_project(world.project, world.user.id, NOW),
        )
        assert isinstance(second.error, ProjectGoneError)

    def test_a_project_moves_to_nobody_who_is_deleted_meanwhile(self, place: MetaPlace, world: World) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        _, second = meet(
            place, lambda tx: tx.delete_user(bob.id, NOW), lambda tx: tx.move_project(world.project, bob.id)
        )
        assert isinstance(second.error, NoHeirError)
