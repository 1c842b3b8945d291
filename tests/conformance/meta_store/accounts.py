"""Accounts: users, keys, web sessions, links, invites, projects and their members, the audit log, values of the lab."""

from __future__ import annotations

import pytest

from pyhectiqlab.protocol import limits
from pyhectiqlab.store import accounts
from pyhectiqlab.store.accounts import AUDIT_ROWS_MAX, Change, LastAdminError, TooManyError, User
from pyhectiqlab.store.meta import FullError, MetaStore, NameTakenError, ProjectRuns
from pyhectiqlab.store.sql import meta_accounts, meta_members

from .world import NOW, World


def change(n: int, at: float = NOW) -> Change:
    return Change(at, "ada", "web", "127.0.0.1", "did", f"thing {n}", f"detail {n}")


class AccountsSuite:
    # Values of the lab

    def test_a_fresh_store_has_an_id_and_a_generation_of_its_own(self, store: MetaStore) -> None:
        with store.reading() as view:
            values = {view.lab_value("id"), view.lab_value("generation")}
            assert view.lab_value("never set") is None
        assert None not in values and len(values) == 2

    def test_a_value_of_the_lab_is_set_and_set_again(self, world: World) -> None:
        world.write(lambda tx: tx.set_lab_value("k", "1"))
        world.write(lambda tx: tx.set_lab_value("k", "2"))
        assert world.read(lambda view: view.lab_value("k")) == "2"

    # Users

    def test_users_are_found_by_id_and_name_and_listed_by_name(self, world: World) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", "hash", 5.0))
        eve = world.write(lambda tx: tx.add_user("Eve", "viewer", None, 6.0))
        assert bob == User(bob.id, "bob", "member", 5.0, "hash", None)
        with world.store.reading() as view:
            assert view.user(bob.id) == view.user_named("bob") == bob
            assert view.users() == [eve, world.user, bob]
            assert view.user("nobody") is view.user_named("nobody") is None

    @pytest.mark.parametrize(
        ("name", "written"), [("Ada Ø", "ADA  ø"), ("straße", "STRASSE"), ("ﬁ", "FI"), ("Ωmega", "ωmega")]
    )
    def test_a_name_is_the_same_however_it_is_written(self, world: World, name: str, written: str) -> None:
        made = world.write(lambda tx: tx.add_user(name, "member", None, NOW))
        assert world.read(lambda view: view.user_named(written)) == made
        with pytest.raises(NameTakenError):
            world.write(lambda tx: tx.add_user(written, "member", None, NOW))

    def test_nobody_takes_a_name_that_is_read_as_anothers(self, world: World) -> None:
        world.write(lambda tx: tx.add_user("paul", "member", None, NOW))
        for name in ("paul", "pau1", "раul"):  # a digit, and Cyrillic letters
            with pytest.raises(NameTakenError):
                world.write(lambda tx, name=name: tx.add_user(name, "member", None, NOW))

    def test_the_owner_is_whom_a_lab_on_loopback_logs_in(self, store: MetaStore) -> None:
        with store.writing() as tx:
            assert tx.owner() is None
            admin = tx.add_user("zoe", "admin", None, 1.0)
            assert tx.owner() == admin
            owner = tx.add_user("ann", "owner", None, 2.0)
            assert tx.owner() == owner
            tx.set_disabled(owner.id, 3.0)
            assert tx.owner() == admin

    def test_a_password_ends_web_sessions_and_links(self, world: World) -> None:
        user = world.user
        with world.store.writing() as tx:
            tx.add_web_session(user.id, "token", "csrf", NOW, NOW + 9)
            tx.add_login_link(user.id, "link", NOW, NOW + 9)
            tx.set_password(user.id, "hash")
            assert tx.web_session("token", NOW) is tx.use_login_link("link", NOW) is None
            row = tx.user(user.id)
            assert row is not None and row.password_hash == "hash"

    def test_the_last_admin_stays_one(self, world: World) -> None:
        other = world.write(lambda tx: tx.add_user("bob", "admin", None, NOW))
        world.write(lambda tx: tx.set_role(world.user.id, "member"))
        with pytest.raises(LastAdminError):
            world.write(lambda tx: tx.set_role(other.id, "viewer"))
        with pytest.raises(LastAdminError):
            world.write(lambda tx: tx.set_disabled(other.id, NOW))
        with world.store.reading() as view:
            row = view.user(other.id)
            assert row is not None and (row.role, row.disabled) == ("admin", None)

    def test_whoever_is_disabled_gets_in_no_way_and_their_keys_stay_revoked(self, world: World) -> None:
        with world.store.writing() as tx:
            bob = tx.add_user("bob", "admin", None, NOW)
            tx.add_key(bob.id, "k", "hash", NOW)
            tx.add_web_session(bob.id, "token", "csrf", NOW, NOW + 9)
            tx.add_login_link(bob.id, "link", NOW, NOW + 9)
            tx.add_invite("member", "invite", "bob", NOW, NOW + 9)
            tx.set_disabled(bob.id, NOW)
            assert tx.user_of_key("hash", NOW) is tx.web_session("token", NOW) is tx.use_login_link("link", NOW) is None
            assert tx.users_of_keys(["hash"], NOW) == {} and tx.invites(NOW) == []
            assert tx.keys(bob.id) == []
            tx.set_disabled(bob.id, None)
            assert tx.user_of_key("hash", NOW) is None and tx.keys(bob.id) == []
            assert tx.web_session("token", NOW) is tx.use_login_link("link", NOW) is None
            tx.add_key(bob.id, "new", "hash2", NOW)
            tx.set_disabled(bob.id, None)  # a user who is enabled already keeps everything
            assert tx.user_of_key("hash2", NOW) is not None

    def test_whoever_is_no_admin_any_more_has_no_invites(self, world: World) -> None:
        with world.store.writing() as tx:
            bob = tx.add_user("bob", "admin", None, NOW)
            tx.add_invite("member", "his", "bob", NOW, NOW + 9)
            kept = tx.add_invite("member", "hers", "ada", NOW, NOW + 9)
            tx.set_role(bob.id, "member")
            assert tx.invites(NOW) == [kept]

    # Keys

    def test_a_key_opens_until_it_is_revoked_or_expires(self, world: World) -> None:
        user = world.user
        with world.store.writing() as tx:
            ever = tx.add_key(user.id, "ever", "h1", NOW)
            brief = tx.add_key(user.id, "brief", "h2", NOW + 1, expires=NOW + 10)
            assert tx.user_of_key("h1", NOW) == (tx.user(user.id), ever)
            assert tx.users_of_keys(["h1", "h2", "h3"], NOW) == {"h1": user, "h2": user}
            assert tx.user_of_key("h2", NOW + 10) is None and tx.users_of_keys(["h2"], NOW + 10) == {}
            tx.keys_used({ever.id: NOW + 5, "unknown": NOW})
            assert [(key.name, key.last_used) for key in tx.keys(user.id)] == [("ever", NOW + 5), ("brief", None)]
            assert not tx.revoke_key("somebody else", ever.id, NOW)
            assert tx.revoke_key(user.id, ever.id, NOW) and not tx.revoke_key(user.id, ever.id, NOW)
            assert tx.user_of_key("h1", NOW) is None
            assert [key.id for key in tx.keys(user.id)] == [brief.id]

    def test_a_user_has_so_many_keys(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(meta_accounts, "KEYS_OF_USER_MAX", 2)
        with world.store.writing() as tx:
            first = tx.add_key(world.user.id, "a", "h1", NOW)
            tx.add_key(world.user.id, "b", "h2", NOW)
            with pytest.raises(TooManyError):
                tx.add_key(world.user.id, "c", "h3", NOW)
            tx.revoke_key(world.user.id, first.id, NOW)
            tx.add_key(world.user.id, "c", "h3", NOW)
        assert accounts.KEYS_OF_USER_MAX == 200

    # Web sessions, links, invites

    def test_a_web_session_lives_until_it_expires_or_ends(self, world: World) -> None:
        user = world.user
        with world.store.writing() as tx:
            tx.add_web_session(user.id, "t", "csrf", NOW, NOW + 9)
            tx.web_session_used("t", NOW + 5)
            row = tx.web_session("t", NOW)
            assert row is not None
            assert (row.user, row.csrf, row.expires, row.last_used) == (user, "csrf", NOW + 9, NOW + 5)
            assert tx.web_session("t", NOW + 9) is None
            assert tx.users_of_web_sessions(["t", "u"], NOW, idle_before=NOW + 5) == {"t": user}
            assert tx.users_of_web_sessions(["t"], NOW, idle_before=NOW + 6) == {}
            tx.end_web_session("t")
            assert tx.web_session("t", NOW) is None
            tx.add_web_session(user.id, "t2", "csrf", NOW, NOW + 9)
            tx.end_web_sessions(user.id)
            assert tx.web_session("t2", NOW) is None

    def test_a_link_logs_in_once(self, world: World) -> None:
        with world.store.writing() as tx:
            tx.add_login_link(world.user.id, "link", NOW, NOW + 9)
            tx.add_login_link(world.user.id, "old", NOW, NOW + 9)
            assert tx.use_login_link("link", NOW) == world.user
            assert tx.use_login_link("link", NOW) is tx.use_login_link("old", NOW + 9) is None

    def test_an_invite_is_there_until_it_expires_or_ends(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(meta_accounts, "INVITES_MAX", 2)
        with world.store.writing() as tx:
            second = tx.add_invite("member", "h2", "ada", NOW + 1, NOW + 99)
            first = tx.add_invite("viewer", "h1", "ada", NOW, NOW + 9)
            assert tx.invites(NOW) == [first, second] and tx.invites(NOW + 9) == [second]
            assert tx.invite("h1", NOW) == first and tx.invite("h1", NOW + 9) is None
            with pytest.raises(TooManyError):
                tx.add_invite("member", "h3", "ada", NOW, NOW + 9)
            assert tx.end_invite(first.id) and not tx.end_invite(first.id)
            assert tx.invites(NOW) == [second]

    def test_what_can_no_longer_be_used_is_forgotten(self, world: World) -> None:
        user = world.user
        with world.store.writing() as tx:
            for name, expires in (("old", NOW), ("new", NOW + 1)):
                tx.add_web_session(user.id, name, "csrf", NOW, expires)
                tx.add_login_link(user.id, name, NOW, expires)
                tx.add_invite("member", name, "ada", NOW, expires)
            tx.note_changes([change(1, NOW - 1), change(2, NOW)])
            tx.forget_expired(NOW, idle_s=100.0, audit_before=NOW)
            assert tx.web_session("old", 0.0) is tx.invite("old", 0.0) is tx.use_login_link("old", 0.0) is None
            assert tx.web_session("new", 0.0) is not None and tx.invite("new", 0.0) is not None
            assert tx.use_login_link("new", 0.0) == user
            assert [c.subject for c in tx.changes_told(9)] == ["thing 2"]
            tx.forget_expired(NOW + 0.5, idle_s=0.5, audit_before=0.0)
            assert tx.web_session("new", 0.0) is None

    # Projects and members

    def test_projects_are_found_and_listed_by_name(self, world: World) -> None:
        for name in ("B", "a", "é"):
            world.write(lambda tx, name=name: tx.add_project(name, world.user.id, 7.0))
        with world.store.reading() as view:
            assert [p.name for p in view.projects(9)] == ["B", "a", "p", "é"]
            assert [p.name for p in view.projects(2, after="a")] == ["p", "é"]
            row = view.project("B")
            assert row is not None and (row.created, row.private) == (7.0, False)
            assert view.project(row.id) == row and view.project("b") is None
        with pytest.raises(NameTakenError):
            world.write(lambda tx: tx.add_project("B", world.user.id, NOW))

    def test_a_user_makes_so_many_projects(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "PROJECTS_MAX", 1)
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        with pytest.raises(FullError):
            world.write(lambda tx: tx.add_project("q", world.user.id, NOW))
        world.write(lambda tx: tx.add_project("q", bob.id, NOW))

    def test_who_sees_a_private_project(self, world: World) -> None:
        with world.store.writing() as tx:
            bob = tx.add_user("bob", "member", None, NOW)
            tx.set_private(world.project, True)
            assert tx.private_projects([world.project, "none"]) == {world.project: True}
            assert tx.role_in(world.project, bob.id) is None and tx.role_in(world.project, world.user.id) == "admin"
            assert tx.projects(9, seen_by=bob.id) == [] and len(tx.projects(9, seen_by=world.user.id)) == 1
            tx.set_member(world.project, bob.id, "viewer")
            tx.set_member(world.project, bob.id, "member")
            assert tx.role_in(world.project, bob.id) == "member"
            assert len(tx.projects(9, seen_by=bob.id)) == 1
            assert tx.roles_of(bob.id) == {world.project: "member"}
            assert tx.roles_of_users([bob.id, "none"]) == {bob.id: {world.project: "member"}}
            assert [(m.username, m.role, m.disabled) for m in tx.members(world.project)] == [
                ("ada", "admin", False),
                ("bob", "member", False),
            ]
            tx.set_disabled(bob.id, NOW)
            assert tx.role_in(world.project, bob.id) is None
            tx.set_member(world.project, bob.id, None)
            assert tx.roles_of(bob.id) == {}

    def test_more_projects_than_a_statement_takes_are_looked_at(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(meta_members, "VARIABLES_MAX", 1)
        assert world.read(lambda view: view.private_projects(["x", world.project]))[world.project] is False

    def test_what_is_counted_of_projects(self, world: World) -> None:
        gone = world.run("gone", now=NOW + 9)
        world.run("r1", now=NOW)
        world.run("r2", now=NOW + 5)
        world.write(lambda tx: tx.delete_run(gone, NOW))
        counted = world.read(lambda view: view.runs_of_projects([world.project, "none"]))
        assert counted == {world.project: ProjectRuns(2, NOW + 5), "none": ProjectRuns(0, None)}

    # The audit log

    def test_the_audit_log_is_read_newest_first_in_pages(self, world: World) -> None:
        world.write(lambda tx: tx.note_changes([change(n) for n in range(5)]))
        world.write(lambda tx: tx.note_changes([]))
        with world.store.reading() as view:
            first = view.changes_told(2)
            rest = view.changes_told(9, before=first[-1].id)
        assert [c.subject for c in (*first, *rest)] == [f"thing {n}" for n in (4, 3, 2, 1, 0)]
        assert first[0] == Change(NOW, "ada", "web", "127.0.0.1", "did", "thing 4", "detail 4", first[0].id)

    def test_the_audit_log_keeps_the_newest(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(meta_members, "AUDIT_ROWS_MAX", 2)
        with world.store.writing() as tx:
            tx.note_changes([change(n) for n in range(5)])
            tx.forget_expired(NOW, 9.0, 0.0)
            assert [c.subject for c in tx.changes_told(9)] == ["thing 4", "thing 3"]
        assert AUDIT_ROWS_MAX == 200_000
