"""Log events: what a message's text ends with, how severe it is, and how a long one is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

TEXT_CHARS_MAX = 1 << 16  # of one log event; a longer text becomes several, of which only the last ends the line

LEVEL_CHARS_MAX = 256
LEVEL_MAX = 1 << 31

SEVERITIES = {"NOTSET": 0, "DEBUG": 10, "INFO": 20, "WARNING": 30, "WARN": 30, "ERROR": 40, "CRITICAL": 50, "FATAL": 50}
_NUMBERED = re.compile(r"Level (-?\d{1,6})")


def ended(message: str) -> str:
    """Return the text of a logger's message: a line of its own, unless one trailing carriage return cancels the line
    break.
    """
    return message[:-1] if message.endswith("\r") else message + "\n"


def pieces(text: str) -> Iterator[str]:
    """Yield `text` in parts that an event can hold. UTF-8 has no lone surrogates: they are written out, as \\ud800."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    for start in range(0, len(text), TEXT_CHARS_MAX):
        yield text[start : start + TEXT_CHARS_MAX]


def level_fields(name: object, number: object) -> dict[str, Any]:
    """Return `level` and `severity` of an event, from the level's name and number in a record. These can be anything,
    as relays of other processes' logs make records. If the number is none, the name's number counts.
    """
    level = name if isinstance(name, str) else f"Level {number}" if isinstance(number, int) else "INFO"
    try:
        value = int(number)  # type: ignore[call-overload]
        known = -LEVEL_MAX <= value <= LEVEL_MAX
    except (TypeError, ValueError, OverflowError):
        known = False
    return {"level": level[:LEVEL_CHARS_MAX], "severity": value if known else severity_of(level)}


def severity(fields: Mapping[str, Any]) -> int:
    """Return the severity of a log event, as Python's logging counts. An event without one (console output) counts as
    INFO.
    """
    number, level = fields.get("severity"), fields.get("level")
    if isinstance(number, int):
        return number
    return severity_of(level) if isinstance(level, str) else SEVERITIES["INFO"]


def severity_of(level: str) -> int:
    """Return the severity of a level's name. An unknown name counts as INFO."""
    if numbered := _NUMBERED.fullmatch(level):
        return int(numbered[1])
    return SEVERITIES.get(level.upper(), SEVERITIES["INFO"])
