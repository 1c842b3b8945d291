"""`hectiqlab views`: the saved views of a project's page."""

from __future__ import annotations

import json
from typing import IO

import click

from .completion import projects
from .output import clean, echo_json, json_option, moment, table

_project = click.argument("project", shell_complete=projects)
_view = click.argument("view")


@click.group("views", short_help="List, print, save and delete the saved views of a project.")
def command() -> None:
    """List, print, save and delete the saved views of a project's page.

    PROJECT is an id or a name, VIEW the id of a view or its name. If several views have the name, yours is meant.
    """


@command.command("list")
@_project
@json_option("a JSON list of objects, with the documents")
@click.pass_obj
def list_views(profile: str | None, project: str, as_json: bool) -> None:
    """List the views that you see: your own, and those that are shared."""
    from .. import read

    views = read.saved_views(project, profile=profile)
    if as_json:
        echo_json([{name: value for name, value in vars(view).items() if name != "profile"} for view in views])
        return
    rows = [(v.id, v.name, v.author, "shared" if v.shared else "private", moment(v.changed)) for v in views]
    table(("id", "name", "author", "", "changed"), rows)


@command.command()
@_project
@_view
@json_option("JSON, as without it")
@click.pass_obj
def show(profile: str | None, project: str, view: str, as_json: bool) -> None:
    """Print the JSON document of a view, as `hectiqlab views save` takes it."""
    from .. import read

    echo_json(read.saved_view(project, view, profile=profile).document)


@command.command()
@_project
@click.argument("name")
@click.argument("file", type=click.File(encoding="utf-8"), default="-")
@click.option("--shared/--private", default=False, help="Whether all who see the project see it.")
@click.pass_obj
def save(profile: str | None, project: str, name: str, file: IO[str], shared: bool) -> None:
    """Save the JSON document in FILE, or without FILE that of the standard input, as your view NAME. It replaces the
    one that you have under this name.
    """
    from .. import read

    try:
        document = json.load(file)
    except ValueError as e:
        raise click.ClickException(f"{file.name} is not JSON: {e}.") from None
    if not isinstance(document, dict):
        raise click.ClickException(f"{file.name} has no JSON object, as a view must.")
    its = read.save_view(project, name, document, shared=shared, profile=profile)
    click.echo(f"Saved {clean(its.name)} ({its.id}), {'shared' if its.shared else 'private'}.")


@command.command()
@_project
@_view
@click.pass_obj
def delete(profile: str | None, project: str, view: str) -> None:
    """Delete a view: one of yours or, as an admin of the project, one that is shared."""
    from .. import read

    its = read.saved_view(project, view, profile=profile)
    its.delete()
    click.echo(f"Deleted {clean(its.name)} ({its.id}).")
