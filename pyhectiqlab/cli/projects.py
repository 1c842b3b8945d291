"""`hectiqlab projects`."""

from __future__ import annotations

from dataclasses import asdict

import click

from .output import clean, echo_json


@click.command("projects")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of objects.")
@click.pass_obj
def command(profile: str | None, as_json: bool) -> None:
    """List the projects of the lab: `[id] name`."""
    from .. import read

    projects = read.projects(profile=profile)
    if as_json:
        echo_json([asdict(project) for project in projects])
        return
    for project in projects:
        click.echo(f"[{project.id}] {clean(project.name)}")
