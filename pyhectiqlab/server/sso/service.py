"""SingleSignOn: what a lab with a provider has of it: logins under way, the provider, and who its people are here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol import roles
from ...store.meta import MetaStore, User
from ...store.notes import MemoryNotes, Notes
from ..accounts.accounts import WEB_SESSION_S, Accounts
from .options import SsoOptions
from .pending import Pending

if TYPE_CHECKING:
    from .people import People
    from .provider import Provider

TOKENS_MAX = 10_000
KIND = "sessions at the provider"


class SingleSignOn:
    """Safe from any thread; what asks the provider or the database blocks."""

    def __init__(self, options: SsoOptions, meta: MetaStore, accounts: Accounts, notes: Notes | None = None) -> None:
        from .people import People
        from .provider import Provider  # a lab without single sign-on needs no authlib

        self.options = options
        self._notes = notes or MemoryNotes()
        self.pending = Pending(self._notes)
        self.provider: Provider = Provider(options)
        self.people: People = People(options, meta, accounts)

    @property
    def session_s(self) -> float:
        """How long a web session of somebody who logged in this way lasts, at most."""
        hours = self.options.session_hours
        return WEB_SESSION_S if hours is None else min(WEB_SESSION_S, hours * 3600)

    def why_no_password(self, user: User) -> str:
        """Return why a user may not log in by password; "": they may. The owner always may, so that a lab whose
        provider is gone is not lost.
        """
        if user.role == roles.OWNER:
            return ""
        if self.people.is_linked(user):
            return f"You log in by {self.options.name}, not by a password."
        if self.options.only_sso and not user.is_admin:
            return f"Only admins log in by a password here: log in by {self.options.name}."
        return ""

    def key_days(self, user: User, wanted: int | None) -> int | None:
        """Return how many days a new key of a user works; None: ever."""
        most = self.options.key_days
        if most is None or not self.people.is_linked(user):
            return wanted
        return most if wanted is None else min(most, wanted)

    # What the provider is told at a logout. Where it was forgotten, the logout is of the lab alone.

    def opened(self, session: str, id_token: str) -> None:
        with self._notes.of(KIND) as notes:
            notes.put(session, {"id_token": id_token}, notes.now + self.session_s)
            if notes.count() > TOKENS_MAX and (oldest := notes.oldest()) is not None:
                notes.remove(oldest)

    def logged_out(self, session: str, back: str) -> str | None:
        """Return where the browser goes to log out of the provider too; None: nowhere."""
        with self._notes.of(KIND) as notes:
            note = notes.get(session)
            notes.remove(session)
        return None if note is None else self.provider.address_of_logout(note["id_token"], back)
