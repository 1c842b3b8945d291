"""`hectiqlab models`, `datasets`, `download-mlmodel` and `download-dataset`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..base.bars import bar
from ..protocol.registry import DATASETS, MODELS, NOUNS
from .completion import projects
from .output import clean, echo_json, json_option, moment, size_text, table
from .project import option as project_option
from .project import place_of


def _project(named: str | None, profile: Any) -> str:
    """Return the name or id of the project that is meant."""
    from .. import settings

    project = named or settings.get("project") or profile.project
    if not project:
        raise click.UsageError("Name a PROJECT: `hectiqlab projects` lists them.")
    return str(project)


def _version_options(noun: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the options that name one version: project, name, version."""
    project = click.option(
        "-p", "--project", metavar="PROJECT", shell_complete=projects, help="Name or id; default: that of the profile."
    )
    name = click.option("-n", "--name", metavar="NAME", required=True, help=f"Name of the {noun}.")
    version = click.option(
        "-v", "--version", metavar="VERSION", help="major.minor.micro, or an alias; default: the latest."
    )
    return lambda command: project(name(version(command)))


def _check(name: str, version: str | None, alias: str | None = None) -> None:
    """Raise UsageError for a name, a version or an alias that no model or dataset can have."""
    from ..protocol.registry import alias_name, registry_name, version_or_alias

    try:
        registry_name(name)
        if alias is not None:
            alias_name(alias)
        if version is not None:
            version_or_alias(version)
    except ValueError as e:
        raise click.UsageError(f"{e}.") from None


def _list(kind: str) -> click.Command:
    @click.command(kind, short_help=f"List the {kind} of a project.")
    @click.argument("project", required=False, shell_complete=projects)
    @project_option
    @click.option("-n", "--name", metavar="NAME", help=f"All versions of this {NOUNS[kind]}.")
    @json_option("a JSON list of objects")
    @click.pass_obj
    def command(
        profile: str | None, project: str | None, by_option: str | None, name: str | None, as_json: bool
    ) -> None:
        from ..transport.connecting import client_of, find_profile
        from ..transport.http import quoted
        from ..transport.projects import project_path

        chosen = find_profile(profile)
        with client_of(chosen) as lab:
            lab.handshake()
            path = f"{project_path(lab, _project(place_of(project, by_option), chosen))}/{kind}"
            items = list(lab.pages(path if name is None else f"{path}/{quoted(name)}/versions", {"limit": 1000}))
        if as_json:
            echo_json(items)
            return
        table(
            ("name", "version", "aliases", "files", "size", "author", "created", "description"),
            (
                (
                    v["name"],
                    v["version"],
                    " ".join(v.get("aliases", ())),
                    str(v["files"]),
                    size_text(v["bytes"]),
                    v["author"],
                    moment(v["created"]),
                    v["short_description"][:80],
                )
                for v in items
            ),
        )

    command.help = (
        f"List the {kind} of PROJECT (a name or an id; default: HECTIQLAB_PROJECT or the profile's), the latest "
        "version of each."
    )
    return command


def _download(kind: str, command_name: str) -> click.Command:
    noun = NOUNS[kind]

    @click.command(command_name, short_help=f"Download a {noun}.")
    @_version_options(noun)
    @click.option(
        "-s",
        "--save-path",
        type=click.Path(path_type=Path),
        default=Path(),
        help="Folder in which NAME-VERSION is made; default: here.",
    )
    @click.option("-o", "--overwrite", is_flag=True, help="Replace what is at that place.")
    @click.pass_obj
    def command(
        profile: str | None, project: str | None, name: str, version: str | None, save_path: Path, overwrite: bool
    ) -> None:
        from ..transport.connecting import client_of, find_profile
        from ..transport.registry import find_version
        from ..transport.registry_download import download_version

        _check(name, version)
        chosen = find_profile(profile)
        with client_of(chosen) as lab:
            lab.handshake()
            found_version = find_version(lab, _project(project, chosen), kind, name, version)
            with bar(f"{name}-{found_version['version']}", found_version["bytes"]) as progress:
                target = download_version(lab, found_version, save_path, overwrite=overwrite, progress=progress)
        click.echo(clean(str(target)))

    command.help = (
        f"Download a version of a {noun} into the folder NAME-VERSION and print its path.\n\n"
        "Every file is compared with its digest, and the folder takes its name only when it is whole. A download that "
        "was interrupted goes on where it was when it is called again; one that is there is left as it is."
    )
    return command


def _alias(kind: str, command_name: str) -> click.Command:
    noun = NOUNS[kind]

    @click.command(command_name, short_help=f"Point an alias to a version of a {noun}.")
    @click.argument("alias")
    @_version_options(noun)
    @click.option("--remove", is_flag=True, help="Take the alias away.")
    @click.pass_obj
    def command(
        profile: str | None, alias: str, project: str | None, name: str, version: str | None, remove: bool
    ) -> None:
        from ..transport.connecting import client_of, find_profile
        from ..transport.registry import remove_alias, set_alias

        if remove and version is not None:
            raise click.UsageError("Give --version or --remove, not both.")
        _check(name, version, alias)
        chosen = find_profile(profile)
        with client_of(chosen) as lab:
            lab.handshake()
            where = _project(project, chosen)
            if remove:
                remove_alias(lab, where, kind, name, alias)
                click.echo(f"{clean(name)} has no alias {alias} any more")
            else:
                click.echo(f"{alias} is {clean(name)} {set_alias(lab, where, kind, name, alias, version)}")

    command.help = (
        f"Point ALIAS, such as best or production, to a version of a {noun}, and away from any other.\n\n"
        "Downloads take an alias in the place of a version."
    )
    return command


models, datasets = _list(MODELS), _list(DATASETS)
download_mlmodel = _download(MODELS, "download-mlmodel")
download_dataset = _download(DATASETS, "download-dataset")
alias_mlmodel = _alias(MODELS, "alias-mlmodel")
alias_dataset = _alias(DATASETS, "alias-dataset")
