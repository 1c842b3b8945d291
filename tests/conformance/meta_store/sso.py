"""Single sign-on: which person of which provider is which user."""

from __future__ import annotations

import pytest

from pyhectiqlab.store.sso import LinkTakenError, SsoLink

from .world import NOW, World

ISSUER = "https://login.example.org"


class SsoSuite:
    def test_a_person_is_a_user_of_one_provider(self, world: World) -> None:
        made = world.write(lambda tx: tx.link_sso(ISSUER, "7", world.user.id, NOW))
        assert made == SsoLink(ISSUER, "7", world.user.id, NOW)
        with world.store.reading() as view:
            assert view.sso_link(ISSUER, "7") == view.sso_link_of(ISSUER, world.user.id) == made
            assert view.sso_links(ISSUER) == [made]
            assert view.sso_link("https://other.example.org", "7") is view.sso_link(ISSUER, "8") is None
            assert view.sso_link_of("https://other.example.org", world.user.id) is None

    def test_a_person_is_one_user_and_a_user_one_person(self, world: World) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        made = world.write(lambda tx: tx.link_sso(ISSUER, "7", world.user.id, NOW))
        assert world.write(lambda tx: tx.link_sso(ISSUER, "7", world.user.id, NOW + 1)) == made
        for subject, user in (("7", bob), ("8", world.user)):
            with pytest.raises(LinkTakenError):
                world.write(lambda tx, s=subject, u=user: tx.link_sso(ISSUER, s, u.id, NOW))
        world.write(lambda tx: tx.link_sso("https://other.example.org", "7", bob.id, NOW))
        assert world.read(lambda view: view.sso_links(ISSUER)) == [made]

    def test_a_login_leaves_when_it_was_and_what_its_groups_gave(self, world: World) -> None:
        made = world.write(lambda tx: tx.link_sso(ISSUER, "7", world.user.id, NOW))
        for given in ({world.project: "member"}, {}):
            world.write(lambda tx, given=given: tx.sso_logged_in(made, given, NOW + 5))
            link = world.read(lambda view: view.sso_link(ISSUER, "7"))
            assert link is not None and (link.last_login, link.given) == (NOW + 5, given)

    def test_a_link_is_removed_once(self, world: World) -> None:
        made = world.write(lambda tx: tx.link_sso(ISSUER, "7", world.user.id, NOW))
        removed = [world.write(lambda tx: tx.unlink_sso(ISSUER, world.user.id)) for _ in range(2)]
        assert removed == [made, None]
        assert world.read(lambda view: view.sso_link(ISSUER, "7")) is None
