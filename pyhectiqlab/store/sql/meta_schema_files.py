"""Tables of the MetaStore for files: blobs, artifacts, media, models and datasets; and for notices."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
)

from .column_types import Packed, Whole, Words
from .metadata import metadata

# Files. A blob's row is there before its bytes and goes after them, so that no bytes are ever forgotten.
blobs = Table(
    "blobs",
    metadata,
    Column("digest", Words, primary_key=True),  # SHA-256, hex
    Column("bytes", BigInteger, nullable=False),
    Column("used", Double, nullable=False),  # when somebody last sent it or referred to it
    Index("blobs_used", "used"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", Words, primary_key=True),
    Column("user_id", Words, ForeignKey("users.id"), nullable=False),
    Column("digest", Words, ForeignKey("blobs.digest"), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("expires", Double, nullable=False),
    Column("finished", Double),  # kept a while: who sent a file knows that it is there
    Index("uploads_user", "user_id", "digest"),
    Index("uploads_digest", "digest"),
    Index("uploads_expires", "expires"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", Words, primary_key=True),  # chosen by the client, so that a repeated request makes no second version
    Column("run_id", Words, ForeignKey("runs.id")),  # NULL: shared by the project
    Column("project_id", Words, ForeignKey("projects.id"), nullable=False),
    Column("name", Words, nullable=False),
    Column("step", BigInteger),
    Column("version", Whole, nullable=False),  # 1, 2, … of this name and step
    Column("newest", Boolean, nullable=False),
    Column("digest", Words, ForeignKey("blobs.digest"), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("kind", Words, nullable=False),
    Column("meta", Packed, nullable=False),  # msgpack map
    Column("author_id", Words, ForeignKey("users.id"), nullable=False),
    Column("created", Double, nullable=False),
    Index("artifacts_run", "run_id", "name"),
    Index("artifacts_project", "project_id", "run_id", "name"),
    Index("artifacts_digest", "digest"),
)

# Versions that retention removed: what was registered once is never registered again, however late it is repeated.
removed_artifacts = Table(
    "removed_artifacts",
    metadata,
    Column("id", Words, primary_key=True),
    Column("project_id", Words, ForeignKey("projects.id"), nullable=False),
    Column("removed", Double, nullable=False),
)

# What is shown at a step under a name: an event's histogram or text (writer, seq), or an artifact.
media = Table(
    "media",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("kind", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("rank", Whole, nullable=False),
    Column("step", BigInteger, nullable=False),  # protocol.media.NO_STEP: it has none
    Column("attempt", Whole, nullable=False),
    Column("time", Double, nullable=False),
    Column("writer", Words),
    Column("seq", BigInteger),
    Column("artifact_id", Words, ForeignKey("artifacts.id")),
    PrimaryKeyConstraint("run_id", "kind", "name", "rank", "step"),
    Index("media_artifact", "artifact_id"),
    sqlite_with_rowid=False,
)

# Models and datasets. A version is written once, with all its files.
registry_versions = Table(
    "registry_versions",
    metadata,
    Column("id", Words, primary_key=True),  # chosen by the client, as of an artifact
    Column("kind", Words, nullable=False),  # models or datasets
    Column("project_id", Words, ForeignKey("projects.id"), nullable=False),
    Column("name", Words, nullable=False),
    Column("major", Whole, nullable=False),
    Column("minor", Whole, nullable=False),
    Column("micro", Whole, nullable=False),
    Column("short_description", Words, nullable=False),
    Column("description", Words, nullable=False),
    Column("files", Whole, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("run_id", Words, ForeignKey("runs.id")),  # that made it
    Column("author_id", Words, ForeignKey("users.id"), nullable=False),
    Column("created", Double, nullable=False),
    Index("registry_versions_name", "project_id", "kind", "name", "major", "minor", "micro", unique=True),
    Index("registry_versions_run", "run_id"),
)

registry_files = Table(
    "registry_files",
    metadata,
    Column("version_id", Words, ForeignKey("registry_versions.id"), nullable=False),
    Column("path", Words, nullable=False),  # relative, with / between its parts
    Column("digest", Words, ForeignKey("blobs.digest"), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    PrimaryKeyConstraint("version_id", "path"),
    Index("registry_files_digest", "digest"),
)

registry_usage = Table(
    "registry_usage",
    metadata,
    Column("version_id", Words, ForeignKey("registry_versions.id"), nullable=False),
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("created", Double, nullable=False),
    PrimaryKeyConstraint("version_id", "run_id"),
    Index("registry_usage_run", "run_id"),
)

registry_aliases = Table(
    "registry_aliases",
    metadata,
    Column("project_id", Words, ForeignKey("projects.id"), nullable=False),
    Column("kind", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("alias", Words, nullable=False),
    Column("version_id", Words, ForeignKey("registry_versions.id"), nullable=False),
    Column("user_id", Words, ForeignKey("users.id"), nullable=False),  # who set it last
    Column("set_at", Double, nullable=False),
    PrimaryKeyConstraint("project_id", "kind", "name", "alias"),
    Index("registry_aliases_version", "version_id"),
)

# Who gets notices when a run fails, is lost or ends, and the notices that are still to be delivered.
notice_targets = Table(
    "notice_targets",
    metadata,
    Column("id", Words, primary_key=True),
    Column("address", Words, nullable=False),
    Column("project_id", Words, ForeignKey("projects.id")),  # NULL: of all projects
    Column("states", Words, nullable=False),  # by commas
    Column("secret", Words, nullable=False),  # in clear: what is posted is signed with it
    Column("created", Double, nullable=False),
    Column("delivered", Double),  # when something last got through
    Column("failed", Double),  # when something last did not; NULL: what came after it did
    Column("error", Words, nullable=False, server_default=""),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Whole, primary_key=True, autoincrement=True),
    Column("target_id", Words, ForeignKey("notice_targets.id"), nullable=False),
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("state", Words, nullable=False),
    Column("why", Words, nullable=False),
    Column("at", Double, nullable=False),
    Column("tries", Whole, nullable=False),
    Column("again_at", Double, nullable=False),
    Index("notices_again", "again_at"),
    Index("notices_target", "target_id"),
    sqlite_autoincrement=True,  # other systems get the id: it must never be used again
)
