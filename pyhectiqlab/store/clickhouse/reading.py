"""Reading: one state of all points, and the summaries of its series. Everything that is asked for begins here."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from ..extents import Extent, pooled
from ..points import Axis, SeriesInfo
from . import facts, statements
from .client import ClickHouse
from .facts import Counted, Facts, SeriesRow
from .identities import key_number
from .statements import ENDS, INFOS, SUMMARY, listed, recent

_KINDS: Mapping[np.dtype[Any], tuple[str, Callable[[str, str], str]]] = {
    SUMMARY: (statements.ALL_COLUMNS, statements.summaries_of),
    ENDS: (statements.ENDS_COLUMNS, statements.ends_of),
    INFOS: (statements.INFOS_COLUMNS, statements.infos_of),
}
LISTED_MAX = 2_000  # series that a query names; of more, all rows of the key are read and those in question kept


@dataclass(frozen=True)
class Part:
    """The points of a series in one build, or (build 0) those that are in none yet.

    `shifts`: of the finest nodes, by axis; -1: there are none. Empty where infos were asked for.
    """

    build: int
    extent: Extent
    shifts: Mapping[Axis, int]


class Series(NamedTuple):
    row: SeriesRow
    info: SeriesInfo
    parts: Sequence[Part]


@dataclass(frozen=True)
class Reading:
    clickhouse: ClickHouse
    conn: Connection
    counted: Counted

    def summaries(self, keys: Collection[str], series: Collection[int], kind: np.dtype[Any] = SUMMARY) -> NDArray[Any]:
        """Return rows of some series, which are of these keys: of SUMMARY, or of ENDS or INFOS, where these are enough:
        each column is read of all rows around those that are wanted.
        """
        if not series:
            return statements.none(kind)
        where = f"key IN {listed(sorted({key_number(key) for key in keys}))}"
        if len(series) <= LISTED_MAX:
            where += f" AND series IN {listed(sorted(series))}"
        columns, of_points = _KINDS[kind]
        queries = [of_points("arrived", f"{where} AND {recent(self.counted)}")]
        if self.counted.builds:
            queries.append(f"SELECT {columns} FROM summaries WHERE build IN {listed(self.counted.builds)} AND {where}")
        rows = self.clickhouse.rows(" UNION ALL ".join(queries), kind)
        if len(series) > LISTED_MAX:
            rows = rows[np.isin(rows["series"], np.fromiter(series, np.uint64, len(series)))]
        return rows

    def series(self, wanted: Iterable[tuple[str, str]], ends: bool = False) -> dict[tuple[str, str], list[Series]]:
        """Return every series that has points, by (run, key), sorted by (rank, attempt). `ends`: of their infos, only
        where they begin and end, and how many points they have.
        """
        pairs = set(wanted)
        if not pairs:
            return {}
        runs, keys = {run for run, _ in pairs}, {key for _, key in pairs}
        rows = [row for row in facts.series_of(self.conn, runs, keys) if (row.run, row.key) in pairs]
        attempts = {row.id: row.attempt for row in rows}
        parts: dict[int, list[Part]] = {}
        for its in self.summaries({row.key for row in rows}, attempts, ENDS if ends else INFOS):
            number = int(its["series"])
            parts.setdefault(number, []).append(_part(its, attempts[number], ends))
        by_pair: dict[tuple[str, str], list[Series]] = {}
        for row in rows:
            if row.id in parts:
                info = pooled(part.extent for part in parts[row.id]).info(row.run, row.key, row.rank, row.attempt)
                by_pair.setdefault((row.run, row.key), []).append(Series(row, info, parts[row.id]))
        return by_pair


@contextmanager
def reading(its_facts: Facts, clickhouse: ClickHouse) -> Iterator[Reading]:
    with its_facts.reading() as conn:
        yield Reading(clickhouse, conn, facts.counted(conn))


def pooled_info(run: str, key: str, series: Sequence[Series]) -> SeriesInfo:
    return pooled(part.extent for s in series for part in s.parts).info(run, key, None, None)


def _part(row: Any, attempt: int, ends: bool) -> Part:
    of_points = [int(row[name]) for name in ("count", "step_min", "step_max", "time_min", "time_max")]
    place, values = [0, 0, 0, 0], (math.inf, -math.inf, math.nan)
    if not ends:
        place = [int(row[name]) for name in ("last_step", "last_seq", "last_arrival", "last_time")]
        values = float(row["low"]), float(row["high"]), float(row["last"])
    extent = Extent._make((*of_points, *values[:2], attempt, *place, values[2]))
    shifts = {axis: int(row[f"{axis}_shift"]) for axis in statements.AXES} if ends else {}
    return Part(int(row["build"]), extent, shifts)
