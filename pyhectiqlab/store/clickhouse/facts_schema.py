"""Tables in PostgreSQL of the store of points in ClickHouse: who is how far, what is being inserted, what counts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    func,
    text,
)

from ..sql.column_types import Words

SCHEMA_VERSION = 2
SCHEMA_FIRST = 1  # while the points are in one ClickHouse, as earlier labs know them; 2: on several shards
PENDING, DONE, ABORTED = 0, 1, 2  # states of blocks
OPEN, CLOSED, BUILT = 0, 1, 2  # states of windows; a BUILT one no longer counts, as its points are in a build
BUILDING, LIVE, ENDED = 0, 1, 2  # states of builds; LIVE ones count

metadata = MetaData()


def _id(name: str = "id") -> Column[int]:
    return Column(name, BigInteger, Identity(always=True), primary_key=True)


def _changed() -> Column[object]:
    return Column("changed", DateTime(timezone=True), nullable=False, server_default=func.now())


lab = Table("points_lab", metadata, Column("key", Words, primary_key=True), Column("value", Words, nullable=False))

runs = Table(
    "points_runs",
    metadata,
    _id(),
    Column("name", Words, nullable=False, unique=True),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
)

attempts = Table(
    "points_attempts",
    metadata,
    Column("run", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("origin", BigInteger, nullable=False),  # where relative time is 0, µs since 1970 UTC
)

series = Table(
    "points_series",
    metadata,
    _id(),
    Column("run", BigInteger, nullable=False),
    Column("key", Words, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    UniqueConstraint("run", "key", "rank", "attempt"),
)
# Finds which of ten thousand runs have a key. Without this index, all series of all runs are read.
series_of_key = Index("points_series_key", series.c.key, series.c.run, postgresql_include=["id", "rank", "attempt"])

writers = Table(
    "points_writers",
    metadata,
    _id(),
    Column("name", Words, nullable=False, unique=True),
    Column("cursor", BigInteger, nullable=False, server_default="0"),
)

windows = Table("points_windows", metadata, _id(), Column("state", BigInteger, nullable=False), _changed())

# A block is what one insert brings: it counts from when it is DONE.
blocks = Table(
    "points_blocks",
    metadata,
    _id(),
    Column("window", BigInteger, nullable=False),
    Column("state", BigInteger, nullable=False),
    Column("points", BigInteger, nullable=False),
    _changed(),
    Index("points_blocks_window", "window"),
    Index("points_blocks_unsettled", "id", postgresql_where=text("state <> 1")),
)

batches = Table(
    "points_batches",
    metadata,
    _id("arrival"),
    Column("block", BigInteger, nullable=False),
    Column("writer", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("run", BigInteger, nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("zero", BigInteger),  # the attempt's first time if this is its first batch; NULL: it has no points
    Index("points_batches_block", "block"),
    Index("points_batches_writer", "writer"),
)

builds = Table(
    "points_builds",
    metadata,
    _id(),
    Column("state", BigInteger, nullable=False),
    Column("points", BigInteger, nullable=False),
    _changed(),
)
