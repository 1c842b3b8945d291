"""`hectiqlab artifacts` and `hectiqlab post-artifact`."""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Any

import click

from ..base.bars import bar
from .completion import projects, runs
from .output import clean, echo_json, json_option, moment, size_text, table
from .project import option as project_option
from .project import place_of


def where(lab: Any, project: str | None, run: str | None) -> str:
    """Return the path of the API below which the artifacts lie."""
    from ..transport.http import quoted
    from ..transport.projects import project_path

    if run is not None:
        return f"/runs/{quoted(lab.get('/runs/resolve', {'ref': run})['id'])}"
    if project is None:
        raise click.UsageError("Name a PROJECT (`hectiqlab projects` lists them), or a run with --run.")
    return project_path(lab, project)


@click.command("artifacts", short_help="List and download shared artifacts, or those of a run.")
@click.argument("project", required=False, shell_complete=projects)
@project_option
@click.option(
    "--run", metavar="RUN", shell_complete=runs, help="Those of a run: its id, the link of its page, or its name."
)
@click.option("--versions", is_flag=True, help="Also earlier versions.")
@json_option("a JSON list of objects")
@click.option("-d", "--download", "name", metavar="NAME", help="Download the newest artifact of this name.")
@click.option("--step", type=int, help="With --download: of this step.")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    default="./",
    help="A new name, or a folder, which exists or ends with a slash.",
)
@click.option("--overwrite", is_flag=True, help="Replace another file of that name.")
@click.pass_obj
def command(
    profile: str | None,
    project: str | None,
    by_option: str | None,
    run: str | None,
    versions: bool,
    as_json: bool,
    name: str | None,
    step: int | None,
    output: str,
    overwrite: bool,
) -> None:
    """List the artifacts that the runs of PROJECT (a name or an id) share; with --run, those of a run.

    In a terminal, it then offers to download one. A download that was interrupted continues when it is called again.
    The file is compared with its digest, and gets its name only when it is complete.
    """
    from ..transport.connecting import client_of, find_profile

    chosen = find_profile(profile)
    project = place_of(project, by_option)
    if project is not None and run is not None:
        raise click.UsageError("Name a project or a run, not both.")
    with client_of(chosen) as lab:
        lab.handshake()
        path = f"{where(lab, project, run)}/artifacts"
        if name is not None:
            artifact = _newest(list(lab.pages(path, {"name": name, "step": step})), name, step)
            _fetch(lab, artifact, output, overwrite)
            return
        params = {"versions": "all" if versions else "latest", "limit": 1000}
        items = list(lab.pages(path, params))
        if as_json:
            echo_json(items)
            return
        _print(items)
        if items and sys.stdin.isatty() and sys.stdout.isatty():
            _offer(lab, items, output, overwrite)


def _print(items: list[dict[str, Any]]) -> None:
    table(
        ("#", "name", "step", "version", "size", "author", "created"),
        (
            (
                str(number),
                a["name"],
                "" if a["step"] is None else str(a["step"]),
                str(a["version"]),
                size_text(a["bytes"]),
                a["author"],
                moment(a["created"]),
            )
            for number, a in enumerate(items, start=1)
        ),
    )


def _offer(lab: Any, items: list[dict[str, Any]], output: str, overwrite: bool) -> None:
    number = click.prompt(
        "Download which # (0: none)", type=click.IntRange(0, len(items)), default=0, show_default=False, err=True
    )
    if number:
        _fetch(lab, items[number - 1], output, overwrite)


def _newest(versions: list[dict[str, Any]], name: str, step: int | None) -> dict[str, Any]:
    if not versions:
        of = "" if step is None else f" at step {step}"
        raise click.ClickException(f"No artifact is named {name!r}{of}: list them without --download.")
    if step is None and versions[0]["step"] is None:
        return versions[0]
    return versions[-1]  # the one of the highest step


def _fetch(lab: Any, artifact: dict[str, Any], output: str, overwrite: bool) -> None:
    from ..transport.file_download import download

    with bar(artifact["name"], artifact["bytes"]) as progress:
        target = download(lab, artifact, output, overwrite=overwrite, progress=progress)
    click.echo(clean(str(target)))


@click.command("post-artifact", short_help="Upload a file to the shared artifacts of a project.")
@click.argument("project", required=False, shell_complete=projects)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@project_option
@click.option("-f", "--file", "file_option", type=click.Path(path_type=Path), help="The same as the argument FILE.")
@click.option("--name", help="Its name in the lab; default: that of the file.")
@json_option("the artifact as a JSON object")
@click.pass_obj
def post(
    profile: str | None,
    project: str | None,
    file: Path | None,
    by_option: str | None,
    file_option: Path | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Upload FILE to the shared artifacts of PROJECT (a name or an id). The same name again is a new version.

    What the lab has already is not sent again, and an upload that was interrupted goes on where it was when it is
    called again.
    """
    if by_option is not None and file is None and file_option is None:
        project, file = None, None if project is None else Path(project)  # post-artifact -p ID FILE
    project, file = place_of(project, by_option), file if file_option is None else file_option
    if project is None or file is None:
        raise click.UsageError("Name a project and a file: hectiqlab post-artifact PROJECT FILE.")
    from ..protocol.names import artifact_name
    from ..transport.connecting import client_of, find_profile
    from ..transport.file_upload import register, upload_file

    if not file.is_file():
        problem = "is a folder: pack it first" if file.is_dir() else "does not exist"
        raise click.UsageError(f"{file} {problem}.")
    try:
        name = artifact_name(file.absolute().name if name is None else name)
    except ValueError as e:
        raise click.UsageError(f"{e}.") from None
    chosen = find_profile(profile)
    with client_of(chosen) as lab:
        lab.handshake()
        project_id = lab.get(f"{where(lab, project, None)}")["id"]
        with bar(name, file.stat().st_size) as progress:
            sent = upload_file(lab, file, project=project_id, progress=progress)
        body = {
            "id": secrets.token_hex(16),
            "name": name,
            "digest": sent.digest,
            "bytes": sent.bytes,
            "created": time.time(),
        }
        artifact = register(lab, body, project=project_id)
    if as_json:
        echo_json(artifact)
    else:
        click.echo(f"{clean(name)} version {artifact['version']}, {size_text(sent.bytes)}, {artifact['uuid']}")
