"""Logins that are under way at the provider: what the lab must know when the browser comes back.

The browser may come back to another lab on the same data.

A login belongs to the browser that began it, by a cookie, and is taken once. So an address that somebody else made
(login CSRF), or that was used already (replay), leads to nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass

from ... import settings
from ...store.notes import MemoryNotes, Notes, make_room

KIND = "logins at the provider"


@dataclass(frozen=True)
class Login:
    """One of them.

    Attributes:
        browser: hash of the cookie of the browser that began it.
        place: what limits go by, of whoever began it.
        nonce, verifier: what the provider must tell again, and what proves to it that we asked (PKCE).
        back: where the provider sends the browser; then: the page of the lab to go to in the end.
    """

    browser: str
    place: str
    nonce: str
    verifier: str
    back: str
    then: str


class Pending:
    """Safe from any thread. Blocks as its notes do, and raises what they raise."""

    def __init__(self, notes: Notes | None = None) -> None:
        self._notes = notes or MemoryNotes()

    def begin(self, cookie: str, place: str, back: str, then: str) -> tuple[str, Login]:
        """Return (state, login)."""
        state = secrets.token_urlsafe(32)
        login = Login(_hash(cookie), place, secrets.token_urlsafe(32), secrets.token_urlsafe(48), back, then)
        with self._notes.of(KIND) as notes:
            make_room(notes, place, settings.LAB_SSO_LOGINS_OF_ADDRESS, settings.LAB_SSO_LOGINS_MAX)
            notes.put(_hash(state), asdict(login), notes.now + settings.LAB_SSO_LOGIN_S, place)
        return state, login

    def take(self, state: str, cookie: str) -> Login | None:
        """Return the login, once. None: there is none, it is too old, or another browser began it."""
        with self._notes.of(KIND) as notes:
            note = notes.get(_hash(state))
            if note is None or not secrets.compare_digest(note["browser"], _hash(cookie)):
                return None
            notes.remove(_hash(state))
            return Login(**note)


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
