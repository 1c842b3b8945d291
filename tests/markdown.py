"""What tests read of our Markdown pages: their headings, their blocks of code, and their tables by cells."""

from __future__ import annotations

import re
from itertools import takewhile

Row = list[str]


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, such as "## Settings", until the next one. ValueError without it."""
    lines = text.splitlines()
    return "\n".join(takewhile(lambda line: not line.startswith("#"), lines[lines.index(heading) + 1 :]))


def headings(text: str) -> list[str]:
    """Return the headings of a page, with their `#`, but not the comments in its blocks of code."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ .*", prose, re.MULTILINE)


def table(text: str) -> list[Row]:
    """Return the rows of the tables in a text, without their heads: cells, without the blanks around them."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    heads = {at for at, row in enumerate(rows) if at + 1 < len(rows) and set(rows[at + 1]) <= set("|-: ")}
    return [cells(row) for at, row in enumerate(rows) if at not in heads and at - 1 not in heads]


def cells(row: str) -> Row:
    r"""Return the cells of a row: a, b|c for `| a | b\|c |`."""
    parts = re.split(r"(?<!\\)\|", row.strip().removeprefix("|").removesuffix("|"))
    return [part.strip().replace("\\|", "|") for part in parts]


def code(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)
