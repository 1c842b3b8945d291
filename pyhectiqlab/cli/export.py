"""`hectiqlab export`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from ..base.texts import counted
from .completion import runs
from .output import clean, echo_json, size_text


@click.command("export", short_help="Write projects and runs to files that anybody can read.")
@click.argument("refs", nargs=-1, required=True, metavar="PROJECT|RUN... ", shell_complete=runs)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object with what was written.")
@click.pass_obj
def command(profile: str | None, refs: tuple[str, ...], folder: Path, as_json: bool) -> None:
    """Write each PROJECT, with all that is in it, and each RUN to DIR: points as Parquet, everything else as JSON and
    files (docs/export.md). It needs pyarrow.

    What DIR has already stays: an export that was interrupted continues when it is repeated, and a later one adds what
    is new. `hectiqlab import folder DIR` brings it into a lab.
    """
    from ..exporting.export import export
    from ..transport.connecting import client_of, find_profile

    with client_of(find_profile(profile)) as lab:
        report = (lambda line: None) if as_json else (lambda line: click.echo(clean(line)))
        done = export(lab, refs, folder, report)
    if as_json:
        echo_json(asdict(done))
    else:
        click.echo(
            f"{folder}: {counted(len(done.runs), 'run')}, {counted(done.points, 'new point')}, "
            f"{counted(done.events, 'new event')}, {counted(done.files, 'new file')} ({size_text(done.bytes)})"
        )
    for problem in done.problems:
        click.echo(f"Left out: {clean(problem)}", err=True)
    if done.problems:
        sys.exit(1)
