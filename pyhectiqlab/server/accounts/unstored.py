"""Web sessions that could not be stored: on a full disk people log in by their password all the same, and read.

Such a session is in memory alone, for an hour at most. It ends with the lab, and as soon as anything about accounts,
roles or sessions changes, whichever process changes it: nothing about it could be revoked in the database.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from ...store.accounts import AccountsView
from ...store.meta import User
from ...store.storage import ChangeMark

LASTS_S = 3600.0
SESSIONS_MAX = 1000


@dataclass(frozen=True)
class _Session:
    user: User
    csrf: str
    expires: float
    mark: int


class UnstoredSessions:
    """Safe for several threads."""

    def __init__(self, mark: ChangeMark) -> None:
        self._mark = mark
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()  # hash of the token → session, the oldest first

    def add(self, token_hash: str, user: User, csrf: str, now: float, lasts_s: float) -> None:
        session = _Session(user, csrf, now + min(lasts_s, LASTS_S), self._mark.read())
        with self._lock:
            self._sessions[token_hash] = session
            while len(self._sessions) > SESSIONS_MAX:
                self._sessions.popitem(last=False)

    def end(self, token_hash: str) -> bool:
        """Return whether there was such a session."""
        with self._lock:
            return self._sessions.pop(token_hash, None) is not None

    def find(self, view: AccountsView, token_hash: str, now: float) -> tuple[User, str] | None:
        """Return its user, as they are now, and its CSRF token; None where there is none, or it ended."""
        with self._lock:
            session = self._sessions.get(token_hash)
        if session is None:
            return None
        user = view.user(session.user.id)
        if (
            now > session.expires
            or session.mark != self._mark.read()
            or user is None
            or user.disabled is not None
            or user.password_hash != session.user.password_hash
        ):
            self.end(token_hash)
            return None
        return user, session.csrf

    def users(self, view: AccountsView, hashes: Collection[str], now: float) -> dict[str, User]:
        """Return the users of those sessions that hold, by the hash of their token."""
        rows = ((token_hash, self.find(view, token_hash, now)) for token_hash in hashes)
        return {token_hash: row[0] for token_hash, row in rows if row is not None}
