"""SQL of the MetaStore for uploads, blobs and artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgpack
from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, insert, or_, select, update

from ...protocol import limits
from ...protocol.limits import STEP_MIN
from ..artifacts import (
    UPLOADS_OF_USER_MAX,
    Artifact,
    ArtifactQuery,
    BlobMissingError,
    IdTakenError,
    NewArtifact,
    RemovedError,
    TooManyUploadsError,
    Upload,
)
from ..meta import FullError
from .dialect import exclude, hold_rows, read_slowly, upsert
from .media_index import index_artifact
from .meta_members import visible_to
from .meta_runs import hold_runs, is_full
from .meta_schema import (
    artifacts,
    blobs,
    projects,
    registry_files,
    registry_versions,
    removed_artifacts,
    runs,
    uploads,
    users,
)
from .share import Share

_ARTIFACT: Select[Any] = (
    select(
        artifacts.c.id,
        artifacts.c.run_id.label("run"),
        artifacts.c.project_id,
        projects.c.name.label("project"),
        artifacts.c.name,
        artifacts.c.step,
        artifacts.c.version,
        artifacts.c.newest,
        artifacts.c.digest,
        artifacts.c.bytes,
        artifacts.c.kind,
        artifacts.c.meta,
        users.c.username.label("author"),
        artifacts.c.created,
    )
    .join(projects, projects.c.id == artifacts.c.project_id)
    .join(users, users.c.id == artifacts.c.author_id)
)
_step_key = func.coalesce(artifacts.c.step, STEP_MIN)


def _artifact(row: Any) -> Artifact:
    return Artifact(**{**row._mapping, "meta": msgpack.unpackb(row.meta, strict_map_key=False)})


def _upload(row: Any) -> Upload:
    return Upload(row.id, row.user_id, row.digest, row.bytes, row.expires, row.finished is not None)


class FilesSql(Share):
    """The topic files of SqlMeta."""

    def upload(self, upload_id: str) -> Upload | None:
        row = self.conn.execute(select(uploads).where(uploads.c.id == upload_id)).first()
        return None if row is None else _upload(row)

    def start_upload(self, upload: Upload, now: float) -> Upload:
        exclude(self.conn, "uploads", upload.user_id)
        mine = and_(uploads.c.user_id == upload.user_id, uploads.c.finished.is_(None))
        same = and_(mine, uploads.c.digest == upload.digest, uploads.c.bytes == upload.bytes)
        unfinished = self.conn.execute(select(uploads).where(same)).first()
        if unfinished is not None:
            self.renew_upload(unfinished.id, upload.expires)
            return _upload(unfinished)
        if self.conn.execute(select(func.count()).where(mine)).scalar_one() >= UPLOADS_OF_USER_MAX:
            raise TooManyUploadsError(
                f"{UPLOADS_OF_USER_MAX} uploads of yours are unfinished: end some (DELETE) or let them expire."
            )
        blob = upsert(self.conn, blobs).on_conflict_do_update(index_elements=["digest"], set_={"used": now})
        self.conn.execute(blob, {"digest": upload.digest, "bytes": upload.bytes, "used": now})
        self.conn.execute(
            insert(uploads).values(
                id=upload.id,
                user_id=upload.user_id,
                digest=upload.digest,
                bytes=upload.bytes,
                expires=upload.expires,
            )
        )
        return upload

    def finish_upload(self, upload_id: str, now: float, expires: float) -> bool:
        row = self.conn.execute(select(uploads).where(uploads.c.id == upload_id)).first()
        if row is None:
            return False
        self.conn.execute(update(uploads).where(uploads.c.id == upload_id).values(finished=now, expires=expires))
        # Somebody else may have announced a wrong length for these bytes: verified bytes have this one.
        self.conn.execute(update(blobs).where(blobs.c.digest == row.digest).values(bytes=row.bytes, used=now))
        return True

    def renew_upload(self, upload_id: str, expires: float) -> None:
        self.conn.execute(update(uploads).where(uploads.c.id == upload_id).values(expires=expires))

    def forget_upload(self, upload_id: str) -> None:
        self.conn.execute(delete(uploads).where(uploads.c.id == upload_id))

    def expired_uploads(self, now: float, limit: int) -> list[Upload]:
        rows = self.conn.execute(
            select(uploads).where(uploads.c.expires < now).order_by(uploads.c.expires).limit(limit)
        )
        return [_upload(row) for row in rows]

    def knows_blob(self, user_id: str, digest: str) -> bool:
        sent = select(uploads.c.id).where(
            uploads.c.user_id == user_id, uploads.c.digest == digest, uploads.c.finished.isnot(None)
        )
        readable = (
            select(artifacts.c.id)
            .join(projects, projects.c.id == artifacts.c.project_id)
            .outerjoin(runs, runs.c.id == artifacts.c.run_id)
            .where(artifacts.c.digest == digest, runs.c.deleted.is_(None), visible_to(user_id))
        )
        version = (
            select(registry_files.c.digest)
            .join(registry_versions, registry_versions.c.id == registry_files.c.version_id)
            .join(projects, projects.c.id == registry_versions.c.project_id)
            .where(registry_files.c.digest == digest, visible_to(user_id))
        )
        return any(self.conn.execute(query.limit(1)).first() for query in (sent, readable, version))

    def unused_blobs(self, before: float, limit: int) -> list[str]:
        return list(self.conn.execute(select(blobs.c.digest).where(self._unused(before)).limit(limit)).scalars())

    def is_unused(self, digest: str, before: float) -> bool:
        return (
            self.conn.execute(select(blobs.c.digest).where(blobs.c.digest == digest, self._unused(before))).first()
            is not None
        )

    def forget_blob(self, digest: str, before: float) -> bool:
        hold_rows(self.conn, blobs.c.digest, [digest])
        gone = self.conn.execute(delete(blobs).where(blobs.c.digest == digest, self._unused(before)))
        return gone.rowcount > 0

    @staticmethod
    def _unused(before: float) -> ColumnElement[bool]:
        return and_(
            blobs.c.used < before,
            ~exists().where(artifacts.c.digest == blobs.c.digest),
            ~exists().where(registry_files.c.digest == blobs.c.digest),
            ~exists().where(uploads.c.digest == blobs.c.digest),
        )

    def _touch(self, digest: str, now: float) -> bool:
        return self.conn.execute(update(blobs).where(blobs.c.digest == digest).values(used=now)).rowcount > 0

    def artifact(self, artifact_id: str) -> Artifact | None:
        row = self.conn.execute(_ARTIFACT.where(artifacts.c.id == artifact_id)).first()
        return None if row is None else _artifact(row)

    def artifacts(self, query: ArtifactQuery) -> Iterator[Artifact]:
        where: list[ColumnElement[bool]] = []
        where.append(artifacts.c.run_id.is_(None) if query.run is None else artifacts.c.run_id == query.run)
        if query.project is not None:
            where.append(artifacts.c.project_id == query.project)
        if query.name is not None:
            where.append(artifacts.c.name == query.name)
        if query.step is not None:
            where.append(artifacts.c.step == query.step)
        if not query.all_versions:
            where.append(artifacts.c.newest.is_(True))
        if query.after is not None:
            name, step, version = query.after
            step = STEP_MIN if step is None else step
            same_step = and_(_step_key == step, artifacts.c.version < version)
            same_name = and_(artifacts.c.name == name, or_(_step_key > step, same_step))
            where.append(or_(artifacts.c.name > name, same_name))
        order = (artifacts.c.name, _step_key, artifacts.c.version.desc())
        with read_slowly(self.conn, _ARTIFACT.where(*where).order_by(*order).limit(query.limit)) as rows:
            yield from map(_artifact, rows)

    def some_artifacts(self, ids: Sequence[str]) -> dict[str, Artifact]:
        """Return artifacts by their ids, without unknown ones."""
        rows = self.conn.execute(_ARTIFACT.where(artifacts.c.id.in_(ids))) if ids else ()
        return {row.id: _artifact(row) for row in rows}

    def add_artifact(self, new: NewArtifact, now: float) -> bool:
        if new.run is None:
            exclude(self.conn, "artifact", new.project, new.name)
        else:
            hold_runs(self.conn, [new.run])
        there = self.conn.execute(select(artifacts).where(artifacts.c.id == new.id)).first()
        if there is not None:
            if (there.run_id, there.project_id, there.name, there.step, there.digest, there.author_id) != (
                new.run,
                new.project,
                new.name,
                new.step,
                new.digest,
                new.author_id,
            ):
                raise IdTakenError("Another artifact has this id: choose 32 random hex digits.")
            return False
        if self.conn.execute(select(removed_artifacts.c.id).where(removed_artifacts.c.id == new.id)).first():
            raise RemovedError("This version was removed by the retention of its project.")
        its_run = artifacts.c.run_id.is_(None) if new.run is None else artifacts.c.run_id == new.run
        if is_full(
            self.conn,
            select(artifacts.c.id).where(artifacts.c.project_id == new.project, its_run),
            limits.ARTIFACTS_MAX,
        ):
            whose = "project shares" if new.run is None else "run has"
            raise FullError(f"The {whose} {limits.ARTIFACTS_MAX:,} versions of files, and takes no more.")
        same = and_(
            artifacts.c.run_id.is_(None) if new.run is None else artifacts.c.run_id == new.run,
            artifacts.c.project_id == new.project,
            artifacts.c.name == new.name,
            artifacts.c.step.is_(None) if new.step is None else artifacts.c.step == new.step,
        )
        version = (self.conn.execute(select(func.max(artifacts.c.version)).where(same)).scalar() or 0) + 1
        self.conn.execute(update(artifacts).where(same, artifacts.c.newest.is_(True)).values(newest=False))
        if not self._touch(new.digest, now):
            raise BlobMissingError("The lab does not have these bytes: upload them first.")
        self.conn.execute(
            insert(artifacts).values(
                id=new.id,
                run_id=new.run,
                project_id=new.project,
                name=new.name,
                step=new.step,
                version=version,
                newest=True,
                digest=new.digest,
                bytes=new.bytes,
                kind=new.kind,
                meta=msgpack.packb(dict(new.meta)),
                author_id=new.author_id,
                created=new.created,
            )
        )
        if new.run is not None:
            self.conn.execute(update(runs).where(runs.c.id == new.run).values(last_activity=now))
            self.changes.runs.add(new.run)
            index_artifact(self.conn, self.changes, new.run, new)
        return True
