"""Accounts: passwords (argon2), API keys and web sessions (random tokens, kept as SHA-256), one-time login links."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import argon2

from ... import settings
from ...errors import StoreError
from ...store.accounts import SCOPE_ALL, ApiKey, Change, Invite
from ...store.meta import MetaStore, MetaTransaction, User
from ...store.storage import ChangeMark
from ..transacts import BusyError, Transacts
from .unstored import UnstoredSessions

log = logging.getLogger("hectiqlab.server")

WEB_SESSION_S = 30 * 86_400.0  # a web session lasts at most so long
WEB_SESSION_IDLE_S = 7 * 86_400.0  # it ends after so long without a request
LAST_USED_S = 60.0  # the last use of a key is kept to the minute, as a commit costs more than a request
LOGIN_LINK_S = 15 * 60.0
INVITE_S = 7 * 86_400.0
AUDIT_KEPT_S = 400 * 86_400.0
PASSWORD_LENGTH_MIN = 8
PASSWORD_LENGTH_MAX = 1024
CACHE_S = 5.0
CACHE_MAX = 4096


def hash_token(token: str) -> str:
    """Return the SHA-256 of a random token. The token has 256 bits, so a slow hash would protect nothing and cost each
    request.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_key() -> str:
    return "hl_" + secrets.token_urlsafe(32)


def _give_way() -> None:
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)  # of this thread alone, on Linux


T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """Who sent a request, from where, and how they proved it. `csrf` is None with an API key, and so is `token_hash`
    empty; `proof` is the hash of the key, or of the session's token. `scope`: of the key, as in store/accounts.py.
    """

    user: User
    csrf: str | None = None
    token_hash: str = ""
    via: str = "web"
    address: str = ""
    proof: str = ""
    scope: str = SCOPE_ALL

    def change(self, action: str, subject: str, detail: str = "") -> Change:
        """Return an entry of the audit log."""
        return Change(time.time(), self.user.username, self.via, self.address, action, subject, detail)


@dataclass(frozen=True)
class _Known:
    user: User
    via: str
    until: float  # by the monotonic clock
    mark: int
    scope: str


class Accounts:
    """Methods block on the database or on the hash of a password, except `cached`: call them from a worker thread."""

    def __init__(self, meta: MetaStore, write: Transacts, mark: ChangeMark, alone: bool = True) -> None:
        """`alone`: no other process answers requests of the same sessions."""
        self._meta = meta
        self._write = write
        self._alone = alone
        self.mark = mark
        self.unstored = UnstoredSessions(mark)
        self._hasher = argon2.PasswordHasher(
            settings.LAB_PASSWORD_PASSES, settings.LAB_PASSWORD_KIB, settings.LAB_PASSWORD_LANES
        )
        # A thread of its own with a low priority: argon2 takes 64 MiB and all cores for a while.
        self._hashing = ThreadPoolExecutor(1, "hectiqlab-hash", _give_way)
        self._cache: dict[str, _Known] = {}
        self._used: dict[str, float] = {}  # key id → when, not yet stored

    def change(self, function: Callable[[MetaTransaction], T], *noted: Change) -> T:
        """Change who may do what, and note it in the audit log. Holds from the next request on."""

        def both(tx: MetaTransaction) -> T:
            result = function(tx)
            tx.note_changes(noted)
            return result

        result = self._write(both)
        self.mark.set()
        return result

    # API keys

    def cached(self, key: str, address: str) -> Caller | None:
        """Return the caller of a key that was seen in the last seconds. Never blocks."""
        key_hash = hash_token(key)
        entry = self._cache.get(key_hash)
        if entry is None or entry.until < time.monotonic() or entry.mark != self.mark.read():
            return None
        return Caller(entry.user, via=entry.via, address=address, proof=key_hash, scope=entry.scope)

    def of_key(self, key: str, address: str = "") -> Caller | None:
        if caller := self.cached(key, address):
            return caller
        # The mark is read before the key is looked up, so that a change in between is noticed.
        key_hash, mark, now = hash_token(key), self.mark.read(), time.time()
        with self._meta.reading() as view:
            row = view.user_of_key(key_hash, now)
        if row is None:
            return None
        user, its_key = row
        if len(self._cache) >= CACHE_MAX:
            self._cache.clear()
        left = CACHE_S if its_key.expires is None else min(CACHE_S, its_key.expires - now)
        self._cache[key_hash] = _Known(user, f"key {its_key.name}", time.monotonic() + left, mark, its_key.scope)
        if len(self._used) < CACHE_MAX:
            self._used[its_key.id] = now
        return Caller(user, via=f"key {its_key.name}", address=address, proof=key_hash, scope=its_key.scope)

    def store_use(self) -> None:
        """Store which keys were used since the last call. Raises StoreError; they are stored by the next call then."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            self._write(lambda tx: tx.keys_used(used))
        except StoreError:
            self._used = {**used, **self._used}
            raise

    def add_key(
        self, user: User, name: str, expires: float | None = None, *noted: Change, scope: str = SCOPE_ALL
    ) -> tuple[ApiKey, str]:
        """Return a new key and its secret, which is not kept. Raises TooManyError."""
        secret = new_key()
        made = self.change(
            lambda tx: tx.add_key(user.id, name, hash_token(secret), time.time(), expires, scope), *noted
        )
        return made, secret

    def revoke_key(self, user: User, key_id: str, *noted: Change) -> bool:
        return self.change(lambda tx: tx.revoke_key(user.id, key_id, time.time()), *noted)

    # Passwords

    def check_password(self, username: str, password: str) -> User | None:
        with self._meta.reading() as view:
            user = view.user_named(username)
        known = user.password_hash if user is not None and user.disabled is None else None
        nobody = self._nobody  # made before any name is looked at: the first call takes longer, for any name
        try:
            self._hashing.submit(self._hasher.verify, known or nobody, password).result()
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return None
        return user if known else None

    @cached_property
    def _nobody(self) -> str:
        """A hash that no password has. Unknown names are compared with it, so that they take as long as known ones."""
        return self._hashing.submit(self._hasher.hash, secrets.token_hex(16)).result()

    def hash_password(self, password: str) -> str:
        """Return the hash. Raises ValueError for a password that is too short or too long."""
        if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
            raise ValueError(
                f"A password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters: choose another."
            )
        return self._hashing.submit(self._hasher.hash, password).result()

    def set_password(self, user: User, password: str, *noted: Change) -> None:
        """Set a user's password, and end all their web sessions. Raises ValueError."""
        hashed = self.hash_password(password)
        self.change(lambda tx: tx.set_password(user.id, hashed), *noted)

    # Web sessions, login links, invites

    def of_cookie(self, token: str, address: str = "") -> Caller | None:
        token_hash, now = hash_token(token), time.time()
        with self._meta.reading() as view:
            session = view.web_session(token_hash, now)
            unstored = None if session is not None else self.unstored.find(view, token_hash, now)
        if unstored is not None:
            user, csrf = unstored
            return Caller(user, csrf, token_hash, "web", address, token_hash)
        if session is None or now - session.last_used > WEB_SESSION_IDLE_S:
            return None
        if now - session.last_used > LAST_USED_S:
            with contextlib.suppress(StoreError):  # a full disk keeps nobody from reading
                self._write(lambda tx: tx.web_session_used(token_hash, now))
        return Caller(session.user, session.csrf, token_hash, "web", address, token_hash)

    def open_web_session(self, user: User, lasts_s: float = WEB_SESSION_S) -> tuple[str, str]:
        """Return (token for the cookie, CSRF token). If the databases take nothing in, on a full disk, a lab that is
        alone keeps the session in memory. If there are other labs, which would not know the session, raises StoreError.
        """
        token, csrf, now = secrets.token_urlsafe(32), secrets.token_urlsafe(24), time.time()
        try:
            self._write(lambda tx: tx.add_web_session(user.id, hash_token(token), csrf, now, now + lasts_s))
        except BusyError:
            raise
        except StoreError as e:
            if not self._alone:
                raise
            log.warning("the session of user %s is not stored, and lasts an hour at most: %s", user.username, e)
            self.unstored.add(hash_token(token), user, csrf, now, lasts_s)
        return token, csrf

    def close_web_session(self, caller: Caller) -> None:
        if self.unstored.end(caller.token_hash):
            return
        self._write(lambda tx: tx.end_web_session(caller.token_hash))

    def new_login_link(self, user: User, *noted: Change) -> str:
        """Return a token that logs the user in, once."""
        token, now = secrets.token_urlsafe(32), time.time()
        self.change(lambda tx: tx.add_login_link(user.id, hash_token(token), now, now + LOGIN_LINK_S), *noted)
        return token

    def use_login_link(self, token: str) -> User | None:
        return self._write(lambda tx: tx.use_login_link(hash_token(token), time.time()))

    def end_web_session_of(self, token: str) -> None:
        """End the session whose cookie came with a login, so that nobody goes on in it. On a full disk the session
        stays, but the browser forgets it.
        """
        token_hash = hash_token(token)
        if self.unstored.end(token_hash):
            return
        try:
            self._write(lambda tx: tx.end_web_session(token_hash))
        except BusyError:
            raise
        except StoreError as e:
            log.warning("the session that a browser had before its login is not ended: %s", e)

    def new_invite(self, role: str, created_by: str, *noted: Change) -> tuple[Invite, str]:
        """Return an invite and its token, which is not kept. Raises TooManyError."""
        token, now = secrets.token_urlsafe(32), time.time()
        made = self.change(lambda tx: tx.add_invite(role, hash_token(token), created_by, now, now + INVITE_S), *noted)
        return made, token

    def accept_invite(self, token: str, username: str, password: str, address: str) -> User | None:
        """Return the new user. None: the invite was used or taken back, is too old, or never was. Raises ValueError
        (password), NameTakenError.
        """
        token_hash = hash_token(token)
        with self._meta.reading() as view:
            if view.invite(token_hash, time.time()) is None:  # hash no passwords for people who were not invited
                return None
        hashed = self.hash_password(password)

        def accept(tx: MetaTransaction) -> User | None:
            now = time.time()
            invite = tx.invite(token_hash, now)
            if invite is None:
                return None
            user = tx.add_user(username, invite.role, hashed, now)
            tx.end_invite(invite.id)
            detail = f"as {invite.role}, invited by {invite.created_by}"
            tx.note_changes([Change(now, username, "web", address, "accepted an invite", f"user {username}", detail)])
            return user

        return self._write(accept)
