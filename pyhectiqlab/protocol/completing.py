"""What is being typed in a search: which piece of which term stands at the caret. Pure; see search.py for the language.

A search that is being typed is seldom a valid one, so nothing here raises: an open quote reaches to the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from .search import FIELDS, SMOOTHINGS, STATS
from .searchwords import OP

OPS = {
    "=": "is",
    "!=": "is not",
    "~": "contains",
    "!~": "does not contain",
    "<": "below",
    "<=": "at most",
    ">": "above",
    ">=": "at least",
}
SMOOTHED_WIDTH = 100  # that is suggested
_EQUAL, _LIKE, _ORDER = ("=", "!="), ("~", "!~"), ("<", "<=", ">", ">=")
_GAP = re.compile(r"[^\s,]\s+(?:[^\s,]|$)")  # a space that no comma explains ends a term
_FIELD_END = re.compile(r"\s|" + OP.pattern)


@dataclass(frozen=True)
class Piece:
    """A piece of a search.

    Attributes:
        kind: what it is a piece of: the name of a field, or one of the values behind a comparison.
        start, end: which characters it takes, from 0; the caret stands between them or at one of them.
        typed: its text before the caret, without quotes.
        field: before a value, the name that is compared, without quotes; else "".
    """

    kind: Literal["field", "value"]
    start: int
    end: int
    typed: str
    field: str = ""


def piece_at(text: str, caret: int) -> Piece:
    """Return the piece of a search that ends or goes on at `caret`, which counts characters from 0."""
    caret = max(0, min(caret, len(text)))
    plain = _plain(text)
    before = plain[:caret]
    op = max(OP.finditer(before), key=lambda m: m.start(), default=None)
    if op is not None and not _GAP.search(before[op.end() :].lstrip()):
        name = before[: op.start()].rstrip()
        name_start = _word_start(name)
        start = max(m.end() for m in re.finditer(r"(?:^|,)\s*", before[op.end() :])) + op.end()
        if name_start < len(name):
            end = _end(plain, caret, re.compile(r"[\s,]"))
            return Piece("value", start, end, unquoted(text[start:caret]), unquoted(text[name_start : len(name)]))
    start = _word_start(before)
    return Piece("field", start, _end(plain, caret, _FIELD_END), unquoted(text[start:caret]))


def ops_of(kind: str) -> tuple[str, ...]:
    """Return the comparisons of a field that mean something, the usual ones first. `kind`: as of search.Field."""
    if kind == "config":
        return (*_EQUAL, *_ORDER, *_LIKE)
    if kind == "metric":
        return (*_ORDER, *_EQUAL)
    if kind in ("created", "started", "ended", "activity"):
        return (">", "<", ">=", "<=")
    if kind in ("duration", "points", "attempt", "rank"):
        return (*_ORDER, *_EQUAL)
    if kind == "archived":
        return _EQUAL
    return (*_LIKE, *_EQUAL) if kind in ("name", "note") else (*_EQUAL, *_LIKE)


def fields_like(typed: str) -> list[str]:
    """Return the names of facts that hold `typed`, whatever its case."""
    wanted = typed.lower()
    return [name for name in FIELDS if name != "text" and wanted in name]


def without_stat(name: str) -> tuple[str, str]:
    """Return the key of a metric, and what of a statistic is typed behind it: of "loss.mi", "loss" and "mi". Where
    nothing of a statistic is typed, the name and "".
    """
    key, dot, rest = name.rpartition(".")
    return (key, rest) if dot and key and any(stat.startswith(rest) for stat in STATS) else (name, "")


def smoothings_of(name: str) -> tuple[str, list[str]]:
    """Return the key of a metric, and which smoothings the text typed behind it may become: of "loss.smoothed(m",
    "loss" with the mean and the median. Their width is one to be changed.
    """
    key, dot, rest = name.rpartition(".")
    if not dot or not key:
        return name, []
    wanted = rest.replace(" ", "")
    kinds = [kind for kind in SMOOTHINGS if f"smoothed({kind},{SMOOTHED_WIDTH}".startswith(wanted)]
    return (key, [f"smoothed({kind},{SMOOTHED_WIDTH})" for kind in kinds]) if wanted else (name, [])


def unquoted(text: str) -> str:
    """Return the characters that a piece means."""
    return re.sub(r'\\(.)|"', lambda m: m.group(1) or "", text) if '"' in text else text


def _plain(text: str) -> str:
    """Return the text with an x for each character that is quoted, of the same length."""
    plain, is_open, escaped = [], False, False
    for c in text:
        plain.append("x" if is_open or c == '"' else c)
        if escaped:
            escaped = False
        elif c == "\\" and is_open:
            escaped = True
        elif c == '"':
            is_open = not is_open
    return "".join(plain)


def _word_start(plain: str) -> int:
    return max((m.end() for m in re.finditer(r"\s", plain)), default=0)


def _end(plain: str, caret: int, stop: re.Pattern[str]) -> int:
    match = stop.search(plain, caret)
    return len(plain) if match is None else match.start()
