"""Facts about series: the numbers of writers, runs and series in PostgreSQL, and which series there are.

A number never changes once it is made.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from ..sql.column_types import kept
from .facts import all_of, one, run

NAMED_MAX = 500  # runs that a query names; of more, it reads a range

_SERIES = """SELECT s.id, r.name, s.key, s.rank, s.attempt, coalesce(a.origin, 0) FROM points_series s
    JOIN points_runs r ON r.id = s.run LEFT JOIN points_attempts a ON a.run = s.run AND a.number = s.attempt"""


class SeriesRow(NamedTuple):
    id: int
    run: str
    key: str
    rank: int
    attempt: int
    origin: int


def series_of(conn: Connection, runs: Collection[str], keys: Collection[str]) -> list[SeriesRow]:
    """Return the series of some runs, which are not deleted, and of some keys, sorted by (rank, attempt)."""
    names = {kept(run): run for run in runs}
    rows = all_of(
        conn,
        f"""{_SERIES} WHERE NOT r.deleted AND r.name = ANY(:runs) AND s.key = ANY(:keys)
            ORDER BY s.rank, s.attempt""",
        runs=list(names),
        keys=[kept(key) for key in keys],
    )
    return [SeriesRow(row[0], names[row[1]], *row[2:]) for row in rows]


def series_of_one_key(conn: Connection, runs: NDArray[np.int64], key: str) -> NDArray[np.int64]:
    """Return the series of a key in runs that are not deleted: rows of (id, number of the run, rank, attempt).

    It comes as one value of bytes, which takes a tenth of the time that ten thousand rows do. The query looks
    for the deleted runs, as they are few: to look up all the others took a quarter of its time.

    Args:
        runs: numbers of those that are wanted. Of many, all between the lowest and the highest may be in the answer.
    """
    few = len(runs) <= NAMED_MAX
    which = "= ANY(:runs)" if few else "BETWEEN :low AND :high"
    query = f"""SELECT string_agg(int8send(s.id) || int8send(s.run) || int8send(s.rank) || int8send(s.attempt), '')
        FROM points_series s WHERE s.key = :key AND s.run {which}
        AND NOT EXISTS (SELECT FROM points_runs r WHERE r.id = s.run AND r.id {which} AND r.deleted)"""
    values = {"runs": runs.tolist()} if few else {"low": int(runs.min()), "high": int(runs.max())}
    data = one(conn, query, key=kept(key), **values) if len(runs) else None
    return np.frombuffer(data or b"", ">i8").astype(np.int64).reshape(-1, 4)


class PlacedSeries(NamedTuple):
    """`place`: which of the runs that were asked about, from 0 on."""

    id: int
    place: int
    key: str
    attempt: int


_PLACED = """SELECT s.id, CAST(w.place AS integer) - 1, s.key, s.attempt
    FROM unnest(CAST(:runs AS text[])) WITH ORDINALITY AS w (name, place)
    JOIN points_runs r ON r.name = w.name AND NOT r.deleted"""


def series_of_keys(conn: Connection, runs: Sequence[str], keys: Collection[str]) -> list[PlacedSeries]:
    """Return the series of these keys in these runs, which are not deleted."""
    query = f"{_PLACED} JOIN points_series s ON s.run = r.id AND s.key = ANY(CAST(:keys AS text[]))"
    rows = all_of(conn, query, runs=[kept(run) for run in runs], keys=[kept(key) for key in keys])
    return [PlacedSeries(*row) for row in rows]


def first_series(conn: Connection, runs: Sequence[str], keys_max: int) -> list[PlacedSeries]:
    """Return the series of the first keys of each of these runs, which are not deleted."""
    query = f"""{_PLACED} CROSS JOIN LATERAL
        (SELECT DISTINCT key FROM points_series WHERE run = r.id ORDER BY key LIMIT :most) k
        JOIN points_series s ON s.run = r.id AND s.key = k.key"""
    return [PlacedSeries(*row) for row in all_of(conn, query, runs=[kept(run) for run in runs], most=keys_max)]


def series_of_runs(conn: Connection, runs: Collection[str]) -> list[SeriesRow]:
    """Return all series of some runs, which are not deleted."""
    names = {kept(run): run for run in runs}
    rows = all_of(conn, f"{_SERIES} WHERE NOT r.deleted AND r.name = ANY(:runs)", runs=list(names))
    return [SeriesRow(row[0], names[row[1]], *row[2:]) for row in rows]


def series_by_id(conn: Connection, ids: Collection[int]) -> list[SeriesRow]:
    return [SeriesRow(*row) for row in all_of(conn, f"{_SERIES} WHERE s.id = ANY(:ids)", ids=list(ids))]


# Identities, which never change once they are made


def writer_ids(conn: Connection, names: Collection[str]) -> dict[str, int]:
    """Return the ids of writers, which it makes for new ones."""
    return _ids(conn, "points_writers", names)


def run_ids(conn: Connection, names: Collection[str]) -> dict[str, int]:
    return _ids(conn, "points_runs", names)


def known_run_ids(conn: Connection, names: Collection[str]) -> dict[str, int]:
    """Return the ids of those runs that have one."""
    as_kept = {kept(name): name for name in names}
    rows = all_of(conn, "SELECT name, id FROM points_runs WHERE name = ANY(:names)", names=list(as_kept))
    return {as_kept[name]: number for name, number in rows}


def _ids(conn: Connection, table: str, names: Collection[str]) -> dict[str, int]:
    as_kept = {name: kept(name) for name in names}
    wanted = sorted(set(as_kept.values()))
    known = dict(map(tuple, all_of(conn, f"SELECT name, id FROM {table} WHERE name = ANY(:names)", names=wanted)))
    missing = [name for name in wanted if name not in known]
    if missing:
        insert = f"INSERT INTO {table} (name) SELECT unnest(CAST(:names AS text[])) ON CONFLICT DO NOTHING"
        run(conn, insert, names=missing)
        known |= dict(map(tuple, all_of(conn, f"SELECT name, id FROM {table} WHERE name = ANY(:names)", names=missing)))
    return {name: known[its] for name, its in as_kept.items()}


def series_ids(conn: Connection, places: Collection[tuple[int, str, int, int]]) -> dict[tuple[int, str, int, int], int]:
    """Return the ids of series, by (run, key, rank, attempt), which it makes for new ones."""
    wanted = sorted({(run, kept(key), rank, attempt) for run, key, rank, attempt in places})
    # Most are new: they are inserted first, and only those that were there are looked up.
    insert = f"""INSERT INTO points_series (run, key, rank, attempt) SELECT * FROM {_LISTED} ORDER BY 1, 2, 3, 4
        ON CONFLICT DO NOTHING RETURNING run, key, rank, attempt, id"""
    known = {tuple(row[:4]): row[4] for row in all_of(conn, insert, **_columns_of(wanted))}
    if there := [place for place in wanted if place not in known]:
        query = f"""SELECT s.run, s.key, s.rank, s.attempt, s.id FROM {_LISTED} JOIN points_series s
            ON s.run = w.run AND s.key = w.key AND s.rank = w.rank AND s.attempt = w.attempt"""
        known |= {tuple(row[:4]): row[4] for row in all_of(conn, query, **_columns_of(there))}
    return {place: known[(place[0], kept(place[1]), *place[2:])] for place in places}


_LISTED = """unnest(CAST(:runs AS bigint[]), CAST(:keys AS text[]), CAST(:ranks AS bigint[]),
    CAST(:attempts AS bigint[])) AS w (run, key, rank, attempt)"""


def _columns_of(places: Sequence[tuple[int, str, int, int]]) -> dict[str, list[object]]:
    return {name: [place[i] for place in places] for i, name in enumerate(("runs", "keys", "ranks", "attempts"))}
