"""Saved views, and the objective of a project."""

from __future__ import annotations

from typing import Any

import pytest

from pyhectiqlab.protocol import limits
from pyhectiqlab.store.meta import FullError, MetaTransaction, NameTakenError
from pyhectiqlab.store.projects import Objective, ProjectGoneError
from pyhectiqlab.store.views import SavedView, ViewVersionError

from ...stores import MetaPlace
from .meeting import meet
from .world import NOW, World


def add(world: World, name: str, shared: bool = False, user: str | None = None, document: str = "{}") -> SavedView:
    return world.write(lambda tx: tx.add_view(world.project, user or world.user.id, name, shared, document, NOW))


class ViewsSuite:
    def test_whoever_made_a_view_sees_it_and_others_only_if_it_is_shared(self, world: World) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW)).id
        mine, ours, theirs = add(world, "b"), add(world, "c", shared=True), add(world, "b", shared=True, user=bob)
        add(world, "a", user=bob)
        elsewhere = world.write(lambda tx: tx.add_project("q", bob, NOW)).id
        with world.store.reading() as view:
            seen = view.views(world.project, world.user.id, 9)
            assert [v.id for v in seen] == [*sorted([mine.id, theirs.id]), ours.id]
            assert view.views(world.project, world.user.id, 1) == seen[:1]
            assert view.views(world.project, world.user.id, 9, (seen[0].name, seen[0].id)) == seen[1:]
            assert [v.name for v in view.views(world.project, bob, 9)] == ["a", "b", "c"]
            assert view.view(world.project, mine.id) == mine and view.view(elsewhere, mine.id) is None

    def test_a_document_is_kept_as_it_is(self, world: World) -> None:
        text = '{"b":1.0,"a":[null,"é\U0001f600"],"big":123456789012345678901}'
        its = add(world, "v", document=text)
        assert its.chars == len(text) and world.read(lambda view: view.view_documents([its.id])) == {its.id: text}

    def test_a_change_is_of_the_version_that_it_was_made_from(self, place: MetaPlace, world: World) -> None:
        its = add(world, "v")
        values: dict[str, Any] = {"name": "w", "shared": True, "document": "[]", "now": NOW + 1}
        changed = world.write(lambda tx: tx.change_view(its.id, 1, **values))
        assert changed is not None and (changed.name, changed.shared, changed.version) == ("w", True, 2)
        assert (changed.created, changed.changed) == (NOW, NOW + 1)

        def change(tx: MetaTransaction) -> SavedView | None:
            return tx.change_view(its.id, 2, **values)

        first, second = meet(place, change, change)
        assert first.error is None and isinstance(second.error, ViewVersionError)
        with pytest.raises(ViewVersionError, match="version 3 by now"):
            world.write(lambda tx: tx.delete_view(its.id, 2))
        assert world.write(lambda tx: tx.delete_view(its.id, 3)) and not world.write(lambda tx: tx.delete_view(its.id))
        assert world.write(change) is None and world.read(lambda view: view.view_documents([its.id])) == {}

    def test_a_name_is_that_of_one_view_of_its_author(self, place: MetaPlace, world: World) -> None:
        def make(tx: MetaTransaction) -> SavedView:
            return tx.add_view(world.project, world.user.id, "v", False, "{}", NOW)

        first, second = meet(place, make, make)
        assert first.error is None and isinstance(second.error, NameTakenError)
        other = add(world, "w")
        with pytest.raises(NameTakenError):
            world.write(lambda tx: tx.change_view(other.id, 1, name="v", shared=False, document="{}", now=NOW))
        kept = world.write(lambda tx: tx.change_view(other.id, 1, name="w", shared=False, document="{}", now=NOW))
        assert kept is not None and kept.version == 2

    def test_a_user_has_so_many_views_in_a_project(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "VIEWS_MAX", 1)
        add(world, "v")
        with pytest.raises(FullError):
            add(world, "w")

    def test_views_go_with_their_project_and_private_ones_with_their_author(self, world: World) -> None:
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW)).id
        ours, _ = add(world, "ours", shared=True, user=bob), add(world, "mine", user=bob)
        world.write(lambda tx: tx.delete_user(bob, NOW))
        assert [v.name for v in world.read(lambda view: view.views(world.project, bob, 9))] == ["ours"]
        world.write(lambda tx: tx.delete_project(world.project, NOW))
        with pytest.raises(ProjectGoneError):
            add(world, "late")
        world.write(lambda tx: tx.restore_project(world.project, world.user.id, NOW))
        world.write(lambda tx: tx.rename_project(world.project, "other", world.user.id, NOW))
        assert world.read(lambda view: view.view(world.project, ours.id)) == ours
        world.write(lambda tx: tx.delete_project(world.project, NOW))
        assert world.write(lambda tx: tx.purge_project(world.project, NOW))
        assert world.read(lambda view: view.view(world.project, ours.id)) is None

    def test_a_project_has_one_objective_or_none(self, world: World) -> None:
        def objective() -> Objective | None:
            project = world.read(lambda view: view.project(world.project))
            assert project is not None
            return project.objective

        assert objective() is None
        with world.store.writing() as tx:
            tx.set_objective(world.project, Objective("valid/loss", "min"))
            assert tx.changes.projects == {world.project}
        assert objective() == Objective("valid/loss", "min")
        world.write(lambda tx: tx.set_objective(world.project, None))
        assert objective() is None
        world.write(lambda tx: tx.delete_project(world.project, NOW))
        with pytest.raises(ProjectGoneError):
            world.write(lambda tx: tx.set_objective(world.project, Objective("a", "max")))
