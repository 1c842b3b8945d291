"""Appending: batches of many writers as one insert, which counts exactly once.

ClickHouse has no transactions over two inserts. An insert whose answer did not come may have happened, or may happen
yet. So PostgreSQL decides whether an insert counts:

1. A transaction there locks the writers of the batches until the end. Another process with a batch of one of these
   writers waits for it.
2. A second transaction notes the block: which batches it has, each with its number of points. The note is durable
   before the insert is sent.
3. The insert is one part in ClickHouse, so all of it is there or nothing. It is durable before it is answered.
4. The first transaction marks the block as done and moves the cursors. From then on the block's rows count.

If a process died between 2 and 4, another one finds the block that it noted, locks the writers, and asks ClickHouse how
many rows of each writer are there. If all of them are, the block counts (step 4), and its batches are duplicates.
Otherwise the block is aborted: its rows never count, even if the insert was only late and lands an hour later, and the
batches that come again get a new block. This does not depend on how long ClickHouse remembers the tokens of inserts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from ...base import crashpoints
from ...errors import StoreError
from ..points import AppendResult, PointBatch
from ..series.grid import TIME_MAX, check_batch, check_times
from . import facts
from .client import ClickHouse
from .facts import Block, Facts
from .facts_schema import DONE, OPEN, PENDING
from .identities import Identities, key_number

ARRIVED = {
    "window": "<u4",
    "block": "<i8",
    "key": "<u8",
    "series": "<u8",
    "step": "<i8",
    "value": "<f8",
    "time": "<i8",
    "seq": "<i8",
    "arrival": "<i8",
    "writer": "<i8",
}
_COUNTS = np.dtype([("writer", "<i8"), ("points", "<i8")])
ROWS_MAX = 1_000_000  # rows of one insert; ClickHouse makes one part of slightly more than a million
WINDOWS_TRIED = 20  # attempts to find an open window, as one may be closed while we wait for its row


class Appender:
    """Safe for several threads, and for several processes."""

    def __init__(self, its_facts: Facts, clickhouse: ClickHouse, identities: Identities) -> None:
        self._facts, self._clickhouse, self._identities = its_facts, clickhouse, identities

    def append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        """See PointStore."""
        _check(batches)
        results: list[AppendResult] = []
        for part in _parts(batches):
            results += self._append(part)
        return results

    def _append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        writers = self._identities.writers({b.writer for b in batches})
        wanted = set(writers.values())
        while True:
            with self._facts.writing() as held:
                cursors = facts.hold_writers(held, wanted)
                blocks = facts.pending(held, wanted)
                others = {writer for block in blocks for writer in block.writers} - wanted
                if not others:
                    return self._append_held(held, batches, writers, cursors, blocks)
            wanted |= others  # start over: writers are locked in the order of their numbers

    def _append_held(
        self,
        held: Connection,
        batches: Sequence[PointBatch],
        writers: dict[str, int],
        cursors: dict[int, int],
        blocks: Sequence[Block],
    ) -> list[AppendResult]:
        for block in blocks:
            settle(held, self._clickhouse, block)
        if blocks:
            cursors = facts.hold_writers(held, list(cursors))
        results, accepted = [], []
        for batch in batches:
            cursor = cursors[writers[batch.writer]]
            if batch.last <= cursor:
                results.append(AppendResult("duplicate", cursor))
            elif batch.first != cursor + 1:
                results.append(AppendResult("conflict", cursor))
            else:
                cursors[writers[batch.writer]] = batch.last
                accepted.append(batch)
                results.append(AppendResult("ok", batch.last))
        if accepted:
            purges = "SELECT value FROM points_lab WHERE key = 'purges' FOR SHARE"  # nobody purges meanwhile
            self._identities.forget_where_purged(facts.one(held, purges))
            self._bring(held, accepted, writers)
        return results

    def _bring(self, held: Connection, batches: Sequence[PointBatch], writers: dict[str, int]) -> None:
        runs, series = self._identities.of_batches(batches)
        with self._facts.writing() as conn:
            block, arrivals = _note(conn, batches, writers, runs, self._facts.lock_of("order of blocks"))
        crashpoints.passing("points.noted")
        if block.points:
            self._clickhouse.insert("arrived", _arrived(batches, writers, series, block, arrivals))
        crashpoints.passing("points.inserted")
        facts.settle(held, block.id, is_there=True)
        crashpoints.passing("points.settled")


def _check(batches: Sequence[PointBatch]) -> None:
    """Raise ValueError for what no store can hold."""
    for batch in batches:
        check_batch(batch)
    columns = [column for batch in batches for column in batch.columns]
    if columns:
        times = np.concatenate([column.time for column in columns])  # looked at at once: there are thousands of columns
        if int(times.min()) < -TIME_MAX or int(times.max()) > TIME_MAX:
            for column in columns:
                check_times(column, int(np.min(column.time)), int(np.max(column.time)))


def settle(held: Connection, clickhouse: ClickHouse, block: Block) -> None:
    """Find out whether a block of a process that died is there, and have it count or not. Its writers are held."""
    wanted: Counter[int] = Counter()
    for writer, points in facts.all_of(
        held, "SELECT writer, points FROM points_batches WHERE block = :id", id=block.id
    ):
        wanted[writer] += points
    counts = clickhouse.rows(
        "SELECT writer, toInt64(count()) FROM arrived"
        f" WHERE window = {block.window} AND block = {block.id} GROUP BY writer",
        _COUNTS,
    )
    there = {int(row["writer"]): int(row["points"]) for row in counts}
    facts.settle(held, block.id, there == {writer: points for writer, points in wanted.items() if points})


def settle_left(its_facts: Facts, clickhouse: ClickHouse, older_s: float) -> None:
    """Settle the blocks that were noted so long ago, unless somebody holds their writers: then he still works on it."""
    with its_facts.reading() as conn:
        ids = facts.all_of(
            conn,
            f"""SELECT t.writer, b.id FROM points_blocks b JOIN points_batches t ON t.block = b.id
                WHERE b.state <> {DONE} AND b.state = {PENDING} AND b.changed <= now() - make_interval(secs => :s)""",
            s=older_s,
        )
    of_block: dict[int, set[int]] = {}
    for writer, block in ids:
        of_block.setdefault(block, set()).add(writer)
    for block, writers in of_block.items():
        with its_facts.writing() as held:
            skipping = "SELECT id FROM points_writers WHERE id = ANY(:ids) ORDER BY id FOR UPDATE SKIP LOCKED"
            if len(facts.all_of(held, skipping, ids=list(writers))) < len(writers):
                continue
            for left in facts.pending(held, writers):
                if left.id == block:
                    settle(held, clickhouse, left)


def _note(
    conn: Connection, batches: Sequence[PointBatch], writers: dict[str, int], runs: dict[str, int], lock: str
) -> tuple[Block, list[int]]:
    """Note a block. Return it, and the number of each batch. One lab does this at a time, for a moment, so that blocks
    become visible in the order of their numbers.
    """
    sizes = [sum(len(c.step) for c in b.columns) for b in batches]
    # This share lock makes whoever closes the window wait until the block is visible. If the window is closed while
    # this statement waits, it returns no row, and only another statement sees the next window.
    now_open = f"SELECT id FROM points_windows WHERE state = {OPEN} ORDER BY id DESC LIMIT 1 FOR SHARE"
    window = next((its for _ in range(WINDOWS_TRIED) if (its := facts.one(conn, now_open)) is not None), None)
    if window is None:
        raise StoreError("The lab's database has no open window of points: look with `hectiqlab admin check`.")
    facts.one(conn, "SELECT pg_advisory_xact_lock(hashtextextended(:lock, 0))", lock=lock)
    insert = (
        f"""INSERT INTO points_blocks ("window", state, points) VALUES (:window, {PENDING}, :points) RETURNING id"""
    )
    number = facts.one(conn, insert, window=window, points=sum(sizes))
    rows = facts.all_of(
        conn,
        """INSERT INTO points_batches (block, writer, first, last, points, run, attempt, zero)
            SELECT :block, w.* FROM unnest(CAST(:writer AS bigint[]), CAST(:first AS bigint[]), CAST(:last AS bigint[]),
            CAST(:points AS bigint[]), CAST(:run AS bigint[]), CAST(:attempt AS bigint[]), CAST(:zero AS bigint[]))
            AS w (writer, first, last, points, run, attempt, zero) RETURNING arrival""",
        block=number,
        writer=[writers[b.writer] for b in batches],
        first=[b.first for b in batches],
        last=[b.last for b in batches],
        points=sizes,
        run=[runs[b.run] for b in batches],
        attempt=[b.attempt for b in batches],
        zero=_zeros(batches, sizes),
    )
    arrivals = sorted(row[0] for row in rows)
    return Block(number, window, sum(sizes), tuple(writers[b.writer] for b in batches)), arrivals


def _zeros(batches: Sequence[PointBatch], sizes: Sequence[int]) -> list[int | None]:
    """Return for each batch the time that is its attempt's relative time 0 if it is the attempt's first; None: it has
    no points.
    """
    lowest: Iterator[int] = iter(())
    if any(sizes):
        times = np.concatenate([column.time for batch in batches for column in batch.columns])
        first = np.cumsum([0, *(size for size in sizes if size)])[:-1]
        lowest = iter(np.minimum.reduceat(times, first).tolist())
    zeros = [next(lowest) if size else None for size in sizes]
    return [
        zero if zero is None or batch.origin is None else batch.origin
        for batch, zero in zip(batches, zeros, strict=True)
    ]


def _arrived(
    batches: Sequence[PointBatch],
    writers: dict[str, int],
    series: dict[tuple[str, str, int, int], int],
    block: Block,
    arrivals: Sequence[int],
) -> dict[str, NDArray[Any]]:
    """Return the columns of the table `arrived`, with a row for each point."""
    its = [(b, c, arrival) for b, arrival in zip(batches, arrivals, strict=True) for c in b.columns]
    sizes = [len(c.step) for _, c, _ in its]

    def alike(name: str, values: Iterable[int]) -> NDArray[Any]:
        return np.repeat(np.array(list(values), ARRIVED[name]), sizes)

    columns = {
        "window": np.full(sum(sizes), block.window, ARRIVED["window"]),
        "block": np.full(sum(sizes), block.id, ARRIVED["block"]),
        "key": alike("key", (key_number(c.key) for _, c, _ in its)),
        "series": alike("series", (series[b.run, c.key, b.rank, b.attempt] for b, c, _ in its)),
        "arrival": alike("arrival", (arrival for _, _, arrival in its)),
        "writer": alike("writer", (writers[b.writer] for b, _, _ in its)),
    }
    for name in ("step", "value", "time", "seq"):
        columns[name] = np.concatenate([getattr(c, name) for _, c, _ in its]).astype(ARRIVED[name], copy=False)
    return columns


def _parts(batches: Sequence[PointBatch]) -> Sequence[Sequence[PointBatch]]:
    """Split the batches into lists that fit one insert each."""
    parts: list[list[PointBatch]] = [[]]
    size = 0
    for batch in batches:
        points = sum(len(column.step) for column in batch.columns)
        if parts[-1] and size + points > ROWS_MAX:
            parts.append([])
            size = 0
        parts[-1].append(batch)
        size += points
    return parts if parts[0] else []
