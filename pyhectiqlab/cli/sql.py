"""`hectiqlab sql`."""

from __future__ import annotations

import click

from .completion import projects
from .output import echo_json, json_option, short, table

_LIMIT = 1_000


@click.command("sql", short_help="Ask runs and points by SQL.")
@click.argument("query", metavar="SELECT")
@click.option("-p", "--project", metavar="NAME", shell_complete=projects, help="Only runs of this project.")
@click.option("--filter", "-f", "filters", multiple=True, metavar="TERMS", help="Only runs for which TERMS hold.")
@click.option("--key", "-k", "keys", multiple=True, help="Read points of this metric alone; may be repeated.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=_LIMIT, show_default=True, help="Rows at most.")
@json_option("a JSON list with an object for each row")
@click.pass_obj
def command(
    profile: str | None,
    query: str,
    project: str | None,
    filters: tuple[str, ...],
    keys: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> None:
    """Run a SELECT, in SQLite's SQL, over the runs that you may see.

    \b
    runs(id, name, project, author, state, state_why, created, started, ended, duration,
         attempt, ranks, points, note, archived, url)
    tags(run, name)
    config(run, path, value)
    metrics(run, key, count, last, last_step, min, max, step_min, step_max)
    points(run, key, step, value, nan, time, rank, attempt)

    What the query names is first read from the lab into memory; a query can change nothing. Points are read only of the
    metrics that the query has in quotes, or of each KEY; without either, of all metrics. At most 5,000,000 points are
    read. A NaN is NULL, with `nan` 1.
    """
    from ..read.sql import query as ask

    try:
        answer = ask(query, project, filters, keys=keys, rows_max=limit, profile=profile)
    except ValueError as e:
        raise click.ClickException(f"{e}.") from None
    if as_json:
        echo_json([dict(zip(answer.columns, row, strict=True)) for row in answer.rows])
    else:
        table(answer.columns, ([_cell(value) for value in row] for row in answer.rows))
    if answer.cut:
        click.echo(f"There are more rows: these are the first {limit:,} (--limit).", err=True)


def _cell(value: object) -> str:
    return short(value) if isinstance(value, float) else "" if value is None else str(value)
