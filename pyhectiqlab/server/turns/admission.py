"""Admission: whether a request is let in, and when. ASGI middleware between the guard and the routes.

A body is received before its request takes a turn. So no turn waits for a body that has not arrived, and the bytes of
all bodies are counted in one place. Files on their way in are not kept in memory, and pass. Whoever is over a bound of
settings.py (`LAB_…`) is answered 429 with Retry-After, a moment later, which holds up nobody else.

A caller is who the request's key or cookie belonged to when access.py last checked it (`Callers` in shares.py). It says
whose share of the lab a request takes, and permits nothing.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ... import settings
from ..accounts.accounts import Caller, hash_token
from ..accounts.login import Logins
from ..http.cookies import session_cookie
from ..http.proxies import place_of
from ..http.replies import ApiError
from . import pace
from .shares import OverShareError, Shares, Turns

WHO = "hectiqlab.who"  # who pays for a request, in its scope: a user, or an address until access.py knows the user
API = "/api/v1/"
FOR_ANYBODY = frozenset({"handshake"})  # routes that are answered at once, without a thread
READING_POSTS = frozenset({"series/buckets"})
READING_ENDS = ("/verify", "/points")
ANNOUNCED_FREE = 256 << 10  # smaller bodies count only once they are here, so that they have room beside large ones
BYTE_S = 150e-9  # what a byte of JSON in a body costs the lab, roughly
WRITE_S = 0.002  # what a request that writes costs beside its bytes
READ_S = 0.001  # what a request that reads costs beside the time of its threads, which is measured
ANSWER_BYTE_S = 2e-9  # what it costs to send a byte of an answer
REFUSED_S = 0.001


class Admission:
    """The middleware.

    Args:
        app: the application behind it.
        shares: of the lab, as the routes have them.
        logins: who may try a password now.
        identify: returns who a request is from, by its key or cookie; raises ApiError.
    """

    def __init__(
        self, app: ASGIApp, shares: Shares, logins: Logins, identify: Callable[[Request], Awaitable[Caller]]
    ) -> None:
        self.app, self.shares, self.logins, self.identify = app, shares, logins, identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(API):
            await self.app(scope, receive, send)
            return
        visit = _Visit(self.shares, scope)
        try:
            await self._in(visit, scope, receive, send)
        except OverShareError as e:
            await self._refuse(visit, e)
        finally:
            visit.end()

    async def _in(self, visit: _Visit, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"][len(API) :]
        headers = Headers(scope=scope)
        visit.find_caller(headers)
        length = headers.get("content-length", "")
        announced = int(length[:20]) if length.isascii() and length.isdigit() else 0
        turns = self._turns(scope["method"], name, headers)
        long = turns in {self.shares.uploads, self.shares.streams}  # a turn until the end
        large = announced > settings.LAB_BODY_OF_STRANGER
        if visit.user is None and (large or long or (turns is None and name not in FOR_ANYBODY)):
            await self._introduce(visit, scope)
        scope[WHO] = visit.who
        self.shares.check(visit.who)
        if visit.user is not None:
            self.shares.pace.arrived(visit.user, counts=name == "ingest")
        if turns is self.shares.passwords:
            self._check_logins(visit)
        if turns is not self.shares.uploads:  # whose bytes go to the disk as they come
            receive = await visit.receive_all(receive, announced)
        if turns is None:
            await self.app(scope, receive, send)
            return
        await visit.take(turns)
        if turns is self.shares.reads:
            pace.begin(self.shares.pace.work(visit.who))

        async def send_and_look(message: Message) -> None:
            visit.end_turn()  # what follows waits for the reader of the answer
            self.shares.costs.charge(scope[WHO], ANSWER_BYTE_S * len(message.get("body", b"")))
            await send(message)

        await self.app(scope, receive, send if long else send_and_look)

    def _turns(self, method: str, name: str, headers: Headers) -> Turns | None:
        shares = self.shares
        if name in FOR_ANYBODY or name == "ingest":  # which is bounded by itself
            return None
        if name == "stream":
            return shares.streams
        if name in {"sso/login", "sso/callback"}:
            return shares.sso
        if method in {"GET", "HEAD", "OPTIONS"} or name in READING_POSTS or name.endswith(READING_ENDS):
            return shares.reads
        if method == "PATCH" and name.startswith("uploads/"):
            return shares.uploads
        by_password = name == "keys" and headers.get("authorization", "").lower().startswith("basic")
        if by_password or name in {"login", "me/password", "invites/accept", "users"} or name.startswith("users/"):
            return shares.passwords
        return shares.writes

    def _check_logins(self, visit: _Visit) -> None:
        wait = self.logins.hint_of_address_s(visit.address)
        if wait > 0:
            raise OverShareError("Too many wrong passwords", wait)

    async def _introduce(self, visit: _Visit, scope: Scope) -> None:
        """Find out who sends the request: the lab does not know them yet, and they send much, or ask for what takes no
        turn. Raises ApiError.
        """
        await self.shares.reads.take(visit.who)
        try:
            caller = await self.identify(Request(scope))
        finally:
            self.shares.reads.give_back(visit.who)
        visit.user = visit.who = caller.user.id

    async def _refuse(self, visit: _Visit, error: OverShareError) -> None:
        shares = self.shares
        visit.end()
        shares.costs.charge(visit.who, REFUSED_S)
        if shares.refused < settings.LAB_REFUSED_WAITING_MAX:
            shares.refused += 1
            try:
                # Callers get different times, or they would all be back at the same moment.
                await asyncio.sleep(min(settings.LAB_REFUSED_PAUSE_S, error.retry_s) * random.uniform(0.5, 1.0))
            finally:
                shares.refused -= 1
        seconds = str(max(1, math.ceil(error.retry_s)))
        close = {"Connection": "close"} if visit.user is None else {}
        raise ApiError(429, "throttled", f"{error}: try again in {seconds} s.", {"Retry-After": seconds, **close})


class _Visit:
    """One request, and what it has taken of the shares."""

    def __init__(self, shares: Shares, scope: Scope) -> None:
        self._shares = shares
        self._scope = scope
        self.address: str = place_of(scope["client"][0]) if scope.get("client") else ""
        self.user: str | None = None
        self.who = self.address
        self._announced: tuple[str, int] | None = None
        self._body: tuple[str, int] | None = None
        self._turn: tuple[Turns, str] | None = None

    def find_caller(self, headers: Headers) -> None:
        """Raise OverShareError if too many requests come from an address that the lab does not know."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self.user = self._shares.callers.user_of(hash_token(token.strip()))
        elif not scheme and "cookie" in headers:
            cookie = session_cookie(headers, self._scope.get("root_path", ""))
            self.user = self._shares.callers.user_of(hash_token(cookie)) if cookie else None
        if self.user is not None:
            self.who = self.user
        else:
            self._shares.strangers.take(self.address)

    async def receive_all(self, receive: Receive, announced: int) -> Receive:
        """Receive the body. Return a `receive` that gives it at once. Raises OverShareError, and what
        `receive` raises.
        """
        if self.user is None:
            of_one = most = settings.LAB_BODIES_OF_STRANGER
            if announced > settings.LAB_BODY_OF_STRANGER:
                raise ApiError(413, "too_large", "The body is too large.", {"Connection": "close"})
        else:
            of_one, most = settings.LAB_BODIES_OF_USER, settings.LAB_ANNOUNCED_OF_USER
        shares, who = self._shares, self.who
        if announced > ANNOUNCED_FREE:
            shares.announced.take(who, announced, most)
            self._announced = (who, announced)
        self._body = (who, 0)
        blocks: list[bytes] = []
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return _once(message, receive)
            block = message.get("body", b"")
            got = self._body[1] + len(block)
            if self.user is None and got > settings.LAB_BODY_OF_STRANGER:
                raise ApiError(413, "too_large", "The body is too large.", {"Connection": "close"})
            shares.bodies.take(who, len(block), of_one)
            self._body = (who, got)
            if block:
                blocks.append(block)
            more = message.get("more_body", False)
        shares.check(who)  # again: what came while this body did is counted now
        if not self._scope["path"].endswith("/ingest"):  # which counts what it takes by itself
            shares.costs.charge(who, BYTE_S * self._body[1])
        whole = blocks[0] if len(blocks) == 1 else b"".join(blocks)
        return _once({"type": "http.request", "body": whole, "more_body": False}, receive)

    async def take(self, turns: Turns) -> None:
        await turns.take(self.who)
        self._turn = (turns, self.who)

    def end_turn(self) -> None:
        if self._turn is not None:
            (turns, who), self._turn = self._turn, None
            turns.give_back(who)
            self._shares.costs.charge(self._scope[WHO], READ_S if turns is self._shares.reads else WRITE_S)

    def end(self) -> None:
        self.end_turn()
        if self._announced is not None:
            self._shares.announced.give_back(*self._announced)
            self._announced = None
        if self._body is not None:
            self._shares.bodies.give_back(*self._body)
            self._body = None


def _once(first: Message, receive: Receive) -> Receive:
    """Return `receive`, with `first` before."""
    waiting = [first]

    async def receive_after() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_after
