"""Cells of the CSV that the lab exports, and back.

A file that is imported again has the keys that it was exported with.

A spreadsheet takes a cell for a formula if it begins with one of some signs. A formula may send other cells elsewhere
or run a program, and keys come from other people. An apostrophe before the cell makes it a text, and is not shown. A
cell that already begins with an apostrophe and such a sign gets another one, so that reading it back gives the same
text. This is for texts alone: a number may begin with a minus.
"""

from __future__ import annotations

import re

COLUMNS = ("key", "step", "value", "time", "rank", "attempt")
_QUOTED = frozenset('",\r\n')
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def text_cell(text: str) -> str:
    """Return the cell that a spreadsheet shows as `text`."""
    return f"'{text}" if _FORMULA.match(text) else text


def text_of_cell(cell: str) -> str:
    """Return the text that `text_cell` made this of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet runs, quoted where it would be read otherwise (RFC 4180).

    csv.writer is not used: which characters it quotes depends on the version of Python.
    """
    text = text_cell(text)
    if text and not _QUOTED.intersection(text) and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def is_ours(header: list[str]) -> bool:
    """Return whether a file that begins with these cells was exported by a lab: then its keys are meant as they are."""
    return tuple(header) == COLUMNS
