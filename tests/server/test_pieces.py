"""Pieces of a request hold what it holds, in order, each a batch like any other."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

import pytest

from pyhectiqlab.protocol import limits
from pyhectiqlab.server.writing import ingest
from pyhectiqlab.server.writing.ingest import Batch
from pyhectiqlab.server.writing.pieces import cost_s, pieces

from .api import new_id, packed

MOST_S = 0.001


def some_batch(rng: random.Random) -> dict[str, Any]:
    """Return points of some keys and events at random places of the sequence; some events are losses of several
    numbers.
    """
    first, n = rng.randrange(1, 1000), rng.randrange(1, 400)
    points: dict[str, list[int]] = {}
    events: list[Any] = []
    seq = 0
    for _ in range(n):
        kind = rng.choice(["point", "point", "log", "state", "loss", "config"])
        if kind == "point":
            points.setdefault(rng.choice("abc"), []).append(seq)
        count = rng.randrange(1, 5) if kind == "loss" else 1
        fields = {
            "log": {"text": "x" * rng.randrange(9000)},
            "state": {"state": rng.choice(["training", "running"])},
            "loss": {"reason": "full", "count": count},
            "config": {"values": {f"k{seq}": [1] * rng.randrange(300)}},
        }
        if kind in fields:
            events.append([seq, kind, seq, fields[kind]])
        seq += count
    series = [
        {
            "key": key,
            "seq": b"".join(s.to_bytes(4, "little") for s in its),
            **{name: b"".join(s.to_bytes(8, "little") for s in its) for name in ("step", "value")},
            "time": bytes(8 * len(its)),
        }
        for key, its in points.items()
    ]
    where = {"writer": new_id(), "run": new_id(6), "rank": 0, "attempt": 1}
    return {**where, "first": first, "last": first + seq - 1, "series": series, "events": events}


def content(batch: Batch) -> list[tuple[int, Any]]:
    """Return everything in a batch by its sequence number."""
    points = [
        (int(seq), (column.key, int(step), float(value), int(at)))
        for column in batch.columns.columns
        for seq, step, value, at in zip(column.seq, column.step, column.value, column.time, strict=True)
    ]
    return sorted([*points, *((event.seq, event) for event in batch.events)], key=lambda one: one[0])


@pytest.mark.parametrize("seed", range(30))
def test_pieces_hold_all_of_a_request_in_order(seed: int) -> None:
    rng = random.Random(seed)
    junk = {"writer": new_id(), "run": "?"}
    batches = [some_batch(rng) if rng.random() < 0.9 else junk for _ in range(rng.randrange(1, 6))]
    request = ingest.decode(packed(batches))
    parts: dict[int, list[Any]] = {}
    for piece in pieces(request, MOST_S):
        assert (piece.request.session, piece.request.clock) == (request.session, request.clock)
        events = sum(len(b.events) for b in piece.request.batches if isinstance(b, Batch))
        assert cost_s(piece.request) <= MOST_S or len(piece.indexes) == 1
        assert events <= 1 or cost_s(piece.request) <= 2 * MOST_S
        for index, part in zip(piece.indexes, piece.request.batches, strict=True):
            parts.setdefault(index, []).append(part)
    assert list(parts) == list(range(len(batches)))
    for index, batch in enumerate(request.batches):
        its = parts[index]
        if not isinstance(batch, Batch):
            assert its == [batch]
            continue
        assert its[0].first == batch.first and its[-1].last == batch.last
        assert all(one.last + 1 == next_.first for one, next_ in itertools.pairwise(its))
        assert [one for part in its for one in content(part)] == content(batch)
        assert sum(part.points for part in its) == batch.points
        for part in its:
            assert (part.columns.first, part.columns.last, part.columns.writer) == (part.first, part.last, batch.writer)


def test_a_small_request_is_one_piece() -> None:
    [piece] = pieces(ingest.decode(packed([some_batch(random.Random(1))])), 10.0)
    assert piece.indexes == [0]


def test_of_many_states_of_a_request_the_last_are_followed() -> None:
    run, n = new_id(6), limits.STATES_AT_ONCE_MAX
    batches = [
        {
            "writer": new_id(),
            "run": run,
            "rank": 0,
            "attempt": 1,
            "first": 1,
            "last": 15,
            "series": [],
            "events": [[i, "state", int(time.time() * 1e6), {"state": "training"}] for i in range(15)],
        }
        for _ in range(3)
    ]
    request = ingest.decode(packed(batches))
    followed = [event.followed for batch in request.batches if isinstance(batch, Batch) for event in batch.events]
    assert followed == [False] * (45 - n) + [True] * n
