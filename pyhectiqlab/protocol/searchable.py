"""The values of a config by which runs are searched: a number and a text for each path. search.py has the language."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

# Values beyond these bounds are kept and shown, but no search looks at them.
VALUES_MAX = 2_000  # values of one run, in the order of the config
TEXT_CHARS_MAX = 1_000  # characters of a path, and of a value
PATH_BYTES_MAX = 2_000  # of a path: an index of the lab holds it


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a nested config by path. A path is the names on the way to the value, with dots between
    them.

    An empty map is a value. Where two values have one path ({"a.b": 1, "a": {"b": 2}}), the later one counts.
    """
    return dict(_values(config, prefix))


def _values(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield each value with its path."""
    for name, value in config.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from _values(value, f"{path}.")
        else:
            yield path, value


def searchable(config: Mapping[str, Any]) -> dict[str, tuple[float | None, str]]:
    """Return what can be searched of a config: path → (number, text), within the bounds above. Does not look beyond
    them.
    """
    texts: dict[str, tuple[float | None, str]] = {}
    _add_searchable(texts, config, "")
    return texts


def _is_short(path: str) -> bool:
    return len(path) <= TEXT_CHARS_MAX and len(path.encode(errors="replace")) <= PATH_BYTES_MAX


def _add_searchable(texts: dict[str, tuple[float | None, str]], config: Mapping[str, Any], prefix: str) -> bool:
    """Add the values of a config. Return whether there is room for more."""
    for name, value in config.items():
        path = f"{prefix}{name}"
        if len(path) > PATH_BYTES_MAX // 4 and not _is_short(path):
            continue
        if isinstance(value, dict) and value:
            if not _add_searchable(texts, value, f"{path}."):
                return False
        elif len(texts) < VALUES_MAX or path in texts:
            texts[path] = _number_in(value), text_in(value)
        else:
            return False
    return True


def _number_in(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and not math.isnan(value) else None


_NUMBER_TYPES = frozenset({int, float})
_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def text_in(value: Any) -> str:
    """Return the text by which a value of a config is searched."""
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
            return text[:TEXT_CHARS_MAX]  # the same as JSON, except nan and inf
        value, _ = _beginning(value, TEXT_CHARS_MAX)
    try:
        return _as_json(value)[:TEXT_CHARS_MAX]
    except TypeError:  # JSON has no such key of a map
        return str(value)[:TEXT_CHARS_MAX]


def _beginning(value: Any, length: int) -> tuple[Any, int]:
    """Return as much of the value as the first `length` characters of its JSON need, and how many of these are missing.
    A list may hold megabytes.
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
    """Return the texts that a value in a term means: as it was written, and as a config would have it."""
    cut = value[:TEXT_CHARS_MAX]
    known = {"True": "true", "False": "false", "None": "null", "NaN": "nan"}.get(cut)
    return (cut,) if known is None else (cut, known)
