"""ShardedPointStore: the points of a lab on several ClickHouses that know nothing of each other, a shard for each run.

Each shard is a ClickHousePointStore with tables of its own, in ClickHouse and in PostgreSQL. A question about one run
goes to its shard, one about many runs to all their shards at once (asking.py). README.md says why.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

from ...base.loops import Loop
from ...errors import StoreError
from ..engine_counts import EngineCounts
from ..pauses import may_pause
from ..points import (
    AppendResult,
    Axis,
    Buckets,
    Column,
    PointBatch,
    Points,
    Selector,
    SeriesInfo,
    Smoothing,
    Summary,
    WorkLeft,
)
from . import lines
from .asking import Ahead, ShardStore, at_once, refused
from .facts import Facts
from .levels_of_builds import Sizes
from .placing import Places, chosen
from .point_store import DEFAULT_SIZES, ClickHousePointStore
from .shards import register

log = logging.getLogger("hectiqlab.server")
T = TypeVar("T")

ASK_AGAIN_S = 1.0  # between two questions to a shard that did not answer
THREADS = 8  # for questions, for each shard


class ShardedPointStore:
    """Opens, or creates, the tables of all shards.

    Args:
        places: addresses of ClickHouse, each with the name of its cluster, in any order. New ones are new shards.

    The other arguments are those of a ClickHousePointStore. While a shard does not answer, calls about its runs raise
    EngineAwayError at once, and other calls work. `append` works, too: the results of that shard's batches are
    "refused".

    Raises ConfigurationError, NewerSchemaError, StoreError.
    """

    wants_few_inserts = True

    def __init__(
        self,
        places: Sequence[tuple[str, str]],
        facts_place: str,
        sizes: Sizes = DEFAULT_SIZES,
        aside: bool = False,
        generation: str = "",
        without: bool = False,
    ) -> None:
        self._closed = False
        clusters = dict(places)
        with contextlib.ExitStack() as stack:
            its_facts = Facts(facts_place)
            stack.callback(its_facts.close)
            self._places = Places(its_facts)
            self._shards: dict[int, ShardStore] = {}
            for shard in sorted(register([address for address, _ in places], its_facts)):
                cluster, of_shard = clusters[shard.address], its_facts.of_shard(shard.number)
                store = ClickHousePointStore(shard.address, of_shard, sizes, aside, cluster, generation, without)
                stack.callback(store.close)
                self._shards[shard.number] = its = ShardStore(shard.number, store)
                if shard.away:
                    its.note_away(shard.away)
            watch = Loop("watch of shards", self._try_again, log.error, log.warning)
            watch.start()
            stack.callback(watch.stop)
            self._asking = ThreadPoolExecutor(THREADS * len(places), "points of a shard")
            stack.callback(self._asking.shutdown)
            # A pool of its own, so that appends do not wait for questions.
            self._appending = ThreadPoolExecutor(len(places), "points for a shard")
            stack.callback(self._appending.shutdown)
            self._stack = stack.pop_all()

    @property
    def engine_counts(self) -> Mapping[str, EngineCounts]:
        """What was asked of each shard."""
        return {f"clickhouse_{number}": its.store.counts for number, its in self._shards.items()}

    @property
    def before_forgetting(self) -> Callable[[], None]:
        return next(iter(self._shards.values())).store.before_forgetting

    @before_forgetting.setter
    def before_forgetting(self, function: Callable[[], None]) -> None:
        for its in self._shards.values():
            its.store.before_forgetting = function

    def note_generation(self, generation: str) -> None:
        """Make the points those of this generation of the lab. Raises StoreError; then it may be called again."""
        for its in self._shards.values():
            its.store.note_generation(generation)

    def append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        """See PointStore. Blocks for one insert into each shard; they are made at once. Raises StoreError if no shard
        took its part.
        """
        self._check_open()
        if not batches:
            return []
        placed = self._place({b.writer: b.run for b in batches}, {b.run for b in batches})
        where: dict[int, list[int]] = {}
        for i, batch in enumerate(batches):
            where.setdefault(placed[batch.run], []).append(i)

        def append(number: int) -> list[AppendResult] | StoreError:
            try:
                return self._shard(number).append([batches[i] for i in where[number]])
            except StoreError as e:
                return e

        results: list[AppendResult | None] = [None] * len(batches)
        errors: list[StoreError] = []
        for number, answer in at_once(self._appending, append, list(where)).items():
            if isinstance(answer, StoreError):
                errors.append(answer)
                answer = [refused(answer)] * len(where[number])
            for i, result in zip(where[number], answer, strict=True):
                results[i] = result
        if len(errors) == len(where):
            raise errors[0]
        return [result for result in results if result is not None]

    def cursor(self, writer: str) -> int:
        self._check_open()
        number = self._places.of_writer(writer)
        return 0 if number is None else self._shard(number).store.cursor(writer)

    def cursors(self, writers: Sequence[str]) -> dict[str, int]:
        known: dict[str, int] = {}
        for its in self._shards.values():
            known |= its.store.cursors(writers)
        return known

    def late_writers(self) -> list[str]:
        return [writer for its in self._shards.values() for writer in its.store.late_writers()]

    def reach(self, cursors: Mapping[str, int]) -> dict[str, int]:
        reached: dict[str, int] = {}
        for its in self._shards.values():
            reached |= its.store.reach(cursors)
        return reached

    def keys(self, run: str, query: str = "", after: str = "", limit: int = 1000) -> list[SeriesInfo]:
        return self._of(run).ask(lambda store: store.keys(run, query, after, limit))

    def series(self, run: str, key: str) -> list[SeriesInfo]:
        return self._of(run).ask(lambda store: store.series(run, key))

    def origins(self, run: str, after: int = 0, limit: int = 1000) -> dict[int, int]:
        return self._of(run).store.origins(run, after, limit)

    def last(
        self, runs: Sequence[str], keys: Sequence[str] | None = None, limit_per_run: int = 8
    ) -> dict[str, list[SeriesInfo]]:
        infos: dict[str, list[SeriesInfo]] = {run: [] for run in runs}
        for its in self._of_many(runs, lambda store, some: store.last(some, keys, limit_per_run)):
            infos |= its
        return infos

    def summaries(self, key: str, runs: Sequence[str]) -> dict[str, Summary]:
        answer: dict[str, Summary] = {}
        for its in self._of_many(runs, lambda store, some: store.summaries(key, some)):
            answer |= its
        return answer

    def smoothed(self, key: str, smoothing: Smoothing, runs: Sequence[str], axis: Axis = "step") -> dict[str, float]:
        answer: dict[str, float] = {}
        for its in self._of_many(runs, lambda store, some: store.smoothed(key, smoothing, some, axis)):
            answer |= its
        return answer

    def rank_summaries(self, key: str, runs: Sequence[str]) -> dict[tuple[str, int], Summary]:
        answer: dict[tuple[str, int], Summary] = {}
        for its in self._of_many(runs, lambda store, some: store.rank_summaries(key, some)):
            answer |= its
        return answer

    def rank_smoothed(
        self, key: str, smoothing: Smoothing, runs: Sequence[str], axis: Axis = "step"
    ) -> dict[tuple[str, int], float]:
        answer: dict[tuple[str, int], float] = {}
        for its in self._of_many(runs, lambda store, some: store.rank_smoothed(key, smoothing, some, axis)):
            answer |= its
        return answer

    def with_nan(self, runs: Sequence[str]) -> set[str]:
        return set[str]().union(*self._of_many(runs, lambda store, some: store.with_nan(some)))

    def key_counts(self, runs: Sequence[str], words: str = "") -> Counter[str]:
        return sum(self._of_many(runs, lambda store, some: store.key_counts(some, words)), Counter[str]())

    def points(
        self,
        run: str,
        key: str,
        rank: int | None = None,
        attempt: int | None = None,
        after: str = "",
        limit: int = 100_000,
    ) -> Points:
        return self._of(run).ask(lambda store: store.points(run, key, rank, attempt, after, limit))

    def of_writer(self, run: str, writer: str, rank: int, attempt: int) -> Iterator[Column]:
        return self._of(run).store.of_writer(run, writer, rank, attempt)

    def batches_of(self, runs: Sequence[str]) -> Iterator[PointBatch]:
        for number, some in self._by_shard(runs).items():
            yield from self._shard(number).store.batches_of(some)

    def iter_buckets(
        self,
        selectors: Iterable[Selector],
        axis: Axis = "step",
        lo: int | None = None,
        hi: int | None = None,
        n: int = 1500,
        attempts: Literal["newest", "all"] = "newest",
        most: int | None = None,
        smoothing: Smoothing | None = None,
    ) -> Iterator[Buckets]:
        query = lines.Query(axis, lo, hi, n, attempts, most, smoothing)
        wanted = list(selectors)
        placed = self._numbers({s.run for s in wanted})
        where: dict[int, list[int]] = {}
        for i, selector in enumerate(wanted):
            where.setdefault(placed[selector.run], []).append(i)

        def read(number: int) -> Any:
            return self._shard(number).ask(lambda store: store.lines_of([wanted[i] for i in where[number]], query))

        by_shard = at_once(self._asking, read, list(where))
        both = [(where[number][line.place], number, line) for number, (_, its) in by_shard.items() for line in its]
        both.sort(key=lambda one: one[0])  # stable: the lines of a selector are on one shard and keep their order
        with_views = lines.with_views([line for _, _, line in both], query)
        numbers = [number for _, number, _ in both]
        drawn = {}
        for number, (reading, _) in by_shard.items():
            its = [one for one, of in zip(with_views, numbers, strict=True) if of == number]
            drawn[number] = Ahead(self._asking, lines.drawn(reading, its, query))
        for number in numbers:
            may_pause()
            yield next(drawn[number])

    def buckets(self, selectors: Iterable[Selector], *query: Any, **more: Any) -> list[Buckets]:
        return list(self.iter_buckets(selectors, *query, **more))

    def delete(self, run: str) -> None:
        self._shard(self._place({}, {run})[run]).store.delete(run)

    def undelete(self, run: str) -> None:
        self._of(run).store.undelete(run)

    def maintain(self, seconds_max: float = 0.1, saving: bool = False) -> bool:
        """See PointStore. A shard that is away is left for later. If one fails, the others are maintained before this
        raises.
        """
        more, errors = False, []
        for its in self._shards.values():
            if its.away:
                continue
            try:
                more |= its.ask(lambda store: store.maintain(seconds_max / len(self._shards), saving))
            except StoreError as e:
                errors.append(e)
        if errors:
            raise errors[0]
        return more

    def work_left(self) -> WorkLeft:
        left = [its.store.work_left() for its in self._shards.values()]  # PostgreSQL knows most of it
        return WorkLeft(sum(its.to_compact for its in left), sum(its.to_remove for its in left))

    def damage(self) -> list[str]:
        return []

    def sizes(self) -> dict[str, int]:
        """Return how many bytes the points take on disk on each shard that answers."""
        answering = {number: its.store for number, its in self._shards.items() if not its.away}
        return {f"clickhouse_{number}": n for number, store in answering.items() for n in store.sizes().values()}

    def close(self) -> None:
        """See PointStore."""
        self._closed = True
        self._stack.close()

    def _try_again(self) -> float:
        for its in self._shards.values():
            its.try_again()
        return ASK_AGAIN_S

    # Which shard

    def _place(self, writers: Mapping[str, str], runs: Iterable[str]) -> dict[str, int]:
        self._check_open()
        return self._places.place(writers, list(runs), self._open())

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("this store is closed: open another one.")

    def _open(self) -> list[int]:
        """Return the shards that new runs are put on: those that answer, if there are any."""
        return [number for number, its in self._shards.items() if not its.away] or list(self._shards)

    def _numbers(self, runs: Iterable[str]) -> dict[str, int]:
        """Return the shard of each run; for a run without points, any shard."""
        self._check_open()
        runs = list(runs)
        placed = self._places.of_runs(runs)
        where_open = self._open()
        return {run: placed[run] if run in placed else chosen(run, where_open) for run in runs}

    def _shard(self, number: int) -> ShardStore:
        its = self._shards.get(number)
        if its is None:
            raise StoreError(
                f"The run is on shard {number} of the points, which was added meanwhile: start this lab anew, with the"
                " addresses of all shards in --points."
            )
        return its

    def _of(self, run: str) -> ShardStore:
        return self._shard(self._numbers([run])[run])

    def _by_shard(self, runs: Sequence[str]) -> dict[int, list[str]]:
        self._check_open()
        some: dict[int, list[str]] = {}
        placed = self._places.of_runs(runs)
        for run in dict.fromkeys(runs):
            if run in placed:
                some.setdefault(placed[run], []).append(run)
        return some

    def _of_many(self, runs: Sequence[str], ask: Callable[[ClickHousePointStore, list[str]], T]) -> list[T]:
        """Ask each shard about those of the runs that are on it, all at once. Runs without points are on none."""
        some = self._by_shard(runs)
        answers = at_once(
            self._asking, lambda number: self._shard(number).ask(lambda store: ask(store, some[number])), list(some)
        )
        return list(answers.values())
