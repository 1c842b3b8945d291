"""Migrations of the MetaStore's database: steps, in order, in one transaction, that make an older database current."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Any

import msgpack
from sqlalchemy import Connection, Table, func, inspect, select, text
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from ..._version import __version__
from ...base import crashpoints
from ...base.installing import upgrade_advice
from ...errors import NewerSchemaError, StoreError
from ...protocol.searchable import searchable
from .dialect import exclude
from .merging import merge
from .meta_runs import unpack
from .meta_schema import (
    api_keys,
    artifacts,
    attempt_configs,
    audit,
    blobs,
    config_parts,
    config_values,
    events,
    forks,
    invites,
    lab,
    media,
    members,
    metadata,
    migrations,
    notice_targets,
    notices,
    project_names,
    projects,
    registry_aliases,
    registry_files,
    registry_usage,
    registry_versions,
    removed_artifacts,
    run_meta,
    run_states,
    runs,
    sessions,
    sso_links,
    uploads,
    users,
    views,
    web_sessions,
)
from .meta_words import text_of

_statements: dict[tuple[str, Any], list[str]] = {}  # that make the tables, by the kind and version of the database


def _create_tables(conn: Connection) -> None:
    """Make all tables, in a database that has none of them. SQLAlchemy compiles the statements once in a process, and
    not once for each database.
    """
    dialect = conn.dialect
    kind = (dialect.name, dialect.server_version_info)
    if kind not in _statements:
        compiled: list[str] = []
        for table in metadata.sorted_tables:
            indexes = sorted(table.indexes, key=lambda index: str(index.name))
            compiled.append(str(CreateTable(table).compile(dialect=dialect)))
            compiled += (str(CreateIndex(index).compile(dialect=dialect)) for index in indexes)
        _statements[kind] = compiled
    for statement in _statements[kind]:
        conn.exec_driver_sql(statement)


def _add_files(conn: Connection) -> None:
    metadata.create_all(conn, tables=[blobs, uploads, artifacts])


def _add_registry(conn: Connection) -> None:
    metadata.create_all(conn, tables=[registry_versions, registry_files, registry_usage])


def _add_aliases(conn: Connection) -> None:
    metadata.create_all(conn, tables=[registry_aliases])


def _add_columns(conn: Connection, table: Table, *names: str) -> None:
    """Add the columns that the table lacks: an earlier step may have made the table as it is today."""
    there = {column["name"] for column in inspect(conn).get_columns(table.name)}
    for name in (name for name in names if name not in there):
        column = CreateColumn(table.c[name]).compile(dialect=conn.dialect)
        conn.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {column}"))


def _add_states(conn: Connection) -> None:
    """Move the facts of a run to the ranks of its newest attempt."""
    metadata.create_all(conn, tables=[run_states])
    _add_columns(conn, runs, "state_rank", "state_why")
    _add_columns(conn, sessions, "said", "said_at", "lost", "silent_since", "job")
    of_run = "FROM runs WHERE runs.id = sessions.run_id"
    conn.execute(
        text(
            f"UPDATE sessions SET said = (SELECT script_state {of_run}),"
            f" said_at = (SELECT coalesce(ended, started, created) {of_run}),"
            f" lost = (SELECT lost {of_run}), silent_since = last_seen"
            f" WHERE sets_state AND attempt = (SELECT attempt {of_run})"
        )
    )
    conn.execute(
        text(
            "INSERT INTO run_states (run_id, n, at, state, attempt, who, why)"
            " SELECT id, 1, coalesce(ended, started, created), state, attempt, 'lab', 'as it was when history began'"
            " FROM runs"
        )
    )
    for name in ("script_state", "found", "lost"):
        conn.execute(text(f"ALTER TABLE runs DROP COLUMN {name}"))


def _add_config_values(conn: Connection) -> None:
    metadata.create_all(conn, tables=[config_values])
    with_config = select(runs.c.id, runs.c.config).where(runs.c.config.is_not(None))
    for run_id, config in conn.execute(with_config).all():
        values = searchable(msgpack.unpackb(config, strict_map_key=False))
        rows = [{"run_id": run_id, "path": p, "number": number, "text": t} for p, (number, t) in values.items()]
        if rows:
            conn.execute(config_values.insert(), rows)


def _add_media(conn: Connection) -> None:
    metadata.create_all(conn, tables=[media])


def _add_notices(conn: Connection) -> None:
    metadata.create_all(conn, tables=[notice_targets, notices])


def _add_roles(conn: Connection) -> None:
    metadata.create_all(conn, tables=[invites, audit, members])
    _add_columns(conn, users, "disabled")
    _add_columns(conn, api_keys, "expires", "last_used")
    _add_columns(conn, web_sessions, "last_used")
    _add_columns(conn, projects, "private")
    conn.execute(text("UPDATE web_sessions SET last_used = created"))
    conn.execute(text("INSERT INTO members SELECT id, created_by, 'admin' FROM projects"))


def _add_retention(conn: Connection) -> None:
    metadata.create_all(conn, tables=[removed_artifacts])


def _add_list(conn: Connection) -> None:
    """Does nothing any more: `_add_archived_runs` makes the index of the list, with a column more."""


def _add_lab_id(conn: Connection) -> None:
    """Give a lab that has no id yet one that is made of its birth, so that its older backups get the same id."""
    born = conn.execute(select(migrations.c.applied).where(migrations.c.version == 1)).scalar()
    conn.execute(lab.insert().values(key="id", value=hashlib.sha256(f"born {born!r}".encode()).hexdigest()[:16]))


def _add_attempt_configs(conn: Connection) -> None:
    """Fill in what each attempt logged, from its events. Values that are in no event count as the newest attempt's."""
    metadata.create_all(conn, tables=[attempt_configs])
    for run_id, whole, newest in conn.execute(
        select(runs.c.id, runs.c.config, runs.c.attempt).where(runs.c.config.is_not(None))
    ).all():
        by_attempt: dict[int, dict[str, Any]] = {}
        its = select(events.c.attempt, events.c.fields).where(events.c.run_id == run_id, events.c.kind == "config")
        for attempt, fields in conn.execute(its.order_by(events.c.id)):
            values = unpack(fields).get("values")
            if isinstance(values, dict):
                merge(by_attempt.setdefault(attempt, {}), values)
        rows = [{"run_id": run_id, "attempt": a, "config": msgpack.packb(config)} for a, config in by_attempt.items()]
        conn.execute(attempt_configs.insert(), rows or [{"run_id": run_id, "attempt": newest, "config": whole}])


def _add_attempts_meta(conn: Connection) -> None:
    """Fill in the meta of each attempt, as configs: from the events; the rest counts as the newest attempt's."""
    conn.execute(text("ALTER TABLE run_meta RENAME TO meta_of_runs"))
    metadata.create_all(conn, tables=[run_meta])
    kept: dict[tuple[str, int], dict[str, bytes]] = {}
    its_rows = "SELECT m.run_id, r.attempt, m.key, m.value FROM meta_of_runs m JOIN runs r ON r.id = m.run_id"
    for run_id, newest, key, value in conn.execute(text(its_rows)).all():
        kept.setdefault((run_id, newest), {})[key] = value
    for (run_id, newest), values in kept.items():
        logged: dict[tuple[int, str], bytes] = {}
        its = select(events.c.attempt, events.c.fields).where(events.c.run_id == run_id, events.c.kind == "meta")
        for attempt, packed in conn.execute(its.order_by(events.c.id)):
            fields = unpack(packed)
            if fields.get("key") is not None:
                logged[attempt, text_of(fields["key"], 1024)] = msgpack.packb(fields.get("value"))
        known = {key for _, key in logged}
        logged |= {(newest, key): value for key, value in values.items() if key not in known}
        rows = [{"run_id": run_id, "attempt": a, "key": key, "value": value} for (a, key), value in logged.items()]
        conn.execute(run_meta.insert(), rows)
    conn.execute(text("DROP TABLE meta_of_runs"))


def _add_scripts(conn: Connection) -> None:
    _add_columns(conn, sessions, "script", "main", "opening")


def _add_config_parts(conn: Connection) -> None:
    """Add the parts of configs. If runs.config is the newest attempt's config, the next update no longer keeps it
    twice.
    """
    metadata.create_all(conn, tables=[config_parts])


def _add_troubles(conn: Connection) -> None:
    _add_columns(conn, notice_targets, "delivered", "failed", "error")


def _add_scopes(conn: Connection) -> None:
    _add_columns(conn, api_keys, "scope")


def _add_people(conn: Connection) -> None:
    """Revoke the keys of disabled users, as disabling does from now on. Fill in when users were last seen, from keys
    and web sessions.
    """
    _add_columns(conn, users, "service", "deleted", "last_seen")
    conn.execute(
        text(
            "UPDATE api_keys SET revoked = (SELECT disabled FROM users WHERE users.id = api_keys.user_id)"
            " WHERE revoked IS NULL AND user_id IN (SELECT id FROM users WHERE disabled IS NOT NULL)"
        )
    )
    for table in ("api_keys", "web_sessions"):
        seen = f"(SELECT max(last_used) FROM {table} WHERE {table}.user_id = users.id)"
        conn.execute(
            text(f"UPDATE users SET last_seen = {seen} WHERE {seen} IS NOT NULL AND {seen} > coalesce(last_seen, 0)")
        )


def _add_projects_lives(conn: Connection) -> None:
    """Whoever made a project owns it, until it is moved."""
    metadata.create_all(conn, tables=[project_names])
    _add_columns(conn, projects, "archived", "deleted", "purged", "deleted_name")
    conn.execute(text("ALTER TABLE projects RENAME COLUMN created_by TO owner_id"))


def _add_purges(conn: Connection) -> None:
    _add_columns(conn, runs, "purge_asked")
    next(index for index in runs.indexes if index.name == "runs_to_purge").create(conn, checkfirst=True)


def _add_sso(conn: Connection) -> None:
    metadata.create_all(conn, tables=[sso_links])


def _add_purges_of_projects(conn: Connection) -> None:
    _add_columns(conn, projects, "purge_asked")


def _add_views(conn: Connection) -> None:
    metadata.create_all(conn, tables=[views])
    _add_columns(conn, projects, "objective_key", "objective_goal")


def _add_archived_runs(conn: Connection) -> None:
    _add_columns(conn, runs, "archived")
    listed = next(index for index in runs.indexes if index.name == "runs_listed")
    listed.drop(conn, checkfirst=True)
    listed.create(conn)


def _add_groups_and_forks(conn: Connection) -> None:
    _add_columns(conn, runs, "group_name")
    metadata.create_all(conn, tables=[forks])


# (name, what turns the schema before it into the schema after it). The first makes today's tables; a fresh database is
# made in full by it and stamped with every later name, so only older databases run the later steps.
MIGRATIONS: tuple[tuple[str, Callable[[Connection], None]], ...] = (
    ("first tables", _create_tables),
    ("files and artifacts", _add_files),
    ("models and datasets", _add_registry),
    ("states of ranks", _add_states),
    ("values of configs", _add_config_values),
    ("aliases of versions", _add_aliases),
    ("media", _add_media),
    ("notices", _add_notices),
    ("roles", _add_roles),
    ("retention", _add_retention),
    ("list of runs", _add_list),
    ("id of the lab", _add_lab_id),
    ("configs of attempts", _add_attempt_configs),
    ("meta of attempts", _add_attempts_meta),
    ("scripts of sessions", _add_scripts),
    ("parts of configs", _add_config_parts),
    ("troubles of notices", _add_troubles),
    ("scopes of keys", _add_scopes),
    ("people who go", _add_people),
    ("lives of projects", _add_projects_lives),
    ("purges that were asked for", _add_purges),
    ("links of single sign-on", _add_sso),
    ("purges of projects", _add_purges_of_projects),
    ("views of projects", _add_views),
    ("archived runs", _add_archived_runs),
    ("groups and forks of runs", _add_groups_and_forks),
)


MADE_BY = "version"  # key of the lab's value: the release that last brought the database to a schema


def is_current(conn: Connection) -> bool:
    """Return whether `upgrade` has nothing to do."""
    there = inspect(conn).has_table("migrations")
    return there and conn.execute(select(func.max(migrations.c.version))).scalar() == len(MIGRATIONS)


def newer(schema: int) -> NewerSchemaError:
    return NewerSchemaError(
        f"The lab's database has schema {schema}, made by a newer pyhectiqlab; this one knows {len(MIGRATIONS)}. "
        f"Upgrade it: {upgrade_advice('server')}"
    )


def not_current(conn: Connection) -> StoreError:
    """Return the error for a command that finds tables of another version."""
    done = _done(conn)
    if done > len(MIGRATIONS):
        return newer(done)
    if conn.dialect.name != "postgresql":  # only beside a running lab; others were asked before
        return StoreError("The lab that runs is of another version: restart it with this one first.")
    if not done:
        return StoreError("There is no lab in this database: name another one, or start a lab on it first.")
    return StoreError(
        f"The lab's database has schema {done}, of an earlier version; this one knows {len(MIGRATIONS)}: start a lab of"
        " this version, which brings it up to date."
    )


def _done(conn: Connection) -> int:
    """Return the schema of the database; 0: it has no tables."""
    if not inspect(conn).has_table("migrations"):
        return 0
    return max(conn.execute(select(migrations.c.version)).scalars(), default=0)


def upgrade(conn: Connection) -> None:
    """Bring the database to this version's schema, inside the caller's transaction. Raises NewerSchemaError. Blocks
    while another lab does so: whoever comes second finds it done.
    """
    exclude(conn, "schema", for_ever=True)
    fresh, done = not inspect(conn).has_table("migrations"), _done(conn)
    if done > len(MIGRATIONS):
        raise newer(done)
    if done == len(MIGRATIONS):
        return
    for _, step in MIGRATIONS[:1] if fresh else MIGRATIONS[done:]:
        step(conn)
        crashpoints.passing("upkeep.migrated")
    now, new = time.time(), enumerate(MIGRATIONS[done:], start=done + 1)
    conn.execute(migrations.insert(), [{"version": n, "name": name, "applied": now} for n, (name, _) in new])
    if fresh:
        values = [{"key": key, "value": secrets.token_hex(8)} for key in ("generation", "id")]
        conn.execute(lab.insert(), values)
    conn.execute(lab.delete().where(lab.c.key == MADE_BY))
    conn.execute(lab.insert().values(key=MADE_BY, value=__version__))
