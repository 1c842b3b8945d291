"""Versions of models and datasets, their aliases and uses; and what is shown as media."""

from __future__ import annotations

import pytest

from pyhectiqlab.protocol import limits, media
from pyhectiqlab.protocol import registry as names
from pyhectiqlab.protocol.registry import Version
from pyhectiqlab.store.artifacts import IdTakenError
from pyhectiqlab.store.media import MediaGroup, MediaQuery
from pyhectiqlab.store.meta import FullError
from pyhectiqlab.store.registry import TooManyAliasesError, UsingRun, VersionExistsError, VersionFile
from pyhectiqlab.store.sql import meta_registry

from .world import NOW, World, new_version

INT64_MAX = (1 << 63) - 1


class RegistrySuite:
    def add(self, world: World, ident: str, name: str = "m", **more: object) -> bool:
        wanted = new_version(world, ident, name, **more)
        for file in wanted.files:
            world.add_blob(file.digest, file.bytes)
        return world.write(lambda tx: tx.add_version(wanted, NOW))

    # Versions

    def test_versions_follow_each_other_or_have_the_number_that_was_asked_for(self, world: World) -> None:
        assert self.add(world, "v1") and not self.add(world, "v1") and self.add(world, "v2")
        self.add(world, "v3", version=Version(10, 0, 9))
        self.add(world, "v4")
        self.add(world, "other", "n", kind="datasets")
        with pytest.raises(VersionExistsError):
            self.add(world, "v5", version=Version(1, 1, 0))
        with pytest.raises(IdTakenError):
            self.add(world, "v1", "n")
        with world.store.reading() as view:
            items = list(view.versions_of("models", world.project, "m", 9, None))
            assert [v.version for v in items] == [(10, 1, 0), (10, 0, 9), (1, 1, 0), (1, 0, 0)]
            assert list(view.versions_of("models", world.project, "m", 2, Version(10, 0, 9))) == items[2:]
            latest = view.find_version("models", world.project, "m", None)
            assert latest is not None and (latest.id, latest.versions) == ("v4", 4)
            one = view.find_version("models", world.project, "m", Version(1, 0, 0))
            assert one is not None and one.id == "v1" and view.version("v1") is not None
            assert view.find_version("models", world.project, "none", None) is view.version("none") is None

    def test_the_latest_of_each_name(self, world: World) -> None:
        for ident, name in (("1", "b"), ("2", "B"), ("3", "b"), ("4", "é")):
            self.add(world, ident, name)
        with world.store.reading() as view:
            items = list(view.latest_versions("models", world.project, 9, ""))
            assert [(v.name, v.version.minor, v.versions) for v in items] == [("B", 0, 1), ("b", 1, 2), ("é", 0, 1)]
            assert [v.name for v in view.latest_versions("models", world.project, 1, "B")] == ["b"]
            assert list(view.latest_versions("datasets", world.project, 9, "")) == []

    def test_files_of_a_version(self, world: World) -> None:
        files = [VersionFile("b/é", "d1", 1), VersionFile("B", "d2", 2), VersionFile("a", "d1", 1)]
        self.add(world, "v1", files=files, description="d" * 2000, short_description="s")
        with world.store.reading() as view:
            assert view.version_files("v1") == [files[1], files[2], files[0]]
            assert view.version_file("v1", "B") == files[1] and view.version_file("v1", "c") is None
            whole = view.version("v1")
            assert whole is not None and (whole.files, whole.bytes, whole.author) == (3, 4, "ada")
            assert whole.description == "d" * 2000 and not whole.description_cut
            (listed,) = view.versions_of("models", world.project, "m", 9, None)
            assert len(listed.description) == limits.NOTE_CHARS_LISTED and listed.description_cut

    def test_a_project_has_so_many_versions(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "VERSIONS_MAX", 1)
        self.add(world, "v1")
        with pytest.raises(FullError):
            self.add(world, "v2")

    def test_runs_that_made_and_used_versions(self, world: World) -> None:
        maker, user, gone = world.run("maker"), world.run("user"), world.run("gone")
        bob = world.write(lambda tx: tx.add_user("bob", "member", None, NOW))
        self.add(world, "v1", run=maker)
        self.add(world, "v2", run=maker, created=NOW + 1)
        with world.store.writing() as tx:
            for at, run in enumerate((user, gone, user)):
                tx.add_usage("v1", run, NOW + at)
            tx.delete_run(gone, NOW)
            assert tx.used_by("v1", 9) == [UsingRun(user, "user", "ada", NOW)]
            assert [v.id for v in tx.made_by_run(maker, 9)] == ["v2", "v1"]
            assert [v.id for v in tx.made_by_run(maker, 1)] == ["v2"]
            assert [v.id for v in tx.used_by_run(user, 9)] == ["v1"]
            row = tx.version("v1")
            assert row is not None and (row.run, row.run_name) == (maker, "maker")
            tx.set_private(world.project, True)
            assert tx.used_by("v1", 9, seen_by=bob.id) == []
            assert list(tx.made_by_run(maker, 9, seen_by=bob.id)) == []
            assert list(tx.used_by_run(user, 9, seen_by=bob.id)) == []
            tx.delete_run(maker, NOW)
            row = tx.version("v1")
            assert row is not None and row.run is None

    def test_an_alias_points_to_one_version_of_its_name(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(meta_registry, "ALIASES_MAX", 2)
        self.add(world, "v1")
        self.add(world, "v2")
        with world.store.writing() as tx:
            tx.set_alias("v1", "best", world.user.id, NOW)
            tx.set_alias("v1", "prod", world.user.id, NOW)
            tx.set_alias("v2", "best", world.user.id, NOW)
            with pytest.raises(TooManyAliasesError), tx.undoable():
                tx.set_alias("v2", "third", world.user.id, NOW)
            one, two = tx.version("v1"), tx.version("v2")
            assert one is not None and two is not None
            assert (one.aliases, two.aliases) == (("prod",), ("best",))
            best = tx.find_version("models", world.project, "m", "best")
            assert best is not None and best.id == "v2"
            assert tx.remove_alias("models", world.project, "m", "best")
            assert not tx.remove_alias("models", world.project, "m", "best")
            assert tx.find_version("models", world.project, "m", "best") is None
        assert names.ALIASES_MAX == 100

    # Media

    def test_media_of_events_and_files_are_found_by_name(self, world: World) -> None:
        run = world.run("r")
        empty = media.Histogram((), ()).fields()
        world.tell(
            run,
            ("text", {"name": "b/é", "text": "one", "step": 1}),
            ("text", {"name": "b/é", "text": "two", "step": 5}),
            ("text", {"name": "b/é", "text": "none"}),
            ("histogram", {"name": "b/é", "step": 2, **empty}),
            ("text", {"name": "no text", "step": 1}),
            ("text", {"name": "B", "text": "x", "step": -3}),
        )
        world.tell(run, ("text", {"name": "b/é", "text": "of rank 1", "step": 5}), writer="v", rank=1)
        world.add_artifact("a1", run, "fig.svg", kind="figure", step=7, meta={"name": "b/é", "rank": 2})
        groups = [
            MediaGroup("text", "B", 1, -3, -3, [0]),
            MediaGroup("figure", "b/é", 1, 7, 7, [2]),
            MediaGroup("histogram", "b/é", 1, 2, 2, [0]),
            MediaGroup("text", "b/é", 4, 1, 5, [0, 1]),
        ]
        with world.store.reading() as view:
            assert view.media_groups(run, None, "", 9, None) == groups
            assert view.media_groups(run, None, "", 2, ("B", "text")) == groups[1:3]
            assert view.media_groups(run, "text", "", 9, None) == [groups[0], groups[3]]
            assert view.media_groups(run, None, "B/", 9, None) == groups[1:]  # in any case
            assert view.media_groups(run, None, "", 9, None, name="b") == []
            assert {g.name for g in view.media_groups(run, None, "", 9, None, name="b/é")} == {"b/é"}
            items = list(view.media_items(MediaQuery(run, "text", "b/é")))
            assert [(i.step, i.rank, (i.fields or {}).get("text")) for i in items] == [
                (None, 0, "none"),
                (1, 0, "one"),
                (5, 0, "two"),
                (5, 1, "of rank 1"),
            ]
            assert list(view.media_items(MediaQuery(run, "text", "b/é", newest=True))) == items[::-1]
            assert list(view.media_items(MediaQuery(run, "text", "b/é", after=(1, 0)))) == items[2:]
            assert list(view.media_items(MediaQuery(run, "text", "b/é", newest=True, after=(5, 1)))) == items[2::-1]
            assert list(view.media_items(MediaQuery(run, "text", "b/é", rank=1))) == items[3:]
            assert list(view.media_items(MediaQuery(run, "text", "b/é", lo=-99, hi=4))) == items[1:2]
            (bare,) = view.media_items(MediaQuery(run, "figure", "b/é", data=False))
            assert bare.artifact is bare.fields is None
            (figure,) = view.media_items(MediaQuery(run, "figure", "b/é"))
            assert figure.artifact is not None and figure.artifact.id == "a1"

    def test_what_a_newer_attempt_shows_replaces_what_an_older_one_showed(self, world: World) -> None:
        run = world.run("r")
        for writer, attempt in (("a", 1), ("b", 3), ("c", 2)):
            world.tell(run, ("text", {"name": "t", "text": writer, "step": 1}), writer=writer, attempt=attempt)
        (item,) = world.read(lambda view: list(view.media_items(MediaQuery(run, "text", "t"))))
        assert item.fields is not None and (item.fields["text"], item.attempt) == ("b", 3)

    @pytest.mark.parametrize("steps", [1, 2, 3, 5, 100])
    def test_media_of_any_steps_are_thinned(self, world: World, steps: int) -> None:
        run = world.run("r")
        at = [-INT64_MAX, -7, -1, 0, 1, 2, 3, 900, 901, INT64_MAX - 1, INT64_MAX]
        world.tell(run, *[("text", {"name": "t", "text": str(step), "step": step}) for step in at])
        world.tell(run, ("text", {"name": "t", "text": "without"}))
        query = MediaQuery(run, "text", "t", steps=steps)
        items = [item.step for item in world.read(lambda view: list(view.media_items(query)))]
        assert items[0] is None and 0 < len(items[1:]) <= steps and set(items[1:]) <= set(at)
        assert items[-1] == INT64_MAX
        if steps == 100:
            assert items[1:] == at
        of_rank = MediaQuery(run, "text", "t", rank=0, steps=steps)  # another query finds the same
        assert [item.step for item in world.read(lambda view: list(view.media_items(of_rank)))] == items

    def test_a_range_of_steps_is_thinned_to_the_last_of_each_slice(self, world: World) -> None:
        run = world.run("r")
        at = sorted({step for start in (-90, -21, 0, 3, 40, 1000) for step in range(start, start + 17, 3)})
        for rank in (0, 3):
            items = [("text", {"name": "t", "text": "x", "step": step}) for step in at if step % (rank + 1) == 0]
            world.tell(run, *items, writer=f"of {rank}", rank=rank)
        for steps, lo, hi in ((16, None, None), (5, -100, 100), (7, -30, 30), (3, 1, 2000), (4, -95, -4), (9, None, 9)):
            there = [s for s in at if (lo is None or s >= lo) and (hi is None or s <= hi)]
            width = 1
            while (there[-1] - there[0]) // width + 2 > steps:
                width *= 2
            wanted = sorted({int(step / width): step for step in there}.values())
            query = MediaQuery(run, "text", "t", 0, lo, hi, steps)
            assert [item.step for item in world.read(lambda view, q=query: list(view.media_items(q)))] == wanted
