"""Building: points of a window, or of some builds, become one build: sorted, with nodes and summaries.

A build is a partition of three tables. It counts from the moment at which PostgreSQL says so, and from that moment on
what it was made of no longer counts. So a build that was begun and never finished is nothing but rows to be dropped,
and each of its inserts may take as many parts as it likes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from sqlalchemy import Connection

from ...base.texts import counted
from ...errors import StoreError
from ..points import Axis
from . import facts, facts_series, statements
from .client import LONG_TIMEOUT_S, ClickHouse
from .facts import Counted, Facts
from .levels_of_builds import Sizes, count_of, finest
from .schema import BUILT
from .statements import AXES, LEVEL_SHIFT, NO_SHIFT, NODE_COLUMNS, listed, mapped

_EXTENT = np.dtype([(n, "<i8") for n in ("series", "points", "step_min", "step_max", "time_min", "time_max")])
_COUNT = np.dtype([("points", "<i8")])
_BLOCK = np.dtype([("block", "<i8")])
_POINT = "key, series, step, value, time, seq, arrival, writer"


def of_window(window: int, counted: Counted) -> str:
    """Return the source of a build: the points of a window."""
    out = f" AND block NOT IN {listed(counted.out)}" if counted.out else ""
    return f"arrived WHERE window = {window}{out}"


def of_builds(builds: list[int]) -> str:
    return f"stored WHERE build IN {listed(builds)}"


def build(clickhouse: ClickHouse, conn: Connection, number: int, source: str, sizes: Sizes) -> int:
    """Make the rows of a build. Return how many points it has. Blocks as long as that takes. Raises StoreError."""
    wanted = _count(clickhouse, source)
    if wanted:
        clickhouse.do(
            f"INSERT INTO stored (build, {_POINT}) SELECT {number}, {_POINT} FROM {source}"
            " ORDER BY series, step, seq, arrival",
            LONG_TIMEOUT_S,
        )
    copied = _count(clickhouse, f"stored WHERE build = {number}")
    if copied != wanted:
        raise StoreError(f"ClickHouse copied {copied:,} of {counted(wanted, 'point')}: it is tried again.")
    if not wanted:
        return 0
    large = clickhouse.rows(
        f"""SELECT toInt64(series), toInt64(count()) AS points, min(step), max(step), min(time), max(time) FROM stored
            WHERE build = {number} GROUP BY series HAVING points >= {sizes.nodes_from}""",
        _EXTENT,
    )
    origins = {row.id: row.origin for row in facts_series.series_by_id(conn, [int(s) for s in large["series"]])}
    shifts = _make_nodes(clickhouse, number, large, origins, sizes)
    its_shifts = [_mapped(shifts[axis]) for axis in AXES]
    query = statements.summaries_of("stored", f"build = {number}", number, its_shifts)
    clickhouse.do(f"INSERT INTO summaries ({statements.ALL_COLUMNS}) {query}", LONG_TIMEOUT_S)
    return copied


def drop(clickhouse: ClickHouse, number: int) -> None:
    """Remove the rows of a build. Safe twice."""
    for table in BUILT:
        clickhouse.do(f"ALTER TABLE {table} DROP PARTITION {number}")


def _mapped(shifts: Mapping[int, int]) -> str:
    return mapped("series", {**shifts, 0: NO_SHIFT}, NO_SHIFT)  # no series has the number 0


def _count(clickhouse: ClickHouse, source: str) -> int:
    return int(clickhouse.rows(f"SELECT toInt64(count()) FROM {source}", _COUNT)["points"][0])


def _make_nodes(
    clickhouse: ClickHouse, number: int, large: Any, origins: Mapping[int, int], sizes: Sizes
) -> dict[Axis, dict[int, int]]:
    """Make all levels of nodes of the series that are large enough. Return the shifts of the finest ones."""
    shifts: dict[Axis, dict[int, int]] = {axis: {} for axis in AXES}
    levels: dict[Axis, dict[int, int]] = {axis: {} for axis in AXES}
    for row, axis in itertools.product(large, AXES):
        series, by = int(row["series"]), "step" if axis == "step" else "time"
        zero = origins.get(series, 0) if axis == "relative" else 0
        ends = int(row[f"{by}_min"]) - zero, int(row[f"{by}_max"]) - zero
        shifts[axis][series] = finest(int(row["points"]), ends, sizes)
        levels[axis][series] = count_of(shifts[axis][series], ends)
    most = max((n for its in levels.values() for n in its.values()), default=0)
    for level in range(most):
        queries = []
        for i, axis in enumerate(AXES):
            some = {s: shifts[axis][s] + level * LEVEL_SHIFT for s, n in levels[axis].items() if n > level}
            if not some:
                continue
            condition = f"build = {number} AND series IN {listed(some)}"
            if level == 0:
                x = statements.place_on(axis, {series: origins.get(series, 0) for series in some})
                query = statements.points_as_nodes("stored", condition, axis, x, mapped("series", some))
            else:
                condition += f" AND axis = {i} AND level = {level - 1}"
                query = statements.nodes_as_nodes(condition, axis, mapped("series", some))
            queries.append(f"SELECT {number}, series, {i}, {level}, {_RENAMED} FROM ({query})")
        into = f"INSERT INTO nodes (build, series, axis, level, {NODE_COLUMNS})"
        clickhouse.do(f"{into} {' UNION ALL '.join(queries)}", LONG_TIMEOUT_S)
    return shifts


_RENAMED = ", ".join(("its_cell", *(f"_{i}" for i in range(7)), *(f"of_{name}" for name in statements.LAST_NAMES)))


def drop_unknown(its_facts: Facts, clickhouse: ClickHouse) -> None:
    """Drop rows of blocks and builds that PostgreSQL does not know. There are none, unless PostgreSQL was set back: by
    a backup, or by a standby that took over and lacked the last commits. Then it gives out the numbers of builds again.
    It may or may not give out those of blocks again, because a sequence is not a part of pg_dump's snapshot, and on a
    standby it runs ahead of the rows. Rows of such a block would count as soon as there is a later block.
    """
    # Ask ClickHouse before PostgreSQL: whatever ClickHouse has by now was noted in PostgreSQL earlier.
    blocks = [int(row["block"]) for row in clickhouse.rows("SELECT DISTINCT block FROM arrived", _BLOCK)]
    builds = {table: _partitions(clickhouse, table) for table in BUILT}
    with its_facts.reading() as conn:
        last = "SELECT coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence(:table, 'id') AS regclass)), 0)"
        build = int(facts.one(conn, last, table="points_builds"))
        known = {row[0] for row in facts.all_of(conn, "SELECT id FROM points_blocks WHERE id = ANY(:ids)", ids=blocks)}
    if unknown := sorted(set(blocks) - known):
        clickhouse.do(f"DELETE FROM arrived WHERE block IN {listed(unknown)}", LONG_TIMEOUT_S)
    for table, numbers in builds.items():
        for number in sorted(numbers):
            if number > build:
                clickhouse.do(f"ALTER TABLE {table} DROP PARTITION {number}")


def drop_forgotten(its_facts: Facts, clickhouse: ClickHouse) -> None:
    """Drop rows that were inserted after their window or build had been dropped and forgotten."""
    with its_facts.reading() as conn:
        windows = {row[0] for row in facts.all_of(conn, "SELECT id FROM points_windows")}
        builds = {row[0] for row in facts.all_of(conn, "SELECT id FROM points_builds")}
    for table, known in (("arrived", windows), *((table, builds) for table in BUILT)):
        for number in _partitions(clickhouse, table):
            if number < max(known, default=0) and number not in known:
                clickhouse.do(f"ALTER TABLE {table} DROP PARTITION {number}")


def _partitions(clickhouse: ClickHouse, table: str) -> set[int]:
    parts = clickhouse.text(
        "SELECT arrayStringConcat(groupUniqArray(partition), ' ') FROM system.parts WHERE active AND"
        f" database = currentDatabase() AND table = '{table}'"
    )
    return {int(number) for number in parts.split()}
