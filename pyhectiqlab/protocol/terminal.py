"""Terminal: what a stream of log texts would have shown.

Pure; the web app has the same rules in base/terminal.ts, and both are held to the cases of tests/cases/terminal.json.
The web app shows colours, too (base/ink.ts); here they show nothing.

A line feed ends a line, a carriage return goes back to its beginning, where what follows overwrites (progress bars), a
backspace goes back by one. Escape sequences show nothing, except those that erase (`ESC [ K`).
Characters that are not seen, or that turn others around, are left out. The result is safe to print: other people's
texts cannot move the cursor, change the window's title, or be read as something else.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..base.texts import HIDDEN, JOINERS

T = TypeVar("T")

# Escape sequences (CSI, OSC, two characters), other control characters except tab and line feed, hidden characters.
_SPECIAL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -~]?"
    rf"|[\x00-\x08\x0b-\x1f\x7f-\x9f{HIDDEN}{JOINERS}]"
)
_ERASE = re.compile(r"\x1b\[([012]?)K")


@dataclass(frozen=True)
class Line(Generic[T]):
    """One line as it was when it ended, and the tag of the text that began it."""

    text: str
    tag: T


class Terminal(Generic[T]):
    """One terminal's current line. `feed` it texts in order."""

    def __init__(self) -> None:
        self._text = ""
        self._at = 0  # the cursor, in characters
        self._tag: T | None = None
        self._open = False

    def feed(self, text: str, tag: T) -> Iterator[Line[T]]:
        """Yield the lines that `text` ended."""
        *ended, last = text.split("\n")
        for part in ended:
            self._write(part, tag)
            yield self._end(tag)
        if last:
            self._write(last, tag)

    def rest(self) -> Line[T] | None:
        """Return the line that has not ended yet, or None."""
        return Line(self._text, self._tag) if self._open and self._tag is not None else None

    def _end(self, tag: T) -> Line[T]:
        line = Line(self._text, tag if self._tag is None else self._tag)
        self._text, self._at, self._tag, self._open = "", 0, None, False
        return line

    def _write(self, part: str, tag: T) -> None:
        if not self._open:
            self._tag, self._open = tag, True
        at = 0
        for special in _SPECIAL.finditer(part):
            self._put(part[at : special.start()])
            self._obey(special.group())
            at = special.end()
        self._put(part[at:] if at else part)

    def _put(self, plain: str) -> None:
        if plain:
            end = self._at + len(plain)
            self._text = self._text[: self._at].ljust(self._at) + plain + self._text[end:]
            self._at = end

    def _obey(self, special: str) -> None:
        if special == "\r":
            self._at = 0
        elif special == "\b":
            self._at = max(0, self._at - 1)
        elif special in JOINERS:
            before = self._text[max(0, self._at - 1) : self._at]  # "" where the line was erased behind the cursor
            if not before.isascii():
                self._put(special)
        elif erase := _ERASE.fullmatch(special):
            before = self._text[: self._at] if erase[1] in ("", "0") else ""
            after = self._text[self._at + 1 :] if erase[1] == "1" else ""
            self._text = before or (" " * (self._at + 1) + after if after else "")


class Terminals(Generic[T]):
    """One terminal for each source: texts of different processes do not run into each other's lines."""

    def __init__(self) -> None:
        self._of: dict[Hashable, Terminal[T]] = {}

    def feed(self, source: Hashable, text: str, tag: T) -> Iterator[Line[T]]:
        terminal = self._of.get(source)
        if terminal is None:
            terminal = self._of[source] = Terminal()
        yield from terminal.feed(text, tag)

    def rest(self) -> Iterator[Line[T]]:
        """Yield the lines that have not ended yet, in the order in which their sources first spoke."""
        for terminal in self._of.values():
            if line := terminal.rest():
                yield line


def shown(texts: Iterator[str] | list[str]) -> str:
    """Return what one terminal shows after these texts, lines parted by line feeds; "" where it shows nothing.

    >>> shown(["Progress ", "-", "-", "\\n"])
    'Progress --\\n'
    """
    terminal: Terminal[int] = Terminal()
    lines = [line.text + "\n" for text in texts for line in terminal.feed(text, 0)]
    rest = terminal.rest()
    return "".join(lines) + (rest.text if rest else "")
