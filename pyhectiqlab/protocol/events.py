"""Events: which ones the lab takes. The client asks before it accepts one, the lab when one arrives."""

from __future__ import annotations

from typing import Any

import msgpack

from . import limits

TIME_MAX_S = limits.TIME_MAX_US / 1e6

# What the lab would cut, by kind and field: characters.
_CHARS_MAX = {
    ("note", "text"): limits.NOTE_CHARS_MAX,
    ("tag", "name"): limits.NAME_BYTES_MAX,
    ("tag", "color"): limits.TAG_COLOR_CHARS_MAX,
    ("tag", "description"): limits.TAG_DESCRIPTION_CHARS_MAX,
    ("meta", "key"): limits.KEY_BYTES_MAX,
}


def is_time(seconds: object) -> bool:
    """Whether it is a wall time that the lab takes: seconds since 1970 UTC, a finite number within ±2^62 µs."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return False
    return -TIME_MAX_S < seconds < TIME_MAX_S  # false for NaN too


def check_kind(kind: object) -> None:
    """Raises ValueError."""
    if not isinstance(kind, str) or not kind or not _is_utf8(kind, limits.KIND_BYTES_MAX):
        raise ValueError(f"the kind of an event is a text of 1 to {limits.KIND_BYTES_MAX} bytes")


def check_fields(fields: object) -> None:
    """Raises ValueError for fields that the lab refuses: what they hold, how deep, and how long each list and map is.

    The size of all is checked by `packed`.
    """
    if not isinstance(fields, dict) or not all(isinstance(name, str) for name in fields):
        raise ValueError("the fields of an event are a map with texts as keys")
    _check_value(fields, 0)


def packed(fields: dict[str, Any], unicode_errors: str = "strict") -> bytes:
    """The fields as they are stored. Raises ValueError where they cannot be, or are too large."""
    try:
        data: bytes = msgpack.packb(fields, unicode_errors=unicode_errors)
    except (ValueError, TypeError, OverflowError):
        raise ValueError("the fields of an event cannot be stored") from None
    check_size(len(data))
    return data


def check_size(size: int) -> None:
    """Raises ValueError."""
    if size > limits.EVENT_BYTES_MAX:
        raise ValueError(f"{size:,} bytes are too large for an event: the limit is {limits.EVENT_BYTES_MAX:,}")


def check_call(kind: str, fields: dict[str, Any]) -> None:
    """What a call that makes an event must not pass on: what the lab refuses, and what it would cut. Raises ValueError,
    which says what is wrong.
    """
    check_kind(kind)
    check_fields(fields)
    for (its, name), most in _CHARS_MAX.items():
        text = fields.get(name)
        if its == kind and isinstance(text, str) and len(text) > most:
            raise ValueError(f"the {name} of a {kind} has at most {most:,} characters, not {len(text):,}")


def count_values(value: Any) -> int:
    """How many values there are in one of a config: itself, and what it holds."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + len(inner) + sum(count_values(v) - 1 for v in inner if isinstance(v, dict | list))


def _check_value(value: Any, depth: int) -> None:
    if depth > limits.FIELDS_DEPTH_MAX:
        raise ValueError(f"nested deeper than {limits.FIELDS_DEPTH_MAX}")
    if isinstance(value, dict):
        if len(value) > limits.MAP_LENGTH_MAX:
            raise ValueError(
                f"a map of {len(value):,} entries is too large: at most {limits.MAP_LENGTH_MAX:,}; "
                "store it as an artifact"
            )
        for key, one in value.items():
            if isinstance(key, list | tuple):  # which the lab could not use as the key of a map
                raise ValueError("a list is no key of a map")
            _check_value(key, depth + 1)
            _check_value(one, depth + 1)
    elif isinstance(value, list | tuple) and not isinstance(value, msgpack.ExtType):
        if len(value) > limits.ARRAY_LENGTH_MAX:
            raise ValueError(
                f"a list of {len(value):,} items is too large: at most {limits.ARRAY_LENGTH_MAX:,}; "
                "store it as an artifact"
            )
        for one in value:
            _check_value(one, depth + 1)
    elif not (value is None or isinstance(value, bool | int | float | str | bytes)):
        raise ValueError(f"a value of the type {type(value).__name__} cannot be stored")


def _is_utf8(text: str, bytes_max: int) -> bool:
    try:
        return len(text.encode()) <= bytes_max
    except UnicodeEncodeError:
        return False
