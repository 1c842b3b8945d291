"""Logins of commands that wait for somebody to confirm them in a browser (as RFC 8628 has it). In memory alone.

A command gets a secret, with which it asks how its login stands, and a short code, which it shows. Whoever is logged in
confirms the code on a page of the lab; then the command's next question is answered with an API key, once.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from .. import settings
from .accounts import hash_token
from .login import Throttle

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # without vowels: no code is a word
CODE_CHARS = 8
WRONG_CODES_FREE = 10


@dataclass
class CommandLogin:
    """One of them.

    Attributes:
        name: what the key will be called, as the command says: user and machine.
        address: where the command asked from; place: what limits go by.
        user_id: who confirmed it; "": nobody yet.
    """

    code: str
    name: str
    address: str
    place: str
    created: float
    until: float  # by the monotonic clock
    user_id: str = ""
    refused: bool = field(default=False)


class CommandLogins:
    """From any thread; never blocks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._logins: OrderedDict[str, CommandLogin] = OrderedDict()  # hash of the secret → it, the oldest first
        self._wrong = Throttle(WRONG_CODES_FREE, clock)

    def begin(self, name: str, address: str, place: str) -> tuple[str, CommandLogin]:
        """Return (secret, login). The oldest is forgotten where there are too many, of one place or of all."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._forget_old()
            of_place = [key for key, login in self._logins.items() if login.place == place]
            if len(of_place) >= settings.LAB_COMMAND_LOGINS_OF_ADDRESS:
                del self._logins[of_place[0]]
            elif len(self._logins) >= settings.LAB_COMMAND_LOGINS_MAX:
                self._logins.popitem(last=False)
            taken = {login.code for login in self._logins.values()}
            code = _new_code()
            while code in taken:
                code = _new_code()
            until = self._clock() + settings.LAB_COMMAND_LOGIN_S
            login = CommandLogin(code, name, address, place, time.time(), until)
            self._logins[hash_token(secret)] = login
        return secret, login

    def wait_s(self, user_id: str) -> float:
        """Return the seconds until a user may name a code again; 0: now."""
        return self._wrong.wait_s(user_id)

    def find(self, code: str, user_id: str) -> CommandLogin | None:
        """Return the login that waits with this code, for a user who names it. None counts as a wrong code."""
        plain = "".join(c for c in code.upper() if c in LETTERS)
        with self._lock:
            self._forget_old()
            for login in self._logins.values():
                if login.code == plain and not login.user_id and not login.refused:
                    return login
        self._wrong.failed(user_id)
        return None

    def settle(self, code: str, user_id: str, allow: bool) -> CommandLogin | None:
        """Confirm or refuse the login with this code, once. None: there is none, which counts as a wrong code."""
        login = self.find(code, user_id)
        with self._lock:
            if login is None or login.user_id or login.refused:
                return None
            login.user_id, login.refused = (user_id, False) if allow else ("", True)
        return login

    def poll(self, secret: str) -> CommandLogin | None:
        """Return how the login stands, or None. One that is confirmed or refused is forgotten with this answer."""
        key = hash_token(secret)
        with self._lock:
            self._forget_old()
            login = self._logins.get(key)
            if login is not None and (login.user_id or login.refused):
                del self._logins[key]
            return login

    def _forget_old(self) -> None:
        now = self._clock()
        while self._logins and next(iter(self._logins.values())).until <= now:
            self._logins.popitem(last=False)


def _new_code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(CODE_CHARS))


def shown(code: str) -> str:
    """Return a code as people read it: BCDF-GHJK."""
    return f"{code[:4]}-{code[4:]}"
