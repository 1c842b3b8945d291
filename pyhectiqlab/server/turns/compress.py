"""Gzip of large answers, for clients that take it. ASGI middleware between the guard and the admission.

Only answers about runs and what belongs to them are compressed, and none that has a secret of the lab (a CSRF token, a
key, an invitation): whoever could put words of their own beside a secret would read it from how long the answer gets
(BREACH). Our Python client takes no gzip: between it and the lab the network is mostly faster than gzip. Columns of
noise are sent as they are: a first block of which gzip saves too little says so.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..http.gzipped import takes_gzip
from ..http.replies import JSON, MSGPACK
from .admission import WHO
from .shares import Shares

API = "/api/v1/"
ABOUT_RUNS = frozenset({"artifacts", "datasets", "models", "projects", "runs", "series", "table"})
LEVELS = {JSON: 4, MSGPACK: 1}  # msgpack is mostly float64, of which a higher level saves little more
BYTES_MIN = 2048
SAVING_MIN = 0.33  # gzip that saves less of the first block takes longer than a network of 80 Mbit/s without it
BYTE_S = 20e-9  # what a byte costs, roughly


class Compress:
    """The middleware. What it compresses, it compresses on a thread of `shares`, and charges to who asked."""

    def __init__(self, app: ASGIApp, shares: Shares) -> None:
        self.app, self.shares = app, shares

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_about_runs(scope["path"]):
            await self.app(scope, receive, send)
            return
        takes = takes_gzip(Headers(scope=scope).get("accept-encoding", ""))
        await self.app(scope, receive, _Answer(scope, send, self.shares, takes).send)


def _is_about_runs(path: str) -> bool:
    return path.startswith(API) and path[len(API) :].partition("/")[0] in ABOUT_RUNS


class _Answer:
    """One answer on its way: its head waits for its first block, which says whether it is large."""

    def __init__(self, scope: MutableMapping[str, Any], send: Send, shares: Shares, takes: bool) -> None:
        self._scope, self._send, self._shares, self._takes = scope, send, shares, takes
        self._head: Message | None = None
        self._packer: Any = None  # zlib's, which has no name for its type

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = message if self._may_pack(message) else None
            if self._head is None:
                await self._send(message)
            return
        if self._head is not None:
            head, self._head = self._head, None
            await self._begin(head, message)
            await self._send(head)
        if self._packer is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        more = message.get("more_body", False)
        body = await self._packed(message.get("body", b""), end=not more)
        if body or not more:
            await self._send({"type": "http.response.body", "body": body, "more_body": more})

    def _may_pack(self, head: Message) -> bool:
        """Return whether such an answer is compressed if it is large."""
        headers = MutableHeaders(scope=head)
        if head["status"] != 200 or headers.get("content-type") not in LEVELS or "content-encoding" in headers:
            return False
        headers.add_vary_header("Accept-Encoding")
        return self._takes and "etag" not in headers

    async def _begin(self, head: Message, first: Message) -> None:
        body = first.get("body", b"")
        if not first.get("more_body", False) and len(body) < BYTES_MIN:
            return
        headers = MutableHeaders(scope=head)
        level = LEVELS[headers["content-type"]]
        if headers["content-type"] == MSGPACK:
            tried = await self._in_thread(lambda: zlib.compress(body, level), len(body))
            if len(tried) > (1 - SAVING_MIN) * len(body):
                return
        headers["Content-Encoding"] = "gzip"
        del headers["Content-Length"]
        self._packer = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    async def _packed(self, body: bytes, end: bool) -> bytes:
        packer = self._packer

        def pack() -> bytes:
            packed: bytes = packer.compress(body)
            return packed + packer.flush() if end else packed

        return await self._in_thread(pack, len(body))

    async def _in_thread(self, work: Callable[[], bytes], size: int) -> bytes:
        if who := self._scope.get(WHO):
            self._shares.costs.charge(who, BYTE_S * size)
        return await asyncio.get_running_loop().run_in_executor(self._shares.packers, work)
