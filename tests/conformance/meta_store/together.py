"""What excludes what: two transactions at once for each fact of the contract (pyhectiqlab/store/CONTRACT.md).

Here: runs, accounts, batches, states, notices; together_files.py has artifacts, the registry, quotas and uploads.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from pyhectiqlab.store.accounts import LastAdminError, TooManyError
from pyhectiqlab.store.meta import MetaTransaction, NameTakenError, Tag
from pyhectiqlab.store.notices import Target
from pyhectiqlab.store.purging import PurgedError
from pyhectiqlab.store.sql import meta_accounts
from pyhectiqlab.store.sso import LinkTakenError

from ...stores import MetaPlace
from .meeting import Work, fine, meet, refused
from .world import LOST_AFTER_S, NOW, World, attach, batch, end_report, new_artifact, new_version


class TogetherSuite:
    # A run by its name

    def test_two_that_attach_to_a_new_name_make_one_run(self, place: MetaPlace, world: World) -> None:
        outcomes = meet(place, *(partial(attach, user=world.user, name="r", session=s) for s in ("s1", "s2")))
        fine(outcomes)
        one, two = (outcome.value for outcome in outcomes)
        assert one.run.id == two.run.id and (one.created, two.created) == (True, False)
        assert [run.name for run in world.read(lambda view: view.runs_named("r"))] == ["r"]
        assert world.read(lambda view: view.session_count(one.run.id)) == 2

    def test_of_two_that_want_a_new_run_one_is_refused(self, place: MetaPlace, world: World) -> None:
        works = [partial(attach, user=world.user, name="r", session=s, new=True) for s in ("s1", "s2")]
        refused(meet(place, *works), NameTakenError)

    def test_where_the_first_is_undone_the_second_makes_the_run(self, place: MetaPlace, world: World) -> None:
        works = [partial(attach, user=world.user, name="r", session=s, new=True) for s in ("s1", "s2")]
        _, second = meet(place, *works, undo=True)
        assert second.error is None and second.value.created
        assert world.read(lambda view: view.session_count(second.value.run.id)) == 1

    def test_a_name_that_is_given_to_a_run_is_no_other_runs(self, place: MetaPlace, world: World) -> None:
        """Making, renaming and restoring, each against each."""
        old = world.run("old")
        world.write(lambda tx: tx.delete_run(old, NOW))
        world.write(lambda tx: tx.rename_run(old, "r"))
        named = world.run("named")

        def make(tx: MetaTransaction) -> str:
            return attach(tx, world.user, "r", "s3", new=True).run.id

        def rename(tx: MetaTransaction) -> str:
            tx.rename_run(named, "r")
            return named

        def restore(tx: MetaTransaction) -> str:
            tx.restore_run(old, NOW)
            return old

        ways: list[Work] = [make, rename, restore]
        for first in ways:
            for second in ways:
                if first is second:
                    continue
                outcomes = meet(place, first, second)
                refused(outcomes, NameTakenError)
                holder = outcomes[0].value
                assert [run.id for run in world.read(lambda view: view.runs_named("r"))] == [holder]
                world.write(lambda tx, holder=holder: tx.delete_run(holder, NOW))
                if holder == named:
                    world.write(lambda tx: tx.rename_run(named, "named"))
                    world.write(lambda tx: tx.restore_run(named, NOW))

    def test_whoever_attaches_while_the_run_is_deleted_makes_another(self, place: MetaPlace, world: World) -> None:
        run = world.run("r")
        outcomes = meet(
            place, lambda tx: tx.delete_run(run, NOW), partial(attach, user=world.user, name="r", session="s2")
        )
        fine(outcomes)
        assert outcomes[1].value.created and outcomes[1].value.run.id != run

    def test_a_session_that_attaches_twice_at_once_is_one(self, place: MetaPlace, world: World) -> None:
        run = world.run("r", session="other", rank=1)
        outcomes = meet(place, *2 * [partial(attach, user=world.user, name="r", session="s")])
        fine(outcomes)
        assert world.read(lambda view: view.session_count(run)) == 2

    def test_a_new_project_is_made_once(self, place: MetaPlace, world: World) -> None:
        works = [
            partial(attach, user=world.user, name=f"r{s}", session=s, project="new", create_project=True) for s in "12"
        ]
        outcomes = meet(place, *works)
        fine(outcomes)
        assert [outcome.value.project_made for outcome in outcomes] == [True, False]
        assert outcomes[0].value.run.project_id == outcomes[1].value.run.project_id

    def test_of_two_new_projects_of_a_name_one_is_refused(self, place: MetaPlace, world: World) -> None:
        refused(meet(place, *2 * [lambda tx: tx.add_project("new", world.user.id, NOW)]), NameTakenError)

    # Accounts

    def test_of_two_names_that_are_read_as_the_same_one_is_refused(self, place: MetaPlace, world: World) -> None:
        works = [lambda tx, name=name: tx.add_user(name, "member", None, NOW) for name in ("paul", "PAU1")]
        refused(meet(place, *works), NameTakenError)
        assert [user.username for user in world.read(lambda view: view.users())] == ["ada", "paul"]

    def test_two_labs_that_start_have_one_owner(self, empty_place: MetaPlace) -> None:
        outcomes = meet(empty_place, *(lambda tx, name=name: tx.make_owner(name, NOW) for name in ("ada", "bob")))
        fine(outcomes)
        assert outcomes[0].value == outcomes[1].value and outcomes[0].value.username == "ada"

    @pytest.mark.parametrize(
        "ways", [("role", "role"), ("role", "disabled"), ("disabled", "disabled"), ("role", "deleted")]
    )
    def test_two_admins_do_not_both_go(self, place: MetaPlace, world: World, ways: tuple[str, str]) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "admin", None, NOW))

        def go(tx: MetaTransaction, way: str, user: str) -> None:
            if way == "role":
                tx.set_role(user, "member")
            elif way == "disabled":
                tx.set_disabled(user, NOW)
            else:
                tx.delete_user(user, NOW)

        works = [partial(go, way=way, user=user) for way, user in zip(ways, (world.user.id, bob.id), strict=True)]
        refused(meet(place, *works), LastAdminError)
        _, second = meet(place, lambda tx: tx.set_role(world.user.id, "admin"), works[1], undo=True)
        assert isinstance(second.error, LastAdminError)

    def test_a_link_and_an_invite_are_used_once(self, place: MetaPlace, world: World) -> None:
        with world.store.writing() as tx:
            tx.add_login_link(world.user.id, "link", NOW, NOW + 9)
            invite = tx.add_invite("member", "invite", "ada", NOW, NOW + 9).id
            key = tx.add_key(world.user.id, "k", "hash", NOW).id
        outcomes = meet(place, *2 * [lambda tx: tx.use_login_link("link", NOW)])
        assert [outcome.value for outcome in outcomes] == [world.user, None]
        for work in (lambda tx: tx.end_invite(invite), lambda tx: tx.revoke_key(world.user.id, key, NOW)):
            outcomes = meet(place, work, work)
            fine(outcomes)
            assert [outcome.value for outcome in outcomes] == [True, False]

    def test_what_is_set_by_two_is_what_one_of_them_set(self, place: MetaPlace, world: World) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW)).id

        def set_all(tx: MetaTransaction, n: int) -> None:
            tx.set_lab_value("k", str(n))
            tx.set_member(world.project, bob, ("viewer", "admin")[n])
            tx.set_quota(world.project, 100 + n)
            tx.set_retention(world.project, {"runs_days": 100 + n})

        fine(meet(place, *(partial(set_all, n=n) for n in (0, 1))))
        with world.store.reading() as view:
            assert view.lab_value("k") == "1" and view.roles_of(bob) == {world.project: "admin"}
            assert view.quota_of(world.project) == 101 and view.retention_of(world.project).runs_days == 101

    def test_the_last_key_and_the_last_invite_go_to_one(
        self, place: MetaPlace, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(meta_accounts, "KEYS_OF_USER_MAX", 1)
        monkeypatch.setattr(meta_accounts, "INVITES_MAX", 1)
        keys = [lambda tx, h=h: tx.add_key(world.user.id, "k", h, NOW) for h in "ab"]
        invites = [lambda tx, h=h: tx.add_invite("member", h, "ada", NOW, NOW + 9) for h in "ab"]
        for works in (keys, invites):
            refused(meet(place, *works), TooManyError)

    def test_of_two_that_link_one_person_one_is_refused(self, place: MetaPlace, world: World) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        works = [lambda tx, user=user: tx.link_sso("https://i", "7", user.id, NOW) for user in (world.user, bob)]
        refused(meet(place, *works), LinkTakenError)
        works = [lambda tx, subject=subject: tx.link_sso("https://j", subject, bob.id, NOW) for subject in "78"]
        refused(meet(place, *works), LinkTakenError)

    # A writer's cursor, and what its batches bring

    def test_a_batch_that_comes_twice_at_once_counts_once(self, place: MetaPlace, world: World) -> None:
        run = world.run("r")
        wanted = batch(run, ("log", {"text": "x"}), ("loss", {"reason": "full", "count": 2}), points=7)
        outcomes = meet(place, *2 * [lambda tx: tx.apply([wanted], NOW)])
        fine(outcomes)
        assert [outcome.value for outcome in outcomes] == [{}, {"w": wanted.last}]
        with world.store.reading() as view:
            row = view.run(run)
            assert row is not None and row.points == 7 and view.event_count(run) == 2
            assert view.writers(["w"])["w"].cursor == wanted.last and view.losses(run) == {"full": 2}

    def test_batches_behind_each_other_are_both_taken(self, place: MetaPlace, world: World) -> None:
        run = world.run("r")
        lost = ("loss", {"reason": "full", "count": 1})
        works = [lambda tx, first=first: tx.apply([batch(run, lost, first=first, points=4)], NOW) for first in (1, 6)]
        outcomes = meet(place, *works)
        fine(outcomes)
        assert [outcome.value for outcome in outcomes] == [{}, {}]
        with world.store.reading() as view:
            assert view.writers(["w"])["w"].cursor == 10 and view.losses(run) == {"full": 2}

    def test_a_batch_behind_one_that_was_undone_is_not_taken(self, place: MetaPlace, world: World) -> None:
        run = world.run("r")
        works = [lambda tx, first=first: tx.apply([batch(run, first=first, points=5)], NOW) for first in (1, 6)]
        _, second = meet(place, *works, undo=True)
        assert second.error is None and second.value == {"w": 0}
        with world.store.reading() as view:
            row = view.run(run)
            assert row is not None and row.points == 0 and view.writers(["w"]) == {}

    def test_of_two_that_edit_a_run_the_second_learns_what_the_first_left(self, place: MetaPlace, world: World) -> None:
        run = world.run("r")

        def edit(tx: MetaTransaction, word: str) -> tuple[Any, Any]:
            return tx.set_notes({run: word}), tx.add_tag([run], Tag("t", word, None))

        first, second = meet(place, partial(edit, word="1"), partial(edit, word="2"))
        assert first.value == ({run: ""}, {run: None})
        assert second.value == ({run: "1"}, {run: Tag("t", "1", None)})

        def remove(tx: MetaTransaction) -> dict[str, Tag]:
            return tx.remove_tag([run], "t")

        first, second = meet(place, remove, remove)
        assert (first.value, second.value) == ({run: Tag("t", "2", None)}, {})

    def test_all_that_two_writers_tell_of_a_run_is_kept(self, place: MetaPlace, world: World) -> None:
        """Configs are merged, and counters added up."""
        run = world.run("r")
        world.tell(run, ("config", {"values": {"model": {"depth": 1}}}), writer="w0")

        def tell(tx: MetaTransaction, writer: str) -> dict[str, int]:
            events: list[tuple[str, dict[str, Any]]] = [
                ("config", {"values": {writer: 1, "model": {writer: 2}}}),
                ("meta", {"key": writer, "value": 1}),
                ("meta", {"key": "both", "value": writer}),
                ("tag", {"name": writer}),
                ("tag", {"name": "both"}),
                ("note", {"text": writer}),
                ("text", {"name": "t", "text": writer, "step": 1}),
                ("loss", {"reason": "full", "count": 3}),
            ]
            return tx.apply([batch(run, *events, writer=writer, points=5)], NOW)

        fine(meet(place, partial(tell, writer="w1"), partial(tell, writer="w2")))
        with world.store.reading() as view:
            whole = {"model": {"depth": 1, "w1": 2, "w2": 2}, "w1": 1, "w2": 1}
            assert view.config(run) == whole and view.attempt_config(run, 1) == (1, whole)
            assert view.config_values("w1") == view.config_values("w2") == {run: 1.0}
            assert view.meta(run) == {"w1": 1, "w2": 1, "both": "w2"} and view.note(run) == "w2"
            assert [tag.name for tag in view.tags(run, 9)] == ["both", "w1", "w2"]
            row = view.run(run)
            assert row is not None and row.points == 10 and view.losses(run) == {"full": 6}

    def test_batches_for_the_same_runs_in_another_order_hold_nobody_for_ever(
        self, place: MetaPlace, world: World
    ) -> None:
        runs = [world.run(name) for name in ("r1", "r2", "r3")]

        def tell(tx: MetaTransaction, order: list[str], writer: str) -> dict[str, int]:
            return tx.apply([batch(run, writer=f"{writer}{run}", points=1) for run in order], NOW)

        fine(meet(place, partial(tell, order=runs, writer="w"), partial(tell, order=runs[::-1], writer="v")))
        with world.store.reading() as view:
            assert [run.points for run in view.some_runs(runs)] == [2, 2, 2]

    # States

    def test_the_history_has_what_both_changed(self, place: MetaPlace, world: World) -> None:
        run = world.run("r", session="s1", world_size=2)
        world.attach("r", "s2", rank=1, world_size=2)

        def say(tx: MetaTransaction, rank: int, state: str) -> None:
            tx.apply(
                [batch(run, ("state", {"state": state}), writer=f"w{rank}", session=f"s{rank + 1}", rank=rank)], NOW
            )

        fine(meet(place, partial(say, rank=0, state="training"), partial(say, rank=1, state="failed")))
        history = world.read(lambda view: view.state_history(run))
        assert [(change.state, change.rank) for change in history] == [
            ("running", None),
            ("training", None),
            ("failed", 1),
        ]

    def test_the_end_of_a_run_is_that_of_all_its_ranks(self, place: MetaPlace, world: World) -> None:
        """Neither sees the other rank end, unless one waits: the run would live for ever."""
        run = world.run("r", session="s1", world_size=2)
        world.attach("r", "s2", rank=1, world_size=2)
        works = [
            lambda tx, rank=rank: tx.end(end_report(run, f"s{rank + 1}", rank=rank), world.user.id, NOW)
            for rank in (0, 1)
        ]
        fine(meet(place, *works))
        row = world.read(lambda view: view.run(run))
        assert row is not None and row.state == "completed"

    @pytest.mark.parametrize("beats_first", [True, False])
    def test_a_run_that_gave_a_sign_of_life_is_not_lost(
        self, place: MetaPlace, world: World, beats_first: bool
    ) -> None:
        run, at = world.run("r"), NOW + LOST_AFTER_S + 1

        def beat(tx: MetaTransaction) -> None:
            tx.heartbeat("s", world.user.id, [(run, 0, 1)], skew=0.0, backlog=0, losses={}, now=at)

        def mark(tx: MetaTransaction) -> list[str]:
            return tx.mark_lost(at, LOST_AFTER_S)

        fine(meet(place, *((beat, mark) if beats_first else (mark, beat))))
        row = world.read(lambda view: view.run(run))
        assert row is not None and row.state == "running"

    def test_a_run_that_is_restored_is_not_purged(self, place: MetaPlace, world: World) -> None:
        run = world.run("r")
        world.tell(run, ("note", {"text": "n"}))
        world.write(lambda tx: tx.delete_run(run, NOW))
        fine(meet(place, lambda tx: tx.restore_run(run, NOW), lambda tx: tx.purge(run, NOW)))
        assert world.read(lambda view: view.note(run)) == "n"

    def test_of_restoring_and_asking_to_purge_the_first_counts(self, place: MetaPlace, world: World) -> None:
        def ask(tx: MetaTransaction) -> list[str]:
            return tx.ask_purge([run], NOW)

        run = world.run("r")
        world.write(lambda tx: tx.delete_run(run, NOW))
        outcomes = meet(place, lambda tx: tx.restore_run(run, NOW), ask)
        fine(outcomes)
        assert outcomes[1].value == [] and world.read(lambda view: view.purges_left()) == 0
        world.write(lambda tx: tx.delete_run(run, NOW))
        refused(meet(place, ask, lambda tx: tx.restore_run(run, NOW)), PurgedError)

    def test_runs_that_are_held_are_as_they_were_looked_at(self, place: MetaPlace, world: World) -> None:
        run = world.run("r")
        world.end(run)

        def delete(tx: MetaTransaction) -> None:
            tx.hold_runs([run, "unknown"])
            row = tx.run(run)
            assert row is not None
            if row.state == "completed":
                tx.delete_run(run, NOW)

        comes = partial(attach, user=world.user, name="r", session="s2")
        first, second = meet(place, comes, delete)
        fine((first, second))
        row = world.read(lambda view: view.run(run))
        assert row is not None and row.deleted is None and row.state == "running"

    # Notices

    @pytest.mark.parametrize("removed_first", [True, False])
    def test_a_target_that_is_removed_while_a_run_ends_hears_nothing(
        self, place: MetaPlace, world: World, removed_first: bool
    ) -> None:
        run = world.run("r")
        target = Target("t1", "http://a", None, None, ("completed",), "s", NOW)
        world.write(lambda tx: tx.add_target(target))
        works: list[Work] = [
            lambda tx: tx.remove_target("t1"),
            lambda tx: tx.end(end_report(run), world.user.id, NOW),
        ]
        fine(meet(place, *(works if removed_first else works[::-1])))
        with world.store.reading() as view:
            row = view.run(run)
            assert row is not None and row.state == "completed"
            assert view.targets() == view.due_notices(NOW + 9, 9) == []

    # As narrow as is right

    def test_what_has_nothing_to_do_with_each_other_does_not_wait(self, place: MetaPlace, world: World) -> None:
        if place.one_writer:
            pytest.skip("on SQLite one transaction writes at a time, so each waits for every other")
        runs = [world.run(name) for name in ("r1", "r2")]
        for n in (0, 1):
            world.add_blob(f"d{n}")
        world.write(lambda tx: tx.add_user("bob", "admin", None, NOW))

        def work(tx: MetaTransaction, n: int) -> None:
            run = runs[n]
            events: list[tuple[str, dict[str, Any]]] = [
                ("config", {"values": {"a": n}}),
                ("state", {"state": "training"}),
            ]
            tx.apply([batch(run, *events, writer=f"w{n}", points=3)], NOW)
            tx.heartbeat(f"s{n}", world.user.id, [(run, 0, 1)], skew=0.0, backlog=0, losses={}, now=NOW)
            attach(tx, world.user, f"r{n + 1}", f"again{n}")
            attach(tx, world.user, f"new{n}", f"s{n}")
            tx.check_quota(world.project, {f"d{n}": 10})
            tx.add_artifact(new_artifact(world, f"a{n}", run, digest=f"d{n}"), NOW)
            tx.add_artifact(new_artifact(world, f"shared{n}", None, f"n{n}", digest=f"d{n}"), NOW)
            tx.add_version(new_version(world, f"v{n}", f"m{n}", digest=f"d{n}"), NOW)
            tx.end(end_report(run, f"again{n}"), world.user.id, NOW)
            tx.set_lab_value(f"k{n}", "v")

        outcomes = meet(place, partial(work, n=0), partial(work, n=1))
        fine(outcomes)
        assert not outcomes[1].waited

    def test_readers_do_not_wait_for_whoever_writes(self, world: World) -> None:
        with world.store.writing() as tx:
            run = attach(tx, world.user, "r", "s").run.id
            tx.set_lab_value("k", "new")
            with world.store.reading() as view:
                assert view.run(run) is view.lab_value("k") is None
