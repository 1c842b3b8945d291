"""Sizes on the command line: 500GB, 1.5TB, a number of bytes."""

from __future__ import annotations

import re

import click

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kMGT]?)B?")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def bytes_of(size: str) -> int:
    """Return the number of bytes that a size means. Raises UsageError."""
    match = _SIZE.fullmatch(size)
    if match is None:
        raise click.UsageError(f"{size!r} is not a size: write 500GB, 1.5TB or a number of bytes.")
    return int(float(match[1]) * _UNITS[match[2]])


def size_option(_context: click.Context, _option: click.Parameter, size: str | None) -> int | None:
    """Return the callback of an option that takes a size."""
    return None if size is None else bytes_of(size)
