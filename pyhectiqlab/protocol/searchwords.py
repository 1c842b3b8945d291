"""Words of a search: its text in pieces, one for each term, before anything is known of fields and values.

search.py has the language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

LENGTH_MAX = 4096  # characters of one search
OP = re.compile("==|!=|<=|>=|!~|=|<|>|~")  # the longer ones first
OPEN_SMOOTHED = re.compile(r"\.smoothed\([^)]*$")


def words_of(text: str) -> Iterable[Word]:
    """Yield the terms of a search as one word each. Raises ValueError, with one line that says where the mistake is."""
    return _between_ands(_joined(split_words(text)))


@dataclass
class Word:
    """One word of a search. `at`: where it begins, from 0. `plain`: its text, with a space for each character between
    quotes. `closed`: whether it ends with a quote, so that nothing is missing behind it.
    """

    at: int
    text: str = ""
    plain: str = ""
    closed: bool = False

    def add(self, text: str, plain: str, closed: bool = False) -> None:
        self.text += text
        self.plain += plain
        self.closed = closed

    def op(self) -> re.Match[str] | None:
        """Return the first comparison in it."""
        return OP.search(self.plain)

    def wrong(self, why: str) -> ValueError:
        """Return the error that says what is wrong with this word, and where it is."""
        return ValueError(f"{why} (character {self.at + 1}: {self.text[:60]})")


def _joined(words: Iterable[Word]) -> Iterable[Word]:
    """Yield the terms as one word each, also those with spaces around their comparison or behind a comma."""
    before: Word | None = None
    for word in words:
        if before is None:
            before = word
            continue
        op = before.op()
        is_open = op is not None and not before.closed and (before.plain.endswith(",") or op.end() == len(before.plain))
        goes_on = OP.match(word.plain) if op is None else word.plain.startswith(",")
        if is_open and not goes_on and word.op() is not None:
            raise before.wrong('a value is missing before the next term: for an empty one write ""')
        if is_open or goes_on:
            before.add(word.text, word.plain, word.closed)
        else:
            yield before
            before = word
    if before is not None:
        yield before


def _between_ands(words: Iterable[Word]) -> Iterable[Word]:
    """Yield the terms, without the words between them. A lone `and` at an end is a word like others."""
    given = list(words)
    for i, word in enumerate(given):
        if word.plain == "OR":
            raise word.wrong("there is no OR: put commas between the values of one field, state=failed,killed")
        if word.plain in ("AND", "&&") or (word.plain == "and" and 0 < i < len(given) - 1):
            if not 0 < i < len(given) - 1:
                raise word.wrong(f"{word.plain} stands between two terms")
            continue
        yield word


def split_words(text: str) -> Iterable[Word]:
    """Yield what stands between spaces, with what is in quotes as one word."""
    if len(text) > LENGTH_MAX:
        raise ValueError(f"a search has at most {LENGTH_MAX} characters")
    if "\0" in text:
        raise ValueError("a search holds no zero character")
    word: Word | None = None
    quote: int | None = None  # where the open quote is
    characters = iter(enumerate(text))
    for at, c in characters:
        if quote is None and c.isspace():
            if word is not None and OPEN_SMOOTHED.search(word.plain):
                continue  # smoothed(gaussian, 100) is one word
            if word is not None:
                yield word
            word = None
            continue
        word = word or Word(at)
        if c == '"':
            quote = at if quote is None else None
            word.closed = True
        elif quote is not None:
            word.add(next(characters, (at, "\\"))[1] if c == "\\" else c, " ")
        else:
            word.add(c, c)
    if quote is not None:
        raise ValueError(f'the quote at character {quote + 1} is not closed: put another " behind it')
    if word is not None:
        yield word
