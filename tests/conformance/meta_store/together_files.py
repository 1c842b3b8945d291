"""What excludes what, continued: artifacts, the registry, quotas and uploads, with two transactions at once."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from pyhectiqlab.protocol.registry import Version
from pyhectiqlab.store.artifacts import ArtifactQuery, BlobMissingError, Upload
from pyhectiqlab.store.meta import MetaTransaction
from pyhectiqlab.store.quotas import QuotaExceededError
from pyhectiqlab.store.registry import TooManyAliasesError, VersionExistsError
from pyhectiqlab.store.sql import meta_registry

from ...stores import MetaPlace
from .meeting import Work, fine, meet, refused
from .world import EXPIRES, NOW, World, new_artifact, new_version


class TogetherFilesSuite:
    @pytest.mark.parametrize("shared", [False, True])
    def test_two_versions_of_an_artifact_follow_each_other(self, place: MetaPlace, world: World, shared: bool) -> None:
        run = None if shared else world.run("r")
        works = []
        for ident in ("a1", "a2"):
            new = new_artifact(world, ident, run, step=3)
            world.add_blob(new.digest)
            works.append(lambda tx, new=new: tx.add_artifact(new, NOW))
        fine(meet(place, *works))
        query = ArtifactQuery(run, world.project, all_versions=True)
        artifacts = world.read(lambda view: list(view.artifacts(query)))
        assert [(a.id, a.version, a.newest) for a in artifacts] == [("a2", 2, True), ("a1", 1, False)]

    def test_a_version_that_comes_twice_at_once_is_one(self, place: MetaPlace, world: World) -> None:
        artifact, version = new_artifact(world, "a1", world.run("r")), new_version(world, "v1")
        world.add_blob(artifact.digest)
        world.add_blob(version.files[0].digest)
        works: list[Work] = [lambda tx: tx.add_artifact(artifact, NOW), lambda tx: tx.add_version(version, NOW)]
        for work in works:
            outcomes = meet(place, work, work)
            fine(outcomes)
            assert [outcome.value for outcome in outcomes] == [True, False]

    def test_two_versions_of_a_model_follow_each_other(self, place: MetaPlace, world: World) -> None:
        works = []
        for ident in ("v1", "v2"):
            new = new_version(world, ident, digest="d")
            world.add_blob("d")
            works.append(lambda tx, new=new: tx.add_version(new, NOW))
        fine(meet(place, *works))
        versions = world.read(lambda view: list(view.versions_of("models", world.project, "m", 9, None)))
        assert [str(v.version) for v in versions] == ["1.1.0", "1.0.0"]

    def test_of_two_versions_with_one_number_one_is_refused(self, place: MetaPlace, world: World) -> None:
        world.add_blob("d")
        news = [new_version(world, ident, digest="d", version=Version(1, 2, 3)) for ident in ("v1", "v2")]
        refused(meet(place, *(lambda tx, new=new: tx.add_version(new, NOW) for new in news)), VersionExistsError)

    def test_an_alias_points_to_one_version_and_a_name_keeps_to_its_aliases(
        self, place: MetaPlace, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(meta_registry, "ALIASES_MAX", 2)
        world.add_blob("d")
        for ident in ("v1", "v2"):
            world.write(lambda tx, ident=ident: tx.add_version(new_version(world, ident, digest="d"), NOW))

        def set_alias(tx: MetaTransaction, version: str, alias: str) -> None:
            tx.set_alias(version, alias, world.user.id, NOW)

        fine(meet(place, *(partial(set_alias, version=v, alias="best") for v in ("v1", "v2"))))
        assert _aliases(world) == {"v2": ("best",)}
        works = [partial(set_alias, version="v1", alias=alias) for alias in ("b", "c")]
        refused(meet(place, *works), TooManyAliasesError)

    def test_a_use_that_two_tell_is_one(self, place: MetaPlace, world: World) -> None:
        run = world.run("r")
        world.add_blob("d")
        world.write(lambda tx: tx.add_version(new_version(world, "v1", digest="d"), NOW))
        fine(meet(place, *2 * [lambda tx: tx.add_usage("v1", run, NOW)]))
        assert len(world.read(lambda view: view.used_by("v1", 9))) == 1

    @pytest.mark.parametrize("of_lab", [False, True])
    def test_the_last_room_of_a_quota_goes_to_one(self, place: MetaPlace, world: World, of_lab: bool) -> None:
        scope = None if of_lab else world.project
        world.write(lambda tx: tx.set_quota(scope, 100))
        run = world.run("r")
        works: list[Work] = []
        for ident in ("a1", "a2"):
            new = new_artifact(world, ident, run, name=ident, bytes=60)
            if not of_lab:
                world.add_blob(new.digest, 60)

            def take(tx: MetaTransaction, new: Any = new) -> None:
                tx.check_quota(scope, {new.digest: 60})
                if of_lab:
                    tx.start_upload(Upload(new.id, world.user.id, new.digest, 60, EXPIRES, False), NOW)
                else:
                    tx.add_artifact(new, NOW)

            works.append(take)
        refused(meet(place, *works), QuotaExceededError)
        assert world.read(lambda view: view.use_of(scope)).used == 60
        _, second = meet(place, lambda tx: tx.set_quota(scope, 200), works[1])
        assert second.error is None, "the quota as it is now, not as it was"
        assert world.read(lambda view: view.use_of(scope)).used == 120

    def test_an_upload_that_begins_twice_at_once_is_one(self, place: MetaPlace, world: World) -> None:
        works = [
            lambda tx, ident=ident: tx.start_upload(Upload(ident, world.user.id, "d", 10, EXPIRES, False), NOW)
            for ident in ("u1", "u2")
        ]
        outcomes = meet(place, *works)
        fine(outcomes)
        assert [outcome.value.id for outcome in outcomes] == ["u1", "u1"]

    def test_bytes_that_one_forgets_are_named_by_no_other(self, place: MetaPlace, world: World) -> None:
        """Whoever comes first: either they stay, or nothing names them."""
        run = world.run("r")

        def forget(tx: MetaTransaction, digest: str) -> bool:
            return tx.forget_blob(digest, NOW + 1)

        for forgets_first in (True, False):
            new = new_artifact(world, f"a{forgets_first}", run, f"a{forgets_first}")
            world.add_blob(new.digest, now=NOW)
            world.write(lambda tx, new=new: tx.forget_upload(f"of-{world.user.id}-{new.digest}"))
            works = [partial(forget, digest=new.digest), lambda tx, new=new: tx.add_artifact(new, NOW + 9)]
            first, second = meet(place, *(works if forgets_first else works[::-1]))
            assert first.error is None and first.value is True
            if forgets_first:
                assert isinstance(second.error, BlobMissingError)
            else:
                assert second.value is False
        artifacts = world.read(lambda view: list(view.artifacts(ArtifactQuery(run))))
        assert [artifact.name for artifact in artifacts] == ["aFalse"]

    def test_a_version_that_two_remove_is_removed_once(self, place: MetaPlace, world: World) -> None:
        for ident in ("a1", "a2"):
            world.add_artifact(ident, None)
        fine(meet(place, *2 * [lambda tx: tx.remove_versions(["a1"], NOW)]))
        assert world.read(lambda view: view.was_removed("a1")) == world.project
        query = ArtifactQuery(None, world.project, all_versions=True)
        assert [a.id for a in world.read(lambda view: list(view.artifacts(query)))] == ["a2"]

    def test_a_run_that_is_held_becomes_no_run_that_used_something(self, place: MetaPlace, world: World) -> None:
        """Or retention would end a run that is protected."""
        run = world.run("r")
        world.add_blob("d")
        world.write(lambda tx: tx.add_version(new_version(world, "v1", digest="d"), NOW))
        made = new_version(world, "v2", digest="d", run=run)
        for work in (lambda tx: tx.add_usage("v1", run, NOW), lambda tx: tx.add_version(made, NOW)):
            outcomes = meet(place, lambda tx: tx.hold_runs([run]), work)
            fine(outcomes)
            assert outcomes[1].waited


def _aliases(world: World) -> dict[str, tuple[str, ...]]:
    versions = world.read(lambda view: list(view.versions_of("models", world.project, "m", 9, None)))
    return {version.id: version.aliases for version in versions if version.aliases}
