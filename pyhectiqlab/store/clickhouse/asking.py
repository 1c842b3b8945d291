"""How several shards are asked at once, without a wait for one that is away."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ...errors import EngineAwayError, StoreError
from ..points import AppendResult, PointBatch
from .point_store import ClickHousePointStore

log = logging.getLogger("hectiqlab.server")
T = TypeVar("T")


class ShardStore:
    """The store of one shard, and whether its ClickHouse answers. Once it did not, nobody waits for it until it does.

    Attributes:
        away: why it does not answer; "": it does.
    """

    def __init__(self, number: int, store: ClickHousePointStore) -> None:
        self.number, self.store = number, store
        self.away = ""

    def ask(self, question: Callable[[ClickHousePointStore], T]) -> T:
        """Return what `question` returns for the store. Blocks as the question does; where the shard is away, raises
        EngineAwayError at once. Raises StoreError.
        """
        if self.away:
            raise EngineAwayError(self.away)
        try:
            return question(self.store)
        except EngineAwayError as e:
            self.note_away(str(e))
            raise

    def append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        """Append the batches. Where the shard is away, append those of writers that bring no points, since ClickHouse
        need not know of them, and refuse the others.
        """
        with_points = {batch.writer for batch in batches if batch.columns}
        without = [batch for batch in batches if batch.writer not in with_points]
        if not self.away or not without:
            return self.ask(lambda store: store.append(batches))
        results = iter(self.store.append(without))
        its_refusal = refused(EngineAwayError(self.away))
        return [its_refusal if batch.writer in with_points else next(results) for batch in batches]

    def note_away(self, why: str) -> None:
        """Have later questions fail at once, with `why`, until `try_again` reaches the shard."""
        if not self.away:
            log.warning("%s Points of runs on this shard (%d) are refused until then.", why, self.number)
        self.away = why

    def try_again(self) -> None:
        """Ask a shard that is away whether it answers again. Blocks for that."""
        if self.away:
            with contextlib.suppress(StoreError):
                self.store.reach_engine()
                self.away = ""
                log.warning("Shard %d of the points answers again.", self.number)


def refused(error: StoreError) -> AppendResult:
    """Return the result of a batch that was not taken because of `error`."""
    return AppendResult("refused", 0, str(error))


class Ahead(Iterator[T]):
    """Iterate over `items` one item ahead: a thread of the pool makes the next one while the caller uses this one. None
    among the items ends it.
    """

    def __init__(self, threads: ThreadPoolExecutor, items: Iterator[T]) -> None:
        self._threads, self._items = threads, items
        self._next: Future[T | None] = threads.submit(next, items, None)

    def __next__(self) -> T:
        item = self._next.result()
        if item is None:
            raise StopIteration
        self._next = self._threads.submit(next, self._items, None)
        return item


def at_once(threads: ThreadPoolExecutor, ask: Callable[[int], T], numbers: Sequence[int]) -> dict[int, T]:
    """Ask about all numbers at once, and return the answers by number. The calling thread asks about the last one.
    Blocks until all have ended; then raises what any of them raised.
    """
    if not numbers:
        return {}
    *others, last = numbers
    futures = {number: threads.submit(ask, number) for number in others}
    try:
        answer = ask(last)
    finally:
        for future in futures.values():
            future.exception()
    return {**{number: future.result() for number, future in futures.items()}, last: answer}
