"""JSON that never has a bare NaN: small values are encoded at once, large ones in pieces.

json.dumps of 4 MiB of small numbers takes a quarter of a second, in which no other thread runs.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...store.pauses import may_pause

PIECE_CHARS = 1 << 18  # characters of a long text that are written at once
PIECE_ITEMS = 1000  # items of a long list or map that are written at once
SMALL = 256  # a text of so few characters is written with its neighbours …
FEW = 16  # … and so is a list or map of so few
NUMBERS = frozenset({int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """Return the same value as JSON can say it: NaN and infinities as strings, bytes as base64, keys of maps
    as text.
    """
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
    """Return a value as JSON, at once."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError):  # something that JSON has not
        return json.dumps(plain(value), allow_nan=False, separators=(",", ":")).encode()


def encoded_in_pieces(value: Any) -> list[bytes]:
    """Return the same in parts, which are to be joined. Pauses between them (store/pauses.py)."""
    parts: list[bytes] = []
    _write(value, parts)
    return parts


def _write(value: Any, parts: list[bytes]) -> None:
    if isinstance(value, dict):
        _write_map(value, parts)
    elif isinstance(value, (list, tuple)):
        _write_list(value, parts)
    elif isinstance(value, str):
        parts.append(b'"')
        for start in range(0, len(value), PIECE_CHARS):
            parts.append(encoded(value[start : start + PIECE_CHARS])[1:-1])
            may_pause()
        parts.append(b'"')
    else:
        parts.append(encoded(value))


def _write_map(value: dict[Any, Any], parts: list[bytes]) -> None:
    before, some = b"{", dict[Any, Any]()
    for key, item in value.items():
        if _is_small(key) and _is_small(item):
            some[key] = item
            if len(some) >= PIECE_ITEMS:
                before = _write_some(before, some, parts)
        else:
            before = _write_some(before, some, parts)
            parts += (before, encoded({key: 0})[1:-2])
            _write(item, parts)
            before = b","
    before = _write_some(before, some, parts)
    parts.append(b"}" if before == b"," else b"{}")


def _write_list(value: Sequence[Any], parts: list[bytes]) -> None:
    before, some = b"[", list[Any]()
    for start in range(0, len(value), PIECE_ITEMS):
        piece = value[start : start + PIECE_ITEMS]
        if NUMBERS.issuperset(map(type, piece)):  # as nearly all long lists: not one by one
            some += piece
        else:
            for item in piece:
                if _is_small(item):
                    some.append(item)
                else:
                    before = _write_some(before, some, parts)
                    parts.append(before)
                    _write(item, parts)
                    before = b","
        before = _write_some(before, some, parts)
    parts.append(b"]" if before == b"," else b"[]")


def _write_some(before: bytes, some: dict[Any, Any] | list[Any], parts: list[bytes]) -> bytes:
    """Write and forget them. Return what is to be written before the next."""
    if not some:
        return before
    parts += (before, encoded(some)[1:-1])
    some.clear()
    may_pause()
    return b","


def _is_small(value: Any) -> bool:
    if isinstance(value, (str, bytes)):
        return len(value) <= SMALL
    if isinstance(value, dict):
        return len(value) <= FEW and all(_is_flat(k) and _is_flat(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return len(value) <= FEW and all(map(_is_flat, value))
    return True


def _is_flat(value: Any) -> bool:
    return not isinstance(value, (dict, list, tuple)) and _is_small(value)
