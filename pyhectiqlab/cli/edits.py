"""`hectiqlab tag`, `untag`, `note`, `archive`, `unarchive` and `move`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from ..base.texts import counted
from .completion import projects, runs
from .output import clean

if TYPE_CHECKING:
    from ..read.edits import Edited
    from ..read.view import RunView

_names = click.argument("names", metavar="RUN...", nargs=-1, required=True, shell_complete=runs)


@click.command("tag", short_help="Add a tag to runs.")
@click.argument("tag", metavar="TAG")
@_names
@click.option("--color", metavar="HEX", help="Its color, such as '#2e7d32'.")
@click.option("--description", metavar="TEXT", help="What it means.")
@click.pass_obj
def tag(profile: str | None, tag: str, names: tuple[str, ...], color: str | None, description: str | None) -> None:
    """Add TAG to each RUN.

    RUN is an id, the link of its page, its name where only one run has it, or PROJECT/NAME. You may change your own
    runs and, as an admin of their project, those of others. Either all of them are changed, or none. A run that has the
    tag keeps its color and description, unless one is given here.
    """
    from ..read import add_tag

    _change(profile, names, lambda runs: add_tag(runs, tag, color=color, description=description), "Tagged")


@click.command("untag", short_help="Remove a tag from runs.")
@click.argument("tag", metavar="TAG")
@_names
@click.pass_obj
def untag(profile: str | None, tag: str, names: tuple[str, ...]) -> None:
    """Remove TAG from each RUN; runs as for `hectiqlab tag`."""
    from ..read import remove_tag

    _change(profile, names, lambda runs: remove_tag(runs, tag), "Untagged")


@click.command("note", short_help="Set the note of runs.")
@click.argument("text", metavar="TEXT")
@_names
@click.pass_obj
def note(profile: str | None, text: str, names: tuple[str, ...]) -> None:
    """Set the note of each RUN to TEXT, which replaces the one that it has; '' removes it. Runs as for `hectiqlab tag`.

    A script that sets the note of its run later replaces it.
    """
    from ..read import set_note

    _change(profile, names, lambda runs: set_note(runs, text), "Set the note of")


@click.command("group", short_help="Put runs into a group.")
@click.argument("group", metavar="GROUP")
@_names
@click.pass_obj
def group(profile: str | None, group: str, names: tuple[str, ...]) -> None:
    """Put each RUN into GROUP, which it leaves its old group for; '' takes it out of its group. Runs as for `hectiqlab
    tag`.
    """
    from ..read import set_group

    _change(profile, names, lambda runs: set_group(runs, group), "Grouped")


@click.command("archive", short_help="Archive runs: lists leave them out.")
@_names
@click.pass_obj
def archive(profile: str | None, names: tuple[str, ...]) -> None:
    """Archive each RUN: searches find it only with a term `archived`, such as archived=true. Nothing else of it
    changes. Runs as for `hectiqlab tag`.
    """
    from ..read import archive_runs

    _change(profile, names, archive_runs, "Archived")


@click.command("unarchive", short_help="Put archived runs back into the lists.")
@_names
@click.pass_obj
def unarchive(profile: str | None, names: tuple[str, ...]) -> None:
    """Put each archived RUN back into the lists; runs as for `hectiqlab tag`."""
    from ..read import unarchive_runs

    _change(profile, names, unarchive_runs, "Unarchived")


@click.command("move", short_help="Move runs to another project.")
@click.argument("project", metavar="PROJECT", shell_complete=projects)
@_names
@click.pass_obj
def move(profile: str | None, project: str, names: tuple[str, ...]) -> None:
    """Move each RUN to PROJECT, with all that it logged; runs as for `hectiqlab tag`. A run that has not ended is not
    moved.

    Versions of models and datasets that it made stay in its project.
    """
    from ..read import move_runs

    _change(profile, names, lambda runs: move_runs(runs, project), "Moved")


def _change(
    profile: str | None, names: Sequence[str], change: Callable[[Sequence[RunView]], Edited], done: str
) -> None:
    from .. import read

    runs = [read.run(name, profile=profile) for name in names]
    try:
        changed = set(change(runs).changed)
    except ValueError as e:
        raise click.UsageError(f"{e}.") from None
    same = len({run.id for run in runs} - changed)
    for run in {run.id: run for run in runs}.values():
        if run.id in changed:
            click.echo(clean(f"{done} {run.project}/{run.name} ({run.id})."))
    if same:
        click.echo(f"{counted(same, 'run')} had it already.", err=True)
