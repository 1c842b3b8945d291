"""Single sign-on's share of the MetaStore's interface: which person of which provider is which user of the lab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class SsoLink:
    """A person of a provider, who is a user of the lab.

    Attributes:
        issuer: the provider, as it names itself.
        subject: the provider's identifier of the person, which it never gives to somebody else.
        given: project id → role, which the groups of the last login gave.
        last_login: None: not yet.
    """

    issuer: str
    subject: str
    user_id: str
    created: float
    last_login: float | None = None
    given: Mapping[str, str] = field(default_factory=dict)


class LinkTakenError(ValueError):
    """The person is another user already, or the user is another person."""


class SsoView(Protocol):
    def sso_link(self, issuer: str, subject: str) -> SsoLink | None: ...
    def sso_link_of(self, issuer: str, user_id: str) -> SsoLink | None: ...
    def sso_links(self, issuer: str) -> list[SsoLink]:
        """Return the links of a provider, by user."""


class SsoTransaction(SsoView, Protocol):
    def link_sso(self, issuer: str, subject: str, user_id: str, now: float) -> SsoLink:
        """Return the link; the one that there is, if it is the same. Raises LinkTakenError."""

    def unlink_sso(self, issuer: str, user_id: str) -> SsoLink | None:
        """Return what was removed."""

    def sso_logged_in(self, link: SsoLink, given: Mapping[str, str], now: float) -> None: ...
