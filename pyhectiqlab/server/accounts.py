"""Accounts: passwords (argon2), API keys and web sessions (random tokens, kept as SHA-256), one-time login links."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import argon2

from ..store.meta import ApiKey, MetaStore, MetaTransaction, User

WEB_SESSION_S = 30 * 86_400.0
LOGIN_LINK_S = 15 * 60.0
PASSWORD_LENGTH_MIN = 8
PASSWORD_LENGTH_MAX = 1024
HASHES_AT_ONCE = 2  # argon2 takes 64 MiB and a core for each
CACHE_S = 5.0
CACHE_MAX = 4096


def hash_token(token: str) -> str:
    """SHA-256 of a random token. The token has 256 bits, so a slow hash would protect nothing and cost each request."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_key() -> str:
    return "hl_" + secrets.token_urlsafe(32)


T = TypeVar("T")


class Write(Protocol):
    """Runs a function in a durable transaction and returns its result; Lab.write."""

    def __call__(self, function: Callable[[MetaTransaction], T], /) -> T: ...


@dataclass(frozen=True)
class Caller:
    """Who sent a request, and how they proved it. `csrf` is None with an API key."""

    user: User
    csrf: str | None = None
    token_hash: str = ""


class Accounts:
    """Blocks on the database or on a password's hash, but for `cached`: call it from a worker thread."""

    def __init__(self, meta: MetaStore, write: Write) -> None:
        self._meta = meta
        self._write = write
        self._hasher = argon2.PasswordHasher()
        self._hashing = threading.BoundedSemaphore(HASHES_AT_ONCE)
        self._nobody = self._hasher.hash(secrets.token_hex(16))  # so that an unknown name takes as long as a known one
        self._cache: dict[str, tuple[User, float]] = {}

    # API keys

    def cached(self, key: str) -> Caller | None:
        """The caller of a key seen in the last seconds. Never blocks."""
        found = self._cache.get(hash_token(key))
        return Caller(found[0]) if found and found[1] > time.monotonic() else None

    def of_key(self, key: str) -> Caller | None:
        if caller := self.cached(key):
            return caller
        key_hash = hash_token(key)
        with self._meta.reading() as view:
            user = view.user_of_key(key_hash)
        if user is None:
            return None
        if len(self._cache) >= CACHE_MAX:
            self._cache.clear()
        self._cache[key_hash] = (user, time.monotonic() + CACHE_S)
        return Caller(user)

    def add_key(self, user: User, name: str) -> tuple[ApiKey, str]:
        """A new key and its secret, which is not kept."""
        secret = new_key()
        made = self._write(lambda tx: tx.add_key(user.id, name, hash_token(secret), time.time()))
        return made, secret

    def revoke_key(self, user: User, key_id: str) -> bool:
        done = self._write(lambda tx: tx.revoke_key(user.id, key_id, time.time()))
        self._cache.clear()
        return done

    # Passwords

    def check_password(self, username: str, password: str) -> User | None:
        with self._meta.reading() as view:
            user = view.user_named(username)
        known = user.password_hash if user is not None else None
        with self._hashing:
            try:
                self._hasher.verify(known or self._nobody, password)
            except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
                return None
        return user if known else None

    def hash_password(self, password: str) -> str:
        """Raises ValueError for a password that is too short or too long."""
        if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
            raise ValueError(
                f"A password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters: choose another."
            )
        with self._hashing:
            return self._hasher.hash(password)

    def set_password(self, user: User, password: str) -> None:
        hashed = self.hash_password(password)
        self._write(lambda tx: tx.set_password(user.id, hashed))

    # Web sessions and login links

    def of_cookie(self, token: str) -> Caller | None:
        token_hash = hash_token(token)
        with self._meta.reading() as view:
            found = view.web_session(token_hash, time.time())
        return Caller(found.user, found.csrf, token_hash) if found else None

    def open_web_session(self, user: User) -> tuple[str, str]:
        """(token for the cookie, CSRF token)."""
        token, csrf, now = secrets.token_urlsafe(32), secrets.token_urlsafe(24), time.time()
        self._write(lambda tx: tx.add_web_session(user.id, hash_token(token), csrf, now, now + WEB_SESSION_S))
        return token, csrf

    def close_web_session(self, caller: Caller) -> None:
        self._write(lambda tx: tx.end_web_session(caller.token_hash))

    def new_login_link(self, user: User) -> str:
        token, now = secrets.token_urlsafe(32), time.time()
        self._write(lambda tx: tx.add_login_link(user.id, hash_token(token), now, now + LOGIN_LINK_S))
        return token

    def use_login_link(self, token: str) -> User | None:
        return self._write(lambda tx: tx.use_login_link(hash_token(token), time.time()))
