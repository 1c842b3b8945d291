"""Cells of the CSV that the lab exports, and back: what is imported again has the keys that it was exported with."""

from __future__ import annotations

COLUMNS = ("key", "step", "value", "time", "rank", "attempt")
_QUOTED = frozenset('",\r\n')


def cell(text: str) -> str:
    """A text as a cell, quoted where it would be read otherwise (RFC 4180).

    Not by csv.writer: which characters that quotes depends on the version of Python.
    """
    if text and not _QUOTED.intersection(text) and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def is_ours(header: list[str]) -> bool:
    """Whether a file that begins with these cells was exported by a lab: then its keys are meant as they are."""
    return tuple(header) == COLUMNS
