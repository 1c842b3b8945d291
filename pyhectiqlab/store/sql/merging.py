"""Merging of configs: in nested maps, the newer value counts. Some functions keep to bounds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgpack

from ...protocol.events import SINGLE_TYPES, count_values


def merge(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Merge deeply: maps are merged, any other value is replaced by the newer one."""
    for key, value in new.items():
        if isinstance(value, dict):
            old = into.get(key)
            if isinstance(old, dict):
                merge(old, value)
            else:
                into[key] = copied(value)
        else:
            into[key] = value


def copied(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a value. The maps within it are new, too: merging into one of two places that got a value does
    not change the other.
    """
    copy = dict(config)
    for key, value in config.items():
        if isinstance(value, dict):
            copy[key] = copied(value)
    return copy


def merge_some(into: dict[str, Any], new: Mapping[str, Any], room: int) -> tuple[int, Mapping[str, Any]]:
    """Merge as `merge`, in order, up to the first value for which there is no room. `room`: for how many values there
    is room.

    Return how much room is left, and what was merged: `new` itself if all was merged.
    """
    for done, (key, value) in enumerate(new.items()):
        old = into.get(key, _ABSENT)
        if type(value) in SINGLE_TYPES and type(old) in SINGLE_TYPES:
            into[key] = value
            continue
        if type(value) is type(old) is list and value == old:  # then they have as many values
            into[key] = value
            continue
        is_map = isinstance(value, dict)
        inner: dict[str, Any] | None = old if is_map and isinstance(old, dict) else None
        if inner is None:
            free = room if old is _ABSENT else room + count_values(old)  # without the old value
            size = count_values(value, free)
            if size <= free:
                into[key], room = copied(value) if is_map else value, free - size
                continue
            if is_map and free > 0:
                into[key] = inner = {}
                room = free - 1
        if inner is not None:
            room, merged = merge_some(inner, value, room)
            if merged is value:
                continue
            return room, {**dict(islice(new.items(), done)), key: merged}
        return room, dict(islice(new.items(), done))
    return room, new


_ABSENT = object()


def replaced_bytes(config: Mapping[str, Any], new: Mapping[str, Any]) -> int:
    """Return how many bytes of a config are replaced when `new` is merged into it, or up to 4 fewer."""
    gone: list[Any] = []
    _add_replaced(gone, config, new)
    return max(0, len(msgpack.packb(gone)) - 5)


def _add_replaced(gone: list[Any], config: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Collect the keys and values that are replaced."""
    for key, value in new.items():
        if key in config:
            gone.append(key)
            old = config[key]
            if isinstance(old, dict) and isinstance(value, dict):
                _add_replaced(gone, old, value)
            else:
                gone.append(old)
