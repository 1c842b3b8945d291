"""Answers: the one shape of errors, JSON and msgpack, pages of lists and their cursors."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

import msgpack
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from ...protocol import limits
from ...store.pauses import may_pause
from .jsontext import encoded, encoded_in_pieces

JSON = "application/json"
MSGPACK = "application/x-msgpack"
LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
BLOCK_BYTES = 64 << 10  # of a large answer that are sent at once


class ApiError(HTTPException):
    """An error that is answered in the one shape of errors. `message` is one line: what is wrong, then what to do."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(status, message, dict(headers) if headers else None)
        self.code = code
        self.extra = extra


def error_body(status: int, code: str, message: str, **extra: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, **extra}}


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(encoded(value), status, headers=dict(headers) if headers else None, media_type=JSON)


def reply_large(value: Any) -> Response:
    """Like `reply`, of a value that may be large."""
    return in_blocks(encoded_in_pieces(value), JSON)


def reply_msgpack(value: Any) -> Response:
    return in_blocks([msgpack.packb(value)], MSGPACK)


def in_blocks(pieces: list[bytes], media_type: str) -> Response:
    """Return an answer of these pieces. If they are small, they are joined; else they are sent block by block, between
    which others are answered. Empties the list.
    """
    size = sum(map(len, pieces))
    if size <= BLOCK_BYTES:
        return Response(b"".join(pieces), media_type=media_type)
    return StreamingResponse(_blocks(pieces), headers={"Content-Length": str(size)}, media_type=media_type)


async def _blocks(pieces: list[bytes]) -> AsyncIterator[bytes]:
    pieces.reverse()  # so that each is forgotten once it is sent
    block = bytearray()
    while pieces:
        piece = memoryview(pieces.pop())
        for start in range(0, len(piece), BLOCK_BYTES):
            block += piece[start : start + BLOCK_BYTES]
            if len(block) >= BLOCK_BYTES:
                yield bytes(block)
                block.clear()
                await asyncio.sleep(0)
    if block:
        yield bytes(block)


class Page:
    """The items of a list, each encoded when it comes, so that no more is in memory than is sent.

    `full` at `limit` items, or once they take about limits.ANSWER_BYTES_MAX: whoever reads on begins behind the last.
    """

    def __init__(self, limit: int, packed: bool = False, name: str = "items") -> None:
        self._limit, self._packed, self._name = limit, packed, name
        self._pieces: list[bytes] = []
        self._bytes = 0

    @property
    def full(self) -> bool:
        return len(self._pieces) >= self._limit or self._bytes >= limits.ANSWER_BYTES_MAX

    def add(self, item: Any, large: bool = False) -> None:
        """Add an item. `large`: it may be a large one."""
        if self._packed:
            piece: bytes = msgpack.packb(item)
        else:
            piece = b"".join(encoded_in_pieces(item)) if large else encoded(item)
        self._pieces.append(piece)
        self._bytes += len(piece)
        may_pause()

    def add_all(self, items: Sequence[Any]) -> None:
        """Add small items, as JSON. Together they count as one towards `full`."""
        self._pieces.append(encoded(items)[1:-1])
        self._bytes += len(self._pieces[-1])
        may_pause()

    def reverse(self) -> None:
        self._pieces.reverse()

    def reply(self, **more: Any) -> Response:
        """Return the items, and `more` beside them."""
        if self._packed:
            packer = msgpack.Packer()
            start = packer.pack_map_header(1 + len(more)) + packer.pack(self._name)
            rest = [packer.pack(value) for name_and_value in more.items() for value in name_and_value]
            return in_blocks([start, packer.pack_array_header(len(self._pieces)), *self._pieces, *rest], MSGPACK)
        rest = [b",%s:%s" % (encoded(name), encoded(value)) for name, value in more.items()]
        items = [part for piece in self._pieces for part in (b",", piece)][1:]
        return in_blocks([b'{"%s":[' % self._name.encode(), *items, b"]", *rest, b"}"], JSON)


def reply_list(
    items: Iterable[tuple[Any, Any]], limit: int, packed: bool = False, large: bool = False, ends: bool = False
) -> Response:
    """Return a page of a list.

    Args:
        ends: also tell the cursor behind its last item as `end`, for who comes back later.
        large: its items may be.
        items: each with what `next` tells whoever reads on behind it. No further than one behind the page is looked at.
    """
    page = Page(limit, packed)
    last: Any = None
    for item, cursor in items:
        if page.full:
            return page.reply(next=cursor_out(last), **({"end": cursor_out(last)} if ends else {}))
        page.add(item, large)
        last = cursor
    return page.reply(next=None, **({"end": cursor_out(last)} if ends else {}))


def wants_msgpack(request: Request, default: bool = False) -> bool:
    accept = request.headers.get("accept", "")
    if "msgpack" in accept:
        return True
    return default and "application/json" not in accept


def cursor_out(value: Any) -> str | None:
    if value is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def cursor_in(cursor: str | None, *shape: type | tuple[type, ...]) -> list[Any] | None:
    """Return what `cursor_out` was given: a list of values of these types. Raises ApiError for anything else."""
    if not cursor:
        return None
    try:
        value = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        value = None
    if (
        not isinstance(value, list)
        or len(value) != len(shape)
        or not all(isinstance(v, t) and not isinstance(v, bool) for v, t in zip(value, shape, strict=True))
        or any(isinstance(v, int) and abs(v) >= 1 << 63 for v in value)
    ):
        raise ApiError(422, "bad_cursor", "`after` is not a cursor of this list: take `next` of the page before.")
    return value
