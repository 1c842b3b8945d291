"""`hectiqlab import`: import what other tools have logged, and exports of labs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from ..base.texts import counted
from .output import clean, echo_json

if TYPE_CHECKING:
    from ..importing.incoming import Incoming
    from ..importing.points import Problems
    from ..importing.send import Imported
    from ..importing.source import Source

_Command = Callable[..., Any]


def _options(command: _Command) -> _Command:
    project = click.option(
        "-p", "--project", metavar="NAME", help="Where the runs go, made if there is none of this name."
    )
    name = click.option("--name", help="Name of the run; of several folders, what their names begin with.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON list with an object for each run.")
    return project(name(as_json(click.pass_obj(command))))


@click.group("import", short_help="Bring in what other tools have logged.")
def command() -> None:
    """Import what other tools have logged into the lab, with its original steps and times.

    The same content is never imported twice: an import that was interrupted continues when it is repeated, and if event
    files have grown since, what is new is added. Other content under the name of an imported run becomes another
    attempt of it. A run that a script has made is never touched. What cannot be read is left out and reported on
    stderr, and the exit status is 1.
    """


@command.command("tensorboard", short_help="TensorBoard event files.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path, readable=False))
@_options
def tensorboard(
    profile: str | None, paths: tuple[Path, ...], project: str | None, name: str | None, as_json: bool
) -> None:
    """Import all event files in and below each PATH: scalars, histograms, images, sounds, texts and hyperparameters.

    Each folder with event files becomes a run, named by its path below PATH; links to folders are followed. If a file
    ends in the middle of a record, because it is still being written, everything before that record is imported. Import
    it again later to add what is new.
    """
    from ..importing.points import Problems
    from ..importing.tensorboard import sources

    problems = Problems()
    runs = sources(paths, problems)
    if name is not None:
        runs = [replace(s, name=name if len(runs) == 1 else f"{name}/{s.name}") for s in runs]
    _import(profile, runs, project, as_json, problems)


@command.command("csv", short_help="Metrics of a CSV file.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, readable=False))
@_options
def table(profile: str | None, file: Path, project: str | None, name: str | None, as_json: bool) -> None:
    """Import the metrics of a CSV file as one run, named after the file.

    The first line names the columns. Either each column is a metric, beside `step` (or `global_step`, `iteration`,
    `index`; without one, rows count from 0) and `time` (or `wall_time`, `timestamp`); or each row is a point with `key`
    (or `tag`, `metric`), `value`, `step` and `time`. Times are seconds since 1970 UTC or ISO 8601; without them, points
    have the time when the file was last modified. An empty cell makes no point.
    """
    from ..importing.points import Problems
    from ..importing.table import source

    _import(profile, [source(file, name)], project, as_json, Problems())


def _runs(command: _Command) -> _Command:
    """Add the options of commands that import whole runs."""
    project = click.option(
        "-p", "--project", metavar="NAME", help="Where all go; else into projects of their own names."
    )
    user = click.option(
        "--user", "users", multiple=True, metavar="THEIRS=OURS", help="Whose runs these are here (admins of the lab)."
    )
    as_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON list with an object for each run.")
    return project(user(as_json(click.pass_obj(command))))


def _artifacts(when: str) -> Callable[[_Command], _Command]:
    """Return the option that names folders with the files of artifacts. `when`: who needs it."""
    folder = click.Path(path_type=Path, exists=True, file_okay=False)
    help_text = f"Where the files of artifacts are, {when}."
    return click.option("--artifacts", multiple=True, metavar="DIR", type=folder, help=help_text)


@command.command("wandb", short_help="Runs of Weights & Biases: its .wandb files.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path, readable=False))
@_runs
def wandb(
    profile: str | None, paths: tuple[Path, ...], project: str | None, users: tuple[str, ...], as_json: bool
) -> None:
    """Import the runs of all .wandb files in and below each PATH, such as the folder `wandb` beside a script.

    It imports history, config, summary, console, system metrics, media, tables, saved files and artifacts, if their
    files are on this machine. Files of one run id become attempts of one run. wandb is not needed.
    """
    from ..importing.points import Problems
    from ..importing.wandb import runs

    problems = Problems()
    _bring(profile, runs(paths, problems), problems, project, users, as_json)


@command.command("mlflow", short_help="Runs of MLflow: mlruns, or its database.")
@click.argument("source", metavar="SOURCE")
@_artifacts("if not beside SOURCE: the server's --artifacts-destination")
@_runs
def mlflow(
    profile: str | None,
    source: str,
    artifacts: tuple[Path, ...],
    project: str | None,
    users: tuple[str, ...],
    as_json: bool,
) -> None:
    """Import the runs of SOURCE: a folder mlruns, a file mlflow.db, or the address of a database, such as
    postgresql+psycopg://USER@HOST/NAME. It is only read.

    An experiment becomes a project. It imports params, metrics, tags, notes, states, times, files of artifacts and
    versions of registered models. Traces and evaluations are left out. mlflow is not needed.
    """
    from ..importing.mlflow import runs
    from ..importing.points import Problems

    problems = Problems()
    _bring(profile, runs(source, artifacts, problems), problems, project, users, as_json)


@command.command("trackio", short_help="Runs of Trackio: its databases or Parquet files.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path, readable=False))
@_runs
def trackio(
    profile: str | None, paths: tuple[Path, ...], project: str | None, users: tuple[str, ...], as_json: bool
) -> None:
    """Import the runs of all projects of each PATH: the folder of Trackio (TRACKIO_DIR, or
    ~/.cache/huggingface/trackio), or a .db or .parquet file in it.

    It imports metrics, config, images, tables, texts, alerts and system metrics. trackio is not needed; Parquet needs
    pyarrow.
    """
    from ..importing.points import Problems
    from ..importing.trackio import runs

    problems = Problems()
    _bring(profile, runs(paths, problems), problems, project, users, as_json)


@command.command("neptune", short_help="Runs of Neptune: what neptune-exporter wrote.")
@click.argument("data", metavar="DATA", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--files",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the exporter put files, its --files-path; without it, `files` beside DATA.",
)
@_runs
def neptune(
    profile: str | None,
    data: Path,
    files: Path | None,
    project: str | None,
    users: tuple[str, ...],
    as_json: bool,
) -> None:
    """Import the runs that neptune-exporter wrote to DATA, its --data-path. It needs pyarrow.

    If a series has decimal steps, its points get the whole parts as steps, and the exact steps become a series
    neptune/step/NAME.
    """
    from ..importing.neptune import runs
    from ..importing.points import Problems

    problems = Problems()
    _bring(profile, runs(data, files, problems), problems, project, users, as_json)


@command.command("aim", short_help="Runs of Aim: its repository.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, readable=False))
@_artifacts("if not below DIR")
@_runs
def aim(
    profile: str | None,
    folder: Path,
    artifacts: tuple[Path, ...],
    project: str | None,
    users: tuple[str, ...],
    as_json: bool,
) -> None:
    """Import the runs of the repository `.aim` in DIR. It is only read, by Aim, which must be installed beside
    pyhectiqlab.

    It imports params, metrics, images, sounds, texts, figures, distributions, tags, notes, logs and system metrics. An
    experiment becomes a group. A context becomes a part of the key: train/loss.
    """
    from ..importing.aim import runs
    from ..importing.points import Problems

    problems = Problems()
    _bring(profile, runs(folder, artifacts, problems), problems, project, users, as_json)


def _bring(
    profile: str | None,
    runs: Iterator[Incoming],
    problems: Problems,
    project: str | None,
    users: tuple[str, ...],
    as_json: bool,
) -> None:
    from .. import settings
    from ..errors import REFUSALS
    from ..importing.fill import bring
    from ..importing.points import readable
    from ..transport.connecting import client_of, find_profile

    named = dict(one.partition("=")[::2] for one in users)
    chosen = find_profile(profile)
    results = []
    brought: dict[str, str] = {}
    with client_of(chosen) as lab:
        lab.handshake()
        for incoming in readable(runs, "What follows", problems):
            try:
                done = bring(lab, incoming, project, settings.get("project") or chosen.project, named, brought)
            except REFUSALS as e:
                where = f" of the project {incoming.project!r}" if project is None and incoming.project else ""
                problems.add(f"run {incoming.origin}", f"the run {incoming.names[0]!r}{where}: {e}")
                continue
            results.append(done)
            if not as_json:
                _tell(done)
            for problem in done.problems:
                click.echo(f"Left out: {clean(done.name)}: {clean(problem)}", err=True)
    if not as_json:
        _tell_projects(results)
    for problem in problems.lines():
        click.echo(f"Left out: {clean(problem)}", err=True)
    if as_json:
        echo_json([asdict(done) for done in results])
    if problems.lines() or any(done.problems for done in results):
        sys.exit(1)


@command.command("folder", short_help="An export of a lab: `hectiqlab export`.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, readable=False))
@click.option("-p", "--project", metavar="NAME", help="Where everything goes; else into projects of their own names.")
@click.option(
    "--user", "users", multiple=True, metavar="THEIRS=OURS", help="Who an author of the export is in this lab."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object with a list of the runs.")
@click.pass_obj
def folder(profile: str | None, folder: Path, project: str | None, users: tuple[str, ...], as_json: bool) -> None:
    """Import the projects and runs of DIR into the lab, as they were: points, times, states, attempts, notes, tags,
    logs, files, models, datasets and views. Runs get new ids.

    If an admin of the lab imports, runs keep their authors if the lab has users of their names; anybody else becomes
    the author. A run that was already imported from the same lab is not imported twice: only what came since is added.
    It needs pyarrow.
    """
    from ..importing.lab import import_folder
    from ..transport.connecting import client_of, find_profile

    named = dict(one.partition("=")[::2] for one in users)

    def report(done: Any) -> None:
        if not as_json:
            _tell(done)
        for problem in done.problems:
            click.echo(f"Left out: {clean(done.name)}: {clean(problem)}", err=True)

    with client_of(find_profile(profile)) as lab:
        lab.handshake()
        brought = import_folder(lab, folder, project, named, report)
    for problem in brought.problems:
        click.echo(f"Left out: {clean(problem)}", err=True)
    if as_json:
        echo_json(asdict(brought))
    if brought.problems or any(run.problems for run in brought.runs):
        sys.exit(1)


def _tell_projects(results: list[Imported]) -> None:
    """Print the links of the pages that show the runs of a project beside each other."""
    for project, count in Counter(done.project for done in results if done.run is not None).items():
        if project is not None and count > 1:
            url = next(done.url for done in results if done.project == project and done.url)
            at = f"{url.rpartition('/runs/')[0]}/projects/{quote(project, safe='')}"
            click.echo(f"{counted(count, 'run')} in {clean(project)}: {at}")


def _tell(done: Any) -> None:
    new = counted(done.points - done.before, "new point" if done.before else "point")
    files = f", {counted(done.files, 'file')}" if done.files else ""
    what = "was imported before" if done.was_there else f"{new}{files}"
    click.echo(f"{clean(done.name)}: {what}: {done.url}")
    if done.instead_of:
        why = "Its files are others now at what an earlier import had brought, so it was imported anew"
        click.echo(f"  {why}. `hectiqlab restore {done.instead_of}` brings back the run that was there.")


def _import(profile: str | None, sources: list[Source], project: str | None, as_json: bool, problems: Problems) -> None:
    from .. import settings
    from ..capture.values import check_name
    from ..errors import REFUSALS
    from ..importing.send import Imported, send
    from ..transport.connecting import client_of, find_profile

    for name, count in Counter(source.name for source in sources).items():
        if count > 1:
            raise click.UsageError(f"{count} folders would be the run {name!r}: import them one by one, with --name.")
    chosen = find_profile(profile)
    results = []
    with client_of(chosen) as lab:
        lab.handshake()
        for source in sources:
            try:
                check_name("name of a run", source.name)
                done = send(lab, source, project or settings.get("project") or chosen.project)
            except (*REFUSALS, OSError, ValueError) as e:
                advice = ": give another with --name" if isinstance(e, ValueError) else ""
                done = Imported(source.name, None, None, None, 0, 0, False, [f"{source.name[:80]!r}: {e}{advice}"])
            results.append(done)
            for problem in done.problems:
                click.echo(f"Left out: {clean(problem)}", err=True)
            if not as_json and done.run is not None:
                _tell(done)
    if not as_json:
        _tell_projects(results)
    for problem in problems.lines():
        click.echo(f"Left out: {clean(problem)}", err=True)
    if as_json:
        echo_json([asdict(done) for done in results])
    if problems.lines() or any(done.problems for done in results):
        sys.exit(1)
