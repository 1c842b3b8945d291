"""Pieces of a request: one that would keep the writer for long is cut, and others have their turn in between.

A batch is cut at a sequence number, into batches like any other; each moves the cursor of its writer. So a crash in
between is nothing new to the client: the cursor tells it how far the lab came, and it sends the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...protocol import limits
from ...protocol.states import tells_state
from ...store.meta import Event
from ...store.points import Column
from .ingest import Batch, Refused, Request

# Seconds of the writer's time, roughly, on a machine with slow cores.
EVENT_S = 15e-6
WORD_S = 20e-6  # for a tag, or a value of meta, beside what every event takes
STATE_S = 1.5e-3  # for a state, because all ranks of the run are looked at
CONFIG_S = 2e-3  # the run's config is merged and written; a large one takes more where the writer has not kept it
CONFIG_VALUE_S = 0.5e-6  # for a value that a config has room for
BYTE_S = 3e-9  # for a byte of an event
POINT_S = 0.2e-6
BATCH_S = 50e-6


@dataclass(frozen=True)
class Piece:
    """Some consecutive batches of a request, the first and the last of which may be parts of one.

    `indexes`: the place in the request of the batch that each is, or is a part of.
    """

    indexes: Sequence[int]
    request: Request


def cost_s(request: Request) -> float:
    return sum(_cost_s(batch) for batch in request.batches)


def pieces(request: Request, most_s: float) -> Iterator[Piece]:
    """Return the whole request, in order, in pieces that cost the writer about `most_s` each. A single event stays in
    one piece, and so do all points of a batch between two events.
    """
    indexes: list[int] = []
    some: list[Batch | Refused] = []
    cost = 0.0
    for index, batch in enumerate(request.batches):
        for part in _parts(batch, most_s):
            more = _cost_s(part)
            if some and cost + more > most_s:
                yield Piece(indexes, replace(request, batches=some))
                indexes, some, cost = [], [], 0.0
            indexes.append(index)
            some.append(part)
            cost += more
    yield Piece(indexes, replace(request, batches=some))


def _cost_s(batch: Batch | Refused) -> float:
    if isinstance(batch, Refused):
        return BATCH_S
    return BATCH_S + POINT_S * batch.points + sum(map(_event_cost_s, batch.events))


def _event_cost_s(event: Event) -> float:
    cost = EVENT_S + BYTE_S * len(event.packed)
    if event.kind == "config":
        cost += CONFIG_S + CONFIG_VALUE_S * min(event.values, limits.CONFIG_VALUES_MAX)
    elif event.kind in {"tag", "meta"}:
        cost += WORD_S
    elif event.followed and tells_state(event.kind, event.fields):
        cost += STATE_S
    return cost


def _parts(batch: Batch | Refused, most_s: float) -> Iterator[Batch | Refused]:
    if isinstance(batch, Refused):
        yield batch
        return
    begin, first, cost = 0, batch.first, 0.0
    for i, event in enumerate(batch.events):
        more = _event_cost_s(event)
        if i > begin and cost + more > most_s:
            yield _between(batch, first, event.seq - 1, begin, i)
            begin, first, cost = i, event.seq, 0.0
        cost += more
    yield batch if begin == 0 else _between(batch, first, batch.last, begin, len(batch.events))


def _between(batch: Batch, first: int, last: int, begin: int, end: int) -> Batch:
    """Return the part of a batch with these sequence numbers, both included, and its events from `begin` to before
    `end`.
    """
    columns = []
    for column in batch.columns.columns:
        start, stop = (int(i) for i in np.searchsorted(column.seq, (first, last + 1)))
        if start < stop:
            columns.append(
                Column(
                    column.key,
                    column.seq[start:stop],
                    column.step[start:stop],
                    column.value[start:stop],
                    column.time[start:stop],
                )
            )
    points = replace(batch.columns, first=first, last=last, columns=columns)
    events = batch.events[begin:end]
    return Batch(batch.writer, first, last, points, events, sum(len(column.seq) for column in columns))
