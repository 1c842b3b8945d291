"""The accounts' share of the MetaStore's interface: users, keys, web sessions, invites, members of projects, audit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..protocol import roles

AUDIT_ROWS_MAX = 200_000
KEYS_OF_USER_MAX = 200
INVITES_MAX = 1000
SCOPE_ALL, SCOPE_METRICS = "all", "metrics"  # what a key may do: all that its user may, or read the metrics


@dataclass(frozen=True)
class User:
    id: str
    username: str
    role: str  # in the lab, see protocol/roles.py
    created: float
    password_hash: str | None = field(default=None, repr=False)
    disabled: float | None = None
    service: bool = False  # a program's account: it has keys, and neither a password nor a login
    deleted: float | None = None  # only its name is left, on what it made
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
    """A line of the audit log: who changed what, from where. `via`: password, web, key NAME, command, or lab."""

    at: float
    who: str
    via: str
    address: str
    action: str
    subject: str
    detail: str = ""
    id: int = 0


class LastAdminError(ValueError):
    """Nobody could look after the lab without this user."""


class TooManyError(ValueError):
    """As many as there may be of these."""


class ServiceAccountError(ValueError):
    """A service account has keys, and no other way in."""


class NoHeirError(ValueError):
    """To this user nothing can be handed over."""


@dataclass(frozen=True)
class HandedOver:
    """What became of the runs of a user, and of the projects that they own.

    Attributes:
        live: runs that are going on and stay: their processes could add no more to them.
        kept_out: runs that stay as the other user may not add to their projects.
    """

    runs: int
    live: int
    kept_out: int
    projects: int


class AccountsView(Protocol):
    def user(self, user_id: str) -> User | None: ...
    def user_named(self, username: str, deleted_too: bool = False) -> User | None:
        """However it is written: in capitals or not, see protocol/usernames.py. None also where several are meant."""

    def owner(self) -> User | None:
        """Whom a lab on loopback logs in: the owner, else the first admin; no service account, nobody disabled."""

    def users(self) -> list[User]:
        """By name, without those who were deleted."""

    def user_of_key(self, key_hash: str, now: float) -> tuple[User, ApiKey] | None:
        """None for a key that is revoked or expired, or whose user is disabled; so for web sessions."""

    def users_of_keys(self, hashes: Collection[str], now: float) -> dict[str, User]:
        """Return those of these hashes whose keys still open something, with their users."""

    def users_of_web_sessions(self, hashes: Collection[str], now: float, idle_before: float) -> dict[str, User]:
        """Return the same for web sessions; one that was last used before `idle_before` opens nothing."""

    def keys(self, user_id: str) -> list[ApiKey]: ...
    def web_session(self, token_hash: str, now: float) -> WebSession | None: ...
    def invites(self, now: float) -> list[Invite]: ...
    def invite(self, token_hash: str, now: float) -> Invite | None: ...
    def role_in(self, project_id: str, user_id: str, deleted_too: bool = False) -> str | None:
        """Return what the user may do in the project; None where it does not exist for them, as one that is deleted."""

    def roles_of(self, user_id: str) -> Mapping[str, str]:
        """Return the roles that the user was given in projects: project id → role."""

    def roles_of_users(self, ids: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        """`roles_of` for several: user id → project id → role."""

    def private_projects(self, ids: Collection[str]) -> Mapping[str, bool]:
        """Return whether they are private, of those that there are and that are not deleted."""

    def members(self, project_id: str) -> list[Member]: ...
    def changes_told(self, limit: int, before: int | None = None) -> list[Change]:
        """Return the audit log, newest first: entries with an id below `before`."""


class AccountsTransaction(AccountsView, Protocol):
    def set_lab_value(self, key: str, value: str) -> None: ...
    def add_user(self, username: str, role: str, password_hash: str | None, now: float, service: bool = False) -> User:
        """Raises NameTakenError, also for a name that is read as somebody else's, or as that of somebody who was
        deleted.
        """

    def make_owner(self, username: str, now: float) -> User:
        """Return the lab's owner; where nobody is, make one of that name, without a password."""

    def set_password(self, user_id: str, password_hash: str) -> None:
        """End the user's web sessions and login links too: whoever changes a password wants others out. Raise
        ServiceAccountError.
        """

    def set_role(self, user_id: str, role: str) -> None:
        """End the open invites of whoever is no longer an admin. Raises LastAdminError."""

    def set_disabled(self, user_id: str, at: float | None) -> None:
        """End the user's keys, web sessions, login links and open invites for good: who is enabled again makes new
        keys. Raises LastAdminError.
        """

    def delete_user(self, user_id: str, now: float) -> None:
        """Disable the user for good, without a role anywhere. Their name stays on what they made, and nobody else
        takes it. Raises LastAdminError.
        """

    def hand_over(self, user_id: str, heir_id: str, now: float, projects: bool = False) -> HandedOver:
        """Make another user the author of the user's runs, those apart that are going on, and those in projects to
        which the other one may not add. `projects`: and the owner of the user's projects. Raises NoHeirError,
        FullError.
        """

    def add_key(
        self, user_id: str, name: str, key_hash: str, now: float, expires: float | None = None, scope: str = SCOPE_ALL
    ) -> ApiKey:
        """Raises TooManyError."""

    def revoke_key(self, user_id: str, key_id: str, now: float) -> bool: ...
    def keys_used(self, used: Mapping[str, float]) -> None:
        """Key id → when. Their users were seen then, too."""

    def add_web_session(self, user_id: str, token_hash: str, csrf: str, now: float, expires: float) -> None:
        """Raises ServiceAccountError; so do login links."""

    def web_session_used(self, token_hash: str, now: float) -> None: ...
    def end_web_session(self, token_hash: str) -> None: ...
    def end_web_sessions(self, user_id: str) -> None: ...
    def add_login_link(self, user_id: str, token_hash: str, now: float, expires: float) -> None: ...
    def use_login_link(self, token_hash: str, now: float) -> User | None:
        """Return the link's user, once, before it expires; None otherwise."""

    def add_invite(self, role: str, token_hash: str, created_by: str, now: float, expires: float) -> Invite:
        """Raises TooManyError."""

    def end_invite(self, invite_id: str) -> bool: ...
    def set_private(self, project_id: str, private: bool) -> None: ...
    def set_member(self, project_id: str, user_id: str, role: str | None) -> None:
        """None: no longer a member."""

    def note_changes(self, changes: Sequence[Change]) -> None: ...
    def forget_expired(self, now: float, idle_s: float, audit_before: float) -> None:
        """Remove sessions, links and invites that can no longer be used, and what the audit log keeps no longer."""
