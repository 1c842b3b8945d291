"""Logins of commands that wait for somebody to confirm them in a browser (as RFC 8628 has it).

All labs on the data know them, by their notes.

A command gets a secret, with which it asks how its login stands, and a short code, which it shows. Whoever is logged in
confirms the code on a page of the lab; then the command's next question is answered with an API key, once.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass, replace

from ... import settings
from ...store.notes import MemoryNotes, Notes, NotesOfKind, make_room
from .accounts import hash_token
from .login import Throttle

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # without vowels: no code is a word
CODE_CHARS = 8
WRONG_CODES_FREE = 10
KIND = "logins of commands"


@dataclass(frozen=True)
class CommandLogin:
    """A login of a command that waits to be confirmed.

    Attributes:
        name: what the key will be called, as the command says: user and machine.
        address: where the command asked from; place: what limits go by.
        until: by the clock of the notes.
        user_id: who confirmed it; "": nobody yet.
    """

    code: str
    name: str
    address: str
    place: str
    created: float
    until: float
    user_id: str = ""
    refused: bool = False


class CommandLogins:
    """Safe from any thread. Blocks as its notes do, and raises what they raise."""

    def __init__(self, notes: Notes | None = None) -> None:
        self._notes = notes or MemoryNotes()
        self._wrong = Throttle("wrong codes", WRONG_CODES_FREE, self._notes)

    def begin(self, name: str, address: str, place: str) -> tuple[str, CommandLogin]:
        """Return (secret, login). The oldest is forgotten where there are too many, of one place or of all."""
        secret = secrets.token_urlsafe(32)
        with self._notes.of(KIND) as notes:
            make_room(notes, place, settings.LAB_COMMAND_LOGINS_OF_ADDRESS, settings.LAB_COMMAND_LOGINS_MAX)
            taken = {note["code"] for _, note in notes.items()}
            code = _new_code()
            while code in taken:
                code = _new_code()
            until = notes.now + settings.LAB_COMMAND_LOGIN_S
            login = CommandLogin(code, name, address, place, time.time(), until)
            notes.put(hash_token(secret), asdict(login), until, place)
        return secret, login

    def wait_s(self, user_id: str) -> float:
        """Return the seconds until a user may name a code again; 0: now."""
        return self._wrong.wait_s(user_id)

    def find(self, code: str, user_id: str) -> CommandLogin | None:
        """Return the login that waits with this code, for a user who names it. None counts as a wrong code."""
        with self._notes.of(KIND) as notes:
            _, login = _waiting(notes, code)
        if login is None:
            self._wrong.failed(user_id)
        return login

    def settle(self, code: str, user_id: str, allow: bool) -> CommandLogin | None:
        """Confirm or refuse the login with this code, once. None: there is none, which counts as a wrong code."""
        with self._notes.of(KIND) as notes:
            key, login = _waiting(notes, code)
            if login is not None:
                login = replace(login, user_id=user_id) if allow else replace(login, refused=True)
                notes.put(key, asdict(login), login.until, login.place)
        if login is None:
            self._wrong.failed(user_id)
        return login

    def poll(self, secret: str) -> CommandLogin | None:
        """Return how the login stands, or None. One that is confirmed or refused is forgotten with this answer."""
        key = hash_token(secret)
        with self._notes.of(KIND) as notes:
            note = notes.get(key)
            if note is None:
                return None
            login = CommandLogin(**note)
            if login.user_id or login.refused:
                notes.remove(key)
            return login


def _waiting(notes: NotesOfKind, code: str) -> tuple[str, CommandLogin | None]:
    plain = "".join(c for c in code.upper() if c in LETTERS)
    for key, note in notes.items():
        if note["code"] == plain and not note["user_id"] and not note["refused"]:
            return key, CommandLogin(**note)
    return "", None


def _new_code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(CODE_CHARS))


def shown(code: str) -> str:
    """Return a code as people read it: BCDF-GHJK."""
    return f"{code[:4]}-{code[4:]}"
