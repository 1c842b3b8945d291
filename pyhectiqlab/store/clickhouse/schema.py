"""Tables in ClickHouse, and whether those that are there are ours."""

from __future__ import annotations

import logging
import uuid

from ...base.installing import upgrade_advice
from ...errors import NewerSchemaError, StoreError
from ..addresses import lacking, other_generation
from .client import Address, ClickHouse

log = logging.getLogger("hectiqlab.server")

SCHEMA_VERSION = 1
NOTINGS = 3  # attempts to note a generation
BUILT = ("stored", "nodes", "summaries")  # a build is a partition of each

# The lab answers a client once the insert is answered, so points have to survive a power failure from then on.
_DURABLE = "fsync_after_insert = 1, fsync_part_directory = 1"

_POINT = """series UInt64 CODEC(Delta, ZSTD(1)),
    step Int64 CODEC(DoubleDelta, ZSTD(1)),
    value Float64 CODEC(ZSTD(1)),
    time Int64 CODEC(Delta, T64, ZSTD(1)),
    seq Int64 CODEC(T64, ZSTD(1)),
    arrival Int64 CODEC(T64, ZSTD(1)),
    writer Int64 CODEC(T64, ZSTD(1))"""

STATEMENTS = (
    f"""CREATE TABLE IF NOT EXISTS arrived (
        window UInt32 CODEC(ZSTD(1)), block Int64 CODEC(ZSTD(1)), key UInt64 CODEC(ZSTD(1)), {_POINT})
        ENGINE = {{engine}} PARTITION BY window ORDER BY (key, series, step)
        SETTINGS {_DURABLE}, non_replicated_deduplication_window = 1000""",
    f"""CREATE TABLE IF NOT EXISTS stored (
        build UInt32 CODEC(ZSTD(1)), key UInt64 CODEC(ZSTD(1)), {_POINT},
        INDEX by_time time TYPE minmax GRANULARITY 1, INDEX by_arrival arrival TYPE minmax GRANULARITY 1)
        ENGINE = {{engine}} PARTITION BY build ORDER BY (series, step, seq, arrival)
        SETTINGS {_DURABLE}""",
    f"""CREATE TABLE IF NOT EXISTS nodes (
        build UInt32 CODEC(ZSTD(1)), series UInt64 CODEC(ZSTD(1)),
        axis UInt8 CODEC(ZSTD(1)), level UInt8 CODEC(ZSTD(1)),
        start Int64 CODEC(DoubleDelta, ZSTD(1)),
        count Int64 CODEC(T64, ZSTD(1)), nans Int64 CODEC(T64, ZSTD(1)),
        pinf Int64 CODEC(T64, ZSTD(1)), ninf Int64 CODEC(T64, ZSTD(1)),
        min Float64 CODEC(ZSTD(1)), max Float64 CODEC(ZSTD(1)), sum Float64 CODEC(ZSTD(1)),
        last_step Int64 CODEC(DoubleDelta, ZSTD(1)), last_seq Int64 CODEC(DoubleDelta, ZSTD(1)),
        last_arrival Int64 CODEC(Delta, ZSTD(1)), last_x Int64 CODEC(DoubleDelta, ZSTD(1)), last Float64 CODEC(ZSTD(1)))
        ENGINE = {{engine}} PARTITION BY build ORDER BY (series, axis, level, start)
        SETTINGS index_granularity = 1024, {_DURABLE}""",
    f"""CREATE TABLE IF NOT EXISTS summaries (
        build UInt32, key UInt64, series UInt64,
        count Int64, nans Int64, finite Int64, step_min Int64, step_max Int64, time_min Int64, time_max Int64,
        min_step Int64, max_step Int64, first_step Int64, first_seq Int64, first_arrival Int64,
        last_step Int64, last_seq Int64, last_arrival Int64, last_time Int64,
        step_shift Int64, time_shift Int64, relative_shift Int64,
        low Float64, high Float64, total Float64, first Float64, last Float64)
        ENGINE = {{engine}} PARTITION BY build ORDER BY (key, series)
        SETTINGS index_granularity = 256, {_DURABLE}""",
    # For people's own queries: names of series, and which windows and builds count.
    """CREATE TABLE IF NOT EXISTS series (
        id UInt64, project String, run String, run_id String, key String, rank Int64, attempt Int64, version UInt64)
        ENGINE = {replacing} ORDER BY id""",
    """CREATE TABLE IF NOT EXISTS counted (
        version UInt64, builds Array(UInt32), windows Array(UInt32), aborted Array(Int64))
        ENGINE = {engine} ORDER BY version TTL toDateTime(intDiv(version, 1000000)) + INTERVAL 1 DAY""",
    """CREATE VIEW IF NOT EXISTS points AS
        WITH (SELECT argMax(tuple(builds, windows, aborted), version) FROM counted) AS now,
        names AS (
            SELECT id, argMax(tuple(project, run, run_id, key, rank, attempt), version) AS its FROM series GROUP BY id)
        SELECT its.1 AS project, its.2 AS run, its.3 AS run_id, its.4 AS key, its.5 AS rank, its.6 AS attempt,
            step, value, fromUnixTimestamp64Micro(time) AS time
        FROM (
            SELECT series, step, value, time FROM stored WHERE has(now.1, build) UNION ALL
            SELECT series, step, value, time FROM arrived WHERE has(now.2, window) AND NOT has(now.3, block)
        ) AS rows INNER JOIN names ON names.id = rows.series""",
)
# The first table. If two labs take an empty database at once, its comment says whose the database is.
LAB = "CREATE TABLE IF NOT EXISTS lab (key String, value String) ENGINE = {engine} ORDER BY key COMMENT '{lab}'"


def prepare(
    clickhouse: ClickHouse, lab_id: str, cluster: str = "", generation: str = "", has_points: bool = False
) -> None:
    """Make the tables where they are not there, and note the lab's generation in them; "": do not.

    Raises NewerSchemaError for tables of a newer version, StoreError where the database holds the points of another
    lab or generation, or has no tables though the lab has points.
    """
    if not look(clickhouse, lab_id, generation, has_points):
        _make(clickhouse, lab_id, cluster)
    if generation and not _value(clickhouse, "generation"):
        clickhouse.insert_texts("lab", [["generation", generation]], ["key", "value"])


def look(clickhouse: ClickHouse, lab_id: str, generation: str, has_points: bool) -> bool:
    """Return whether there are tables. Raises as `prepare`, and changes nothing."""
    if is_there(clickhouse):
        check(clickhouse, lab_id, generation)
        return True
    if has_points:
        raise StoreError(lacking(f"ClickHouse at {clickhouse.address}", "points", "the database"))
    return False


def is_there(clickhouse: ClickHouse) -> bool:
    """Return whether a lab has made its tables."""
    there = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'lab'"
    return bool(int(clickhouse.text(there)) and _value(clickhouse, "schema"))


def id_of(clickhouse: ClickHouse) -> str:
    """Return the id that its tables bear; "": there are none."""
    return _value(clickhouse, "id") if is_there(clickhouse) else ""


def note_generation(clickhouse: ClickHouse, generation: str) -> None:
    """Make the points those of this generation of the lab.

    Reads back what it noted: an earlier generation that stays in the table would keep every lab from starting. Raises
    StoreError where one stays after NOTINGS attempts.
    """
    earlier = f"FROM lab WHERE key = 'generation' AND value != '{generation}'"
    for _ in range(NOTINGS):
        clickhouse.do("ALTER TABLE lab DELETE WHERE key = 'generation' SETTINGS mutations_sync = 2")
        clickhouse.insert_texts("lab", [["generation", generation]], ["key", "value"])
        parts = clickhouse.text(f"SELECT arrayStringConcat(groupArray(_part), ', ') {earlier}")
        if not parts:
            return
        log.warning("ClickHouse at %s kept an earlier generation of the lab in %s.", clickhouse.address, parts)
    raise StoreError(
        f"ClickHouse at {clickhouse.address} keeps an earlier generation of the lab in its table `lab`, though it was"
        " deleted: stop what else writes to this database, and call `hectiqlab admin adopt` again."
    )


def statements(lab_id: str, cluster: str) -> list[str]:
    """Return what makes the tables, in its order. `cluster`: whose servers replicate them; "": there is one server."""
    on_cluster = f" ON CLUSTER `{cluster}`" if cluster else ""
    engine = "ReplicatedMergeTree" if cluster else "MergeTree"
    replacing = "ReplicatedReplacingMergeTree(version)" if cluster else "ReplacingMergeTree(version)"
    made = []
    for statement in (LAB, *STATEMENTS):
        head, name, rest = statement.partition(" (" if "CREATE TABLE" in statement else " AS\n")
        made.append(head + on_cluster + name + rest.format(engine=engine, replacing=replacing, lab=lab_id))
    return made


def _make(clickhouse: ClickHouse, lab_id: str, cluster: str) -> None:
    its_id = str(uuid.UUID(lab_id))
    first, *others = statements(its_id, cluster)
    clickhouse.do(first)
    if _owner(clickhouse) != its_id:
        raise of_another(clickhouse.address)
    for statement in others:
        clickhouse.do(statement)
    clickhouse.do(f"INSERT INTO lab VALUES ('id', '{its_id}')")
    clickhouse.do(f"INSERT INTO lab VALUES ('schema', '{SCHEMA_VERSION}')")


def check(clickhouse: ClickHouse, lab_id: str, generation: str = "") -> None:
    """Raise NewerSchemaError or StoreError where the tables are not this lab's, not of this version, or not of this
    generation of the lab; "": of any.
    """
    version = int(_value(clickhouse, "schema") or 0)
    if version > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"ClickHouse at {clickhouse.address}: its tables are of version {version}, of a newer lab; this one knows"
            f" {SCHEMA_VERSION}. Upgrade it: {upgrade_advice('fleet')}"
        )
    if _value(clickhouse, "id") != lab_id:
        raise of_another(clickhouse.address)
    its = _value(clickhouse, "generation") if generation else ""
    if its and its != generation:
        raise StoreError(other_generation(f"ClickHouse at {clickhouse.address} holds the points", "a database"))


def of_another(address: Address) -> StoreError:
    return StoreError(
        f"ClickHouse at {address} holds the points of another lab than PostgreSQL: name the database"
        " that belongs to it, or an empty one for a new lab."
    )


def _owner(clickhouse: ClickHouse) -> str:
    return clickhouse.text("SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = 'lab'")


def _value(clickhouse: ClickHouse, key: str) -> str:
    return clickhouse.text(f"SELECT any(value) FROM lab WHERE key = '{key}'")
