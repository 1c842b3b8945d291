"""`hectiqlab runs`."""

from __future__ import annotations

from dataclasses import fields
from itertools import islice

import click

from ..protocol.states import ALL_STATES
from ..read.view import RunView
from .completion import projects
from .output import echo_json, json_option, moment, short, span, table
from .project import option as project_option
from .project import place_of

_LAST_SHOWN = 3


@click.command("runs", short_help="List or search the runs, newest first.")
@click.argument("project", required=False, shell_complete=projects)
@project_option
@click.option("--filter", "-f", "filters", multiple=True, metavar="TERMS", help="Only runs for which TERMS hold.")
@click.option("--state", type=click.Choice(sorted(ALL_STATES)), help="Only runs in this state.")
@click.option("--sort", default="-created", show_default=True, help="What to sort by; with a - before it descending.")
@click.option("--key", "-k", "keys", multiple=True, help="Show the last value of this metric; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), help="No more than this many, the first; without it, all.")
@click.option("--why", is_flag=True, help="Show how each run came to its state, and which rank did.")
@json_option("a JSON list of objects")
@click.pass_obj
def command(
    profile: str | None,
    project: str | None,
    by_option: str | None,
    filters: tuple[str, ...],
    state: str | None,
    sort: str,
    keys: tuple[str, ...],
    limit: int | None,
    why: bool,
    as_json: bool,
) -> None:
    """List the runs of PROJECT (a name or an id), or of all projects, newest first.

    TERMS are a search, in quotes for the shell: 'state=failed,killed tag=baseline created>-7d config.model.layers>=4
    metric.valid/loss.min<0.2 name~resnet'. A field is state, tag, author, group, host, name, note, id, archived,
    created, started, ended, duration, points, config.PATH or metric.KEY.last (min, max, mean, …); a comparison is
    = != < <= > >= ~ (contains) or !~, with spaces around it or without; values with commas between them are
    alternatives; a word alone is looked for in names and notes, but nan finds the runs in which a metric has NaN.
    Archived runs are listed only where a term says so: archived=true, archived=* for all, or id=ID.

    Runs are sorted by created, name, state, duration, started, ended, points, author, activity, config.PATH or
    metric.KEY.last (min, max, mean, …; "metric.KEY.smoothed(gaussian,100)" is where its smoothed line ends, as a chart
    draws it; 30s in place of 100 smooths over seconds). In JSON, times are seconds since 1970 UTC, `duration` is in
    seconds, and `state_why` and `state_rank` tell how a run came to its state.
    """
    from ..read.search import search_runs

    try:
        runs = search_runs(
            place_of(project, by_option), filters, state=state, sort=sort, keys=keys, limit=limit, profile=profile
        )
    except ValueError as e:
        raise click.UsageError(f"{e}.") from None
    if as_json:
        shown = [*(f.name for f in fields(RunView) if f.repr), "note", "tags"]
        echo_json([{name: getattr(run, name) for name in shown} for run in runs])
        return
    header = ("id", "name", "project", "state", "author", "started", "ended", "duration", "last")
    shown_last = len(keys) or _LAST_SHOWN
    table((*header, "why") if why else header, (_row(run, shown_last) + ((_why(run),) if why else ()) for run in runs))


def _why(run: RunView) -> str:
    why = " ".join(run.state_why.split())
    return why if run.state_rank is None else f"rank {run.state_rank}: {why}"


def _row(run: RunView, shown: int) -> tuple[str, ...]:
    last = [f"{key}={short(value)}" for key, value in islice(run.last.items(), shown)]
    times = (moment(run.started), moment(run.ended), span(run.duration))
    return (run.id, run.name, run.project, run.state, run.author, *times, " ".join(last))
