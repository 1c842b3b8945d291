"""How commands print: aligned columns for people, valid JSON for programs.

No colours and no drawing, so that a pipe gets what a terminal gets.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import click

from ..base.texts import clean, isolated, size_text

__all__ = [
    "clean",
    "echo_json",
    "echo_json_list",
    "json_option",
    "json_text",
    "moment",
    "number",
    "short",
    "size_text",
    "span",
    "table",
]


_F = TypeVar("_F", bound=Callable[..., Any])
_AT_ONCE = 1000  # so many objects of a long list are printed at once


def json_option(what: str) -> Callable[[_F], _F]:
    """Return the option `--json`, which every command has that lists or reads. `what`: what it prints."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what}.")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under a header, each column as wide as its widest cell."""
    lines = [[cell.upper() for cell in header], *([clean(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (isolated(cell) + " " * (width - len(cell)) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return valid JSON: NaN and ±Inf as strings, where Python would write bare tokens that other readers refuse."""
    return json.dumps(_plain(value), indent=indent, allow_nan=False)


def echo_json(value: Any) -> None:
    click.echo(json_text(value, indent=2))


def echo_json_list(values: Iterator[Any]) -> None:
    """Print a JSON list, one object per line, as the objects come: ten million of them need no memory."""
    text = "["
    while some := list(islice(values, _AT_ONCE)):
        click.echo(
            text + "".join(f"\n  {json_text(value)}," for value in some[:-1]) + f"\n  {json_text(some[-1])}", nl=False
        )
        text = ","
    click.echo("[]" if text == "[" else "\n]")


def number(value: float | None) -> str | float | None:
    """Return a float as JSON can hold it: NaN and ±Inf as their names."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def short(value: float | None) -> str:
    """Return a value for a table, with six digits; "" for None."""
    if value is None:
        return ""
    return f"{value:.6g}" if math.isfinite(value) else str(number(value))


def moment(seconds: float | None) -> str:
    """Return seconds since 1970 as local time; "" for None."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def span(seconds: float | None) -> str:
    """Return a duration in its two largest units: 2h 05m."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600:02}h"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
