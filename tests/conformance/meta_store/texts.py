"""Hostile texts and numbers.

Zero characters, lone surrogates, what is longer than an index entry may be, alphabets of all kinds, the ends of int64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from pyhectiqlab.protocol import limits
from pyhectiqlab.protocol.search import Field, Sort, Term
from pyhectiqlab.protocol.searchable import TEXT_CHARS_MAX
from pyhectiqlab.store.artifacts import ArtifactQuery
from pyhectiqlab.store.media import MediaQuery
from pyhectiqlab.store.meta import MetaView, RunQuery, Tag
from pyhectiqlab.store.registry import VersionFile

from .accounts import change
from .world import NOW, World, attach, batch, end_report, new_version

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
SMILE = "\U0001f600"  # four bytes
ODD = ["a\0b", "\0", "\ud800", "é\udfff\0", "%_\\'\";--$1:x", "\u202e\x7f\x01", "a\nb\r\t", SMILE, "ﬀ ß İ ı"]
# In the order of their bytes, which is not that of an alphabet.
SORTED = [" a", "A", "B", "Z", "_", "a", "aa", "b", "e\u0301", "ss", "z", "~", "ß", "é", "ﬀ", SMILE]


def kept(text: str) -> str:
    """Return a text as the store keeps it."""
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def paged(
    world: World, page: Callable[[MetaView, Any], list[Any]], place: Callable[[Any], Any], start: Any
) -> list[Any]:
    """Return the items of all pages. `page` returns the page after a place."""
    items: list[Any] = []
    at = start
    while some := world.read(lambda view, at=at: page(view, at)):
        items += some
        at = place(some[-1])
        assert len(items) < 1000
    return items


class TextsSuite:
    @pytest.mark.parametrize("text", ODD)
    def test_odd_texts_are_told_as_they_can_be_kept(self, world: World, text: str) -> None:
        stored = kept(text)
        with world.store.writing() as tx:
            run = attach(tx, world.user, text, "s", project=None, host=text, job=text, script=text, restart=text).run.id
            events: list[tuple[str, dict[str, Any]]] = [
                ("tag", {"name": text, "color": text, "description": text}),
                ("note", {"text": text}),
                ("meta", {"key": text, "value": "a\0b"}),
                ("config", {"values": {text: "v", "path": {"to": text}, "zero": "a\0b"}}),
                ("text", {"name": text, "text": "a\0b", "step": 1}),
                ("loss", {"reason": text, "count": 1}),
            ]
            if text[-2:-1] >= "\ud800" or text == "\ud800":  # ingest refuses these, and msgpack cannot pack them
                events = [("tag", {"name": "none"})]
            tx.apply([batch(run, *events)], NOW)
            tx.end(end_report(run, state="failed", cause=text, detail=text), world.user.id, NOW)
            tx.add_project(f"p {text}", world.user.id, NOW)
            user = tx.add_user(f"bob {text}", "member", None, NOW)
            key = tx.add_key(user.id, text, "hash", NOW)
            tx.note_changes([change(1).__class__(NOW, text, text, text, text, text, text)])
            tx.set_lab_value(text, text)
        with world.store.reading() as view:
            assert [(r.id, r.name, r.state_why) for r in view.runs_named(text)] == [(run, stored, stored)]
            (session,) = view.sessions(run, 9)
            assert (session.host, session.job, session.cause, session.detail) == (stored, stored, stored, stored)
            project = view.project(f"p {text}")
            assert project is not None and project.name == f"p {stored}"
            assert view.keys(user.id) == [key] or view.keys(user.id)[0].name == stored
            assert view.changes_told(1)[0].detail == view.lab_value(text) == stored
            assert f"bob {stored}" in [u.username for u in view.users()]
            if len(events) > 1:
                assert view.tags(run, 9) == [Tag(stored, stored[:32], stored)] and view.note(run) == stored
                assert view.meta(run) == {stored: "a\0b"}
                assert view.config(run) == {text: "v", "path": {"to": text}, "zero": "a\0b"}
                assert view.config_values(text) == {run: "v"} and view.config_values("path.to") == {run: stored}
                assert view.config_values("zero") == {run: "a\ufffdb"}
                (item,) = view.media_items(MediaQuery(run, "text", text))
                assert item.fields is not None and item.fields["text"] == "a\0b"
                assert [group.name for group in view.media_groups(run, None, text, 9, None)] == [stored]
                assert view.losses(run) == {stored: 1}
                for field in (Field("name"), Field("tag"), Field("note"), Field("config", "path.to")):
                    for op in ("=", "~"):
                        query = RunQuery(None, [Term(field, op, (text,))])
                        assert view.found_ids(query, NOW) == [run], (field, op)

    @pytest.mark.parametrize("text", [*ODD, "x" * 10_000, SMILE * 3_000, ""])
    def test_looking_for_odd_texts_finds_nothing_and_fails_in_nothing(self, world: World, text: str) -> None:
        world.run("r")
        with world.store.reading() as view:
            for single in (
                view.run(text),
                view.project(text),
                view.user(text),
                view.user_of_key(text, NOW),
                view.web_session(text, NOW),
                view.invite(text, NOW),
                view.artifact(text),
                view.upload(text),
                view.version(text),
                view.version_file(text, text),
                view.find_version("models", text, text, text),
                view.newest_event(text, text, 9),
                view.attempt_config(text, 1),
                view.was_removed(text),
                view.kept_until(text),
                view.role_in(text, text),
                view.lab_value(text),
            ):
                assert single is None
            for some in (
                view.some_runs([text]),
                view.runs_named(text),
                list(view.events(text, text, 9)),
                list(view.events_of(text)),
                list(view.sessions(text, 9)),
                list(view.artifacts(ArtifactQuery(text, name=text))),
                list(view.versions_of("models", text, text, 9, None)),
                view.version_files(text),
                view.writers_of(text, 9, text),
                view.tags(text, 9),
                view.media_groups(text, text, text, 9, (text, text)),
                list(view.media_items(MediaQuery(text, text, text))),
                view.keys(text),
                view.members(text),
            ):
                assert some == []
            for mapped in (
                view.writers([text]),
                view.run_ids([text]),
                view.users_of_keys([text], NOW),
                view.attached(text, text),
                view.config_values(text),
                view.private_projects([text]),
                view.known_blobs(text, [text]),
            ):
                assert not mapped
            assert not view.knows_blob(text, text) and not view.is_unused(text, NOW)
            for field in (
                Field("name"),
                Field("tag"),
                Field("author"),
                Field("note"),
                Field("id"),
                Field("config", text),
            ):
                assert view.found_ids(RunQuery(None, [Term(field, "=", (text or "none",))]), NOW) == []
            assert view.runs(RunQuery(text), NOW).places == []

    # Longer than an entry of an index may be

    @pytest.mark.parametrize("letter", ["x", "é", SMILE])
    def test_long_paths_and_keys(self, world: World, letter: str) -> None:
        run = world.run("r")
        path, key, name = letter * TEXT_CHARS_MAX, letter * limits.KEY_BYTES_MAX, letter * limits.NAME_BYTES_MAX
        value = letter * 20_000
        world.tell(
            run,
            ("config", {"values": {path: value, path + "x": 1, "short": value}}),
            ("meta", {"key": key, "value": value}),
            ("tag", {"name": name, "color": name, "description": letter * limits.TAG_DESCRIPTION_CHARS_MAX}),
            ("note", {"text": letter * limits.NOTE_CHARS_MAX}),
        )
        with world.store.reading() as view:
            assert view.config(run) == {path: value, path + "x": 1, "short": value}
            assert view.config_values("short") == {run: value[:TEXT_CHARS_MAX]}
            fits = len(path.encode()) <= 2000
            assert view.config_values(path) == ({run: value[:TEXT_CHARS_MAX]} if fits else {})
            assert view.config_values(path + "x") == {}
            (stored_key,) = view.meta(run)
            assert key.startswith(stored_key) and len(stored_key.encode()) in {min(len(key.encode()), 2000)}
            assert [tag.name for tag in view.tags(run, 9)] == [name]
            assert len(view.note(run)) == limits.NOTE_CHARS_MAX
            query = RunQuery(None, [Term(Field("config", "short"), "=", (value,))])
            assert view.found_ids(query, NOW) == [run]

    def test_names_of_the_greatest_length(self, world: World) -> None:
        name, path = SMILE * (limits.NAME_BYTES_MAX // 4), SMILE * 256
        run = world.run(name)
        world.tell(run, ("text", {"name": path, "text": "x", "step": INT64_MAX}), writer="w" * 64, session="s" * 64)
        world.add_artifact("a1", run, name)
        world.add_blob("d")
        with world.store.writing() as tx:
            tx.add_version(new_version(world, "v1", name[:50], files=[VersionFile(path, "d", 1)]), NOW)
            tx.add_project(name, world.user.id, NOW)
            tx.add_user(name, "member", None, NOW)
        with world.store.reading() as view:
            assert [r.id for r in view.runs_named(name)] == [run] and view.user_named(name) is not None
            assert [group.name for group in view.media_groups(run, None, "", 9, None)] == [path]
            assert view.version_file("v1", path) is not None and view.artifact("a1") is not None

    # Order

    def test_pages_go_on_behind_a_name_as_its_bytes_are(self, world: World) -> None:
        run = world.run("r")
        world.add_blob("d")
        with world.store.writing() as tx:
            tags = [("tag", {"name": name}) for name in SORTED]
            media = [("text", {"name": name, "text": "x"}) for name in SORTED]
            tx.apply([batch(run, *tags, *media)], NOW)
            for n, name in enumerate(SORTED):
                tx.apply([batch(run, writer=name, points=1)], NOW)
                tx.add_project(f"q{name}", world.user.id, NOW)
                tx.add_version(new_version(world, f"v{n}", name, digest="d"), NOW)
                attach(tx, world.user, name, "s")
        for n, name in enumerate(SORTED):
            world.add_artifact(f"a{n}", run, name)
        assert sorted(SORTED, key=str.encode) == SORTED
        projects = paged(world, lambda view, at: view.projects(2, at), lambda p: p.name, "")
        assert [p.name for p in projects if p.name != "p"] == [f"q{name}" for name in SORTED]
        writers = paged(world, lambda view, at: view.writers_of(run, 2, at), lambda w: w.writer, "")
        assert [w.writer for w in writers] == sorted([*SORTED, "w"], key=str.encode)
        groups = paged(
            world, lambda view, at: view.media_groups(run, None, "", 2, at), lambda g: (g.name, g.kind), None
        )
        assert [g.name for g in groups] == SORTED
        artifacts = paged(
            world,
            lambda view, at: list(view.artifacts(ArtifactQuery(run, limit=2, after=at))),
            lambda a: (a.name, a.step, a.version),
            None,
        )
        assert [a.name for a in artifacts] == SORTED
        versions = paged(
            world, lambda view, at: list(view.latest_versions("models", world.project, 2, at)), lambda v: v.name, ""
        )
        assert [v.name for v in versions] == SORTED
        for down in (False, True):
            sort = Sort(Field("name"), down)
            query = partial(RunQuery, world.project, (), sort, 3)
            places = paged(
                world, lambda view, at, q=query: list(view.runs(q(at), NOW).places), lambda place: place, None
            )
            wanted = sorted([*SORTED, "r"], key=str.encode)
            assert [name for name, _ in places] == (wanted[::-1] if down else wanted)
        with world.store.reading() as view:
            assert [tag.name for tag in view.tags(run, 99)] == SORTED

    # Numbers

    def test_the_ends_of_int64(self, world: World) -> None:
        run = world.run("r", pid=INT64_MAX, rank=(1 << 31) - 1, world_size=(1 << 31) - 1, opening=INT64_MAX)
        rank = (1 << 31) - 1
        with world.store.writing() as tx:
            fact = ("text", {"name": "t", "text": "x", "step": INT64_MAX})
            tx.apply([batch(run, writer="v", points=INT64_MAX - 2)], NOW)
            tx.apply([batch(run, fact, writer="v", first=INT64_MAX - 1, rank=rank, attempt=rank)], NOW)
            tx.heartbeat(
                "s",
                world.user.id,
                [(run, rank, 1)],
                skew=-1e300,
                backlog=INT64_MAX,
                losses={"a": INT64_MAX},
                now=1e300,
            )
            tx.end(end_report(run, rank=rank, exit_code=INT64_MIN, signal=rank, state="failed"), world.user.id, NOW)
        with world.store.reading() as view:
            assert view.writers(["v"])["v"].cursor == INT64_MAX - 1
            row = view.run(run)
            assert row is not None and row.points == INT64_MAX - 2
            (session,) = view.sessions(run, 9)
            assert (session.pid, session.exit_code, session.backlog) == (INT64_MAX, INT64_MIN, INT64_MAX)
            assert [e.seq for e in view.events(run, None, 9)] == [INT64_MAX - 1]
            assert list(view.events(run, None, 9, after=INT64_MAX)) == []
            assert list(view.newest_events(run, "text", 9, before=INT64_MIN)) == []
            assert view.meta(run, INT64_MAX) == {} and view.attempt_config(run, INT64_MAX) is None
            assert list(view.media_items(MediaQuery(run, "text", "t", rank=INT64_MAX))) == []
            assert len(list(view.media_items(MediaQuery(run, "text", "t", lo=INT64_MIN, hi=INT64_MAX)))) == 1
            assert view.sessions(run, 9, (INT64_MAX, INT64_MAX, 1e308, "x")) is not None
            assert list(view.sessions(run, 9, (INT64_MAX, INT64_MAX, 1e308, "x"))) == []
            assert view.changes_told(9, before=INT64_MIN) == []
            assert view.runs(RunQuery(None, (), Sort(Field("points"), True), 9, (INT64_MAX, "z")), NOW).places
