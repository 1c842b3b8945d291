"""Answers: the one shape of errors, JSON that never has a bare NaN, msgpack, and the cursors of lists."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgpack
from fastapi import Request, Response
from starlette.exceptions import HTTPException

from ..protocol import limits

JSON = "application/json"
MSGPACK = "application/x-msgpack"
LIMIT_DEFAULT = 100
LIMIT_MAX = 1000


class ApiError(HTTPException):
    """Anything that is answered with the error shape. `message` is one line: what is wrong, then what to do."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(status, message, dict(headers) if headers else None)
        self.code = code
        self.extra = extra


def error_body(status: int, code: str, message: str, **extra: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, **extra}}


def plain(value: Any) -> Any:
    """The same as JSON can say it: NaN and infinities as strings, bytes as base64, keys of maps as text."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, Mapping):
        return {k if isinstance(k, str) else str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return str(value)


def encoded(value: Any) -> bytes:
    """As JSON."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError):  # something that JSON has not
        return json.dumps(plain(value), allow_nan=False, separators=(",", ":")).encode()


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(encoded(value), status, headers=dict(headers) if headers else None, media_type=JSON)


def reply_msgpack(value: Any) -> Response:
    return Response(msgpack.packb(value), media_type=MSGPACK)


class Page:
    """The items of a list, each encoded when it comes, so that no more is in memory than is sent.

    `full` at `limit` items, or once they take about limits.ANSWER_BYTES_MAX: whoever reads on begins behind the last.
    """

    def __init__(self, limit: int, packed: bool = False) -> None:
        self._limit, self._packed = limit, packed
        self._pieces: list[bytes] = []
        self._bytes = 0

    @property
    def full(self) -> bool:
        return len(self._pieces) >= self._limit or self._bytes >= limits.ANSWER_BYTES_MAX

    def add(self, item: Any) -> None:
        piece: bytes = msgpack.packb(item) if self._packed else encoded(item)
        self._pieces.append(piece)
        self._bytes += len(piece)

    def add_all(self, items: Sequence[Any]) -> None:
        """Small ones, as JSON; together they count as one towards `full`."""
        self._pieces.append(encoded(items)[1:-1])
        self._bytes += len(self._pieces[-1])

    def reverse(self) -> None:
        self._pieces.reverse()

    def reply(self, **more: Any) -> Response:
        """The items, and `more` beside them."""
        if self._packed:
            packer = msgpack.Packer()
            start = packer.pack_map_header(1 + len(more)) + packer.pack("items")
            rest = [packer.pack(value) for name_and_value in more.items() for value in name_and_value]
            items = [packer.pack_array_header(len(self._pieces)), *self._pieces]
            return Response(b"".join([start, *items, *rest]), media_type=MSGPACK)
        rest = [b",%s:%s" % (encoded(name), encoded(value)) for name, value in more.items()]
        return Response(b'{"items":[%s]%s}' % (b",".join(self._pieces), b"".join(rest)), media_type=JSON)


def reply_list(items: Iterable[tuple[Any, Any]], limit: int, packed: bool = False) -> Response:
    """A page of a list.

    Args:
        items: each with what `next` tells whoever reads on behind it. No further than one behind the page is looked at.
    """
    page = Page(limit, packed)
    last: Any = None
    for item, cursor in items:
        if page.full:
            return page.reply(next=cursor_out(last))
        page.add(item)
        last = cursor
    return page.reply(next=None)


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
    """What `cursor_out` was given: a list of values of these types. Raises ApiError for anything else."""
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
        raise ApiError(422, "bad_cursor", "`after` is no cursor of this list: take it from `next` of the page before.")
    return value
