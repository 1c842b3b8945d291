"""Plain values: turn a value into what the lab can store, and a large map into parts that can be merged again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from operator import getitem
from typing import Any, TypeVar

import msgpack

from ..base.texts import counted
from ..protocol.events import count_values
from ..protocol.limits import ARRAY_LENGTH_MAX, CONFIG_BYTES_MAX, CONFIG_VALUES_MAX, EVENT_BYTES_MAX, MAP_LENGTH_MAX
from .values import element

DEPTH_MAX = 48  # the lab takes 64 levels, some of which an event and a prefix need
NODES_MAX = 1 << 20  # values in one structure: one that refers to itself in many ways would never end
DIGITS_BITS_MAX = 10_000  # a larger int is written in hex: Python refuses to write one of 4,300 digits

# A map of so many bytes cannot have MAP_LENGTH_MAX entries: these would need keys of five bytes, and values.
PART_BYTES = 256 << 10
VALUE_BYTES_MAX = EVENT_BYTES_MAX - (64 << 10)  # the names above a value take part of an event too

_T = TypeVar("_T")
NAMED_MAX = 5  # a message names at most so many kinds of gaps
Gap = tuple[str, str]


def _items(value: Any) -> Iterable[tuple[Any, Callable[[], Any]]] | None:
    """Return (name, function that reads the value) for a value with names, see `as_mapping`; None where it has none."""
    if isinstance(value, Mapping):
        return ((key, partial(getitem, value, key)) for key in value)
    argparse = sys.modules.get("argparse")
    if argparse is not None and isinstance(value, argparse.Namespace):
        named: dict[str, Any] = vars(value)
        return ((key, partial(getitem, named, key)) for key in named)
    if isinstance(value, type):
        return None
    if hasattr(type(value), "__dataclass_fields__"):
        fields = sys.modules["dataclasses"].fields(value)
        return ((f.name, partial(getattr, value, f.name)) for f in fields)
    if callable(getattr(value, "keys", None)) and hasattr(value, "__getitem__") and not hasattr(value, "shape"):
        names = value.keys()  # iterating the value itself may mean something else
        return ((key, partial(getitem, value, key)) for key in names)
    return None


def as_mapping(value: Any) -> Mapping[Any, Any] | None:
    """Return the names and values of a mapping, an argparse.Namespace, a dataclass, or anything else with `keys()` and
    `[]` (OmegaConf, ml_collections) that is no array or table; None for what has none. Raises what reading them raises.
    """
    if isinstance(value, Mapping):
        return value
    items = _items(value)
    return None if items is None else {key: read() for key, read in items}


def has_names(value: Any) -> bool:
    """Return whether `value` is something that `as_mapping` takes."""
    try:
        return _items(value) is not None
    except Exception:
        return False


def plain(value: Any) -> Any:
    """Return `value` in types that msgpack and JSON have, so that it comes back the same; anything else as its text.

    None, bool, int of 64 bits, float (NaN and ±Inf too) and str stay the same. Numbers of numpy and the like become
    Python's. Mappings (see `as_mapping`) become dicts with texts as keys; tuples and sets become lists. Always ends and
    never raises: see `plain_and_gaps`.
    """
    return plain_and_gaps(value)[0]


def plain_and_gaps(value: Any) -> tuple[Any, list[Gap]]:
    """Return `plain` of a value, and the gaps: what could not be kept, as (where, what).

    A gap is a part that contains itself, that is nested deeper than DEPTH_MAX, or that raises when it is read. A text
    that says so replaces it. What comes after NODES_MAX values is left out, and is a gap, too.
    """
    walk = _Walk()
    return walk.of(value), walk.gaps


def gaps_text(gaps: list[Gap]) -> str:
    """Describe the gaps of a value in one line: the first of each kind, and how many there are."""
    kinds: dict[str, list[str]] = {}
    for where, what in gaps:
        kinds.setdefault(what, []).append(where)
    texts = [
        f"{places[0]!r} {what}" + (f" (and {len(places) - 1:,} more)" if len(places) > 1 else "")
        for what, places in list(kinds.items())[:NAMED_MAX]
    ]
    return "; ".join(texts) + ("; and more of other kinds" if len(kinds) > NAMED_MAX else "")


class _Walk:
    """A walk through a value. `gaps`: what could not be kept."""

    def __init__(self) -> None:
        self.gaps: list[Gap] = []
        self._path: list[str] = []
        # Ids of the containers around the current value; they are alive, so the ids are unique.
        self._within: set[int] = set()
        self._nodes = 0
        self._is_full = False

    def of(self, value: Any) -> Any:
        self._nodes += 1
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int):
            return int(value) if -(1 << 63) <= value < 1 << 64 else _digits(value)
        if isinstance(value, float):
            return float(value)
        try:
            return self._of_other(value)
        except Exception as e:  # a property, `__iter__` or `__str__` of the script raised: only that value is lost
            return self._gap(f"cannot be read ({said(e)})", f"<unreadable: {type(e).__name__}>")

    def _of_other(self, value: Any) -> Any:
        items = _items(value)
        if items is None and not _is_list(value):
            return self.of(element(value)) if _is_single(value) else str(value)
        kind = type(value).__name__
        if id(value) in self._within:
            return self._gap("contains itself", f"<{kind} that contains itself>")
        if len(self._path) >= DEPTH_MAX:
            return self._gap(f"is nested deeper than {DEPTH_MAX}", f"<{kind} nested deeper than {DEPTH_MAX}>")
        self._within.add(id(value))
        try:
            return self._list(value) if items is None else self._dict(items)
        finally:
            self._within.discard(id(value))

    def _dict(self, items: Iterable[tuple[Any, Callable[[], Any]]]) -> dict[str, Any]:
        by_name: dict[str, Any] = {}
        for key, read in self._readable(items):
            try:
                name = key if type(key) is str else str(key)
            except Exception as e:
                self._gap(f"has a name that cannot be read ({said(e)})", None)
                continue
            self._path.append(name)
            try:
                if name in by_name:
                    self._gap("is there twice: the last one is kept", None)
                by_name[name] = self.of(read())
            except Exception as e:
                by_name[name] = self._gap(f"cannot be read ({said(e)})", f"<unreadable: {type(e).__name__}>")
            finally:
                self._path.pop()
        return by_name

    def _list(self, values: Iterable[Any]) -> list[Any]:
        items: list[Any] = []
        for value in self._readable(values):
            self._path.append(f"[{len(items)}]")
            try:
                items.append(self.of(value))
            finally:
                self._path.pop()
        return items

    def _readable(self, values: Iterable[_T]) -> Iterator[_T]:
        """Yield the values. End where the script's own iterator raises, and at the bound."""
        iterator = iter(values)
        while self._nodes < NODES_MAX:
            try:
                value = next(iterator)
            except StopIteration:
                return
            except Exception as e:
                self._gap(f"cannot be read to its end ({said(e)})", None)
                return
            yield value
        if not self._is_full:
            self._is_full = True
            self._gap(f"is left out from here on: {NODES_MAX:,} values are the most", None)

    def _gap(self, what: str, instead: Any) -> Any:
        self.gaps.append((".".join(self._path)[:200] or "the value", what))
        return instead


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray | memoryview)


def _is_single(value: Any) -> bool:
    """Return whether it is an array or tensor without dimensions, or a number of numpy."""
    try:
        return tuple(value.shape) == () and (callable(getattr(value, "item", None)) or hasattr(value, "numpy"))
    except Exception:
        return False


def _digits(value: int) -> str:
    return str(int(value)) if value.bit_length() < DIGITS_BITS_MAX else hex(value)


def said(error: BaseException) -> str:
    """Describe an exception of other people's code in a few words."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:
        text = type(error).__name__
    return text[:100]


def packed_bytes(value: Any) -> int:
    """Return how many bytes a plain value takes on the wire."""
    return len(msgpack.packb(value, unicode_errors="surrogatepass"))


def config_parts(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a plain config as maps; merged in order, they are the config again. Raises ValueError for a config that a
    run cannot hold.
    """
    count, size = count_values(values) - 1, packed_bytes(values)
    if count > CONFIG_VALUES_MAX or size > CONFIG_BYTES_MAX:
        raise ValueError(
            f"a config of {counted(count, 'value')} and {size:,} bytes is too large: a run's config has at most "
            f"{CONFIG_VALUES_MAX:,} values and {CONFIG_BYTES_MAX >> 20} MiB in all; store what is large as an artifact"
        )
    return list(parts(values))


def parts(values: dict[str, Any], path: str = "") -> Iterator[dict[str, Any]]:
    """Yield plain `values` as maps of about PART_BYTES; merged in order, they are `values` again. There is at least one
    map.

    Raises ValueError for a single value that is larger than the lab takes.
    """
    if not values or packed_bytes(values) <= PART_BYTES:
        yield values
        return
    part: dict[str, Any] = {}
    size = 0
    for key, value in values.items():
        name = f"{path}.{key}" if path else key
        more = packed_bytes(key) + packed_bytes(value)
        if part and size + more > PART_BYTES:
            yield part
            part, size = {}, 0
        if more > PART_BYTES and isinstance(value, dict):
            for inner in parts(value, name):
                yield {key: inner}
        else:
            if more > PART_BYTES:
                _check_value(name, value)
            part[key] = value
            size += more
    if part:
        yield part


def _check_value(name: str, value: Any) -> None:
    """Raise ValueError where the lab would refuse the value, and with it all that is sent beside it."""
    packed = msgpack.packb(value, unicode_errors="surrogatepass")
    try:
        if len(packed) > VALUE_BYTES_MAX:
            raise ValueError
        msgpack.unpackb(
            packed, unicode_errors="surrogatepass", max_array_len=ARRAY_LENGTH_MAX, max_map_len=MAP_LENGTH_MAX
        )
    except ValueError:
        raise ValueError(
            f"the value of {name!r} is too large for a config ({len(packed):,} bytes): store it as an artifact"
        ) from None
