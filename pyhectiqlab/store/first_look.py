"""The first look: what a lab asks its engines when it starts, before it changes anything in them.

If something is wrong for good (rights, versions, schemas, data of another lab), the start is refused, and nothing was
changed. If an engine does not answer, the start is refused only if no lab was on the database before: then the address
is most likely wrong.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..base.installing import install_advice
from ..errors import ConfigurationError, EngineAwayError, StoreError
from .addresses import Addresses, clickhouses_of, folder_of, shown
from .folder import shared
from .sql.engine_postgresql import check_version, connect_directly
from .sql.engines import checked_url, one_line
from .sql.meta_migrations import MIGRATIONS, newer

HAS_FILES = "SELECT EXISTS (SELECT FROM blobs)"
_TABLES = ("migrations", "lab", "runs")  # whose rights stand for those of all


@dataclass(frozen=True)
class Known:
    """What PostgreSQL knows of a lab. `points`: the id that tables in ClickHouse have to bear; "": there are none yet.
    `has_points`, `has_files`: whether the lab has any, so that the other engine must have them. `sharded`: the points
    are on several shards.
    """

    id: str = ""
    generation: str = ""
    points: str = ""
    has_points: bool = False
    has_files: bool = False
    sharded: bool = False

    @property
    def was_there(self) -> bool:
        return bool(self.id)


def look(at: Addresses) -> Known:
    """Look at all engines. Blocks for some seconds where one does not answer. Raises ConfigurationError,
    NewerSchemaError, StoreError.
    """
    known = ask_postgresql(at.database)
    if at.direct:
        with _errors(at.direct):
            connect_directly(checked_url(at.direct)).close()
    with _unless_away(bool(known.points)):
        if at.points.startswith("clickhouse"):
            _clickhouse(at, known)
    with _unless_away(known.was_there):
        if at.files.startswith("s3"):
            _bucket(at.files, known)
        elif at.files.startswith("folder:"):
            folder = folder_of(at)
            shared.look(folder, known.id, known.generation, known.has_files)
            shared.try_to_write(folder)
    return known


@contextlib.contextmanager
def _unless_away(was_there: bool) -> Iterator[None]:
    try:
        yield
    except EngineAwayError:
        if not was_there:
            raise


def ask_postgresql(address: str) -> Known:
    """Ask the database alone. Raises as `look`."""
    with _errors(address), contextlib.closing(connect_directly(checked_url(address))) as conn:

        def one(query: str, *values: object) -> Any:
            row = conn.execute(query, values or None).fetchone()
            return None if row is None else row[0]

        check_version(conn.info.server_version, f"PostgreSQL at {shown(address)}")
        encoding, user = one("SHOW server_encoding"), one("SELECT current_user")
        if encoding != "UTF8":
            raise ConfigurationError(f"The database is in {encoding}: create one with ENCODING 'UTF8'.")
        if one("SELECT pg_is_in_recovery()"):
            raise StoreError(f"PostgreSQL at {shown(address)} is a standby, which takes no writes: name the primary.")
        there = one("SELECT to_regclass('migrations') IS NOT NULL")
        may = one("SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)")
        if there:
            rights = " AND ".join(
                f"has_table_privilege(c.oid, '{r}')" for r in ("SELECT", "INSERT", "UPDATE", "DELETE")
            )
            its = "FROM pg_class c WHERE c.oid = ANY(ARRAY(SELECT to_regclass(t) FROM unnest(%s::text[]) t))"
            may = one(f"SELECT coalesce(bool_and({rights}), false) {its}", list(_TABLES))
        if not may:
            raise _lacks_rights(address, user)
        if not there:
            return Known()
        schema = one("SELECT max(version) FROM migrations") or 0
        if schema > len(MIGRATIONS):
            raise newer(schema)
        has_points = one("SELECT to_regclass('points_lab') IS NOT NULL")
        return Known(
            one("SELECT value FROM lab WHERE key = 'id'") or "",
            one("SELECT value FROM lab WHERE key = 'generation'") or "",
            *(_points(one) if has_points else ("", False)),
            has_files=one(HAS_FILES),
            sharded=one("SELECT to_regclass('points_shards') IS NOT NULL"),
        )


def _points(one: Any) -> tuple[str, bool]:
    from .clickhouse.facts import HAS_POINTS, is_newer
    from .clickhouse.facts import newer as newer_points

    schema = one("SELECT value FROM points_lab WHERE key = 'schema'")
    if is_newer(schema):
        raise newer_points(schema)
    return str(one("SELECT value FROM points_lab WHERE key = 'id'")), bool(one(HAS_POINTS))


@contextlib.contextmanager
def _errors(address: str) -> Iterator[None]:
    """Say in one line what failed, and what to do."""
    try:
        import psycopg
    except ImportError:
        raise ConfigurationError(f"The driver of PostgreSQL is not installed: {install_advice('postgres')}.") from None
    try:
        yield
    except psycopg.Error as e:
        raise _as_store_error(address, e) from e


def _as_store_error(address: str, error: Any) -> StoreError:
    said, at = one_line(error), f"PostgreSQL at {shown(address)}"
    reason = said.rpartition("FATAL: ")[2].strip() if "FATAL: " in said else ""
    if error.sqlstate == "42501" or "permission denied" in reason:
        return _lacks_rights(address, checked_url(address).username or "the user")
    if match := re.search(r'database "(.+?)" does not exist', reason):
        return StoreError(f"{at} has no database {match[1]!r}: CREATE DATABASE {match[1]} ENCODING 'UTF8' there.")
    if re.search(r"authentication failed|role .* does not exist|no pg_hba.conf entry|not permitted to log in", reason):
        return StoreError(f"{at} refuses the user ({reason}): correct the user or the password.")
    if "no password supplied" in said:
        return StoreError(f"{at} wants a password: write it into the address, or the address into a file (@FILE).")
    if reason or error.sqlstate is not None:
        return StoreError(f"{at} failed: {reason or said}.")
    why = re.search(r"Connection refused|resolve host|timeout expired|No such file or directory|Network is \w+", said)
    words = {"resolve host": "there is no such host", "timeout expired": "no answer in time"}
    short = words.get(why[0], why[0]) if why else said[:100]
    return EngineAwayError(f"{at} cannot be reached ({short}): start it, or correct the address.")


def _lacks_rights(address: str, user: str) -> StoreError:
    return StoreError(
        f"PostgreSQL at {shown(address)}: user {user!r} lacks rights: make it the owner of the database"
        " and of its tables."
    )


def _clickhouse(at: Addresses, known: Known) -> None:
    from .clickhouse import checking, schema, shards
    from .clickhouse.client import ClickHouse

    addresses = [address for address, _ in clickhouses_of(at)]
    if len(addresses) > 1 or known.sharded:
        shards.look(addresses, at.database, known.generation)
        return
    with contextlib.closing(ClickHouse(addresses[0])) as clickhouse:
        if not schema.look(clickhouse, known.points, known.generation, known.has_points):
            checking.try_rights(clickhouse)


def _bucket(address: str, known: Known) -> None:
    try:
        from .s3.blob_store import S3BlobStore
    except ImportError:
        raise ConfigurationError(f"What speaks to S3 is not installed: {install_advice('fleet')}.") from None
    from .s3.settings import S3Settings

    with contextlib.closing(S3BlobStore(S3Settings.of(address))) as blobs:
        blobs.look(known.id, known.generation, known.has_files)
