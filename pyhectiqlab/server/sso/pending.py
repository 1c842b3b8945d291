"""Logins that are under way at the provider: what the lab must know again when the browser comes back. In memory alone.

A login belongs to the browser that began it, by a cookie, and is taken once. So an address that somebody else made
(login CSRF), or that was used already (replay), leads to nothing.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ... import settings


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
    until: float  # by the monotonic clock


class Pending:
    """From any thread; never blocks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._logins: OrderedDict[str, Login] = OrderedDict()  # state → the login, the oldest first
        self._of: Counter[str] = Counter()  # place → how many

    def begin(self, cookie: str, place: str, back: str, then: str) -> tuple[str, Login]:
        """Return (state, login)."""
        state = secrets.token_urlsafe(32)
        until = self._clock() + settings.LAB_SSO_LOGIN_S
        login = Login(_hash(cookie), place, secrets.token_urlsafe(32), secrets.token_urlsafe(48), back, then, until)
        with self._lock:
            self._forget_old()
            if self._of[place] >= settings.LAB_SSO_LOGINS_OF_ADDRESS:
                self._remove(next(s for s, its in self._logins.items() if its.place == place))
            elif len(self._logins) >= settings.LAB_SSO_LOGINS_MAX:
                self._remove(next(iter(self._logins)))
            self._logins[state] = login
            self._of[place] += 1
        return state, login

    def take(self, state: str, cookie: str) -> Login | None:
        """Return the login, once. None: there is none, it is too old, or another browser began it."""
        with self._lock:
            self._forget_old()
            login = self._logins.get(state)
            if login is None or not secrets.compare_digest(login.browser, _hash(cookie)):
                return None
            self._remove(state)
            return login

    def _forget_old(self) -> None:
        now = self._clock()
        while self._logins and next(iter(self._logins.values())).until <= now:
            self._remove(next(iter(self._logins)))

    def _remove(self, state: str) -> None:
        place = self._logins.pop(state).place
        self._of[place] -= 1
        if not self._of[place]:
            del self._of[place]


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
