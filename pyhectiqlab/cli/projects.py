"""`hectiqlab projects`: list them, and rename, archive, move, delete and restore one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from ..base.texts import counted
from .completion import projects as known
from .output import clean, echo_json, json_option, moment, table

if TYPE_CHECKING:
    from ..read import ProjectInfo

_SHOWN = ("id", "name", "created", "runs", "last_activity", "owner", "archived", "deleted", "former_names")
_json = json_option("the project as JSON")
_project = click.argument("project", shell_complete=known)


@click.group("projects", invoke_without_command=True, short_help="List the projects; rename, archive, move, delete.")
@click.option("--archived", is_flag=True, help="Those that are archived.")
@click.option("--deleted", is_flag=True, help="Those that you can restore.")
@json_option("a JSON list of objects")
@click.pass_context
def command(ctx: click.Context, archived: bool, deleted: bool, as_json: bool) -> None:
    """List the projects of the lab, `[id] name`, or change one.

    PROJECT is its id, its name, or a name that it had. Its admins rename and archive it; its owner, and admins of the
    lab, also move, delete and restore it.
    """
    if ctx.invoked_subcommand is not None:
        return
    from .. import read

    projects = read.projects(archived=archived, deleted=deleted, profile=ctx.obj)
    if as_json:
        echo_json([_item(project) for project in projects])
    elif deleted:
        rows = [(project.id, project.name, project.owner, moment(project.deleted)) for project in projects]
        table(("id", "name", "owner", "deleted"), rows)
    else:
        for project in projects:
            click.echo(f"[{project.id}] {clean(project.name)}")


@command.command()
@_project
@click.argument("name")
@_json
@click.pass_obj
def rename(profile: str | None, project: str, name: str, as_json: bool) -> None:
    """Rename a project. Links and scripts that use the old name go on working, until another project takes that
    name.
    """
    from .. import read

    its = read.project(project, profile=profile)
    _report(its.rename(name), f"{clean(its.name)} is {clean(name)} now.", as_json)


@command.command()
@_project
@_json
@click.pass_obj
def archive(profile: str | None, project: str, as_json: bool) -> None:
    """Archive a project: it is in no lists, and no new runs can begin in it. Runs that have begun go on."""
    from .. import read

    its = read.project(project, profile=profile).archive()
    _report(its, f"{clean(its.name)} is archived: `hectiqlab projects unarchive {its.id}` ends that.", as_json)


@command.command()
@_project
@_json
@click.pass_obj
def unarchive(profile: str | None, project: str, as_json: bool) -> None:
    """Undo `archive`."""
    from .. import read

    its = read.project(project, profile=profile).unarchive()
    _report(its, f"{clean(its.name)} takes runs again.", as_json)


@command.command()
@_project
@click.argument("owner", metavar="USER")
@_json
@click.pass_obj
def move(profile: str | None, project: str, owner: str, as_json: bool) -> None:
    """Give a project to another user, who becomes its owner and an admin of it."""
    from .. import read

    its = read.project(project, profile=profile).move(owner)
    _report(its, f"{clean(its.name)} belongs to {clean(its.owner)} now.", as_json)


@command.command()
@_project
@click.argument("key", required=False)
@click.argument("goal", type=click.Choice(["min", "max"]), required=False)
@click.option("--none", is_flag=True, help="Its runs are compared by no metric any more.")
@_json
@click.pass_obj
def objective(
    profile: str | None, project: str, key: str | None, goal: Literal["min", "max"] | None, none: bool, as_json: bool
) -> None:
    """Set the metric by which the runs of a project are compared, and whether its lowest or its highest value is the
    best: `objective vision valid/loss min`. Without KEY, print it.
    """
    from .. import read

    if (key is None) != (goal is None) or (none and key is not None):
        raise click.UsageError("Give KEY and min or max, or --none alone, or neither.")
    its = read.project(project, profile=profile)
    if none:
        its = its.remove_objective()
    elif key is not None and goal is not None:
        its = its.set_objective(key, goal)
    is_set = its.objective
    _report(its, "no objective" if is_set is None else f"{is_set.goal} {clean(is_set.key)}", as_json)


@command.command()
@_project
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@_json
@click.pass_obj
def delete(profile: str | None, project: str, yes: bool, as_json: bool) -> None:
    """Delete a project with its runs, models, datasets and files. `restore` restores it within 7 days.

    If a script still logs to it, what it logs is put aside on its machine (`hectiqlab quarantine`).
    """
    from .. import read

    its = read.project(project, profile=profile)
    if not yes:
        click.confirm(f"Delete {clean(its.name)} with {counted(its.runs, 'run')}?", abort=True, err=True)
    its.delete()
    _report(its, f"Deleted {clean(its.name)}. `hectiqlab projects restore {its.id}` takes it back.", as_json)


@command.command()
@click.argument("project")
@_json
@click.pass_obj
def restore(profile: str | None, project: str, as_json: bool) -> None:
    """Restore a deleted project, within 7 days, unless another one has taken its name."""
    from .. import read

    its = read.project(project, deleted=True, profile=profile).restore()
    _report(its, f"Restored {clean(its.name)} with {counted(its.runs, 'run')}.", as_json)


def _item(project: ProjectInfo) -> dict[str, object]:
    objective = None if project.objective is None else vars(project.objective)
    return {**{name: getattr(project, name) for name in _SHOWN}, "objective": objective}


def _report(project: ProjectInfo, text: str, as_json: bool) -> None:
    if as_json:
        echo_json(_item(project))
    else:
        click.echo(text)
