"""Reading: one state of all points, and the summaries of its series. Everything that is asked for begins here."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from ..points import Axis, SeriesInfo
from ..series.extents import Extent, pooled
from . import facts, facts_series, recents, statements
from .client import ClickHouse
from .facts import Counted, Facts
from .facts_series import SeriesRow
from .identities import RunNumbers, key_number
from .kept import Kept, name_of
from .recents import KeptRecents, Recents
from .statements import ENDS, INFOS, STATS, STATS_COLUMNS, listed

_COLUMNS = {ENDS: statements.ENDS_COLUMNS, INFOS: statements.INFOS_COLUMNS}
LISTED_MAX = 2_000  # series that a query names; for more it reads all rows of the key


@dataclass(frozen=True)
class Part:
    """The points of a series in one build, or (build 0) those that are in none yet.

    `shifts`: log2 of the width of the finest nodes, by axis; -1: there are none. Empty if infos were asked for.
    `points`: the points in no build, if they have been read already.
    """

    build: int
    extent: Extent
    shifts: Mapping[Axis, int]
    points: Recents | None = None


class Series(NamedTuple):
    row: SeriesRow
    info: SeriesInfo
    parts: Sequence[Part]


@dataclass(frozen=True)
class Reading:
    clickhouse: ClickHouse
    conn: Connection
    counted: Counted
    kept: Kept
    recents: KeptRecents
    runs: RunNumbers

    def stats(self, key: str, series: NDArray[np.int64]) -> NDArray[Any]:
        """Return STATS rows of these series of a key, perhaps also of others."""
        where = f"key = {key_number(key)}"
        few = len(series) <= LISTED_MAX
        if few:
            where += f" AND series IN {listed(series.tolist())}"
        name, builds = ("stats", key), self.counted.builds
        kept = {build: self.kept.get((build,), name) for build in builds}
        its_name = name_of(STATS, series) if few else name
        rows = [recents.summarised(self.recents, self.clickhouse, self.counted, where, STATS, its_name)]
        rows += [of_build for of_build in kept.values() if of_build is not None]
        if missing := [build for build in builds if kept[build] is None]:
            query = f"SELECT {STATS_COLUMNS} FROM summaries WHERE build IN {listed(missing)} AND {where}"
            rows.append(read := self.clickhouse.rows(query, STATS))
            if not few:
                for build in missing:
                    self.kept.keep((build,), name, read[read["build"] == build])
        return np.concatenate(rows)

    def summaries(self, keys: Collection[str], series: Collection[int], kind: np.dtype[Any]) -> NDArray[Any]:
        """Return rows of some series, which are of these keys: ENDS or INFOS."""
        return self._summaries(keys, series, kind)[0]

    def _summaries(
        self, keys: Collection[str], series: Collection[int], kind: np.dtype[Any]
    ) -> tuple[NDArray[Any], dict[int, Recents]]:
        """Return the rows; and for ENDS also the recent points of each series, if they had to be read."""
        recent: dict[int, Recents] = {}
        if not series:
            return statements.none(kind), recent
        where = f"key IN {listed(sorted({key_number(key) for key in keys}))}"
        ids = np.sort(np.fromiter(series, np.int64, len(series)))
        few = len(ids) <= LISTED_MAX
        if few:
            where += f" AND series IN {listed(ids.tolist())}"
        name = name_of(kind, ids) if few else (kind.names, tuple(sorted(keys)))
        if kind is ENDS and 0 < self.counted.recent <= recents.READ_MAX:
            points = self.recents.read(self.clickhouse, self.counted, where, name)
            rows, recent = recents.ends_of(points)
        else:
            rows = recents.summarised(self.recents, self.clickhouse, self.counted, where, kind, name)
        if self.counted.builds:
            built = self.kept.get(self.counted.builds, name) if few else None
            if built is None:
                query = (
                    f"SELECT {_COLUMNS[kind]} FROM summaries WHERE build IN {listed(self.counted.builds)} AND {where}"
                )
                built = self.clickhouse.rows(query, kind)
                if few:
                    self.kept.keep(self.counted.builds, name, built)
            rows = np.concatenate([rows, built])
        return rows if few else rows[np.isin(rows["series"], ids.astype(np.uint64))], recent

    def series(self, wanted: Iterable[tuple[str, str]], ends: bool = False) -> dict[tuple[str, str], list[Series]]:
        """Return every series that has points, by (run, key), sorted by (rank, attempt). `ends`: read only where they
        begin and end and how many points they have, not the rest of their infos.
        """
        pairs = set(wanted)
        if not pairs:
            return {}
        runs, keys = {run for run, _ in pairs}, {key for _, key in pairs}
        rows = [row for row in facts_series.series_of(self.conn, runs, keys) if (row.run, row.key) in pairs]
        attempts = {row.id: row.attempt for row in rows}
        parts: dict[int, list[Part]] = {}
        summaries, recent = self._summaries({row.key for row in rows}, attempts, ENDS if ends else INFOS)
        for its in summaries:
            number = int(its["series"])
            points = None if its["build"] else recent.get(number)
            parts.setdefault(number, []).append(_part(its, attempts[number], ends, points))
        by_pair: dict[tuple[str, str], list[Series]] = {}
        for row in rows:
            if row.id in parts:
                info = pooled(part.extent for part in parts[row.id]).info(row.run, row.key, row.rank, row.attempt)
                by_pair.setdefault((row.run, row.key), []).append(Series(row, info, parts[row.id]))
        return by_pair


@contextmanager
def reading(
    its_facts: Facts, clickhouse: ClickHouse, kept: Kept, recent: KeptRecents, runs: RunNumbers
) -> Iterator[Reading]:
    with its_facts.reading() as conn:
        yield Reading(clickhouse, conn, facts.counted(conn), kept, recent, runs)


def _part(row: Any, attempt: int, ends: bool, points: Recents | None) -> Part:
    of_points = [int(row[name]) for name in ("count", "step_min", "step_max", "time_min", "time_max")]
    place, values = [0, 0, 0, 0], (math.inf, -math.inf, math.nan)
    if not ends:
        place = [int(row[name]) for name in ("last_step", "last_seq", "last_arrival", "last_time")]
        values = float(row["low"]), float(row["high"]), float(row["last"])
    extent = Extent._make((*of_points, *values[:2], attempt, *place, values[2]))
    shifts = {axis: int(row[f"{axis}_shift"]) for axis in statements.AXES} if ends else {}
    return Part(int(row["build"]), extent, shifts, points)
