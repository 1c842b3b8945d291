"""A config's values as runs are searched by them: a number and a text for each path. search.py has the language."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

# What is beyond these bounds is kept and shown like all else, but no run is found by it.
VALUES_MAX = 2_000  # of one run, in the order of the config
TEXT_CHARS_MAX = 1_000  # characters of a path, and of a value
PATH_BYTES_MAX = 2_000  # of a path: an index of the lab holds it


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a nested config by path: the names on the way to it, with dots between them.

    An empty map is a value. Where two values have one path ({"a.b": 1, "a": {"b": 2}}), the later one counts.
    """
    return dict(_values(config, prefix))


def _values(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Each value with its path."""
    for name, value in config.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from _values(value, f"{path}.")
        else:
            yield path, value


def searchable(config: Mapping[str, Any]) -> dict[str, tuple[float | None, str]]:
    """Return what can be searched of a config: path → (number, text), within the bounds above. Looks no further than
    these.
    """
    found: dict[str, tuple[float | None, str]] = {}
    _add_searchable(found, config, "")
    return found


def _is_short(path: str) -> bool:
    return len(path) <= TEXT_CHARS_MAX and len(path.encode(errors="replace")) <= PATH_BYTES_MAX


def _add_searchable(found: dict[str, tuple[float | None, str]], config: Mapping[str, Any], prefix: str) -> bool:
    """Return whether there is room for more."""
    for name, value in config.items():
        path = f"{prefix}{name}"
        if len(path) > PATH_BYTES_MAX // 4 and not _is_short(path):
            continue
        if isinstance(value, dict) and value:
            if not _add_searchable(found, value, f"{path}."):
                return False
        elif len(found) < VALUES_MAX or path in found:
            found[path] = _number_in(value), text_in(value)
        else:
            return False
    return True


def _number_in(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and not math.isnan(value) else None


_NUMBER_TYPES = frozenset({int, float})
_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def text_in(value: Any) -> str:
    """Return the text by which a value of a config is found."""
    if isinstance(value, str):
        return value[:TEXT_CHARS_MAX]
    if isinstance(value, float) or type(value) is int:
        return repr(value)
    if isinstance(value, list | tuple | dict | bytes):
        if (
            type(value) is list
            and _NUMBER_TYPES.issuperset(map(type, value))
            and "n" not in (text := repr(value[:TEXT_CHARS_MAX]))
        ):
            return text[:TEXT_CHARS_MAX]  # as JSON has it, but for nan and inf
        value, _ = _beginning(value, TEXT_CHARS_MAX)
    try:
        return _as_json(value)[:TEXT_CHARS_MAX]
    except TypeError:  # a key of a map that JSON has not
        return str(value)[:TEXT_CHARS_MAX]


def _beginning(value: Any, length: int) -> tuple[Any, int]:
    """So much of the value as makes the first `length` characters of its JSON, and how many of these are missing. A
    list may hold megabytes.
    """
    if isinstance(value, str | bytes):
        return value[: max(0, length)], length - len(value)
    if isinstance(value, list | tuple):
        items = []
        for item in value:
            item, length = _beginning(item, length)
            items.append(item)
            if length <= 0:
                break
        return items, length
    if isinstance(value, dict):
        entries = {}
        for key, item in value.items():
            entries[key], length = _beginning(item, length - len(str(key)))
            if length <= 0:
                break
        return entries, length
    return value, length - 1


def as_written(value: str) -> tuple[str, ...]:
    """Return the texts that a value in a term stands for: as it was written, and as a config would have it."""
    cut = value[:TEXT_CHARS_MAX]
    known = {"True": "true", "False": "false", "None": "null", "NaN": "nan"}.get(cut)
    return (cut,) if known is None else (cut, known)
