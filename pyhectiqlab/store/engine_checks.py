"""What `hectiqlab admin check` asks the engines of several labs: how quickly they answer, versions, rights, schemas."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..base.texts import counted, size_text
from ..errors import LabError
from . import first_look
from .addresses import Addresses, clickhouses_of, folder_of, shown
from .clickhouse.facts import is_newer, newer
from .folder import shared
from .sql.engine_postgresql import VERSION_MIN as POSTGRESQL_MIN
from .sql.engine_postgresql import connect_directly
from .sql.engines import checked_url
from .sql.meta_migrations import MIGRATIONS
from .sql.postgres_peers import as_store_error, is_pooled

SKEW_MAX_S = 1.0
SLOW_S = 0.02
TIMES = 5
WAIT_S = 10  # for an answer of ClickHouse


@dataclass(frozen=True)
class Finding:
    """About one engine: facts in a line, and what is wrong, each with what to do; nothing: all is well."""

    engine: str
    address: str
    facts: str
    wrong: tuple[str, ...]


def check_engines(at: Addresses) -> Iterator[Finding]:
    """Ask each engine. Block for some seconds where one is away. Change nothing, but for a table and an object that are
    made, and removed.
    """
    several = [address for address, _ in clickhouses_of(at)] if at.points.startswith("clickhouse") else [at.points]
    checks: list[tuple[str, str, Callable[[Addresses, list[str], list[str]], None]]] = [
        ("PostgreSQL", at.database, _postgresql),
        *(("ClickHouse", address, partial(_clickhouse, address)) for address in several),
        ("files", at.files, _files),
    ]
    for engine, address, check in checks:
        facts: list[str] = []
        wrong: list[str] = []
        try:
            check(at, facts, wrong)
        except LabError as e:
            wrong.append(str(e))
        yield Finding(engine, shown(address), ", ".join(facts), tuple(wrong))


def _latency(ask: Callable[[], object], facts: list[str], wrong: list[str]) -> None:
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    middle = statistics.median(took)
    facts.append(f"answers in {middle * 1000:.1f} ms")
    if middle > SLOW_S:
        wrong.append(f"It takes {middle * 1000:.0f} ms to answer: have labs run near it.")


def _postgresql(at: Addresses, facts: list[str], wrong: list[str]) -> None:
    url = checked_url(at.database)
    with as_store_error(), contextlib.closing(connect_directly(url)) as conn:

        def one(query: str) -> Any:
            return conn.execute(query).fetchone()[0]

        version = conn.info.server_version // 10_000
        facts.append(f"version {one('SHOW server_version').split()[0]}")
        if version < POSTGRESQL_MIN:
            wrong.append(f"Labs need PostgreSQL {POSTGRESQL_MIN} or newer: upgrade it.")
        _latency(lambda: one("SELECT 1"), facts, wrong)
        if one("SHOW server_encoding") != "UTF8":
            wrong.append("The database is not in UTF8: make one with ENCODING 'UTF8'.")
        if not one("SELECT has_schema_privilege(current_schema(), 'CREATE')"):
            wrong.append(f"{one('SELECT current_user')} may make no tables: make it the owner of the database.")
        if one("SELECT pg_is_in_recovery()"):
            wrong.append("It is a standby, which takes no writes: name the primary.")
        there = one("SELECT to_regclass('migrations') IS NOT NULL")
        schema = one("SELECT max(version) FROM migrations") if there else 0
        facts.append(f"schema {schema or 'none yet'}")
        if (schema or 0) > len(MIGRATIONS):
            wrong.append(f"Its tables are of a newer lab, this one knows {len(MIGRATIONS)}: upgrade pyhectiqlab.")
        elif there and schema < len(MIGRATIONS):
            facts.append(f"which the next lab of this version brings to {len(MIGRATIONS)}")
        if one("SELECT to_regclass('points_lab') IS NOT NULL"):
            of_points = one("SELECT value FROM points_lab WHERE key = 'schema'")
            if is_newer(of_points):
                wrong.append(str(newer(of_points)))
        labs = one("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hectiqlab peers %'")
        used, most = one("SELECT count(*) FROM pg_stat_activity"), int(one("SHOW max_connections"))
        facts.append(f"{counted(labs, 'lab')}, {used} of {counted(most, 'connection')}")
        if labs and at.connections * labs > most:
            wrong.append(f"{counted(labs, 'lab')} may want more connections than its {most}: raise max_connections.")
        skew = float(one("SELECT extract(epoch FROM clock_timestamp())::float8")) - time.time()
        if abs(skew) > SKEW_MAX_S:
            wrong.append(f"Its clock is {skew:+.1f} s from this machine's: have both follow NTP.")
        pooled = is_pooled(conn)
    if pooled and not at.direct:
        wrong.append("The address leads to a pooler: name PostgreSQL itself, too, with --database-direct.")
    if at.direct:
        with as_store_error(), contextlib.closing(connect_directly(checked_url(at.direct))) as conn:
            if is_pooled(conn):
                wrong.append("--database-direct leads to a pooler, too: name PostgreSQL itself.")
            facts.append("reached past the pooler")


def _clickhouse(address: str, at: Addresses, facts: list[str], wrong: list[str]) -> None:
    """Check the one ClickHouse, or one of several shards."""
    if not at.points.startswith("clickhouse"):
        facts.append("not ClickHouse")
        return
    from .clickhouse import checking, shards
    from .clickhouse.client import VERSION_MIN, ClickHouse
    from .clickhouse.facts import Facts
    from .clickhouse.schema import SCHEMA_VERSION, look

    known, several = _known(at), [its for its, _ in clickhouses_of(at)]
    clickhouse = ClickHouse(address, WAIT_S)
    with contextlib.closing(clickhouse):
        version = clickhouse.text("SELECT version()")
        facts.append(f"version {version}")
        if tuple(int(part) for part in version.split(".")[:2]) < VERSION_MIN:
            wrong.append(f"Labs need ClickHouse {'.'.join(map(str, VERSION_MIN))} or newer: upgrade it.")
        _latency(lambda: clickhouse.text("SELECT 1"), facts, wrong)
        checking.try_rights(clickhouse)
        facts.append("may make tables")
        if known is None:
            return
        with contextlib.closing(Facts(at.database)) as of_all:
            its_facts, its_id, has_points = of_all, known.points, known.has_points
            if len(several) > 1 or known.sharded:
                shard = next(one for one in shards.assigned(several, of_all) if one.address == address)
                its_facts, its_id = of_all.of_shard(shard.number), shard.id
                facts.append(f"shard {shard.number}" if its_id else "a new shard")
                has_points = bool(its_id) and its_facts.has_points()
            if not look(clickhouse, its_id, known.generation, has_points):
                facts.append("no tables yet")
                return
            facts.append(f"schema {SCHEMA_VERSION}")
            wrong += checking.troubles(clickhouse, its_facts)
        size = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()"
        parts = "SELECT count() FROM system.parts WHERE active AND database = currentDatabase()"
        facts.append(f"{size_text(int(clickhouse.text(size)))} in {counted(int(clickhouse.text(parts)), 'part')}")


def _files(at: Addresses, facts: list[str], wrong: list[str]) -> None:
    if at.files.startswith("folder:"):
        _folder(folder_of(at), _known(at), facts, wrong)
    elif at.files.startswith("s3:"):
        _bucket(at.files, _known(at), facts)


def _known(at: Addresses) -> first_look.Known | None:
    """Return what PostgreSQL knows of the lab; None: nothing now, which is said of PostgreSQL."""
    try:
        return first_look.ask_postgresql(at.database)
    except LabError:
        return None


def _folder(folder: Path, known: first_look.Known | None, facts: list[str], wrong: list[str]) -> None:
    if not folder.is_dir():
        facts.append("not there yet")
        return
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".check"):
            pass
    except OSError as e:
        wrong.append(f"Nothing can be written there ({e.strerror}): give the labs' user the right.")
    facts.append("a folder, which all labs must see")
    if known is not None:
        shared.look(folder, known.id, known.generation, known.has_files)


def _bucket(address: str, known: first_look.Known | None, facts: list[str]) -> None:
    from .s3.blob_store import S3BlobStore
    from .s3.settings import S3Settings

    with contextlib.closing(S3BlobStore(S3Settings.of(address))) as blobs:
        bucket = blobs.bucket
        with bucket.client.errors():
            bucket.client.s3.head_bucket(Bucket=bucket.client.bucket)
        key = bucket.key("check")

        def put() -> None:
            bucket.put(key, b"hectiqlab admin check")

        _latency(put, facts, [])  # a write of S3 takes its time
        try:
            with bucket.client.errors():
                bucket.client.s3.get_object(Bucket=bucket.client.bucket, Key=key)["Body"].read()
        finally:
            bucket.remove(key)
        facts.append("may read, write and remove")
        if known is not None:
            blobs.look(known.id, known.generation, known.has_files)
