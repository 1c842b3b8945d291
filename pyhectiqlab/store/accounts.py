"""The part of the MetaStore's interface for accounts.

Accounts are users, their keys and web sessions, invites, members of projects, and the audit log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..protocol import roles

AUDIT_ROWS_MAX = 200_000
KEYS_OF_USER_MAX = 200
INVITES_MAX = 1000
SCOPE_ALL, SCOPE_METRICS = "all", "metrics"  # a key may do all that its user may, or only read /metrics


@dataclass(frozen=True)
class User:
    id: str
    username: str
    role: str  # in the lab, see protocol/roles.py
    created: float
    password_hash: str | None = field(default=None, repr=False)
    disabled: float | None = None
    service: bool = False  # a program's account: it has keys, but no password and no login
    deleted: float | None = None  # from then on only the name is left, on what the user made
    last_seen: float | None = field(default=None, compare=False)  # to the minute

    @property
    def is_admin(self) -> bool:
        return self.role in roles.ADMINS


@dataclass(frozen=True)
class ApiKey:
    id: str
    name: str
    created: float
    expires: float | None = None
    last_used: float | None = None  # to the minute
    scope: str = SCOPE_ALL


@dataclass(frozen=True)
class WebSession:
    user: User
    csrf: str
    expires: float
    last_used: float


@dataclass(frozen=True)
class Invite:
    id: str
    role: str
    created: float
    created_by: str
    expires: float


@dataclass(frozen=True)
class Member:
    user_id: str
    username: str
    role: str
    disabled: bool


@dataclass(frozen=True)
class Change:
    """A line of the audit log: who changed what, and from where. `via`: password, web, key NAME, command, or lab."""

    at: float
    who: str
    via: str
    address: str
    action: str
    subject: str
    detail: str = ""
    id: int = 0


class LastAdminError(ValueError):
    """Without this user, nobody could look after the lab."""


class TooManyError(ValueError):
    """There are as many of these as there may be."""


class ServiceAccountError(ValueError):
    """A service account can only have keys."""


class NoHeirError(ValueError):
    """Nothing can be handed over to this user."""


@dataclass(frozen=True)
class HandedOver:
    """What became of the runs of a user, and of the projects that they own.

    Attributes:
        live: runs that are going on. They are left as they are, or their processes could no longer add to them.
        kept_out: runs that are left as they are, since the other user may not add to their projects.
    """

    runs: int
    live: int
    kept_out: int
    projects: int


class AccountsView(Protocol):
    def user(self, user_id: str) -> User | None: ...
    def user_named(self, username: str, deleted_too: bool = False) -> User | None:
        """Return the user of a name, however it is written (capitals or not, see protocol/usernames.py). None also
        where several users are meant.
        """

    def owner(self) -> User | None:
        """Return whom a lab on loopback logs in: the owner, else the first admin; no service account, nobody
        disabled.
        """

    def users(self) -> list[User]:
        """Return the users sorted by name, without deleted ones."""

    def user_of_key(self, key_hash: str, now: float) -> tuple[User, ApiKey] | None:
        """Return the user and the key. None: the key is revoked or expired, or its user is disabled. `web_session` does
        the same.
        """

    def users_of_keys(self, hashes: Collection[str], now: float) -> dict[str, User]:
        """Return those of the hashes whose keys are still valid, with their users."""

    def users_of_web_sessions(self, hashes: Collection[str], now: float, idle_before: float) -> dict[str, User]:
        """Return the same for web sessions. A session that was last used before `idle_before` is not valid."""

    def keys(self, user_id: str) -> list[ApiKey]: ...
    def web_session(self, token_hash: str, now: float) -> WebSession | None: ...
    def invites(self, now: float) -> list[Invite]: ...
    def invite(self, token_hash: str, now: float) -> Invite | None: ...
    def role_in(self, project_id: str, user_id: str, deleted_too: bool = False) -> str | None:
        """Return the user's role in the project; None where the project does not exist for them, as a deleted one."""

    def roles_of(self, user_id: str) -> Mapping[str, str]:
        """Return the roles that the user was given in projects: project id → role."""

    def roles_of_users(self, ids: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        """Return `roles_of` for several users: user id → project id → role."""

    def private_projects(self, ids: Collection[str]) -> Mapping[str, bool]:
        """Return project id → whether it is private, for those that exist and are not deleted."""

    def members(self, project_id: str) -> list[Member]: ...
    def changes_told(self, limit: int, before: int | None = None) -> list[Change]:
        """Return the audit log, newest first: entries with an id below `before`."""


class AccountsTransaction(AccountsView, Protocol):
    def set_lab_value(self, key: str, value: str) -> None: ...
    def add_user(self, username: str, role: str, password_hash: str | None, now: float, service: bool = False) -> User:
        """Add a user. Raises NameTakenError, also for a name that looks like another user's, or like a deleted
        user's.
        """

    def make_owner(self, username: str, now: float) -> User:
        """Return the lab's owner. If there is none, make one of that name, without a password."""

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Set a password. End the user's web sessions and login links, too: whoever changes a password wants others
        out. Raises ServiceAccountError.
        """

    def set_role(self, user_id: str, role: str) -> None:
        """Set a role. End the open invites of a user who is no longer an admin. Raises LastAdminError."""

    def set_disabled(self, user_id: str, at: float | None) -> None:
        """Disable or enable a user. Disabling ends the user's keys, web sessions, login links and open invites for
        good: a user who is enabled again must make new keys. Raises LastAdminError.
        """

    def delete_user(self, user_id: str, now: float) -> None:
        """Disable the user for good, and remove all their roles and private views. Their name stays on what they made,
        and nobody else can take it. Raises LastAdminError.
        """

    def hand_over(self, user_id: str, heir_id: str, now: float, projects: bool = False) -> HandedOver:
        """Make another user (the heir) the author of the user's runs. Runs that are going on, and runs in projects to
        which the heir may not add, are left as they are. `projects`: also make the heir the owner of the user's
        projects. Raises NoHeirError, FullError.
        """

    def add_key(
        self, user_id: str, name: str, key_hash: str, now: float, expires: float | None = None, scope: str = SCOPE_ALL
    ) -> ApiKey:
        """Raises TooManyError."""

    def revoke_key(self, user_id: str, key_id: str, now: float) -> bool: ...
    def keys_used(self, used: Mapping[str, float]) -> None:
        """Note when keys were used: key id → time. Their users were seen then, too."""

    def add_web_session(self, user_id: str, token_hash: str, csrf: str, now: float, expires: float) -> None:
        """Add a web session. Raises ServiceAccountError, as `add_login_link` does."""

    def web_session_used(self, token_hash: str, now: float) -> None: ...
    def end_web_session(self, token_hash: str) -> None: ...
    def end_web_sessions(self, user_id: str) -> None: ...
    def add_login_link(self, user_id: str, token_hash: str, now: float, expires: float) -> None: ...
    def use_login_link(self, token_hash: str, now: float) -> User | None:
        """Return the link's user, once, if it has not expired; else None."""

    def add_invite(self, role: str, token_hash: str, created_by: str, now: float, expires: float) -> Invite:
        """Raises TooManyError."""

    def end_invite(self, invite_id: str) -> bool: ...
    def set_private(self, project_id: str, private: bool) -> None: ...
    def set_member(self, project_id: str, user_id: str, role: str | None) -> None:
        """Set a member's role; None: remove the member."""

    def note_changes(self, changes: Sequence[Change]) -> None: ...
    def forget_expired(self, now: float, idle_s: float, audit_before: float) -> None:
        """Remove sessions, links and invites that can no longer be used, and old entries of the audit log."""
