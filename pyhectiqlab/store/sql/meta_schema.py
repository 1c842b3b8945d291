"""Tables of the MetaStore; how an older database gets them is in meta_migrations.py.

Those for files and notices are defined in meta_schema_files.py; all are imported from here.
"""

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
    text,
)

from ...protocol import states
from .column_types import Packed, Whole, Words
from .meta_schema_files import artifacts as artifacts
from .meta_schema_files import blobs as blobs
from .meta_schema_files import media as media
from .meta_schema_files import notice_targets as notice_targets
from .meta_schema_files import notices as notices
from .meta_schema_files import registry_aliases as registry_aliases
from .meta_schema_files import registry_files as registry_files
from .meta_schema_files import registry_usage as registry_usage
from .meta_schema_files import registry_versions as registry_versions
from .meta_schema_files import removed_artifacts as removed_artifacts
from .meta_schema_files import uploads as uploads
from .metadata import metadata as metadata

lab = Table("lab", metadata, Column("key", Words, primary_key=True), Column("value", Words, nullable=False))

migrations = Table(
    "migrations",
    metadata,
    Column("version", Whole, primary_key=True, autoincrement=False),
    Column("name", Words, nullable=False),
    Column("applied", Double, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", Words, primary_key=True),
    Column("username", Words, nullable=False, unique=True),
    Column("role", Words, nullable=False),
    Column("created", Double, nullable=False),
    Column("password_hash", Words),  # argon2; NULL: cannot log in with a password
    Column("disabled", Double),
    Column("service", Boolean, nullable=False, server_default="0"),  # a program's: it has keys alone
    Column("deleted", Double),  # the row stays, so that runs keep their author's name and nobody else takes it
    Column("last_seen", Double),  # to the minute
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Words, primary_key=True),
    Column("user_id", Words, ForeignKey("users.id"), nullable=False),
    Column("name", Words, nullable=False),
    Column("hash", Words, nullable=False, unique=True),  # SHA-256 of the secret: 256 random bits need no slow hash
    Column("created", Double, nullable=False),
    Column("revoked", Double),
    Column("expires", Double),  # NULL: never
    Column("last_used", Double),  # to the minute
    Column("scope", Words, nullable=False, server_default="all"),
)

web_sessions = Table(
    "web_sessions",
    metadata,
    Column("hash", Words, primary_key=True),
    Column("user_id", Words, ForeignKey("users.id"), nullable=False),
    Column("csrf", Words, nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("last_used", Double, nullable=False, server_default="0"),
)

login_links = Table(
    "login_links",
    metadata,
    Column("hash", Words, primary_key=True),
    Column("user_id", Words, ForeignKey("users.id"), nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("used", Double),
)

# Who of which provider of single sign-on is which user: by its name and its identifier, never by a name or a mail.
sso_links = Table(
    "sso_links",
    metadata,
    Column("issuer", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("user_id", Words, ForeignKey("users.id"), nullable=False),
    Column("created", Double, nullable=False),
    Column("last_login", Double),
    Column("given", Words, nullable=False, server_default="{}"),  # JSON: project id → role, of the last login's groups
    PrimaryKeyConstraint("issuer", "subject"),
    Index("sso_links_user", "user_id"),
)

# For somebody who is not a user yet.
invites = Table(
    "invites",
    metadata,
    Column("id", Words, primary_key=True),
    Column("hash", Words, nullable=False, unique=True),
    Column("role", Words, nullable=False),
    Column("created", Double, nullable=False),
    Column("created_by", Words, nullable=False),  # a username
    Column("expires", Double, nullable=False),
)

# Who changed what. Users may be renamed and projects removed, so it has names, not references.
audit = Table(
    "audit",
    metadata,
    Column("id", Whole, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("who", Words, nullable=False),
    Column("via", Words, nullable=False),  # password, web, key NAME, command
    Column("address", Words, nullable=False),
    Column("action", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("detail", Words, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False, unique=True),  # its id where it is deleted: others may take the name
    Column("created", Double, nullable=False),
    Column("owner_id", Words, ForeignKey("users.id"), nullable=False),
    Column("private", Boolean, nullable=False, server_default="0"),
    Column("archived", Double),
    Column("deleted", Double),  # and so are its runs, at the same time
    Column("purged", Double),
    Column("deleted_name", Words),  # what it was called
    Column("purge_asked", Double),  # somebody wants it purged at once
    Column("objective_key", Words),  # the metric that its runs are compared by; NULL: none was set
    Column("objective_goal", Words),  # min or max
)

# Names that projects had, which lead to them until somebody takes them.
project_names = Table(
    "project_names",
    metadata,
    Column("name", Words, primary_key=True),
    Column("project_id", Words, ForeignKey("projects.id"), nullable=False),
    Column("until", Double, nullable=False),
    Index("project_names_project", "project_id"),
)

# What a project's page shows, as somebody saved it.
views = Table(
    "views",
    metadata,
    Column("id", Words, primary_key=True),
    Column("project_id", Words, ForeignKey("projects.id"), nullable=False),
    Column("author_id", Words, ForeignKey("users.id"), nullable=False),
    Column("name", Words, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("version", Whole, nullable=False),  # 1, 2, …
    Column("created", Double, nullable=False),
    Column("changed", Double, nullable=False),
    Column("document", Words, nullable=False),  # JSON
    Index("views_name", "project_id", "author_id", "name", unique=True),
)

members = Table(
    "members",
    metadata,
    Column("project_id", Words, ForeignKey("projects.id"), nullable=False),
    Column("user_id", Words, ForeignKey("users.id"), nullable=False),
    Column("role", Words, nullable=False),  # in the project, see protocol/roles.py
    PrimaryKeyConstraint("project_id", "user_id"),
    Index("members_user", "user_id"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Words, primary_key=True),
    Column("project_id", Words, ForeignKey("projects.id"), nullable=False),
    Column("name", Words, nullable=False),
    Column("author_id", Words, ForeignKey("users.id"), nullable=False),
    Column("state", Words, nullable=False),  # follows from the ranks of the newest attempt, see meta_states.py
    Column("created", Double, nullable=False),
    Column("started", Double),  # of the newest attempt
    Column("ended", Double),
    Column("attempt", Whole, nullable=False, default=1),
    Column("last_activity", Double, nullable=False),
    Column("note", Words, nullable=False, default=""),
    Column("points", BigInteger, nullable=False, default=0),
    Column("config", Packed),  # msgpack map: of all attempts, the newest last
    Column("deleted", Double),
    Column("purged", Double),
    Column("state_rank", Whole),
    Column("state_why", Words, nullable=False, server_default=""),
    Column("purge_asked", Double),  # when somebody asked to purge it at once: it is not restored any more
    Column("archived", Double),  # since when it is left out where nobody asks for archived runs
    Column("group_name", Words, nullable=False, server_default=""),  # "": it is in no group
    Index("runs_created", "created"),
    Index("runs_author", "author_id"),
    # A project's runs and their order by age, without a look at their rows, which hold configs.
    Index("runs_listed", "project_id", "deleted", "archived", "created", "id"),
)
# Few: the lab looks for them every two seconds.
Index(
    "runs_to_purge",
    runs.c.purge_asked,
    sqlite_where=text("purge_asked IS NOT NULL AND purged IS NULL"),
    postgresql_where=text("purge_asked IS NOT NULL AND purged IS NULL"),
)
# Two live runs of one project never share a name; a deleted one gives its name free.
Index(
    "runs_name",
    runs.c.project_id,
    runs.c.name,
    unique=True,
    sqlite_where=text("deleted IS NULL"),
    postgresql_where=text("deleted IS NULL"),
)

# Runs that began from another one's curves. The lab copies their points up to the step, see server/tending/forks.py
forks = Table(
    "forks",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id"), primary_key=True),
    Column("parent_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("step", BigInteger),  # NULL: all of the parent's points
    Column("progress", Packed),  # msgpack: how far they are copied; NULL: whole
    Index("forks_parent", "parent_id"),
)

run_meta = Table(
    "run_meta",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("attempt", Whole, nullable=False),
    Column("key", Words, nullable=False),
    Column("value", Packed, nullable=False),  # msgpack
    PrimaryKeyConstraint("run_id", "attempt", "key"),
)

# What each attempt logged itself. runs.config is the config of all; NULL: that of the newest; see meta_configs.py
attempt_configs = Table(
    "attempt_configs",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("attempt", Whole, nullable=False),
    Column("config", Packed, nullable=False),  # msgpack map
    PrimaryKeyConstraint("run_id", "attempt"),
)

# Values that were added to a large config, in order, to be merged into it. attempt 0: into the run's own.
config_parts = Table(
    "config_parts",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("attempt", Whole, nullable=False),
    Column("part", Whole, nullable=False),
    Column("told", Packed, nullable=False),  # msgpack list of maps
    PrimaryKeyConstraint("run_id", "attempt", "part"),
)

# The values of configs by the path to each, by which runs are searched (protocol/search.py).
config_values = Table(
    "config_values",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("path", Words, nullable=False),
    Column("number", Double),  # NULL: it is none
    Column("text", Words, nullable=False),
    PrimaryKeyConstraint("run_id", "path"),
    Index("config_values_path", "path", "number", "run_id"),
    sqlite_with_rowid=False,
)

run_tags = Table(
    "run_tags",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("name", Words, nullable=False),
    Column("color", Words),
    Column("description", Words),
    PrimaryKeyConstraint("run_id", "name"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session", Words, nullable=False),
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("rank", Whole, nullable=False),
    Column("attempt", Whole, nullable=False),
    Column("user_id", Words, ForeignKey("users.id"), nullable=False),
    Column("restart", Words),
    Column("world_size", Whole, nullable=False),
    Column("host", Words, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("client_version", Words, nullable=False),
    Column("sets_state", Boolean, nullable=False),
    Column("started", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("ended", Double),
    Column("state", Words),
    Column("cause", Words, nullable=False, default=""),
    Column("exit_code", BigInteger),
    Column("signal", Whole),
    Column("detail", Words, nullable=False, default=""),
    Column("end_is_final", Boolean, nullable=False, default=False),  # the uploader's word, not the end event's
    Column("skew", Double, nullable=False, default=0.0),
    Column("backlog", BigInteger, nullable=False, default=0),
    Column("losses", Packed),  # msgpack map: reason → count, as the uploader counts
    Column("said", Words, nullable=False, server_default=states.RUNNING),  # by its script, last
    Column("said_at", Double, nullable=False, server_default="0"),
    Column("lost", Boolean, nullable=False, server_default="0"),
    Column("silent_since", Double),
    Column("job", Words, nullable=False, server_default=""),
    Column("script", Words, nullable=False, server_default=""),  # the process that its script began as
    Column("main", Boolean, nullable=False, server_default="0"),  # this process is that one
    Column("opening", Whole),  # how often its process had opened the run and closed it; null: an older client
    PrimaryKeyConstraint("session", "run_id", "rank", "attempt"),
    Index("sessions_run", "run_id", "rank"),
)

run_states = Table(
    "run_states",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("n", Whole, nullable=False),  # 1, 2, …
    Column("at", Double, nullable=False),
    Column("state", Words, nullable=False),
    Column("attempt", Whole, nullable=False),
    Column("rank", Whole),
    Column("who", Words, nullable=False),
    Column("why", Words, nullable=False),
    PrimaryKeyConstraint("run_id", "n"),
)

writers = Table(
    "writers",
    metadata,
    Column("writer", Words, primary_key=True),
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("rank", Whole, nullable=False),
    Column("attempt", Whole, nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("losses", Packed),  # msgpack map: reason → count, from loss events
    Index("writers_run", "run_id", "writer"),
)

events = Table(
    "events",
    metadata,
    Column("id", Whole, primary_key=True, autoincrement=True),
    Column("run_id", Words, ForeignKey("runs.id"), nullable=False),
    Column("writer", Words, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", Words, nullable=False),
    Column("time", Double, nullable=False),
    Column("rank", Whole, nullable=False),
    Column("attempt", Whole, nullable=False),
    Column("fields", Packed, nullable=False),  # msgpack map, as it came
    Index("events_writer", "writer", "seq", unique=True),
    Index("events_run", "run_id", "id"),
    Index("events_kind", "run_id", "kind", "id"),
)
