"""`hectiqlab runs`."""

from __future__ import annotations

from dataclasses import fields

import click

from ..protocol.states import ALL_STATES
from ..read import RunInfo
from .output import echo_json, moment, short, span, table

_LAST_SHOWN = 3


@click.command("runs", short_help="List the runs, newest first.")
@click.argument("project", required=False)
@click.option("--state", type=click.Choice(sorted(ALL_STATES)), help="Only runs in this state.")
@click.option("--limit", type=click.IntRange(min=1), help="No more than this many, the newest; without it, all.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@click.pass_obj
def command(profile: str | None, project: str | None, state: str | None, limit: int | None, as_json: bool) -> None:
    """List the runs of PROJECT (a name or an id), or of all projects, newest first.

    In JSON, times are seconds since 1970 UTC and `duration` is in seconds.
    """
    from .. import read

    found = read.runs(project, state=state, limit=limit, profile=profile)
    if as_json:
        shown = [f.name for f in fields(RunInfo) if not f.name.startswith("_")]
        echo_json([{name: getattr(run, name) for name in shown} for run in found])
        return
    header = ("id", "name", "project", "state", "author", "started", "ended", "duration", "last")
    table(header, (_row(run) for run in found))


def _row(run: RunInfo) -> tuple[str, ...]:
    last = [f"{key}={short(value)}" for key, value in list(run.last.items())[:_LAST_SHOWN]]
    times = (moment(run.started), moment(run.ended), span(run.duration))
    return (run.id, run.name, run.project, run.state, run.author, *times, " ".join(last))
