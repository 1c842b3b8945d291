"""SQL of the MetaStore for projects and runs: finding, listing, deleting."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgpack
from sqlalchemy import Connection, Select, and_, func, insert, or_, select, update

from ...protocol import limits, roles, states
from ..meta import ForkOf, FullError, IngestRun, NameTakenError, Run, StoredEvent, Tag
from ..pauses import may_pause
from ..projects import ProjectGoneError
from ..purging import PurgedError
from .dialect import any_of, exclude, hold_rows, keep_rows, read_slowly
from .meta_members import visible_to
from .meta_schema import (
    events,
    forks,
    members,
    project_names,
    projects,
    run_tags,
    runs,
    sessions,
    users,
)
from .share import Share

# How many lists and maps of one event, or one config, are shown: each takes some 70 bytes of memory.
CONTAINERS_MAX = 200_000
NOT_SHOWN = {"not_shown": "It holds too many lists and maps to be shown."}

_RANKS = (
    select(func.count(func.distinct(sessions.c.rank)))
    .where(sessions.c.run_id == runs.c.id, sessions.c.attempt == runs.c.attempt)
    .scalar_subquery()
    .label("ranks")
)
# A run of a deleted project is deleted, before its own row says so (`finish_deletion`). Where projects are joined.
DELETED = func.coalesce(runs.c.deleted, projects.c.deleted)
RUN: Select[Any] = (
    select(
        runs.c.id,
        runs.c.name,
        runs.c.project_id,
        projects.c.name.label("project"),
        runs.c.author_id,
        users.c.username.label("author"),
        runs.c.state,
        runs.c.state_rank,
        runs.c.state_why,
        runs.c.created,
        runs.c.started,
        runs.c.ended,
        runs.c.attempt,
        _RANKS,
        func.substr(runs.c.note, 1, limits.NOTE_CHARS_LISTED).label("note"),
        runs.c.points,
        DELETED.label("deleted"),
        runs.c.purged,
        runs.c.archived,
        runs.c.group_name.label("group"),
        forks.c.parent_id.label("fork_parent"),
        forks.c.step.label("fork_step"),
        forks.c.progress.is_not(None).label("fork_copying"),
        (func.length(runs.c.note) > limits.NOTE_CHARS_LISTED).label("note_cut"),
    )
    .join(projects, projects.c.id == runs.c.project_id)
    .join(users, users.c.id == runs.c.author_id)
    .outerjoin(forks, forks.c.run_id == runs.c.id)
)


def unpack(blob: bytes | None) -> dict[str, Any]:
    """Return a stored msgpack map; empty for NULL."""
    value: dict[str, Any] = msgpack.unpackb(blob, strict_map_key=False) if blob else {}
    return value


def unpack_shown(blob: bytes | None) -> dict[str, Any]:
    """Return a stored map to be shown, as `unpack`. If it would take many times its size in memory, return
    NOT_SHOWN.
    """
    if blob is None or len(blob) <= CONTAINERS_MAX:
        return unpack(blob)
    containers = 0

    def counted(container: Any) -> Any:
        nonlocal containers
        containers += 1
        if containers > CONTAINERS_MAX:
            raise OverflowError
        may_pause()
        return container

    try:
        value: dict[str, Any] = msgpack.unpackb(blob, strict_map_key=False, object_hook=counted, list_hook=counted)
    except OverflowError:
        return dict(NOT_SHOWN)
    return value


class RunsSql(Share):
    """The topic projects and runs of SqlMeta."""

    def note(self, run_id: str) -> str:
        return self.conn.execute(select(runs.c.note).where(runs.c.id == run_id)).scalar() or ""

    def tags(self, run_id: str, limit: int) -> list[Tag]:
        return tags_of(self.conn, run_id, limit)

    def run(self, run_id: str) -> Run | None:
        rows = read_runs(self.conn, RUN.where(runs.c.id == run_id))
        return rows[0] if rows else None

    def newest_names(self, seen_by: str, project: str | None, limit: int) -> list[str]:
        names = select(runs.c.name).join(projects, projects.c.id == runs.c.project_id)
        names = names.where(runs.c.deleted.is_(None), visible_to(seen_by))
        if project is not None:
            names = names.where(projects.c.id == project)
        return list(self.conn.execute(names.order_by(runs.c.created.desc()).limit(limit)).scalars())

    def runs_named(
        self,
        name: str,
        project: str | None = None,
        limit: int = 10,
        seen_by: str | None = None,
        deleted: bool = False,
    ) -> list[Run]:
        gone = and_(runs.c.deleted.is_not(None), runs.c.purged.is_(None))
        where = [runs.c.name == name, gone if deleted else runs.c.deleted.is_(None), visible_to(seen_by)]
        if project is not None:
            had_name = select(project_names.c.project_id).where(project_names.c.name == project)
            where.append(or_(projects.c.id == project, projects.c.name == project, projects.c.id.in_(had_name)))
        return read_runs(self.conn, RUN.where(*where).order_by(runs.c.created.desc()).limit(limit))

    def run_ids(self, ids: Sequence[str]) -> dict[str, IngestRun]:
        rows = self.conn.execute(
            select(
                runs.c.id,
                runs.c.author_id,
                runs.c.project_id,
                DELETED.label("deleted"),
                users.c.role,
                projects.c.private,
                members.c.role.label("own"),
            )
            .select_from(runs)
            .join(projects, projects.c.id == runs.c.project_id)
            .join(users, users.c.id == runs.c.author_id)
            .outerjoin(members, and_(members.c.project_id == projects.c.id, members.c.user_id == users.c.id))
            .where(any_of(self.conn, runs.c.id, ids))
        )
        return {
            row.id: IngestRun(
                row.id,
                row.author_id,
                row.project_id,
                row.deleted is not None,
                roles.at_least(roles.in_project(row.role, row.private, row.own), roles.MEMBER),
            )
            for row in rows
        }

    def event_count(self, run_id: str) -> int:
        query = select(func.count()).select_from(events).where(events.c.run_id == run_id)
        return int(self.conn.execute(query).scalar_one())

    def events(self, run_id: str, kind: str | None, limit: int, after: int = 0) -> Iterator[StoredEvent]:
        query = select(events).where(events.c.run_id == run_id, events.c.id > after)
        if kind is not None:
            query = query.where(events.c.kind == kind)
        return self._events(query.order_by(events.c.id).limit(limit))

    def newest_events(self, run_id: str, kind: str, limit: int, before: int | None = None) -> Iterator[StoredEvent]:
        query = select(events).where(events.c.run_id == run_id, events.c.kind == kind)
        if before is not None:
            query = query.where(events.c.id < before)
        return self._events(query.order_by(events.c.id.desc()).limit(limit))

    def newest_event(self, run_id: str, kind: str, among: int) -> StoredEvent | None:
        of_kind = select(events.c.id, events.c.attempt, events.c.rank).where(
            events.c.run_id == run_id, events.c.kind == kind
        )
        last = of_kind.order_by(events.c.id.desc()).limit(among).subquery()
        chosen = select(last.c.id).order_by(last.c.attempt.desc(), last.c.rank, last.c.id.desc()).limit(1)
        return next(self._events(select(events).where(events.c.id == chosen.scalar_subquery())), None)

    def _events(self, query: Select[Any]) -> Iterator[StoredEvent]:
        with read_slowly(self.conn, query) as rows:
            for row in rows:
                yield StoredEvent(
                    row.id,
                    row.seq,
                    row.writer,
                    row.kind,
                    row.time,
                    row.rank,
                    row.attempt,
                    unpack_shown(row.fields),
                    len(row.fields),
                )

    def hold_runs(self, ids: Collection[str]) -> None:
        hold_runs(self.conn, ids)

    def delete_run(self, run_id: str, now: float) -> None:
        self.conn.execute(update(runs).where(runs.c.id == run_id, runs.c.deleted.is_(None)).values(deleted=now))
        self.changes.runs.add(run_id)

    def restore_run(self, run_id: str, now: float) -> None:
        project = select(runs.c.project_id).where(runs.c.id == run_id)
        keep_rows(self.conn, projects.c.id, [self.conn.execute(project).scalar_one()])
        there = select(projects.c.id).where(projects.c.id == project.scalar_subquery(), projects.c.deleted.is_(None))
        if self.conn.execute(there).first() is None:
            raise ProjectGoneError("The project of this run is deleted: restore the project.")
        row = self._hold_with_name(run_id)
        gone = select(runs.c.id).where(
            runs.c.id == run_id, or_(runs.c.purged.is_not(None), runs.c.purge_asked.is_not(None))
        )
        if self.conn.execute(gone).first() is not None:
            raise PurgedError("The run was purged: its data is gone.")
        if self._is_taken(row.name, row.project_id, run_id):
            raise NameTakenError(f"Another run is named {row.name!r} by now: delete that one first.")
        self.conn.execute(update(runs).where(runs.c.id == run_id).values(deleted=None, last_activity=now))
        self.changes.runs.add(run_id)

    def rename_run(self, run_id: str, name: str) -> None:
        project = self.conn.execute(select(runs.c.project_id).where(runs.c.id == run_id)).scalar_one()
        exclude_name(self.conn, project, name)
        if self._is_taken(name, project, run_id):
            raise NameTakenError(f"Another run of the project is named {name!r}: choose another name.")
        self.conn.execute(update(runs).where(runs.c.id == run_id).values(name=name))
        self.changes.runs.add(run_id)

    def _hold_with_name(self, run_id: str) -> Any:
        """Hold the run and its name. Others may change the name until then. Return name and project."""
        query = select(runs.c.name, runs.c.project_id).where(runs.c.id == run_id)
        while True:
            row = self.conn.execute(query).one()
            with self.conn.begin_nested() as attempt:  # a name is held before the run; if it has changed, try again
                if not exclude_name(self.conn, row.project_id, row.name):
                    return row
                hold_runs(self.conn, [run_id])
                if self.conn.execute(query).one() == row:
                    return row
                attempt.rollback()

    def _is_taken(self, name: str, project_id: str, run_id: str) -> bool:
        """Return whether another run of the project that is not deleted has the name."""
        others = select(runs.c.id).where(
            runs.c.project_id == project_id, runs.c.name == name, runs.c.deleted.is_(None), runs.c.id != run_id
        )
        return self.conn.execute(others).first() is not None


def read_runs(conn: Connection, query: Select[Any]) -> list[Run]:
    """Return the runs of a query that begins with RUN, with their first tags."""
    rows = conn.execute(query).all()
    tags = _first_tags(conn, [row.id for row in rows], limits.TAGS_LISTED + 1)
    its_runs = []
    for row in rows:
        fields = dict(row._mapping)
        fork = ForkOf(*(fields.pop(f"fork_{name}") for name in ("parent", "step", "copying")))
        fields |= {
            "fork": None if fork.parent is None else replace(fork, copying=bool(fork.copying)),
            "note_cut": bool(row.note_cut),
            "tags": tags[row.id][: limits.TAGS_LISTED],
            "tags_cut": len(tags[row.id]) > limits.TAGS_LISTED,
        }
        its_runs.append(Run(**fields))
    return its_runs


def _first_tags(conn: Connection, ids: Sequence[str], limit: int) -> dict[str, list[Tag]]:
    """Return the first tags of each run, sorted by name. Of runs with many tags, no more are read than wanted."""
    count = func.count().label("n")
    counted = select(run_tags.c.run_id, count).where(any_of(conn, run_tags.c.run_id, ids)).group_by(run_tags.c.run_id)
    counts = {row.run_id: row.n for row in conn.execute(counted)} if ids else {}
    tags: dict[str, list[Tag]] = {run_id: [] for run_id in ids}
    few = [run_id for run_id, n in counts.items() if n <= limit]
    its = select(run_tags).where(any_of(conn, run_tags.c.run_id, few)).order_by(run_tags.c.name)
    for tag in conn.execute(its) if few else ():
        tags[tag.run_id].append(Tag(tag.name, tag.color, tag.description))
    tags.update({run_id: tags_of(conn, run_id, limit) for run_id, n in counts.items() if n > limit})
    return tags


def tags_of(conn: Connection, run_id: str, limit: int) -> list[Tag]:
    """Return tags of a run, sorted by name."""
    its = select(run_tags).where(run_tags.c.run_id == run_id).order_by(run_tags.c.name).limit(limit)
    return [Tag(tag.name, tag.color, tag.description) for tag in conn.execute(its)]


def hold_runs(conn: Connection, ids: Collection[str]) -> bool:
    """Hold these runs, each with all that belongs to it: its sessions, writers, events, config, states and so on.
    Return as `hold_rows`.
    """
    return hold_rows(conn, runs.c.id, ids)


def exclude_name(conn: Connection, project_id: str, name: str) -> bool:
    """Exclude others from giving this name to a run of the project. Return as `exclude`."""
    return exclude(conn, "run", project_id, name)


def is_full(conn: Connection, rows: Select[Any], most: int) -> bool:
    """Return whether there are `most` rows. Reads no more rows, and only an index where that is enough."""
    return conn.execute(rows.limit(1).offset(most - 1)).first() is not None


def new_run(conn: Connection, project_id: str, name: str, author_id: str, now: float) -> str:
    """Insert a run and return its id. Raises FullError."""
    if is_full(conn, select(runs.c.id).where(runs.c.project_id == project_id), limits.RUNS_MAX):
        raise FullError(
            f"The project has {limits.RUNS_MAX:,} runs, and none takes more: delete some, or use another project."
        )
    run_id = secrets.token_hex(6)
    conn.execute(
        insert(runs).values(
            id=run_id,
            project_id=project_id,
            name=name,
            author_id=author_id,
            state=states.PENDING,
            state_why="",
            created=now,
            attempt=1,
            last_activity=now,
            note="",
            points=0,
        )
    )
    return run_id
