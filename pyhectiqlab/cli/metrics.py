"""`hectiqlab metrics`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, astuple, fields
from itertools import islice
from math import isfinite

import click

from ..read import KeyInfo, Point
from .output import json_text, number, short, table

_LINES_AT_ONCE = 1000


@click.command("metrics", short_help="Print every raw point of a metric.")
@click.argument("run")
@click.argument("key", required=False)
@click.option("--format", "form", type=click.Choice(["table", "jsonl", "csv"]), default="table", show_default=True)
@click.option("--rank", type=int, help="Only the points of this rank.")
@click.option("--attempt", type=int, help="Only the points of this attempt.")
@click.pass_obj
def command(profile: str | None, run: str, key: str | None, form: str, rank: int | None, attempt: int | None) -> None:
    """Print every raw point of KEY in RUN, in order of arrival; without KEY, list the keys of the run.

    RUN is an id, the link of its page, or its name where only one run has it. Each point has `step`, `value`, `time`
    (seconds since 1970 UTC), `rank` and `attempt`. Values are exact; NaN and the infinities are written NaN, Infinity
    and -Infinity, in jsonl as strings.
    """
    from .. import read

    found = read.run(run, profile=profile)
    if key is None:
        if rank is not None or attempt is not None:
            raise click.UsageError("--rank and --attempt need a KEY.")
        _print_keys(found.key_infos(), form)
    else:
        _print_points(found.iter_metrics(key, rank=rank, attempt=attempt), form)


def _print_keys(keys: list[KeyInfo], form: str) -> None:
    if form == "jsonl":
        for info in keys:
            click.echo(json_text(asdict(info)))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(f.name for f in fields(KeyInfo))
        writer.writerows([number(v) if isinstance(v, float) else v for v in astuple(info)] for info in keys)
    else:
        table(
            ("key", "points", "steps", "last", "min", "max"),
            (
                (i.key, str(i.count), f"{i.step_min} … {i.step_max}", short(i.last), short(i.min), short(i.max))
                for i in keys
            ),
        )


def _print_points(points: Iterator[Point], form: str) -> None:
    header, line = _FORMS[form]
    some = header + "".join(map(line, islice(points, _LINES_AT_ONCE)))
    while some:  # a series of ten million points is printed as it comes
        click.echo(some, nl=False)
        some = "".join(map(line, islice(points, _LINES_AT_ONCE)))


# The repr of a float is the shortest text that reads back to the same digits, and for finite ones also JSON. Lines are
# written out here, because json.dumps and csv.writer take ten times as long.


def _table_line(point: Point) -> str:
    step, value, time, rank, attempt = point
    return f"{step:>20}  {number(value)!s:>24}  {time:>17.6f}  {rank:>5}  {attempt:>7}\n"


def _jsonl_line(point: Point) -> str:
    step, value, time, rank, attempt = point
    exact = repr(value) if isfinite(value) else f'"{number(value)}"'
    return f'{{"step": {step}, "value": {exact}, "time": {time!r}, "rank": {rank}, "attempt": {attempt}}}\n'


def _csv_line(point: Point) -> str:
    step, value, time, rank, attempt = point
    return f"{step},{number(value)},{time!r},{rank},{attempt}\n"


_FORMS: dict[str, tuple[str, Callable[[Point], str]]] = {
    "table": (f"{'STEP':>20}  {'VALUE':>24}  {'TIME':>17}  {'RANK':>5}  {'ATTEMPT':>7}\n", _table_line),
    "jsonl": ("", _jsonl_line),
    "csv": (",".join(Point._fields) + "\n", _csv_line),
}
