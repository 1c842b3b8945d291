"""The wire format of protocol buffers, as far as reading needs it: the fields of one message, one after the other.

Only six fields are needed. The package tensorboard would bring protobuf, grpc, numpy and a web server for them.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_VARINT_BYTES_MAX = 10
Message = dict[int, "list[int | memoryview]"]  # number of a field → its values in order


def fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield (number, wire type, value) of each field. The value is an int for VARINT (unsigned), else the bytes.

    Raises ValueError where the message ends early or is not a message.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = varint(data, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, at = varint(data, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if size > end - at:
            raise ValueError("ends in the middle of a field")
        yield number, kind, data[at : at + size]
        at += size


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return (an unsigned 64-bit number, where it ends). Raises ValueError."""
    number = 0
    for i, byte in enumerate(data[at : at + _VARINT_BYTES_MAX]):
        number |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return number & 0xFFFFFFFFFFFFFFFF, at + i + 1
    raise ValueError("a number without an end")


def signed(number: int) -> int:
    """Return an int64 (or int32) from its varint."""
    return number - (1 << 64) if number >= 1 << 63 else number


def message(data: bytes | memoryview) -> Message:
    """Return all fields of a message: number → its values in order. Raises ValueError where it is not a message."""
    values: Message = {}
    for number, _, value in fields(memoryview(data)):
        values.setdefault(number, []).append(value)
    return values


def text(message: Message, number: int) -> str:
    """Return a text field; "" where it is not there."""
    value = message.get(number, [b""])[-1]
    return bytes(value).decode("utf-8", "replace") if not isinstance(value, int) else ""


def texts(message: Message, number: int) -> list[str]:
    return [bytes(one).decode("utf-8", "replace") for one in message.get(number, []) if not isinstance(one, int)]


def messages(message_: Message, number: int) -> Iterator[Message]:
    """Yield the messages of a field. Raises ValueError."""
    for value in message_.get(number, []):
        if not isinstance(value, int):
            yield message(value)


def whole(message: Message, number: int) -> int:
    """Return an integer field; 0 where it is not there."""
    value = message.get(number, [0])[-1]
    return signed(value) if isinstance(value, int) else 0
