"""What a lab is told about single sign-on: the provider, its claims, and which group has which role. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ...errors import ConfigurationError
from ...protocol import roles

NO_ACCESS = "none"
LAB_ROLES = (NO_ACCESS, roles.VIEWER, roles.MEMBER, roles.ADMIN)
PROJECT_ROLES = (roles.VIEWER, roles.MEMBER, roles.ADMIN)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class SsoOptions:
    """The options `--oidc-…` of `hectiqlab server`, understood.

    Attributes:
        issuer: the provider's name, which is its address.
        client_secret: "": a client without one, which proves itself by PKCE alone.
        roles: group → role in the lab, or NO_ACCESS.
        projects: (group, name of a project, role in it).
        default_role: of somebody in none of those groups.
        required: claim → the value that it must have.
        makes_users: whether somebody without an account gets one at their first login.
        only_sso: whether nobody but admins logs in by a password.
        key_days: how long keys work that are made by people who log in this way; None: ever.
        session_hours: the same for their web sessions; None: as long as other sessions.
        label: what the login page calls the provider.
    """

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: str = "openid profile email"
    name_claim: str = "preferred_username"
    groups_claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)
    projects: tuple[tuple[str, str, str], ...] = ()
    default_role: str = NO_ACCESS
    required: Mapping[str, str] = field(default_factory=dict)
    makes_users: bool = True
    only_sso: bool = False
    key_days: int | None = None
    session_hours: float | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if not is_safe(self.issuer):
            raise ConfigurationError(
                f"--oidc-issuer {self.issuer!r} is not a provider: give its address as it writes it itself, with "
                "https, such as https://login.example.org/realms/team."
            )
        if not self.client_id:
            raise ConfigurationError("--oidc-issuer needs --oidc-client-id too: the provider gives one to each client.")
        if "openid" not in self.scopes.split():
            raise ConfigurationError(f"--oidc-scopes {self.scopes!r} lacks openid, without which nobody is identified.")
        if self.default_role == NO_ACCESS and not set(self.roles.values()) - {NO_ACCESS}:
            raise ConfigurationError(
                "Nobody could log in by single sign-on: give --oidc-role GROUP=ROLE for each group that may, or "
                "--oidc-default-role for all whom the provider lets in."
            )

    @property
    def name(self) -> str:
        """What people read on the login page."""
        return self.label or "single sign-on"

    def role_of(self, groups: Collection[str]) -> str:
        """Return the role in the lab of somebody in these groups, or NO_ACCESS."""
        own = [self.roles[group] for group in groups if group in self.roles]
        if NO_ACCESS in own:
            return NO_ACCESS
        return max(own, key=LAB_ROLES.index, default=self.default_role)

    def roles_in_projects(self, groups: Collection[str]) -> dict[str, str]:
        """Return name of a project → role in it, of somebody in these groups."""
        given: dict[str, str] = {}
        for group, project, role in self.projects:
            if group in groups:
                given[project] = max(role, given.get(project, role), key=PROJECT_ROLES.index)
        return given


def is_safe(url: str) -> bool:
    """Return whether an address is one of https, or of this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    plain = not parts.username and not parts.fragment and re.fullmatch(r"[\x21-\x7e]+", url) is not None
    return bool(host) and plain and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))


def group_roles(texts: Iterable[str]) -> dict[str, str]:
    """Parse `GROUP=ROLE`, several by `;` or by lines. A group's name may have `=` in it. Raises ConfigurationError."""
    given: dict[str, str] = {}
    for word in _words(texts):
        group, _, role = word.rpartition("=")
        if not group or role not in LAB_ROLES:
            raise ConfigurationError(
                f"--oidc-role {word!r} is not understood: it takes GROUP=ROLE, where ROLE is one of "
                f"{', '.join(LAB_ROLES)}."
            )
        given[group] = role
    return given


def group_projects(texts: Iterable[str]) -> tuple[tuple[str, str, str], ...]:
    """Parse `GROUP=PROJECT:ROLE`, several by `;` or by lines. Raises ConfigurationError."""
    given = []
    for word in _words(texts):
        rest, _, role = word.rpartition(":")
        group, _, project = rest.rpartition("=")
        if not group or not project or role not in PROJECT_ROLES:
            raise ConfigurationError(
                f"--oidc-project {word!r} is not understood: it takes GROUP=PROJECT:ROLE, where ROLE is one of "
                f"{', '.join(PROJECT_ROLES)}."
            )
        given.append((group, project, role))
    return tuple(given)


def required_claims(texts: Iterable[str]) -> dict[str, str]:
    """Parse `CLAIM=VALUE`, several by `;` or by lines. Raises ConfigurationError."""
    given: dict[str, str] = {}
    for word in _words(texts):
        claim, _, value = word.partition("=")
        if not claim or not value:
            raise ConfigurationError(f"--oidc-require {word!r} is not understood: it takes CLAIM=VALUE.")
        given[claim] = value
    return given


def _words(texts: Iterable[str]) -> list[str]:
    return [word.strip() for text in texts for word in re.split(r"[;\n]", text) if word.strip()]


def claim_of(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim, or None. `realm_access.roles` is `roles` inside `realm_access`, unless a claim has that name."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
