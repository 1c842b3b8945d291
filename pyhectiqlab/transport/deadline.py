"""Connections with one deadline for a whole call: connecting, sending, the head of the answer and its body.

The time-outs of requests bound each single read, so a server that sends a byte a second could hold a call for ever.
Here every read and write of a connection gets what is left of its call's time. This module imports requests, so it is
imported only when a client is made.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from .names import addresses

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)  # monotonic; of this thread's call
_only_open: ContextVar[bool] = ContextVar("only_open", default=False)  # this thread's call may open no connection


class NoConnectionError(Exception):
    """A call that may use open connections only found none. Nothing was sent."""


@contextmanager
def only_open(only: bool = True) -> Iterator[None]:
    """Allow only connections that are open, where `only` says so: a request of a session made by `new_session` inside
    raises NoConnectionError, before anything is sent, where it would have to open a connection.
    """
    token = _only_open.set(only)
    try:
        yield
    finally:
        _only_open.reset(token)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound what a session of `new_session` does inside: after `seconds` in all, every read and write raises
    TimeoutError.
    """
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def _left() -> float | None:
    ends_at = _ends_at.get()
    if ends_at is None:
        return None
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class _Reader(io.RawIOBase):
    """The reading end of a socket. A read waits no longer than the call has left."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left())
        return cast("int | None", self._raw.readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


class _Deadline:
    """A mixin of urllib3's connections. `response_class` also reads a proxy's answer to CONNECT."""

    response_class: Any = _Response
    sock: socket.socket | None

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers. urllib3 grants each address of a name the whole time-out."""
        if _only_open.get():
            raise NoConnectionError
        conn = cast(HTTPConnection, self)
        ends_at = time.monotonic() + cast(float, conn.timeout)
        error: OSError = TimeoutError("timed out")
        for family, kind, proto, _, address in addresses(conn._dns_host, conn.port, cast(float, conn.timeout)):
            left = ends_at - time.monotonic()
            if left <= 0:
                break
            sock: socket.socket | None = None
            try:
                sock = socket.socket(family, kind, proto)
                for option in conn.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(left)
                sock.connect(address)
                return sock
            except OSError as e:
                error = e
                if sock is not None:
                    sock.close()
        # Where urllib3 sends, it swallows an OSError and goes on, here without a socket.
        raise NewConnectionError(conn, str(error)) from error

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        if self.sock is not None:
            self.sock.settimeout(_left())  # of all of `data`: sendall counts down over its parts
        super().send(data)  # type: ignore[misc]


class _HTTPConnection(_Deadline, HTTPConnection):
    pass


class _HTTPSConnection(_Deadline, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if proxy.lower().startswith("http"):  # SOCKS has its own connections, without a deadline
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def close(self) -> None:
        # urllib3 2 leaves its connections to the garbage collector. A failed request puts the pool into a cycle of
        # tracebacks, so they stayed open long after close().
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            keys = manager.pools.keys()  # a copy; the container refuses to be iterated
            for key in keys:
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: no redirect is followed, but requests would parse its address all the same."""


def new_session() -> requests.Session:
    """Return a session that keeps connections alive, holds `deadline`, takes no cookies and never repeats a request."""
    session = _Session()
    session.mount("http://", _Adapter())
    session.mount("https://", _Adapter())
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session
