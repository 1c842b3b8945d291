"""Types of columns, as SQLite and PostgreSQL both have them.

Text is kept as UTF-8 and compared byte by byte, in any database. A zero character, which PostgreSQL cannot keep, and a
lone surrogate, which is not a character, become U+FFFD, when a text is stored and when it is looked up. So what was
stored can be looked up again, and the store answers the same on every engine. Bytes are kept unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

# How many bytes an indexed text may take: PostgreSQL's index entries have at most 2,704 bytes, with all their columns.
INDEXED_BYTES_MAX = 2_000

_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")


def kept(text: str) -> str:
    """Return the text as the store keeps it."""
    if text.isascii():
        return text if "\0" not in text else text.replace("\0", "\ufffd")
    return _NO_CHARACTER.sub("\ufffd", text)


def cut_to_bytes(text: str, most: int = INDEXED_BYTES_MAX) -> str:
    """Return the text, or as much of its beginning as fits into so many bytes of UTF-8."""
    if len(text) <= most // 4:
        return text
    return kept(text).encode()[:most].decode(errors="ignore")


class Words(TypeDecorator[str]):
    """A text."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None]:
        return _bound

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        return self


def _bound(value: str | None) -> str | None:
    if value is None or (value.isascii() and "\0" not in value):
        return value
    return kept(value)


class Packed(LargeBinary):
    """Bytes that go to the driver unchanged. (SQLAlchemy's own type would wrap each value in a memoryview.)"""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        return None


Whole = Integer().with_variant(BigInteger(), "postgresql")  # an int64 on both
