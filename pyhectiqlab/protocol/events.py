"""Events: which ones the lab takes. The client checks an event before it accepts it, the lab when it arrives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import msgpack

from . import limits

TIME_MAX_S = limits.TIME_MAX_US / 1e6

SINGLE_TYPES = frozenset({type(None), bool, int, float, str, bytes})  # of values that hold no others
_CONTAINER_TYPES = (dict, list, tuple)
_AT_ONCE = 4096  # values that one step checks: other threads wait meanwhile
_PACKED_AT_ONCE = 16_384  # values; fields with more are packed in parts …
_PACKED_DEPTH = 2  # … down to the values of a config's groups

# What the lab would cut, by kind and field: characters.
_CHARS_MAX = {
    ("note", "text"): limits.NOTE_CHARS_MAX,
    ("tag", "name"): limits.NAME_BYTES_MAX,
    ("tag", "color"): limits.TAG_COLOR_CHARS_MAX,
    ("tag", "description"): limits.TAG_DESCRIPTION_CHARS_MAX,
    ("meta", "key"): limits.KEY_BYTES_MAX,
    ("group", "name"): limits.NAME_BYTES_MAX,
}


def _go_on() -> None:
    """Do nothing: the default of `pause`."""


def is_time(seconds: object) -> bool:
    """Return whether the lab takes it as a wall time: seconds since 1970 UTC, a finite number within ±2^62 µs."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return False
    return -TIME_MAX_S < seconds < TIME_MAX_S  # false for NaN too


def is_step(step: object) -> bool:
    """Return whether the lab takes it as a step: an int64 other than −2⁶³."""
    return isinstance(step, int) and not isinstance(step, bool) and limits.STEP_MIN < step <= limits.STEP_MAX


def check_kind(kind: object) -> None:
    """Raise ValueError if it cannot be one."""
    if not isinstance(kind, str) or not kind or not _is_utf8(kind, limits.KIND_BYTES_MAX):
        raise ValueError(f"the kind of an event is a text of 1 to {limits.KIND_BYTES_MAX} bytes")


def check_fields(fields: object, pause: Callable[[], object] = _go_on) -> int:
    """Check the fields of an event. Return how many values they hold, as `count_values`. `pause` is called now and
    then.

    Raises ValueError for fields that the lab refuses: by what they hold, how deep they are nested, and how long each
    list and map is. `packed` checks the size of all.
    """
    if not isinstance(fields, dict) or not all(isinstance(name, str) for name in fields):
        raise ValueError("the fields of an event are a map with texts as keys")
    if len(fields) <= limits.MAP_LENGTH_MAX and SINGLE_TYPES.issuperset(map(type, fields.values())):
        return 1 + len(fields)  # most events end here
    count = 1
    level = _Containers([fields], [])
    for _ in range(limits.FIELDS_DEPTH_MAX):
        if not level:
            return count
        level.check()
        count += level.length
        level = level.inside(checked=True, pause=pause)
    if level.length:
        raise ValueError(f"nested deeper than {limits.FIELDS_DEPTH_MAX}")
    return count


def packed(fields: object) -> bytes:
    """Return the fields as they are stored. Raises ValueError where they cannot be stored or are too large, and
    UnicodeEncodeError where a text cannot be written as UTF-8.
    """
    many = count_values(fields, _PACKED_AT_ONCE) > _PACKED_AT_ONCE
    try:
        data: bytes = b"".join(_packed(fields, _PACKED_DEPTH)) if many else msgpack.packb(fields)
    except UnicodeEncodeError:
        raise
    except (ValueError, TypeError, OverflowError):
        raise ValueError("the fields of an event cannot be stored") from None
    check_size(len(data))
    return data


def _packed(value: object, depth: int) -> Iterator[bytes]:
    """Yield msgpack.packb(value) in parts. No other thread runs while C code packs a part."""
    if not depth or not isinstance(value, dict | list) or len(value) > limits.ARRAY_LENGTH_MAX:
        yield msgpack.packb(value)
    elif isinstance(value, dict):
        yield msgpack.Packer().pack_map_header(len(value))
        for key, inner in value.items():
            yield msgpack.packb(key)
            yield from _packed(inner, depth - 1)
    elif SINGLE_TYPES.issuperset(map(type, value)):
        yield msgpack.packb(value)
    else:
        yield msgpack.Packer().pack_array_header(len(value))
        for inner in value:
            yield from _packed(inner, depth - 1)


def check_size(size: int) -> None:
    """Raise ValueError if an event of so many bytes is too large."""
    if size > limits.EVENT_BYTES_MAX:
        raise ValueError(f"{size:,} bytes are too large for an event: the limit is {limits.EVENT_BYTES_MAX:,}")


def check_call(kind: str, fields: dict[str, Any]) -> None:
    """Check an event that a call makes. Raises ValueError, which says what is wrong, where the lab would refuse or cut
    it.
    """
    check_kind(kind)
    check_fields(fields)
    for (its, name), most in _CHARS_MAX.items():
        text = fields.get(name)
        if its == kind and isinstance(text, str) and len(text) > most:
            raise ValueError(f"the {name} of a {kind} has at most {most:,} characters, not {len(text):,}")


def count_values(value: Any, most: float = math.inf) -> int:
    """Return how many values a value of a config is: itself, and what it holds. Counting stops above `most`; the answer
    is then any larger number.
    """
    if type(value) in SINGLE_TYPES or not isinstance(value, _CONTAINER_TYPES):
        return 1
    if SINGLE_TYPES.issuperset(map(type, value.values() if isinstance(value, dict) else value)):
        return 1 + len(value)
    count = 1
    level = _Containers.among(iter([value]))
    while level:
        count += level.length
        level = level.inside() if count <= most else _NONE
    return count


class _Containers:
    """Maps and lists of one depth. They are checked together, so that C code does nearly all the work: a config may
    have 50,000 values.
    """

    def __init__(self, maps: list[dict[Any, Any]], lists: list[Sequence[Any]]) -> None:
        self.maps, self.lists = maps, lists

    @classmethod
    def among(cls, values: Iterator[Any], checked: bool = False, pause: Callable[[], object] = _go_on) -> _Containers:
        """Return the maps and lists among the values. `pause` is called now and then.

        `checked`: raise ValueError where one of the values cannot be stored.
        """
        containers = cls([], [])
        while some := list(islice(values, _AT_ONCE)):
            pause()
            types = set(map(type, some))
            for kind in types - SINGLE_TYPES:
                its: list[Any] = some if len(types) == 1 else [value for value in some if type(value) is kind]
                if issubclass(kind, dict):
                    containers.maps.extend(its)
                elif issubclass(kind, list | tuple) and not issubclass(kind, msgpack.ExtType):
                    containers.lists.extend(its)
                elif checked and not issubclass(kind, tuple(SINGLE_TYPES)):
                    raise ValueError(f"a value of the type {kind.__name__} cannot be stored")
        return containers

    def inside(self, checked: bool = False, pause: Callable[[], object] = _go_on) -> _Containers:
        """Return the maps and lists that these hold directly. `checked`, `pause`: see `among`."""
        values = chain.from_iterable(map(dict.values, self.maps))
        return self.among(chain(values, chain.from_iterable(self.lists)), checked, pause)

    def __bool__(self) -> bool:
        return bool(self.maps or self.lists)

    @property
    def length(self) -> int:
        """How many values they hold directly."""
        return sum(map(len, self.maps)) + sum(map(len, self.lists))

    def check(self) -> None:
        """Raise ValueError where one is too long, or has a key that cannot be stored."""
        entries = max(map(len, self.maps), default=0)
        items = max(map(len, self.lists), default=0)
        if entries > limits.MAP_LENGTH_MAX:
            raise ValueError(
                f"a map of {entries:,} entries is too large: at most {limits.MAP_LENGTH_MAX:,}; store it as an artifact"
            )
        if items > limits.ARRAY_LENGTH_MAX:
            raise ValueError(
                f"a list of {items:,} items is too large: at most {limits.ARRAY_LENGTH_MAX:,}; store it as an artifact"
            )
        keys = chain.from_iterable(self.maps)
        if not SINGLE_TYPES.issuperset(map(type, keys)) and self.among(chain.from_iterable(self.maps), checked=True):
            raise ValueError("a list is not a key of a map")  # the lab could not use it as one


_NONE = _Containers([], [])


def _is_utf8(text: str, bytes_max: int) -> bool:
    try:
        return len(text.encode()) <= bytes_max
    except UnicodeEncodeError:
        return False
