"""Facts: what PostgreSQL knows of the points in ClickHouse. Each method here is a statement or two.

PostgreSQL decides: a row in ClickHouse counts if its block is DONE and its window not yet BUILT, or if its build is
LIVE. Whoever reads asks PostgreSQL first. Rows in ClickHouse never change, so what one snapshot of PostgreSQL names
is one state of all points, whatever is inserted meanwhile.

Nothing is kept in a session and each lock ends with its transaction, so PgBouncer may stand between.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, PendingRollbackError, TimeoutError

from ...base.installing import upgrade_advice
from ...errors import ConfigurationError, NewerSchemaError, StoreError
from ..sql import engine_postgresql
from ..sql.column_types import kept
from ..sql.dialect import exclude
from .facts_schema import (
    ABORTED,
    BUILT,
    DONE,
    LIVE,
    OPEN,
    PENDING,
    SCHEMA_FIRST,
    SCHEMA_VERSION,
    metadata,
    series_of_key,
)

CONNECTIONS_MAX = 16
POOL_TIMEOUT_S = 30.0

HAS_POINTS = f"""SELECT EXISTS (SELECT FROM points_builds WHERE state = {LIVE})
    OR EXISTS (SELECT FROM points_blocks WHERE state = {DONE} AND points > 0)"""
SHARDS = "shards"  # a key of points_lab, which is there if the points are on several shards


class Block(NamedTuple):
    """What one insert brings. `writers`: those whose batches it has."""

    id: int
    window: int
    points: int
    writers: tuple[int, ...]


class Counted(NamedTuple):
    """What counts: all rows of these builds; of these windows, the rows in blocks up to `block`, except the blocks
    `out`.

    `recent`: how many of the points that count are in no build.
    """

    builds: tuple[int, ...]
    windows: tuple[int, ...]
    block: int
    out: tuple[int, ...]
    recent: int


class Facts:
    """Opens a database of PostgreSQL. Raises ConfigurationError for what is no address of one.

    Attributes:
        schema: of PostgreSQL, in which the tables are; "": where those of the lab are.
    """

    def __init__(self, place: str) -> None:
        try:
            url = make_url(place)
        except ArgumentError:
            raise ConfigurationError(
                "The address of PostgreSQL is not a URL: write postgresql://USER@HOST/NAME."
            ) from None
        if url.get_backend_name() not in {"postgresql", "postgres"}:
            raise ConfigurationError(
                "Points in ClickHouse need a lab on PostgreSQL: write postgresql://USER@HOST/NAME."
            )
        pool: dict[str, Any] = {"pool_timeout": POOL_TIMEOUT_S, "max_overflow": CONNECTIONS_MAX, "pool_size": 4}
        self._write = engine_postgresql.for_writing(url, **pool)
        self._read = engine_postgresql.for_reading(url, **pool)
        self.schema, self._of_shard = "", False

    def of_shard(self, number: int) -> Facts:
        """Return the facts of one shard of several, which has tables of its own. They are closed with these."""
        its = copy.copy(self)
        its._of_shard = True
        if number > 1:  # a lab of one address that gets a second one keeps its tables where they are
            its.schema = f"points_{number}"
            option = {engine_postgresql.FIRST_SCHEMA: its.schema}
            its._write, its._read = (e.execution_options(**option) for e in (self._write, self._read))
        return its

    def lock_of(self, work: str) -> str:
        """Return the name of the lock that keeps others from the same work on the same points."""
        return f"hectiqlab {self.schema} {work}" if self.schema else f"hectiqlab {work}"

    def close(self) -> None:
        if not self._of_shard:
            self._write.dispose()
            self._read.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A snapshot."""
        with _errors(), self._read.connect() as conn:
            yield conn

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, which is committed when the block ends. Several may be open, each has its connection."""
        with _errors(), self._write.connect() as conn, conn.begin():
            yield conn

    def is_there(self) -> bool:
        """Return whether a lab had its points there before."""
        with self.reading() as conn:
            return inspect(conn).has_table("points_lab", schema=self.schema or None)

    def prepare(self) -> str:
        """Make the tables where they are not there. Return the id that ClickHouse's tables have to bear. Raises
        NewerSchemaError; StoreError where they are those of one shard of several, and the others were not named.
        """
        with self.reading() as conn:
            its = inspect(conn)
            whole = its.has_table("points_lab", schema=self.schema or None) and its.has_index(
                "points_series", str(series_of_key.name), schema=self.schema or None
            )
        if not whole:
            with self.writing() as conn:
                exclude(conn, "schema of points", for_ever=True)
                if self.schema:
                    run(conn, f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
                    conn = conn.execution_options(schema_translate_map={None: self.schema})
                if not inspect(conn).has_table("points_lab", schema=self.schema or None):
                    metadata.create_all(conn)
                    values = {"schema": str(SCHEMA_FIRST), "id": str(uuid.uuid4()), "purges": "0"}
                    for key, value in values.items():
                        conn.execute(text("INSERT INTO points_lab VALUES (:k, :v)"), {"k": key, "v": value})
                    conn.execute(text("INSERT INTO points_windows (state) VALUES (:open)"), {"open": OPEN})
                series_of_key.create(conn, checkfirst=True)
        with self.reading() as conn:
            values = dict(map(tuple, all_of(conn, "SELECT key, value FROM points_lab")))
            if is_newer(values["schema"]):
                raise newer(values["schema"])
            if SHARDS in values and not self._of_shard:
                places = [row[0] for row in all_of(conn, "SELECT place FROM points_shards ORDER BY number")]
                raise StoreError(
                    f"The points of this lab are on the shards {', '.join(places)}: name all of them with --points,"
                    " with blanks between them."
                )
        return values["id"]

    def has_points(self) -> bool:
        """Return whether any points count. If so, ClickHouse has to have them."""
        with self.reading() as conn:
            return bool(one(conn, HAS_POINTS))

    def forget_points(self) -> None:
        """Forget all points and their series. The cursors of writers stay, so the lab takes what they send next."""
        with self.writing() as conn:
            exclude(conn, "schema of points", for_ever=True)
            for table in ("batches", "blocks", "windows", "builds", "series", "attempts"):
                run(conn, f"DELETE FROM points_{table}")
            run(conn, f"INSERT INTO points_windows (state) VALUES ({OPEN})")


def is_newer(schema: str) -> bool:
    """Return whether PostgreSQL's tables of points are of a newer version than this one."""
    return int(schema) > SCHEMA_VERSION


def newer(schema: str) -> NewerSchemaError:
    return NewerSchemaError(
        f"PostgreSQL: the tables of the points are of version {schema}, of a newer lab; this one knows"
        f" {SCHEMA_VERSION}. Upgrade it: {upgrade_advice('fleet')}"
    )


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as e:
        said, _, _ = " ".join(str(e.orig).split()).partition(" CONTEXT: ")
        raise StoreError(f"The lab's database failed: {said.rstrip('.')}.") from e
    except PendingRollbackError as e:
        raise StoreError("The lab's database failed: the connection to it was lost.") from e
    except TimeoutError:
        raise StoreError("Too many use the lab's database at once: try again later.") from None


def all_of(conn: Connection, sql: str, **values: Any) -> Sequence[Any]:
    """Return the rows of a query."""
    return conn.execute(text(sql), values).fetchall()


def one(conn: Connection, sql: str, **values: Any) -> Any:
    """Return the first column of a query's first row; None where there is none."""
    return conn.execute(text(sql), values).scalar()


def run(conn: Connection, sql: str, **values: Any) -> int:
    """Change something. Return how many rows."""
    return conn.execute(text(sql), values).rowcount


# What counts, and what there is


def counted(conn: Connection) -> Counted:
    row = conn.execute(
        text(
            f"""SELECT ARRAY(SELECT id FROM points_builds WHERE state = {LIVE} ORDER BY id),
                ARRAY(SELECT id FROM points_windows WHERE state < {BUILT} ORDER BY id),
                (SELECT coalesce(max(id), 0) FROM points_blocks),
                ARRAY(SELECT id FROM points_blocks WHERE state <> {DONE} ORDER BY id),
                (SELECT coalesce(sum(points), 0) FROM points_blocks WHERE state = {DONE}
                    AND "window" IN (SELECT id FROM points_windows WHERE state < {BUILT}))"""
        )
    ).one()
    return Counted(tuple(row[0]), tuple(row[1]), row[2], tuple(row[3]), int(row[4]))


def undecided(conn: Connection, runs: Collection[str]) -> int | None:
    """Return the first batch of some runs that is being inserted; None: there is none. A reader in the order of arrival
    stops before it. Otherwise it would go past the batch and never see it.
    """
    query = f"""SELECT min(b.arrival) FROM points_batches b JOIN points_runs r ON r.id = b.run
        WHERE b.block IN (SELECT id FROM points_blocks WHERE state = {PENDING} AND state <> {DONE})
        AND r.name = ANY(:runs)"""
    arrival: int | None = one(conn, query, runs=[kept(run) for run in runs])
    return arrival


# Blocks


def hold_writers(conn: Connection, ids: Collection[int]) -> dict[int, int]:
    """Lock some writers, so that nobody else moves their cursors. Return the cursors. Blocks while another transaction
    holds one of these writers.
    """
    rows = all_of(
        conn, "SELECT id, cursor FROM points_writers WHERE id = ANY(:ids) ORDER BY id FOR UPDATE", ids=list(ids)
    )
    return {row[0]: row[1] for row in rows}


def pending(conn: Connection, writers: Collection[int]) -> list[Block]:
    """Return the blocks that were noted and not settled, and have batches of these writers."""
    rows = all_of(
        conn,
        f"""SELECT b.id, b.window, b.points, array_agg(t.writer)
            FROM points_blocks b JOIN points_batches t ON t.block = b.id
            WHERE b.state <> {DONE} AND b.state = {PENDING} GROUP BY b.id
            HAVING bool_or(t.writer = ANY(:writers)) ORDER BY b.id""",
        writers=list(writers),
    )
    return [Block(row[0], row[1], row[2], tuple(row[3])) for row in rows]


def settle(conn: Connection, block: int, is_there: bool) -> None:
    """Settle a block. If all its rows are there, it counts from now on and the cursors of its writers move behind it.
    Otherwise it never counts.
    """
    run(
        conn,
        "UPDATE points_blocks SET state = :state, changed = now() WHERE id = :id",
        state=DONE if is_there else ABORTED,
        id=block,
    )
    if not is_there:
        return
    run(
        conn,
        """INSERT INTO points_attempts (run, number, origin)
            SELECT DISTINCT ON (run, attempt) run, attempt, zero FROM points_batches
            WHERE block = :id AND zero IS NOT NULL ORDER BY run, attempt, arrival ON CONFLICT DO NOTHING""",
        id=block,
    )
    run(
        conn,
        """UPDATE points_writers w SET cursor = b.last
            FROM (SELECT writer, max(last) AS last FROM points_batches WHERE block = :id GROUP BY writer) b
            WHERE w.id = b.writer""",
        id=block,
    )
