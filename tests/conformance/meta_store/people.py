"""People who go, service accounts, and what is handed over: also where two transactions meet."""

from __future__ import annotations

from functools import partial

import pytest

from pyhectiqlab.protocol import limits
from pyhectiqlab.store.accounts import HandedOver, LastAdminError, NoHeirError, ServiceAccountError, User
from pyhectiqlab.store.meta import FullError, MetaTransaction, NameTakenError

from ...stores import MetaPlace
from .meeting import meet
from .world import NOW, World, attach


def new_user(world: World, name: str, role: str = "member") -> User:
    return world.write(lambda tx: tx.add_user(name, role, "hash", NOW))


class PeopleSuite:
    # Going

    def test_whoever_is_deleted_leaves_their_name_and_no_way_in(self, world: World) -> None:
        bob = new_user(world, "bob", "admin")
        run = world.run("r", user=bob)
        with world.store.writing() as tx:
            tx.add_key(bob.id, "k", "hash", NOW)
            tx.add_web_session(bob.id, "token", "csrf", NOW, NOW + 9)
            tx.add_login_link(bob.id, "link", NOW, NOW + 9)
            tx.add_invite("member", "invite", "bob", NOW, NOW + 9)
            tx.set_member(world.project, bob.id, "admin")
            tx.delete_user(bob.id, NOW)
        with world.store.writing() as tx:
            assert tx.user_of_key("hash", NOW) is tx.web_session("token", NOW) is tx.use_login_link("link", NOW) is None
            assert tx.invites(NOW) == [] and tx.roles_of(bob.id) == {} and tx.role_in(world.project, bob.id) is None
            assert tx.users() == [world.user] and tx.user_named("bob") is tx.user_named("BOB") is None
            gone = tx.user_named("bob", deleted_too=True)
            assert gone == tx.user(bob.id) == User(bob.id, "bob", "viewer", NOW, None, NOW, False, NOW)
            row = tx.run(run)
            assert row is not None and (row.author, row.author_id) == ("bob", bob.id)
            tx.set_disabled(bob.id, None)
            again = tx.user(bob.id)
            assert again is not None and again.disabled == NOW, "nobody comes back"
        for taken in ("bob", "Bob", "b0b"):
            with pytest.raises(NameTakenError):
                world.write(lambda tx, taken=taken: tx.add_user(taken, "member", None, NOW))

    def test_the_last_admin_is_not_deleted(self, world: World) -> None:
        with pytest.raises(LastAdminError):
            world.write(lambda tx: tx.delete_user(world.user.id, NOW))
        assert world.read(lambda view: view.users()) == [world.user]

    @pytest.mark.parametrize("way", ["disabled", "deleted"])
    def test_a_key_that_is_made_while_its_user_goes_opens_nothing(
        self, place: MetaPlace, world: World, way: str
    ) -> None:
        bob = new_user(world, "bob")

        def go(tx: MetaTransaction) -> None:
            if way == "disabled":
                tx.set_disabled(bob.id, NOW)
            else:
                tx.delete_user(bob.id, NOW)

        for one, two in ((go, lambda tx: tx.add_key(bob.id, "k", "h1", NOW)), (self._key(bob, "h2"), go)):
            for outcome in meet(place, one, two):
                assert outcome.error is None
        with world.store.writing() as tx:
            tx.set_disabled(bob.id, None)
            assert tx.users_of_keys(["h1", "h2"], NOW) == {} and tx.keys(bob.id) == []

    @staticmethod
    def _key(user: User, key_hash: str) -> partial[object]:
        return partial(lambda tx: tx.add_key(user.id, "k", key_hash, NOW))

    # Service accounts

    def test_a_service_account_has_keys_and_no_other_way_in(self, world: World) -> None:
        bot = world.write(lambda tx: tx.add_user("nightly", "admin", "hash", NOW, service=True))
        assert bot.service and bot.password_hash is None
        with world.store.writing() as tx:
            tx.add_key(bot.id, "k", "hash", NOW)
            assert tx.user_of_key("hash", NOW) is not None and bot in tx.users()
        for way_in in (
            lambda tx: tx.set_password(bot.id, "hash"),
            lambda tx: tx.add_web_session(bot.id, "token", "csrf", NOW, NOW + 9),
            lambda tx: tx.add_login_link(bot.id, "link", NOW, NOW + 9),
        ):
            with pytest.raises(ServiceAccountError):
                world.write(way_in)
        with pytest.raises(LastAdminError):  # nobody could log in
            world.write(lambda tx: tx.set_role(world.user.id, "member"))
        with world.store.writing() as tx:
            tx.set_disabled(bot.id, NOW)
            tx.set_disabled(bot.id, None)
            assert tx.user_of_key("hash", NOW) is None

    # Last activity

    def test_a_user_was_last_seen_with_a_key_or_on_a_page(self, world: World) -> None:
        with world.store.writing() as tx:
            key = tx.add_key(world.user.id, "k", "hash", NOW).id

        def seen() -> float | None:
            user = world.read(lambda view: view.user(world.user.id))
            assert user is not None
            return user.last_seen

        assert seen() is None
        world.write(lambda tx: tx.keys_used({key: NOW + 5, "unknown": NOW + 9}))
        assert seen() == NOW + 5
        world.write(lambda tx: tx.add_web_session(world.user.id, "t", "csrf", NOW + 6, NOW + 99))
        world.write(lambda tx: tx.web_session_used("t", NOW + 7))
        assert seen() == NOW + 7
        world.write(lambda tx: tx.keys_used({key: NOW + 5}))  # this was reported late
        assert seen() == NOW + 7
        world.write(lambda tx: tx.end_web_sessions(world.user.id))
        assert seen() == NOW + 7

    # Handing over

    def test_runs_are_handed_over_but_for_those_that_go_on(self, world: World) -> None:
        bob, eve = new_user(world, "bob"), new_user(world, "eve")
        ended, live = world.run("ended", session="s1", user=bob), world.run("live", session="s2", user=bob)
        hers = world.run("hers", session="s3")
        assert world.end(ended, "s1", user=bob)
        deleted = world.run("deleted", session="s4", user=bob)
        assert world.end(deleted, "s4", user=bob)
        world.write(lambda tx: tx.delete_run(deleted, NOW))
        with world.store.writing() as tx:
            assert tx.hand_over(bob.id, eve.id, NOW) == HandedOver(runs=2, live=1, kept_out=0, projects=0)
            assert tx.changes.runs == {ended, deleted}
        with world.store.reading() as view:
            authors = {run.id: run.author for run in view.some_runs([ended, live, hers, deleted])}
        assert authors == {ended: "eve", live: "bob", hers: "ada", deleted: "eve"}
        assert world.end(live, "s2", user=bob)
        world.write(lambda tx: tx.delete_user(bob.id, NOW))
        done = world.write(lambda tx: tx.hand_over(bob.id, eve.id, NOW))
        assert done == HandedOver(runs=1, live=0, kept_out=0, projects=0), "of somebody who was deleted, too"

    def test_runs_of_a_project_to_which_the_other_may_not_add_stay(self, world: World) -> None:
        bob, eve = new_user(world, "bob"), new_user(world, "eve")
        run = world.run("r", user=bob)
        assert world.end(run, user=bob)
        world.write(lambda tx: tx.set_private(world.project, True))
        assert world.write(lambda tx: tx.hand_over(bob.id, eve.id, NOW)).kept_out == 1
        world.write(lambda tx: tx.set_member(world.project, eve.id, "member"))
        assert world.write(lambda tx: tx.hand_over(bob.id, eve.id, NOW)).runs == 1

    def test_projects_are_handed_over_as_far_as_one_may_own_them(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bob, eve = new_user(world, "bob"), new_user(world, "eve")
        for user, name in ((bob, "b"), (eve, "e")):
            world.write(lambda tx, user=user, name=name: tx.add_project(name, user.id, NOW))
        with monkeypatch.context() as patch:
            patch.setattr(limits, "PROJECTS_MAX", 1)
            with pytest.raises(FullError):
                world.write(lambda tx: tx.hand_over(bob.id, eve.id, NOW, projects=True))
        assert world.write(lambda tx: tx.hand_over(bob.id, eve.id, NOW, projects=True)).projects == 1
        assert world.write(lambda tx: tx.hand_over(bob.id, eve.id, NOW, projects=True)).projects == 0

    def test_nothing_is_handed_over_to_somebody_who_is_not_there(self, world: World) -> None:
        bob = new_user(world, "bob")
        with pytest.raises(NoHeirError):
            world.write(lambda tx: tx.hand_over(bob.id, bob.id, NOW))
        eve = new_user(world, "eve")
        world.write(lambda tx: tx.set_disabled(eve.id, NOW))
        with pytest.raises(NoHeirError):
            world.write(lambda tx: tx.hand_over(bob.id, eve.id, NOW))

    def test_who_is_deleted_meanwhile_gets_nothing(self, place: MetaPlace, world: World) -> None:
        bob, eve = new_user(world, "bob"), new_user(world, "eve")
        run = world.run("r", user=bob)
        assert world.end(run, user=bob)
        _, second = meet(place, lambda tx: tx.delete_user(eve.id, NOW), lambda tx: tx.hand_over(bob.id, eve.id, NOW))
        assert isinstance(second.error, NoHeirError)
        row = world.read(lambda view: view.run(run))
        assert row is not None and row.author == "bob"

    def test_a_run_that_is_handed_over_twice_at_once_has_one_author(self, place: MetaPlace, world: World) -> None:
        bob, eve = new_user(world, "bob"), new_user(world, "eve")
        run = world.run("r", user=bob)
        assert world.end(run, user=bob)
        works = [lambda tx, to=to: tx.hand_over(bob.id, to, NOW) for to in (eve.id, world.user.id)]
        outcomes = meet(place, *works)
        assert [outcome.error for outcome in outcomes] == [None, None]
        assert [outcome.value.runs for outcome in outcomes] == [1, 0]
        row = world.read(lambda view: view.run(run))
        assert row is not None and row.author == "eve"

    def test_a_run_that_goes_on_meanwhile_stays(self, place: MetaPlace, world: World) -> None:
        bob, eve = new_user(world, "bob"), new_user(world, "eve")
        run = world.run("r", session="s1", user=bob)
        assert world.end(run, "s1", user=bob)
        outcomes = meet(
            place,
            partial(attach, user=bob, name="r", session="s2", now=NOW + 9),
            lambda tx: tx.hand_over(bob.id, eve.id, NOW),
        )
        assert [outcome.error for outcome in outcomes] == [None, None]
        assert outcomes[1].value == HandedOver(runs=0, live=1, kept_out=0, projects=0)
