"""`hectiqlab diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .completion import runs
from .output import echo_json, json_option, short, table

if TYPE_CHECKING:
    from ..read.differences import Difference


@click.command("diff", short_help="Show in what runs differ.")
@click.argument("names", metavar="RUN RUN...", nargs=-1, required=True, shell_complete=runs)
@click.option("--baseline", metavar="RUN", shell_complete=runs, help="Whose metrics the others are compared with.")
@click.option("--all", "alike", is_flag=True, help="Also show what all have in common.")
@json_option("a JSON object")
@click.pass_obj
def command(profile: str | None, names: tuple[str, ...], baseline: str | None, alike: bool, as_json: bool) -> None:
    """Show in what each RUN differs from the first one, or from the baseline: config, packages, environment, git, and
    the newest values of metrics with their distance from the baseline's.

    RUN is an id, the link of its page, its name where only one run has it, or PROJECT/NAME. What all have in common is
    left out, unless --all is given.
    """
    from .. import read

    if len(names) < 2:
        raise click.UsageError("Give two runs, or more.")
    chosen = [read.run(name, profile=profile) for name in names]
    base = None if baseline is None else read.run(baseline, profile=profile)
    try:
        its = read.differences(chosen if base is None else [base, *chosen], base, alike=alike)
    except ValueError as e:
        raise click.UsageError(f"{e}.") from None
    if as_json:
        echo_json({**vars(its), "rows": [row._asdict() for row in its.rows]})
        return
    named = {run.id: run.name for run in (*chosen, *([base] if base else []))}
    table(("", *(named[run] for run in its.runs)), [_cells(row) for row in its.rows])
    for section in its.cut:
        click.echo(f"More differs in {section}: these are the first 1,000 rows of it.", err=True)
    if not its.rows:
        click.echo("They differ in nothing that is compared.", err=True)


def _cells(row: Difference) -> list[str]:
    deltas = row.deltas or [None] * len(row.values)
    return [f"{row.section} {row.name}", *(_cell(*both) for both in zip(row.values, deltas, strict=True))]


def _cell(value: float | str | None, delta: float | None) -> str:
    text = "-" if value is None else value if isinstance(value, str) else short(value)
    return text if not delta or delta != delta else f"{text} ({'+' if delta > 0 else ''}{short(delta)})"
