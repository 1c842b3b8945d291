"""ClickHousePointStore: every metric's history in ClickHouse, for any number of labs at once.

Points are rows of ClickHouse, which never change. PostgreSQL, where the lab's MetaStore is, knows which of them count,
each writer's cursor, what is being inserted, and the numbers of series. README.md has the reasons and the protocol.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Literal

from ...base.loops import Loop
from ...errors import EngineAwayError, StoreError
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
from ..series.batches import Rebuilding
from ..series.smoothed_ends import SmoothedEnds
from ..sql.column_types import kept
from . import building, ends, facts, facts_series, lines, queries, rebuilt, schema
from .appending import Appender, settle_left
from .client import ClickHouse
from .facts import Facts
from .facts_schema import BUILT, DONE
from .identities import Identities, RunNumbers
from .kept import Kept
from .levels_of_builds import Sizes
from .reading import Reading, reading
from .recents import KeptRecents
from .tidying import Tidier

log = logging.getLogger("hectiqlab.server")
DEFAULT_SIZES = Sizes()
IDLE_S = 1.0


class ClickHousePointStore:
    """Opens, or creates, the tables in a database of ClickHouse and in one of PostgreSQL.

    Args:
        place: clickhouse://USER:PASSWORD@HOST:8123/DATABASE, or clickhouses:// for TLS.
        facts_place: postgresql://USER@HOST/NAME; or what is there of one shard of several (sharded.py).
        aside: tidy in a thread of its own; else `maintain` does it, as long as it takes.
        cluster: the name of a cluster of ClickHouse, whose tables are replicated; "": there is one server.
        generation: of the lab, which is noted beside the points; points of another one are refused. "": of any.
        without: where ClickHouse has no tables, forget the points that were in them; else that is refused.

    Where ClickHouse does not answer a lab (`aside`) that had points there before, the store opens all the same: each
    call that needs ClickHouse tries again to prepare it, and raises until that worked.

    Raises ConfigurationError, NewerSchemaError, StoreError.
    """

    wants_few_inserts = True

    def __init__(
        self,
        place: str,
        facts_place: str | Facts,
        sizes: Sizes = DEFAULT_SIZES,
        aside: bool = False,
        cluster: str = "",
        generation: str = "",
        without: bool = False,
    ) -> None:
        self._clickhouse = ClickHouse(place)
        self.counts = self._clickhouse.counts
        self._facts = facts_place if isinstance(facts_place, Facts) else Facts(facts_place)
        self._kept, self._recents, self._runs = Kept(), KeptRecents(), RunNumbers()
        self._smoothed_ends = SmoothedEnds[str](self.summaries, self._ends, run_of=str)
        self._rank_ends = SmoothedEnds[tuple[str, int]](self.rank_summaries, self._ends_of_ranks, run_of=itemgetter(0))
        self._closed = False
        self.before_forgetting: Callable[[], None] = lambda: None
        self._cluster, self._generation, self._without = cluster, generation, without
        self._ready, self._preparing = False, threading.Lock()
        try:
            was_there = self._facts.is_there()
            try:
                self._prepare()
            except EngineAwayError as e:
                if not (aside and was_there):
                    raise
                log.warning("%s Points are refused until then.", e)
        except BaseException:
            self._clickhouse.close()
            self._facts.close()
            raise
        self._appender = Appender(self._facts, self._clickhouse, Identities(self._facts))
        self._tidier = Tidier(self._facts, self._clickhouse, sizes)
        self._loop = Loop("tidying of points", self._tidy, log.error, log.warning) if aside else None
        if self._loop is not None:
            self._loop.start()

    def _prepare(self) -> None:
        """Make the tables, or look that they are ours, if this store has not done so yet. Raises as the class does."""
        with self._preparing:
            if not self._ready:
                lab_id = self._facts.prepare()
                if self._without and not schema.is_there(self._clickhouse):
                    self._facts.forget_points()
                has_points = self._facts.has_points()
                schema.prepare(self._clickhouse, lab_id, self._cluster, self._generation, has_points)
                building.drop_unknown(self._facts, self._clickhouse)
                self._ready = True

    def reach_engine(self) -> None:
        """Raise EngineAwayError where ClickHouse does not answer."""
        self._clickhouse.text("SELECT 1")

    def note_generation(self, generation: str) -> None:
        """Make the points those of this generation of the lab. Raises StoreError."""
        self._check_ready()
        schema.note_generation(self._clickhouse, generation)

    def append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        """See PointStore. Blocks for one insert. If there are more than a million points, an error may leave some of
        the batches applied.
        """
        if any(batch.columns for batch in batches):
            self._check_ready()
        self._check_open()
        return self._appender.append(batches)

    def cursor(self, writer: str) -> int:
        with self._asking() as conn:
            known = facts.one(conn, "SELECT cursor FROM points_writers WHERE name = :name", name=kept(writer))
        return int(known or 0)

    def cursors(self, writers: Sequence[str]) -> dict[str, int]:
        names = {kept(name): name for name in writers}
        query = "SELECT name, cursor FROM points_writers WHERE name = ANY(:names)"
        with self._asking() as conn:
            return {names[name]: cursor for name, cursor in facts.all_of(conn, query, names=list(names))}

    def late_writers(self) -> list[str]:
        query = "SELECT DISTINCT w.name FROM points_batches b JOIN points_writers w ON w.id = b.writer"
        with self._asking() as conn:
            return [name for (name,) in facts.all_of(conn, query)]

    def reach(self, cursors: Mapping[str, int]) -> dict[str, int]:
        with self._reading() as r:
            return queries.reach(r, cursors)

    def keys(self, run: str, query: str = "", after: str = "", limit: int = 1000) -> list[SeriesInfo]:
        with self._reading() as r:
            return queries.keys(r, run, query, after, limit)

    def series(self, run: str, key: str) -> list[SeriesInfo]:
        with self._reading() as r:
            return [s.info for s in r.series([(run, key)]).get((run, key), [])]

    def origins(self, run: str, after: int = 0, limit: int = 1000) -> dict[int, int]:
        query = """SELECT a.number, a.origin FROM points_attempts a JOIN points_runs r ON r.id = a.run
            WHERE r.name = :run AND NOT r.deleted AND a.number > :after ORDER BY a.number LIMIT :limit"""
        with self._asking() as conn:
            return {row[0]: row[1] for row in facts.all_of(conn, query, run=kept(run), after=after, limit=limit)}

    def last(
        self, runs: Sequence[str], keys: Sequence[str] | None = None, limit_per_run: int = 8
    ) -> dict[str, list[SeriesInfo]]:
        with self._reading() as r:
            return queries.last(r, runs, keys, limit_per_run)

    def summaries(self, key: str, runs: Sequence[str]) -> dict[str, Summary]:
        with self._reading() as r:
            return queries.summaries(r, key, runs)

    def smoothed(self, key: str, smoothing: Smoothing, runs: Sequence[str], axis: Axis = "step") -> dict[str, float]:
        return self._smoothed_ends.of(key, smoothing, axis, runs)

    def _ends(self, key: str, smoothing: Smoothing, axis: Axis, runs: Sequence[str]) -> Iterator[tuple[str, float]]:
        with self._reading() as r:
            yield from ends.ends(r, key, smoothing, axis, runs)

    def rank_summaries(self, key: str, runs: Sequence[str]) -> dict[tuple[str, int], Summary]:
        with self._reading() as r:
            return queries.rank_summaries(r, key, runs)

    def rank_smoothed(
        self, key: str, smoothing: Smoothing, runs: Sequence[str], axis: Axis = "step"
    ) -> dict[tuple[str, int], float]:
        return self._rank_ends.of(key, smoothing, axis, runs)

    def _ends_of_ranks(
        self, key: str, smoothing: Smoothing, axis: Axis, runs: Sequence[str]
    ) -> Iterator[tuple[tuple[str, int], float]]:
        with self._reading() as r:
            yield from ends.ends_of_ranks(r, key, smoothing, axis, runs)

    def with_nan(self, runs: Sequence[str]) -> set[str]:
        with self._reading() as r:
            return queries.with_nan(r, runs)

    def key_counts(self, runs: Sequence[str], words: str = "") -> Counter[str]:
        with self._reading() as r:
            return queries.key_counts(r, runs, words)

    def points(
        self,
        run: str,
        key: str,
        rank: int | None = None,
        attempt: int | None = None,
        after: str = "",
        limit: int = 100_000,
    ) -> Points:
        with self._reading() as r:
            return queries.points(r, run, key, rank, attempt, after, limit)

    def of_writer(self, run: str, writer: str, rank: int, attempt: int) -> Iterator[Column]:
        with self._reading() as r:
            yield from queries.of_writer(r, run, writer, rank, attempt)

    def batches_of(self, runs: Sequence[str]) -> Iterator[PointBatch]:
        self._check_ready()
        settle_left(self._facts, self._clickhouse, 0)  # an insert that a dead process began hides what came later
        rebuilding = Rebuilding()
        with self._asking() as conn:
            groups = rebuilt.groups(conn, runs)
        for some in groups:
            with self._reading() as r:
                its = rebuilt.contents(r, some)
            for part in its.parts:  # a reading for each: rows that are replaced meanwhile are dropped soon
                with self._reading() as r:
                    points, writers = rebuilt.points(r, its, part)
                yield from rebuilding.batches(points, its.places, writers)

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
        r, its_lines = self.lines_of(selectors, query)
        yield from lines.drawn(r, lines.with_views(its_lines, query), query)

    def lines_of(self, selectors: Iterable[Selector], query: lines.Query) -> tuple[Reading, list[lines.Line]]:
        """Return the lines of a chart, and where they are read."""
        with self._reading() as r:
            return r, lines.lines_of(r, selectors, query)

    def buckets(self, selectors: Iterable[Selector], *query: Any, **more: Any) -> list[Buckets]:
        return list(self.iter_buckets(selectors, *query, **more))

    def delete(self, run: str) -> None:
        self._check_open()
        with self._facts.writing() as conn:
            facts_series.run_ids(conn, [run])
            facts.run(conn, "UPDATE points_runs SET deleted = true WHERE name = :run", run=kept(run))
        self._smoothed_ends.forget(run)
        self._rank_ends.forget(run)

    def undelete(self, run: str) -> None:
        self._check_open()
        with self._facts.writing() as conn:
            facts.run(conn, "UPDATE points_runs SET deleted = false WHERE name = :run", run=kept(run))

    def maintain(self, seconds_max: float = 0.1, saving: bool = False) -> bool:
        """See PointStore. Where the tidying is done aside, this only forgets what is old, and there is never more."""
        self._check_open()
        deadline = time.monotonic() + seconds_max
        forgot = self._tidier.forget(lambda: self.before_forgetting())
        if self._loop is not None:
            return False
        self._check_ready()
        while more := self._tidier.step():
            if time.monotonic() >= deadline:
                break
        return more or forgot

    def _tidy(self) -> float:
        self._check_ready()
        return 0.0 if self._tidier.step() else IDLE_S

    def work_left(self) -> WorkLeft:
        query = f"""SELECT coalesce(sum(b.points), 0) FROM points_blocks b JOIN points_windows w ON w.id = b.window
            WHERE w.state < {BUILT} AND b.state = {DONE}"""
        with self._reading() as r:
            return WorkLeft(int(facts.one(r.conn, query)), queries.points_of_deleted(r))

    def damage(self) -> list[str]:
        return []

    def sizes(self) -> dict[str, int]:
        """Return how many bytes the points take on disk, by the name of the engine; nothing while it is away."""
        size = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()"
        try:
            return {"clickhouse": int(self._clickhouse.text(size))}
        except StoreError:
            return {}

    def close(self) -> None:
        """See PointStore."""
        if self._closed:
            return
        self._closed = True
        if self._loop is not None:
            self._loop.stop()
        self._clickhouse.close()
        self._facts.close()

    def _reading(self) -> Any:
        self._check_ready()
        return reading(self._facts, self._clickhouse, self._kept, self._recents, self._runs)

    def _asking(self) -> Any:
        self._check_open()
        return self._facts.reading()

    def _check_ready(self) -> None:
        self._check_open()
        if not self._ready:
            self._prepare()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("this store is closed: open another one.")


__all__ = ["ClickHousePointStore", "Reading"]
