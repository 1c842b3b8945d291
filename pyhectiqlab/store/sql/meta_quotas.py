"""SQL of the MetaStore for quotas. They are values of the lab: there are few, and they are read with every new file."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, func, or_, select

from ..quotas import QuotaExceededError, Use
from .dialect import exclude
from .meta_accounts import put_lab_value
from .meta_schema import artifacts, blobs, lab, projects, registry_files, registry_versions
from .share import Share


def _key(project_id: str | None) -> str:
    return "quota" if project_id is None else f"quota:{project_id}"


def _held(project_id: str) -> ColumnElement[bool]:
    """Return the condition for blobs that the project's artifacts and versions name."""
    named = select(artifacts.c.digest).where(artifacts.c.project_id == project_id)
    versions = select(registry_versions.c.id).where(registry_versions.c.project_id == project_id)
    filed = select(registry_files.c.digest).where(registry_files.c.version_id.in_(versions))
    return or_(blobs.c.digest.in_(named), blobs.c.digest.in_(filed))


class QuotasSql(Share):
    """The topic quotas of SqlMeta."""

    def quota_of(self, project_id: str | None) -> int | None:
        value = self.conn.execute(select(lab.c.value).where(lab.c.key == _key(project_id))).scalar()
        return None if value is None else int(value)

    def use_of(self, project_id: str | None) -> Use:
        held = select(func.coalesce(func.sum(blobs.c.bytes), 0))
        if project_id is not None:
            held = held.where(_held(project_id))
        return Use(int(self.conn.execute(held).scalar_one()), self.quota_of(project_id))

    def set_quota(self, project_id: str | None, quota: int | None) -> None:
        exclude(self.conn, _key(project_id))
        put_lab_value(self.conn, _key(project_id), None if quota is None else str(quota))

    def check_quota(self, project_id: str | None, files: Mapping[str, int]) -> None:
        quota = self.quota_of(project_id)
        if quota is not None and exclude(self.conn, _key(project_id)):
            quota = self.quota_of(project_id)
        if quota is None:
            return
        there: set[str] = set()
        digests = list(files)
        for i in range(0, len(digests), 500):  # SQLite takes a bounded number of parameters
            known = select(blobs.c.digest).where(blobs.c.digest.in_(digests[i : i + 500]))
            there |= set(self.conn.execute(known if project_id is None else known.where(_held(project_id))).scalars())
        more = sum(size for digest, size in files.items() if digest not in there)
        if more == 0:
            return
        use = self.use_of(project_id)
        if use.used + more > quota:
            name = None
            if project_id is not None:
                name = self.conn.execute(select(projects.c.name).where(projects.c.id == project_id)).scalar()
            raise QuotaExceededError(name, use, more)
