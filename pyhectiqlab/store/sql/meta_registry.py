"""SQL of the MetaStore for versions of models and datasets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    desc,
    func,
    insert,
    literal,
    select,
    tuple_,
    union,
    update,
)

from ...protocol import limits
from ...protocol.registry import ALIASES_MAX, Version, following
from ..artifacts import BlobMissingError, IdTakenError
from ..meta import FullError
from ..registry import (
    NewVersion,
    RegisteredVersion,
    TooManyAliasesError,
    UsingRun,
    VersionExistsError,
    VersionFile,
)
from .dialect import exclude, hold_rows, read_slowly, upsert
from .meta_members import visible_to
from .meta_runs import hold_runs, is_full
from .meta_schema import (
    artifacts,
    blobs,
    projects,
    registry_aliases,
    registry_files,
    registry_usage,
    registry_versions,
    runs,
    uploads,
    users,
)
from .share import Share

DIGESTS_AT_ONCE = 500
_v = registry_versions.c
_number = (_v.major, _v.minor, _v.micro)
_newest_first = tuple(desc(part) for part in _number)
_maker = and_(runs.c.id == _v.run_id, runs.c.deleted.is_(None))


_a = registry_aliases.c
_aliases = (
    select(func.aggregate_strings(_a.alias, ","))
    .where(_a.version_id == _v.id)
    .correlate(registry_versions)
    .scalar_subquery()
)


def _versions(count: ColumnElement[Any], listed: bool = False) -> Select[Any]:
    """Return a query for versions. `listed`: with only the beginning of the description."""
    description: tuple[ColumnElement[Any], ...] = (_v.description,)
    if listed:
        beginning = func.substr(_v.description, 1, limits.NOTE_CHARS_LISTED).label("description")
        is_cut = func.length(_v.description) > limits.NOTE_CHARS_LISTED
        description = (beginning, is_cut.label("description_cut"))
    return (
        select(
            _v.id,
            _v.kind,
            _v.project_id,
            projects.c.name.label("project"),
            _v.name,
            *_number,
            _v.short_description,
            *description,
            _v.files,
            _v.bytes,
            runs.c.id.label("run"),
            runs.c.name.label("run_name"),
            runs.c.project_id.label("run_project"),
            users.c.username.label("author"),
            _v.created,
            count.label("versions"),
            _aliases.label("aliases"),
        )
        .join(projects, projects.c.id == _v.project_id)
        .join(users, users.c.id == _v.author_id)
        .outerjoin(runs, _maker)
    )


_VERSIONS = _versions(literal(0))
_LISTED = _versions(literal(0), listed=True)


def _registered(row: Any) -> RegisteredVersion:
    fields = dict(row._mapping)
    version = Version(fields.pop("major"), fields.pop("minor"), fields.pop("micro"))
    fields["description_cut"] = bool(fields.get("description_cut"))
    aliases = tuple(sorted(filter(None, (fields.pop("aliases") or "").split(","))))
    return RegisteredVersion(version=version, aliases=aliases, **fields)


def _is(kind: str, project: str, name: str) -> ColumnElement[bool]:
    return and_(_v.project_id == project, _v.kind == kind, _v.name == name)


class RegistrySql(Share):
    """The topic registry of SqlMeta."""

    def known_blobs(self, user_id: str, digests: Collection[str]) -> set[str]:
        known: set[str] = set()
        wanted = sorted(set(digests))
        for i in range(0, len(wanted), DIGESTS_AT_ONCE):
            some = wanted[i : i + DIGESTS_AT_ONCE]
            query = union(
                select(uploads.c.digest).where(
                    uploads.c.user_id == user_id, uploads.c.digest.in_(some), uploads.c.finished.isnot(None)
                ),
                select(artifacts.c.digest)
                .join(projects, projects.c.id == artifacts.c.project_id)
                .outerjoin(runs, runs.c.id == artifacts.c.run_id)
                .where(artifacts.c.digest.in_(some), runs.c.deleted.is_(None), visible_to(user_id)),
                select(registry_files.c.digest)
                .join(registry_versions, _v.id == registry_files.c.version_id)
                .join(projects, projects.c.id == _v.project_id)
                .where(registry_files.c.digest.in_(some), visible_to(user_id)),
            )
            known.update(self.conn.execute(query).scalars())
        return known

    def version(self, version_id: str) -> RegisteredVersion | None:
        row = self.conn.execute(_VERSIONS.where(_v.id == version_id)).first()
        return None if row is None else _registered(row)

    def find_version(
        self, kind: str, project: str, name: str, version: Version | str | None
    ) -> RegisteredVersion | None:
        of_name = _is(kind, project, name)
        counted = _versions(select(func.count()).select_from(registry_versions).where(of_name).scalar_subquery())
        query = counted.where(of_name)
        if isinstance(version, str):
            query = query.join(registry_aliases, _a.version_id == _v.id).where(_a.alias == version)
        elif version is not None:
            query = query.where(*(column == part for column, part in zip(_number, version, strict=True)))
        row = self.conn.execute(query.order_by(*_newest_first).limit(1)).first()
        return None if row is None else _registered(row)

    def latest_versions(self, kind: str, project: str, limit: int, after: str) -> Iterator[RegisteredVersion]:
        place = func.row_number().over(partition_by=_v.name, order_by=_newest_first).label("place")
        count = func.count().over(partition_by=_v.name).label("n")
        of_names = (_v.project_id == project, _v.kind == kind, _v.name > after)
        ranked = select(_v.id, place, count).where(*of_names).subquery()
        latest = _versions(ranked.c.n, listed=True).join(ranked, and_(ranked.c.id == _v.id, ranked.c.place == 1))
        return self._read(latest.order_by(_v.name).limit(limit))

    def _read(self, query: Select[Any]) -> Iterator[RegisteredVersion]:
        with read_slowly(self.conn, query) as rows:
            yield from map(_registered, rows)

    def versions_of(
        self, kind: str, project: str, name: str, limit: int, before: Version | None
    ) -> Iterator[RegisteredVersion]:
        query = _LISTED.where(_is(kind, project, name))
        if before is not None:
            query = query.where(tuple_(*_number) < tuple_(*map(literal, before)))
        return self._read(query.order_by(*_newest_first).limit(limit))

    def version_files(self, version_id: str) -> list[VersionFile]:
        query = (
            select(registry_files.c.path, registry_files.c.digest, registry_files.c.bytes)
            .where(registry_files.c.version_id == version_id)
            .order_by(registry_files.c.path)
        )
        return [VersionFile(*row) for row in self.conn.execute(query)]

    def version_file(self, version_id: str, path: str) -> VersionFile | None:
        row = self.conn.execute(
            select(registry_files.c.path, registry_files.c.digest, registry_files.c.bytes).where(
                registry_files.c.version_id == version_id, registry_files.c.path == path
            )
        ).first()
        return None if row is None else VersionFile(*row)

    def used_by(self, version_id: str, limit: int, seen_by: str | None = None) -> list[UsingRun]:
        query = (
            select(runs.c.id, runs.c.name, users.c.username, registry_usage.c.created)
            .join(runs, runs.c.id == registry_usage.c.run_id)
            .join(users, users.c.id == runs.c.author_id)
            .join(projects, projects.c.id == runs.c.project_id)
            .where(registry_usage.c.version_id == version_id, runs.c.deleted.is_(None), visible_to(seen_by))
            .order_by(registry_usage.c.created.desc(), runs.c.id)
            .limit(limit)
        )
        return [UsingRun(*row) for row in self.conn.execute(query)]

    def made_by_run(self, run: str, limit: int, seen_by: str | None = None) -> Iterator[RegisteredVersion]:
        query = _LISTED.where(_v.run_id == run, visible_to(seen_by))
        return self._read(query.order_by(_v.created.desc(), _v.id).limit(limit))

    def used_by_run(self, run: str, limit: int, seen_by: str | None = None) -> Iterator[RegisteredVersion]:
        query = (
            _LISTED.join(registry_usage, registry_usage.c.version_id == _v.id)
            .where(registry_usage.c.run_id == run, visible_to(seen_by))
            .order_by(registry_usage.c.created.desc(), _v.id)
            .limit(limit)
        )
        return self._read(query)

    def add_version(self, new: NewVersion, now: float) -> bool:
        exclude(self.conn, "registry", new.kind, new.project, new.name)
        if new.run is not None:
            hold_runs(self.conn, [new.run])
        there = self.conn.execute(select(registry_versions).where(_v.id == new.id)).first()
        if there is not None:
            same = (there.kind, there.project_id, there.name, there.author_id)
            if same != (new.kind, new.project, new.name, new.author_id):
                raise IdTakenError("Another version has this id: choose 32 random hex digits.")
            return False
        if is_full(self.conn, select(_v.id).where(_v.project_id == new.project), limits.VERSIONS_MAX):
            raise FullError(
                f"The project has {limits.VERSIONS_MAX:,} versions of models and datasets, and takes no more."
            )
        version = new.version
        if version is None:
            latest = self.find_version(new.kind, new.project, new.name, None)
            version = following(None if latest is None else latest.version)
        elif self.find_version(new.kind, new.project, new.name, version) is not None:
            raise VersionExistsError(
                f"{new.name!r} has a version {version} already: choose another, or none for the next one."
            )
        self._touch_all([file.digest for file in new.files], now)
        self.conn.execute(
            insert(registry_versions).values(
                id=new.id,
                kind=new.kind,
                project_id=new.project,
                name=new.name,
                major=version.major,
                minor=version.minor,
                micro=version.micro,
                short_description=new.short_description,
                description=new.description,
                files=len(new.files),
                bytes=sum(file.bytes for file in new.files),
                run_id=new.run,
                author_id=new.author_id,
                created=new.created,
            )
        )
        rows = [{"version_id": new.id, "path": f.path, "digest": f.digest, "bytes": f.bytes} for f in new.files]
        self.conn.execute(insert(registry_files), rows)
        return True

    def _touch_all(self, digests: Collection[str], now: float) -> None:
        """Note that these blobs are in use. Raise BlobMissingError unless the lab has a row for each."""
        wanted = sorted(set(digests))
        there = 0
        for i in range(0, len(wanted), DIGESTS_AT_ONCE):
            some = wanted[i : i + DIGESTS_AT_ONCE]
            hold_rows(self.conn, blobs.c.digest, some)
            there += self.conn.execute(update(blobs).where(blobs.c.digest.in_(some)).values(used=now)).rowcount
        if there < len(wanted):
            raise BlobMissingError("The lab does not have all of these bytes: upload them first.")

    def add_usage(self, version_id: str, run: str, now: float) -> None:
        hold_runs(self.conn, [run])
        statement = upsert(self.conn, registry_usage).on_conflict_do_nothing()
        self.conn.execute(statement, {"version_id": version_id, "run_id": run, "created": now})

    def set_alias(self, version_id: str, alias: str, user: str, now: float) -> None:
        version = self.conn.execute(select(_v.kind, _v.project_id, _v.name).where(_v.id == version_id)).one()
        exclude(self.conn, "aliases", *version)
        of_name = and_(*(_a[field] == value for field, value in version._mapping.items()))
        self.conn.execute(delete(registry_aliases).where(of_name, _a.alias == alias))
        count = self.conn.execute(select(func.count()).select_from(registry_aliases).where(of_name)).scalar_one()
        if count >= ALIASES_MAX:
            raise TooManyAliasesError(f"{version.name!r} has {ALIASES_MAX} aliases: remove one of them first.")
        row = {**version._mapping, "alias": alias, "version_id": version_id, "user_id": user, "set_at": now}
        self.conn.execute(insert(registry_aliases).values(row))

    def remove_alias(self, kind: str, project: str, name: str, alias: str) -> bool:
        there = and_(_a.kind == kind, _a.project_id == project, _a.name == name, _a.alias == alias)
        return self.conn.execute(delete(registry_aliases).where(there)).rowcount > 0
