"""What batches bring: events, cursors, counters, configs, meta, notes, tags, losses, media of events."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pyhectiqlab.protocol import limits
from pyhectiqlab.store.meta import Tag
from pyhectiqlab.store.sql import accepted_batches

from .world import NOW, World, batch

INT64_MAX = (1 << 63) - 1


def log(text: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "log", {"text": text, **more}


class EventsSuite:
    # Events

    def test_events_are_kept_as_they_came_in_order_of_arrival(self, world: World) -> None:
        run = world.run("r")
        fields = {"text": "é\0", "b": b"\0\xff", "n": INT64_MAX, "f": math.inf, "m": {"1": [None, True, -1.5]}}
        world.tell(run, log("first"), ("odd", fields), time=7.5, rank=3, attempt=2)
        world.tell(run, log("second"), writer="v")
        with world.store.reading() as view:
            items = list(view.events(run, None, 9))
            assert [(e.seq, e.writer, e.kind, e.time, e.rank, e.attempt) for e in items] == [
                (1, "w", "log", 7.5, 3, 2),
                (2, "w", "odd", 7.5, 3, 2),
                (1, "v", "log", NOW, 0, 1),
            ]
            assert items[1].fields == fields and items[1].bytes > 20
            assert items[0].id < items[1].id < items[2].id
            assert list(view.events(run, "log", 9)) == [items[0], items[2]]
            assert list(view.events(run, "log", 1)) == [items[0]]
            assert list(view.events(run, None, 9, after=items[0].id)) == items[1:]
            assert list(view.newest_events(run, "log", 1)) == [items[2]]
            assert list(view.newest_events(run, "log", 9, before=items[2].id)) == [items[0]]
            assert view.event_count(run) == 3 and view.event_count("none") == 0

    def test_the_newest_event_is_that_of_the_newest_attempts_lowest_rank(self, world: World) -> None:
        run = world.run("r")
        for writer, rank, attempt in (("a", 1, 2), ("b", 0, 2), ("c", 0, 2), ("d", 0, 1)):
            world.tell(run, log(writer), writer=writer, rank=rank, attempt=attempt)
        with world.store.reading() as view:
            row = view.newest_event(run, "log", 9)
            assert row is not None and row.writer == "c"
            last = view.newest_event(run, "log", 1)
            assert last is not None and last.writer == "d"
            assert view.newest_event(run, "none", 9) is None

    def test_the_numbers_of_a_writers_events(self, world: World) -> None:
        run = world.run("r")
        world.tell(run, log("a"), ("loss", {"reason": "full", "count": 5}), ("note", {"text": "x", "count": 5}))
        assert world.read(lambda view: list(view.events_of("w"))) == [(1, "log", 1), (2, "loss", 5), (3, "note", 1)]
        assert world.read(lambda view: list(view.events_of("none"))) == []

    def test_what_is_not_read_to_its_end_holds_nothing_up(self, world: World) -> None:
        run = world.run("r")
        world.tell(run, *[log(str(n)) for n in range(50)])
        with world.store.reading() as view:
            events = view.events(run, None, 50)
            assert next(events).fields["text"] == "0"
            assert view.event_count(run) == 50  # another question while the first is open
            assert next(events).fields["text"] == "1"
        world.tell(run, log("more"))
        assert world.read(lambda view: view.event_count(run)) == 51

    # Cursors and counters

    def test_a_batch_moves_its_writers_cursor_and_counts_its_points(self, world: World) -> None:
        run = world.run("r")
        world.tell(run, log("a"), points=10, now=NOW + 5)
        world.tell(run, points=1, writer="v", rank=1, attempt=2)
        world.tell(run, points=2, now=NOW + 6)
        with world.store.reading() as view:
            writers = view.writers(["w", "v", "none"])
            assert {w: (row.cursor, row.rank, row.attempt) for w, row in writers.items()} == {
                "w": (13, 0, 1),
                "v": (1, 1, 2),
            }
            assert writers["w"].run == run and writers["w"].last_seen == NOW + 6
            run_row = view.run(run)
            assert run_row is not None and run_row.points == 13
            assert [row.writer for row in view.writers_of(run, 9)] == ["v", "w"]
            assert [row.writer for row in view.writers_of(run, 9, after="v")] == ["w"]
            assert [row.writer for row in view.writers_of(run, 1)] == ["v"]
            assert view.writer_count(run) == 2 and view.newest_sign() == NOW + 6

    def test_more_writers_than_a_statement_has_parameters_are_looked_up(self, world: World) -> None:
        run = world.run("r")
        world.tell(run, points=1)
        names = [f"no-{n}" for n in range(40_000)]
        with world.store.reading() as view:
            assert view.writers([*names, "w"]).keys() == {"w"}
            assert view.run_ids([*names, run]).keys() == {run}

    def test_a_cursor_is_set_back_and_forth(self, world: World) -> None:
        run = world.run("r")
        world.tell(run, points=9)
        world.write(lambda tx: tx.set_cursor("w", 4))
        assert world.read(lambda view: view.writers(["w"]))["w"].cursor == 4
        world.write(lambda tx: tx.apply([batch(run, first=5, points=5)], NOW))
        assert world.read(lambda view: view.writers(["w"]))["w"].cursor == 9

    def test_events_that_come_again_are_kept_once(self, world: World) -> None:
        """The lab was put back, and its cursor with it, but for what it holds already."""
        run = world.run("r")
        world.tell(run, log("a"), log("b"))
        world.write(lambda tx: tx.set_cursor("w", 0))
        world.write(lambda tx: tx.apply([batch(run, log("a"), log("b"), log("c"))], NOW))
        assert [e.fields["text"] for e in world.read(lambda view: list(view.events(run, None, 9)))] == ["a", "b", "c"]

    def test_a_run_takes_so_many_writers(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "WRITERS_MAX", 2)
        run, other = world.run("r"), world.run("other")
        world.tell(run, points=1)
        assert world.read(lambda view: view.full_of_writers([run, other])) == set()
        world.tell(run, points=1, writer="v")
        assert world.read(lambda view: view.full_of_writers([run, other])) == {run}

    def test_no_batches_change_nothing(self, world: World) -> None:
        with world.store.writing() as tx:
            tx.apply([], NOW)
            assert not tx.changes.runs

    # Configs

    def test_configs_of_attempts_are_merged_the_newest_last(self, world: World) -> None:
        run = world.run("r")
        world.tell(run, ("config", {"values": {"lr": 0.1, "model": {"depth": 2, "name": "vit"}}}))
        world.tell(run, ("config", {"values": {"lr": 0.2, "model": {"depth": 3}}}), writer="v", attempt=2)
        world.tell(run, ("config", {"values": {"lr": 0.5, "late": True}}))
        with world.store.reading() as view:
            assert view.config(run) == {"lr": 0.2, "late": True, "model": {"depth": 3, "name": "vit"}}
            assert view.attempt_config(run, 1) == (
                1,
                {"lr": 0.5, "late": True, "model": {"depth": 2, "name": "vit"}},
            )
            assert view.attempt_config(run, 7) == (2, {"lr": 0.2, "model": {"depth": 3}})
            assert view.attempt_config(run, 0) is None
            assert view.config_attempts(run, 9) == [1, 2] and view.config_attempts(run, 1) == [2]
            assert view.configs([run, "none"], 1 << 20) == {run: view.config(run)}
            assert view.configs([run], 3) == {}
            assert view.config_values("lr") == {run: 0.2} and view.config_values("late") == {run: "true"}
            assert view.config("none") == {}

    def test_a_config_keeps_to_its_bounds(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "CONFIG_VALUES_MAX", 3)
        run = world.run("r")
        world.tell(run, ("config", {"values": {"a": 1, "b": 2, "c": 3}}))
        world.tell(run, ("config", {"values": {"d": 4}}))
        with world.store.reading() as view:
            assert view.config(run) == {"a": 1, "b": 2, "c": 3} and view.losses(run) == {"config_full": 1}

    # Meta, notes, tags

    def test_meta_of_attempts(self, world: World) -> None:
        run = world.run("r")
        world.tell(run, ("meta", {"key": "a", "value": [1, b"\0"]}), ("meta", {"key": "b", "value": None}))
        world.tell(run, ("meta", {"key": "a", "value": 2}), writer="v", attempt=2)
        world.tell(run, ("meta", {"key": "b", "value": "old"}))
        with world.store.reading() as view:
            assert view.meta(run) == {"a": 2, "b": "old"} and view.meta(run, 2) == {"a": 2}
            assert view.meta(run, 1) == {"a": [1, b"\0"], "b": "old"}
            assert view.meta_of_key([run, "none"], "a") == {run: 2} and view.meta_of_key([run], "c") == {}
            assert view.meta_attempts(run, 9) == [1, 2] and view.meta_attempts(run, 1) == [2]

    def test_meta_keeps_to_its_bounds(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "META_MAX", 2)
        monkeypatch.setattr(limits, "META_BYTES_MAX", 20)
        run = world.run("r")
        world.tell(run, *[("meta", {"key": key, "value": 1}) for key in "abc"])
        world.tell(run, ("meta", {"key": "a", "value": "x" * 50}), ("meta", {"key": "b", "value": 2}))
        with world.store.reading() as view:
            assert view.meta(run) == {"a": 1, "b": 2} and view.losses(run) == {"meta_full": 2}

    def test_the_last_note_is_kept_and_cut(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "NOTE_CHARS_MAX", 2000)
        run = world.run("r")
        world.tell(run, ("note", {"text": "old"}), ("note", {"text": "é" * 3000}))
        with world.store.reading() as view:
            assert view.note(run) == "é" * 2000 and view.losses(run) == {"note_cut": 1}
            row = view.run(run)
            assert row is not None and row.note_cut and row.note == "é" * limits.NOTE_CHARS_LISTED
        assert world.read(lambda view: view.note("none")) == ""

    def test_tags_are_told_by_name_and_the_last_word_counts(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "TAGS_MAX", 3)
        monkeypatch.setattr(limits, "TAGS_LISTED", 2)
        run = world.run("r")
        names = ["é", "b", "B", "too many"]
        world.tell(run, *[("tag", {"name": name, "color": "red"}) for name in names])
        world.tell(run, ("tag", {"name": "b", "color": None, "description": "d"}))
        with world.store.reading() as view:
            wanted = [Tag("B", "red", None), Tag("b", None, "d"), Tag("é", "red", None)]
            assert view.tags(run, 9) == wanted and view.tags(run, 1) == wanted[:1]
            assert view.losses(run) == {"tags_full": 1}
            row = view.run(run)
            assert row is not None and list(row.tags) == wanted[:2] and row.tags_cut

    # Losses

    def test_losses_are_counted_by_reason(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(accepted_batches, "LOSS_REASONS_MAX", 2)
        run = world.run("r")
        lost = [("full", 2), ("disk", 1), ("full", 3), ("odd", 4)]
        world.tell(run, *[("loss", {"reason": reason, "count": n}) for reason, n in lost])
        world.tell(run, ("loss", {"reason": "full", "count": 1, "events": 10}), writer="v")
        row = world.read(lambda view: view.losses(run))
        assert row == {"disk": 1, "full": 15, "other": 4}
        assert world.read(lambda view: view.writers(["w"]))["w"].losses == {"full": 5, "disk": 1, "other": 4}

    def test_what_heartbeats_and_events_tell_is_counted_once_until_the_end(self, world: World) -> None:
        run = world.run("r")
        world.tell(run, ("loss", {"reason": "full", "count": 2}))
        losses = {"full": 5, "disk": 1}
        world.write(
            lambda tx: tx.heartbeat("s", world.user.id, [(run, 0, 1)], skew=0.0, backlog=0, losses=losses, now=NOW)
        )
        assert world.read(lambda view: view.losses(run)) == {"disk": 1, "full": 5}
        world.end(run)
        assert world.read(lambda view: view.losses(run)) == {"full": 2}
        assert world.read(lambda view: view.losses("none")) == {}

    def test_a_state_that_is_not_followed_is_lost(self, world: World) -> None:
        run = world.run("r")
        wanted = world.next_batch(run, ("state", {"state": "failed"}))
        event = wanted.events[0]
        object.__setattr__(event, "followed", False)
        world.write(lambda tx: tx.apply([wanted], NOW))
        with world.store.reading() as view:
            row = view.run(run)
            assert row is not None and row.state == "running" and view.losses(run) == {"states_cut": 1}
