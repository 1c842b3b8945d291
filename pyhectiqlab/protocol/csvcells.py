"""Cells of the CSV that the lab exports, and back: what is imported again has the keys that it was exported with.

A spreadsheet takes a cell that begins with one of some signs for a formula, which may send other cells elsewhere or
run a program; and keys are other people's. An apostrophe before it makes it a text, and is not shown. A cell that
begins like that already gets another, so that what is read back is what was there. For texts alone: a number may begin
with a minus.
"""

from __future__ import annotations

import re

COLUMNS = ("key", "step", "value", "time", "rank", "attempt")
_QUOTED = frozenset('",\r\n')
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def text_cell(text: str) -> str:
    """Return what a spreadsheet shows as `text`."""
    return f"'{text}" if _FORMULA.match(text) else text


def text_of_cell(cell: str) -> str:
    """Return the text that `text_cell` made this of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet runs, quoted where it would be read otherwise (RFC 4180).

    Not by csv.writer: which characters that quotes depends on the version of Python.
    """
    text = text_cell(text)
    if text and not _QUOTED.intersection(text) and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def is_ours(header: list[str]) -> bool:
    """Return whether a file that begins with these cells was exported by a lab: then its keys are meant as they are."""
    return tuple(header) == COLUMNS
