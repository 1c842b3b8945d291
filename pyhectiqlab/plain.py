"""Plain values: what the lab can store of a value, and a large map as parts that merge to it again. Pure."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import msgpack

from .protocol.limits import ARRAY_LENGTH_MAX, EVENT_BYTES_MAX, MAP_LENGTH_MAX

DEPTH_MAX = 48  # the lab takes 64, of which an event and a prefix need some

# A map of so many bytes cannot have MAP_LENGTH_MAX entries, for which alone keys of five bytes and a value are needed.
PART_BYTES = 256 << 10
VALUE_BYTES_MAX = EVENT_BYTES_MAX - (64 << 10)  # the names above a value take part of an event too


def as_mapping(value: Any) -> Mapping[Any, Any] | None:
    """The names and values of a mapping, an argparse.Namespace, a dataclass, or anything else with `keys()` and `[]`
    (OmegaConf, ml_collections) that is no array or table; None for what has none.
    """
    if isinstance(value, Mapping):
        return value
    argparse = sys.modules.get("argparse")
    if argparse is not None and isinstance(value, argparse.Namespace):
        named: dict[str, Any] = vars(value)
        return named
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if callable(getattr(value, "keys", None)) and hasattr(value, "__getitem__") and not hasattr(value, "shape"):
        return {key: value[key] for key in value.keys()}  # noqa: SIM118 (iterating it may mean something else)
    return None


def plain(value: Any, depth: int = 0) -> Any:
    """`value` as what msgpack and JSON have types for, so that it comes back as it went in; anything else as its text.

    None, bool, int of 64 bits, float (NaN and ±Inf too) and str stay what they are. Numbers of numpy and the like
    become Python's; mappings (see `as_mapping`) become dicts with texts as keys, tuples and sets lists.
    Nesting beyond DEPTH_MAX is cut to text (and so is a structure that contains itself).
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 64 else str(value)
    if isinstance(value, float):
        return float(value)
    if depth >= DEPTH_MAX:
        return str(value)[:1000]
    mapping = as_mapping(value)
    if mapping is not None:
        return {str(k): plain(v, depth + 1) for k, v in mapping.items()}
    if isinstance(value, Sequence | Set) and not isinstance(value, bytes | bytearray | memoryview):
        return [plain(v, depth + 1) for v in value]
    item = getattr(value, "item", None)
    if callable(item) and tuple(getattr(value, "shape", (0,))) == ():
        return plain(item(), depth + 1)
    return str(value)


def packed_bytes(value: Any) -> int:
    """How many bytes a plain value is on the wire."""
    return len(msgpack.packb(value, unicode_errors="surrogatepass"))


def parts(values: dict[str, Any], path: str = "") -> Iterator[dict[str, Any]]:
    """`values`, plain, as maps of about PART_BYTES that give it when merged in order; at least one, even if empty.

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
    """Raises ValueError where the lab would refuse it, and with it everything that travels beside it."""
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
