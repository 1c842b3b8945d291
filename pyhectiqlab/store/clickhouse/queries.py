"""Queries for everything but buckets: keys, series, summaries, raw points."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...protocol.limits import STEP_MAX
from ..points import Column, Int64s, Points, SeriesInfo, Summary
from ..series import levels
from ..series.grid import parse_cursor
from ..sql.column_types import kept
from . import facts, facts_series
from .facts_schema import DONE
from .facts_series import PlacedSeries, SeriesRow
from .identities import key_number
from .reading import Reading
from .statements import INFOS, listed, recent

_POINT = np.dtype(
    [
        ("arrival", "<i8"),
        ("seq", "<i8"),
        ("step", "<i8"),
        ("value", "<f8"),
        ("time", "<i8"),
        ("series", "<u8"),
    ]
)
_POINT_COLUMNS = "arrival, seq, step, value, time, series"
_SUMMARY = partial(tuple.__new__, Summary)  # as Summary._make, in a third of the time
_SERIES = np.dtype([("series", "<u8")])
_COUNT = np.dtype([("points", "<i8")])


def keys(reading: Reading, run: str, query: str, after: str, limit: int) -> list[SeriesInfo]:
    infos: list[SeriesInfo] = []
    while len(infos) < limit:
        names = facts.all_of(
            reading.conn,
            """SELECT DISTINCT s.key FROM points_series s JOIN points_runs r ON r.id = s.run
                WHERE r.name = :run AND NOT r.deleted AND s.key > :after AND strpos(s.key, :query) > 0
                ORDER BY s.key LIMIT :limit""",
            run=kept(run),
            after=kept(after),
            query=kept(query),
            limit=limit,
        )
        if not names:
            break
        its_keys = [key for (key,) in names]
        its = _infos(reading, [run], facts_series.series_of_keys(reading.conn, [run], its_keys))[run]
        infos += [its[key] for key in its_keys if key in its]  # a series may have no points yet
        after = its_keys[-1]
        if len(its_keys) < limit:
            break
    return infos[:limit]


def last(
    reading: Reading, runs: Sequence[str], wanted: Sequence[str] | None, limit_per_run: int
) -> dict[str, list[SeriesInfo]]:
    names = list(dict.fromkeys(runs))
    if wanted is not None:
        infos = _infos(reading, names, facts_series.series_of_keys(reading.conn, names, wanted))
        return {run: [infos[run][key] for key in wanted if key in infos[run]] for run in names}
    infos = _infos(reading, names, facts_series.first_series(reading.conn, names, limit_per_run))
    return {run: [infos[run][key] for key in sorted(infos[run])] for run in names}


def _infos(reading: Reading, runs: Sequence[str], series: Sequence[PlacedSeries]) -> dict[str, dict[str, SeriesInfo]]:
    """Return the SeriesInfo of each run by key, with the series of a key pooled. It computes in arrays, for a thousand
    series at once.
    """
    infos: dict[str, dict[str, SeriesInfo]] = {run: {} for run in runs}
    series = sorted(series)
    pairs: dict[tuple[int, str], int] = {}  # (which run, key): their number
    pair_of = np.array([pairs.setdefault((s.place, s.key), len(pairs)) for s in series], np.int64)
    ids = [s.id for s in series]
    parts = reading.summaries({s.key for s in series}, ids, INFOS)
    at = np.searchsorted(np.array(ids, np.int64), parts["series"].astype(np.int64))
    order = np.argsort(pair_of[at], kind="stable") if len(parts) else at
    parts, at = parts[order], at[order]
    if not len(parts):
        return infos
    pair = pair_of[at]
    groups = levels.groups_of(pair)
    attempt = np.array([s.attempt for s in series], np.int64)[at]
    newest = levels.last_of_groups(
        groups, len(parts), attempt, *(parts[name] for name in ("last_step", "last_seq", "last_arrival"))
    )
    low, high = np.minimum.reduceat(parts["low"], groups), np.maximum.reduceat(parts["high"], groups)
    none = low > high
    columns = (
        np.add.reduceat(parts["count"], groups),
        np.minimum.reduceat(parts["step_min"], groups),
        np.maximum.reduceat(parts["step_max"], groups),
        np.minimum.reduceat(parts["time_min"], groups),
        np.maximum.reduceat(parts["time_max"], groups),
        parts["last_step"][newest],
        parts["last"][newest],
        parts["last_time"][newest],
        np.where(none, math.nan, low),
        np.where(none, math.nan, high),
    )
    places = list(pairs)
    for number, *its in zip(pair[groups].tolist(), *(column.tolist() for column in columns), strict=True):
        place, key = places[number]
        infos[runs[place]][key] = SeriesInfo(runs[place], key, None, None, *its)
    return infos


def summaries(reading: Reading, key: str, runs: Sequence[str]) -> dict[str, Summary]:
    names, lines, its = _summaries(reading, key, runs, apart=False)
    return dict(zip(map(names.__getitem__, (lines >> 32).tolist()), its, strict=True))


def rank_summaries(reading: Reading, key: str, runs: Sequence[str]) -> dict[tuple[str, int], Summary]:
    names, lines, its = _summaries(reading, key, runs, apart=True)
    return dict(zip(((names[line >> 32], line & 0xFFFFFFFF) for line in lines.tolist()), its, strict=True))


def _summaries(
    reading: Reading, key: str, runs: Sequence[str], apart: bool
) -> tuple[list[str], Int64s, Sequence[Summary]]:
    """Return the summaries of a key in ten thousand runs at once, computed in arrays: names of the runs, of each
    summary the place of its run among them × 2^32 + its rank, and the summaries. `apart`: each rank has one, otherwise
    all ranks of a run have one together, of rank 0.
    """
    names = list(dict.fromkeys(runs))
    none: tuple[list[str], Int64s, list[Summary]] = names, np.empty(0, np.int64), []
    numbers = reading.runs.of(reading.conn, names)
    by_number = np.argsort(numbers)
    sorted_numbers = numbers[by_number]
    series = facts_series.series_of_one_key(reading.conn, sorted_numbers[sorted_numbers > 0], key)
    where = np.minimum(np.searchsorted(sorted_numbers, series[:, 1]), len(names) - 1)
    series, where = series[wanted := sorted_numbers[where] == series[:, 1]], where[wanted]
    if not len(series):
        return none
    by_id = np.argsort(series[:, 0])
    ids, line_of, attempt_of = series[by_id, 0], by_number[where[by_id]] << 32, series[by_id, 3]
    if apart:
        line_of |= series[by_id, 2]
    parts = reading.stats(key, ids)
    at = np.minimum(np.searchsorted(ids, parts["series"].astype(np.int64)), len(ids) - 1)
    wanted = ids[at] == parts["series"].astype(np.int64)
    parts, at = parts[wanted], at[wanted]
    if not len(parts):
        return none
    line, attempt = line_of[at], attempt_of[at]
    by_line = np.argsort(line, kind="stable")
    parts, line, attempt = parts[by_line], line[by_line], attempt[by_line]
    groups = levels.groups_of(line)
    n = len(parts)

    def extreme(columns: Sequence[NDArray[Any]], lowest: bool) -> NDArray[np.intp]:
        """Return the row of each group in which these columns are the lowest, or the highest."""
        its = [column if column.dtype.kind == "f" else column.astype(np.int64) for column in columns]
        if lowest:  # of integers, ~ turns the order around without an overflow
            its = [-column if column.dtype.kind == "f" else ~column for column in its]
        return levels.last_of_groups(groups, n, *its)

    total = {name: np.add.reduceat(parts[name], groups) for name in ("count", "nans", "finite", "total")}
    first = extreme([attempt, parts["first_step"], parts["first_seq"], parts["first_arrival"]], lowest=True)
    newest = extreme([attempt, parts["last_step"], parts["last_seq"], parts["last_arrival"]], lowest=False)
    low = extreme([parts["low"], parts["min_step"]], lowest=True)
    high = extreme([parts["high"], ~parts["max_step"]], lowest=False)
    finite = total["finite"]
    its_low, its_high = parts["low"][low], parts["high"][high]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = total["total"] / np.maximum(finite, 1) / levels.SUM_SCALE
        mean = np.clip(mean, its_low, its_high)  # rounding must not carry a mean past its own extremes
    nothing = finite == 0
    for values in (mean, its_low, its_high):
        values[nothing] = math.nan
    columns = (
        total["count"], parts["last"][newest], its_low, its_high, mean, parts["first"][first], total["nans"],
        parts["min_step"][low], parts["max_step"][high],
    )  # fmt: skip
    its: list[Summary] = list(map(_SUMMARY, zip(*(column.tolist() for column in columns), strict=True)))
    for i in np.flatnonzero(nothing).tolist():
        its[i] = its[i]._replace(min_step=None, max_step=None)
    return names, line[groups], its


def with_nan(reading: Reading, runs: Sequence[str]) -> set[str]:
    queries = [f"SELECT DISTINCT series FROM arrived WHERE isNaN(value) AND {recent(reading.counted)}"]
    if reading.counted.builds:
        builds = listed(reading.counted.builds)
        queries.append(f"SELECT DISTINCT series FROM summaries WHERE build IN {builds} AND nans > 0")
    its = reading.clickhouse.rows(" UNION ALL ".join(queries), _SERIES)
    names = {kept(run): run for run in runs}
    rows = facts.all_of(
        reading.conn,
        """SELECT DISTINCT r.name FROM points_series s JOIN points_runs r ON r.id = s.run
            WHERE s.id = ANY(:ids) AND NOT r.deleted AND r.name = ANY(:runs)""",
        ids=[int(number) for number in its["series"]],
        runs=list(names),
    )
    return {names[name] for (name,) in rows}


def key_counts(reading: Reading, runs: Sequence[str], words: str) -> Counter[str]:
    rows = facts.all_of(
        reading.conn,
        """SELECT s.key, count(DISTINCT s.run) FROM points_series s JOIN points_runs r ON r.id = s.run
            WHERE r.name = ANY(:runs) AND NOT r.deleted GROUP BY s.key""",
        runs=[kept(run) for run in runs],
    )
    wanted = words.lower()
    return Counter({key: count for key, count in rows if wanted in key.lower()})


def points(
    reading: Reading, run: str, key: str, rank: int | None, attempt: int | None, after: str, limit: int
) -> Points:
    after_arrival, after_seq = parse_cursor(after)
    rows = [
        row
        for row in facts_series.series_of(reading.conn, [run], [key])
        if rank in (None, row.rank) and attempt in (None, row.attempt)
    ]
    page = np.empty(0, _POINT)
    if rows and after_arrival < STEP_MAX:
        condition = f"arrival >= {after_arrival} AND (arrival, seq) > ({after_arrival}, {min(after_seq, STEP_MAX)})"
        if (undecided := facts.undecided(reading.conn, [run])) is not None:
            condition += f" AND arrival < {undecided}"
        queries = _of_series(reading, rows, condition)
        query = f"SELECT * FROM ({' UNION ALL '.join(queries)}) ORDER BY arrival, seq LIMIT {limit}"
        page = reading.clickhouse.rows(query, _POINT)
    ranks, attempts = _places(rows, page["series"])
    cursor = f"{page['arrival'][-1]}.{page['seq'][-1]}" if len(page) else after
    step, value, time, seq = (page[name].copy() for name in ("step", "value", "time", "seq"))
    return Points(step, value, time, ranks, attempts, seq, cursor)


def _places(rows: Sequence[SeriesRow], series: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rank and the attempt of each of these series."""
    ids = np.array(sorted(row.id for row in rows), np.uint64)
    of: Mapping[int, SeriesRow] = {row.id: row for row in rows}
    at = np.searchsorted(ids, series)
    ranks = np.array([of[int(number)].rank for number in ids], np.int64)
    attempts = np.array([of[int(number)].attempt for number in ids], np.int64)
    if not len(ids):
        return ranks, attempts
    return ranks[at], attempts[at]


def _of_series(reading: Reading, rows: Sequence[SeriesRow], condition: str) -> list[str]:
    """Return queries for the points of some series."""
    condition += f" AND series IN {listed(row.id for row in rows)}"
    keys = listed(sorted({key_number(row.key) for row in rows}))
    queries = [
        f"SELECT {_POINT_COLUMNS} FROM arrived WHERE {recent(reading.counted)} AND key IN {keys} AND {condition}"
    ]
    if reading.counted.builds:
        builds = listed(reading.counted.builds)
        queries.append(f"SELECT {_POINT_COLUMNS} FROM stored WHERE build IN {builds} AND {condition}")
    return queries


def of_writer(reading: Reading, run: str, writer: str, rank: int, attempt: int) -> Iterator[Column]:
    its_id = facts.one(reading.conn, "SELECT id FROM points_writers WHERE name = :name", name=kept(writer))
    if its_id is None:
        return
    names = facts.all_of(
        reading.conn,
        """SELECT DISTINCT s.key FROM points_series s JOIN points_runs r ON r.id = s.run
            WHERE r.name = :run AND NOT r.deleted AND s.rank = :rank AND s.attempt = :attempt ORDER BY s.key""",
        run=kept(run),
        rank=rank,
        attempt=attempt,
    )
    for (key,) in names:
        rows = [r for r in facts_series.series_of(reading.conn, [run], [key]) if (r.rank, r.attempt) == (rank, attempt)]
        queries = _of_series(reading, rows, f"writer = {its_id}")
        its = reading.clickhouse.rows(f"SELECT * FROM ({' UNION ALL '.join(queries)}) ORDER BY seq", _POINT)
        if len(its):
            seq, step, value, time = (its[name].copy() for name in ("seq", "step", "value", "time"))
            yield Column(key, seq, step, value, time)


def reach(reading: Reading, cursors: Mapping[str, int]) -> dict[str, int]:
    reached = dict(cursors)
    names = {kept(writer): writer for writer in cursors}
    rows = facts.all_of(
        reading.conn,
        f"""SELECT w.name, b.first, b.last FROM points_batches b JOIN points_writers w ON w.id = b.writer
            JOIN points_blocks k ON k.id = b.block AND k.state = {DONE}
            WHERE w.name = ANY(:names) AND b.points = b.last - b.first + 1 ORDER BY b.arrival""",
        names=list(names),
    )
    for name, first, end in rows:
        writer = names[name]
        if first == reached[writer] + 1:
            reached[writer] = end
    return {writer: end for writer, end in reached.items() if end > cursors[writer]}


def points_of_deleted(reading: Reading) -> int:
    rows = facts.all_of(
        reading.conn, "SELECT s.id FROM points_series s JOIN points_runs r ON r.id = s.run WHERE r.deleted"
    )
    if not rows:
        return 0
    series = listed(number for (number,) in rows)
    queries = [f"SELECT toInt64(count()) FROM arrived WHERE {recent(reading.counted)} AND series IN {series}"]
    if reading.counted.builds:
        builds = listed(reading.counted.builds)
        queries.append(f"SELECT sum(count) FROM summaries WHERE build IN {builds} AND series IN {series}")
    return int(reading.clickhouse.rows(" UNION ALL ".join(queries), _COUNT)["points"].sum())
