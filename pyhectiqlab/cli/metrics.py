"""`hectiqlab metrics`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import click

from ..read import KeyInfo, Point, RunView
from .completion import runs
from .output import echo_json, echo_json_list, json_option, number, short, table

_LINES_AT_ONCE = 1000


@click.command("metrics", short_help="Print or export every raw point of metrics.")
@click.argument("run", shell_complete=runs)
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "jsonl", "parquet"]),
    help="Default: table, or as FILE ends. Parquet needs pyarrow at the lab.",
)
@click.option("--output", "-o", metavar="FILE", type=click.Path(), help="Write to FILE, or into a folder.")
@click.option("--rank", type=click.IntRange(min=0), help="Only the points of this rank.")
@click.option("--attempt", type=click.IntRange(min=1), help="Only the points of this attempt.")
@json_option("the points, or without KEY the keys, as a JSON list of objects")
@click.pass_obj
def command(
    profile: str | None,
    run: str,
    keys: tuple[str, ...],
    form: str | None,
    output: str | None,
    rank: int | None,
    attempt: int | None,
    as_json: bool,
) -> None:
    """Print every raw point of KEY in RUN, in order of arrival; without KEY, list the keys of the run.

    RUN is an id, the link of its page, or its name where only one run has it. As csv, jsonl or parquet, the points of
    all KEYs are written, or of all keys of the run, however many there are: a row for each with `key`, `step`, `value`,
    `time` (seconds since 1970 UTC), `rank` and `attempt`. Values are exact; NaN and the infinities are written NaN,
    Infinity and -Infinity, in jsonl as strings. FILE is replaced once the new one is complete.
    """
    from .. import read

    if form is None and output is not None:
        form = Path(output).suffix.removeprefix(".").lower()
        if form not in ("csv", "jsonl", "parquet"):
            raise click.UsageError(f"{Path(output).name!r} ends in no format: give --format csv, jsonl or parquet.")
    form = form or "table"
    if as_json and form != "table":
        raise click.UsageError("--json and --format say two things: give one of them.")
    if form == "table" and output is not None:
        raise click.UsageError("a table is not written to a file: give --format csv, jsonl or parquet.")
    if form == "table" and not keys and not (rank is None and attempt is None):
        raise click.UsageError("--rank and --attempt need a KEY, or --format csv, jsonl or parquet.")
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal: name a file with -o FILE.")
    view = read.run(run, profile=profile)
    if form != "table":
        _export(view, keys, form, output, rank, attempt)
    elif not keys:
        _print_keys(view.key_infos(), as_json)
    elif as_json:
        points = ((key, point) for key in keys for point in view.iter_points(key, rank=rank, attempt=attempt))
        echo_json_list({"key": key, **point._asdict()} for key, point in points)
    else:
        for key in keys:
            if len(keys) > 1:
                click.echo(key)
            _print_points(view.iter_points(key, rank=rank, attempt=attempt))


def _export(
    run: RunView, keys: tuple[str, ...], form: str, output: str | None, rank: int | None, attempt: int | None
) -> None:
    from ..read.export import pieces, save

    chosen = keys or None
    if output is not None:
        save(run.profile, run.id, output, chosen, form, rank, attempt, run.name)
        return
    for piece in pieces(run.profile, run.id, chosen, form, rank, attempt):
        sys.stdout.buffer.write(piece)


def _print_keys(keys: list[KeyInfo], as_json: bool) -> None:
    if as_json:
        echo_json([asdict(info) for info in keys])
        return
    table(
        ("key", "points", "steps", "last", "min", "max"),
        (
            (i.key, str(i.count), f"{i.step_min} … {i.step_max}", short(i.last), short(i.min), short(i.max))
            for i in keys
        ),
    )


def _print_points(points: Iterator[Point]) -> None:
    some = f"{'STEP':>20}  {'VALUE':>24}  {'TIME':>17}  {'RANK':>5}  {'ATTEMPT':>7}\n"
    some += "".join(map(_line, islice(points, _LINES_AT_ONCE)))
    while some:  # printed page by page: a series may have ten million points
        click.echo(some, nl=False)
        some = "".join(map(_line, islice(points, _LINES_AT_ONCE)))


def _line(point: Point) -> str:
    step, value, time, rank, attempt = point
    return f"{step:>20}  {number(value)!s:>24}  {time:>17.6f}  {rank:>5}  {attempt:>7}\n"
