"""Tensors as TensorFlow writes them into messages: TensorProto."""

from __future__ import annotations

import struct
from math import prod
from typing import NamedTuple, TypeVar

from .protobuf import FIXED32, FIXED64, Message, message, signed, varint

_FORMS = {1: "f", 2: "d", 3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 17: "H", 19: "e", 22: "I", 23: "Q"}
_BFLOAT16, _HALF, _UINT64, _STRING = 14, 19, 23, 7
_WHOLE_FIELDS = (7, 10, 11, 13, 16, 17)  # of int32 and smaller, int64, bool, half and bfloat16, uint32, uint64
_VALUES_MAX = 1 << 24
_Value = TypeVar("_Value", float, bytes)


class Tensor(NamedTuple):
    """Its values in the order of the rows: numbers, or texts; `texts` is None where it has numbers."""

    shape: tuple[int, ...]
    numbers: list[float]
    texts: list[bytes] | None = None


def tensor_of(data: memoryview) -> Tensor | None:
    """Return a tensor; None for a type that is no number and no text. Raises ValueError, struct.error.

    TensorProto: 1 dtype, 2 shape (whose 2 are its dimensions, whose 1 is the size), 4 tensor_content; else the values
    in a field by their type: 5 float, 6 double, 8 string, and those of whole numbers. The last value may stand for all
    that follow, and a lone zero may be left out.
    """
    its = message(data)
    kind = _last_int(its, 1)
    shape = tuple(_sizes(its))
    count = prod(shape)
    if count < 0 or count > _VALUES_MAX:
        raise ValueError("a shape that cannot be")
    if kind == _STRING:
        texts = [bytes(one) for one in its.get(8, []) if not isinstance(one, int)]
        return Tensor(shape, [], _filled(texts, count, b""))
    if kind not in _FORMS and kind != _BFLOAT16:
        return None
    content = _last_bytes(its, 4)
    if content:
        if kind == _BFLOAT16:
            return Tensor(shape, [_bfloat16(raw) for raw in struct.unpack(f"<{count}H", content)])
        return Tensor(shape, [float(one) for one in struct.unpack(f"<{count}{_FORMS[kind]}", content)])
    return Tensor(shape, _filled(_listed(its, kind), count, 0.0))


def _filled(values: list[_Value], count: int, zero: _Value) -> list[_Value]:
    if len(values) > count:
        raise ValueError("more values than its shape has")
    last = values[-1] if values else zero
    return values + [last] * (count - len(values))


def _listed(its: Message, kind: int) -> list[float]:
    if kind in (1, 2):
        number, form, wire = (5, "f", FIXED32) if kind == 1 else (6, "d", FIXED64)
        size = 4 if wire == FIXED32 else 8
        packed = b"".join(bytes(one) for one in its.get(number, []) if not isinstance(one, int))
        return [float(one) for one in struct.unpack(f"<{len(packed) // size}{form}", packed)]
    whole = [one for number in _WHOLE_FIELDS for value in its.get(number, []) for one in _varints(value)]
    if kind == _HALF:
        return [float(struct.unpack("<e", struct.pack("<H", one & 0xFFFF))[0]) for one in whole]
    if kind == _BFLOAT16:
        return [_bfloat16(one & 0xFFFF) for one in whole]
    return [float(one if kind == _UINT64 else signed(one)) for one in whole]


def _varints(value: int | memoryview) -> list[int]:
    """Return the numbers of a field: one, or many that are packed."""
    if isinstance(value, int):
        return [value]
    numbers, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        numbers.append(number)
    return numbers


def _sizes(its: Message) -> list[int]:
    sizes = []
    for shape in its.get(2, []):
        if isinstance(shape, int):
            raise ValueError("a shape that is none")
        for dimension in message(shape).get(2, []):
            sizes.append(0 if isinstance(dimension, int) else signed(_last_int(message(dimension), 1)))
    return sizes


def _bfloat16(raw: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", raw << 16))[0])


def _last_int(its: Message, number: int) -> int:
    value = its.get(number, [0])[-1]
    return value if isinstance(value, int) else 0


def _last_bytes(its: Message, number: int) -> bytes:
    value = its.get(number, [b""])[-1]
    return b"" if isinstance(value, int) else bytes(value)
