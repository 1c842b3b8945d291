"""`hectiqlab delete` and `hectiqlab restore`."""

from __future__ import annotations

from collections.abc import Callable

import click

from ..base.texts import counted
from ..errors import LabRequestError
from ..read.view import RunView
from .completion import runs
from .output import clean

_yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


@click.command("delete", short_help="Delete runs; `restore` takes it back within 7 days.")
@click.argument("names", metavar="RUN...", nargs=-1, required=True, shell_complete=runs)
@_yes
@click.pass_obj
def delete(profile: str | None, names: tuple[str, ...], yes: bool) -> None:
    """Delete each RUN with all that it logged, after asking.

    RUN is an id, the link of its page, its name where only one run has it, or PROJECT/NAME. You may delete your own
    runs and, as an admin of their project, those of others. For 7 days, `hectiqlab restore` restores them. If a script
    still logs to a deleted run, what it logs is put aside on its machine (`hectiqlab quarantine`).
    """
    from .. import read

    runs = [read.run(name, profile=profile) for name in names]  # if one of them does not exist, none is deleted
    if not yes:
        for run in runs:
            click.echo(f"{_run_text(run)}: {run.state}, {counted(run.points, 'point')}", err=True)
        what = "this run" if len(runs) == 1 else f"these {counted(len(runs), 'run')}"
        click.confirm(f"Delete {what}?", abort=True, err=True)
    _each(runs, RunView.delete, "Deleted", "hectiqlab restore {} takes it back within 7 days.")


@click.command("restore", short_help="Take the deletion of runs back.")
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@click.pass_obj
def restore(profile: str | None, names: tuple[str, ...]) -> None:
    """Restore each deleted RUN: an id, the link of its page, its name, or PROJECT/NAME.

    That works for 7 days, unless another run has its name by now: rename or delete that one first.
    """
    from .. import read

    runs = [read.deleted_run(name, profile=profile) for name in names]
    _each(runs, RunView.restore, "Restored", "")


def _each(runs: list[RunView], change: Callable[[RunView], None], done: str, hint: str) -> None:
    """Change each run. One that fails does not stop the others."""
    failed = False
    for run in runs:
        try:
            change(run)
        except LabRequestError as e:
            click.echo(f"Error: {_run_text(run)}: {e}", err=True)
            failed = True
        else:
            click.echo(" ".join(filter(None, [f"{done} {_run_text(run)}.", hint.format(run.id)])))
    if failed:
        raise SystemExit(1)


def _run_text(run: RunView) -> str:
    return clean(f"{run.project}/{run.name} ({run.id})")
