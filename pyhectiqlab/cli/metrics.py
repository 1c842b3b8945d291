"""`hectiqlab metrics`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, astuple, fields
from math import isfinite

import click

from ..read import KeyInfo, Point
from .output import json_text, number, short, table


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
        _PRINTERS[form](found.iter_metrics(key, rank=rank, attempt=attempt))


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


def _print_table(points: Iterable[Point]) -> None:
    # Fixed widths, not those of the widest cell: a series of ten million points is printed as it comes.
    write = sys.stdout.write
    for i, point in enumerate(points):
        if i == 0:
            write(f"{'STEP':>12}  {'VALUE':>24}  {'TIME':>17}  {'RANK':>5}  {'ATTEMPT':>7}\n")
        write(
            f"{point.step:>12}  {number(point.value)!s:>24}  {point.time:>17.6f}  {point.rank:>5}  {point.attempt:>7}\n"
        )


def _print_jsonl(points: Iterable[Point]) -> None:
    # Written out, because json.dumps takes ten times as long. The repr of a finite float is JSON, digit for digit.
    write = sys.stdout.write
    for step, value, time, rank, attempt in points:
        exact = repr(value) if isfinite(value) else f'"{number(value)}"'
        write(f'{{"step": {step}, "value": {exact}, "time": {time!r}, "rank": {rank}, "attempt": {attempt}}}\n')


def _print_csv(points: Iterable[Point]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(Point._fields)
    writer.writerows((p.step, number(p.value), p.time, p.rank, p.attempt) for p in points)


_PRINTERS: dict[str, Callable[[Iterable[Point]], None]] = {
    "table": _print_table,
    "jsonl": _print_jsonl,
    "csv": _print_csv,
}
