"""hectiqlab admin purge: remove deleted runs for good, now, and free their room on the disk."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..base.texts import counted, size_text
from ..errors import ConfigurationError
from .lab_data import change_noted, data_option, opened_lab
from .output import clean, echo_json, json_option, moment, table

if TYPE_CHECKING:
    from ..store.meta import MetaView, Project
    from ..store.purging import DeletedRun
    from ..store.storage import Storage

SHOWN_MAX = 20
PROJECTS_MAX = 100_000
ASKED_AT_ONCE = 500  # so many in one transaction, for which a running lab waits
LOOK_EVERY_S = 0.2
SILENT_MAX_S = 30.0  # the command ends after so long without any progress of the lab
_ID = re.compile(r"(?:https?://\S*/runs/)?([0-9a-f]{12})(?:[/?#].*)?")


@dataclass(frozen=True)
class Taken:
    """What the lab takes, in bytes: its databases by name, and its files."""

    databases: Mapping[str, int]
    files: int

    @property
    def all(self) -> int:
        return sum(self.databases.values()) + self.files


@click.command()
@click.argument("names", metavar="[RUN|PROJECT]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All deleted runs of the lab.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option("what is deleted as a JSON list of objects, or what was purged as an object")
@data_option
def purge(names: tuple[str, ...], everything: bool, yes: bool, as_json: bool, data: Path | None) -> None:
    """Remove deleted runs for good, now, with their points, logs and files; without arguments list them, and deleted
    projects.

    RUN is the id, the link, the name or PROJECT/NAME of a deleted run. PROJECT (or PROJECT/ if a run has the same name)
    means all its deleted runs and, if it is deleted itself, the project with its models, datasets and shared files.
    They cannot be restored any more. Without this command they go 7 days after they were deleted.

    A running lab does the work beside its other work, and goes on with it if the command is stopped. If the lab is
    stopped, the command does the work itself.
    """
    if everything and names:
        raise click.UsageError("Name runs and projects, or all of them with --all, not both.")
    with opened_lab(data) as storage:
        with storage.meta.reading() as view:
            runs = list(view.deleted()) if everything or not names else _chosen(view, names)
            every = everything or not names
            projects = view.deleted_projects(PROJECTS_MAX) if every else _deleted_projects(view, names)
        if not everything and not names:
            _list(runs, projects, as_json)
            return
        if not runs and not projects:
            click.echo("Nothing is deleted: there is nothing to purge.", err=True)
        elif not yes:
            for run in runs[:SHOWN_MAX]:
                click.echo(f"{_run_text(run)}: deleted {moment(run.deleted)}, {counted(run.points, 'point')}", err=True)
            if len(runs) > SHOWN_MAX:
                click.echo(f"… and {len(runs) - SHOWN_MAX:,} more.", err=True)
            for project in projects:
                click.echo(f"The project {clean(project.name)}: deleted {moment(project.deleted)}", err=True)
            what = counted(len(runs), "run") + (f" and {counted(len(projects), 'project')}" if projects else "")
            click.confirm(f"Remove {what} for good?", abort=True, err=True)
        before = _taken(storage)
        asked = storage.free(lambda: _ask(storage, runs))
        asked += storage.free(lambda: _ask_projects(storage, projects))
        whole = _finish(storage)
    with opened_lab(data) as storage:  # what was opened is closed: the logs of its databases have gone
        after = _taken(storage)
    _report(asked, before, after, whole, as_json)


def _chosen(view: MetaView, names: Sequence[str]) -> list[DeletedRun]:
    """Return the runs and projects that the names mean. Raise ConfigurationError for a name that is no deleted run and
    no project, or that could be several.
    """
    chosen: dict[str, DeletedRun] = {}
    deleted = view.deleted()
    for name in names:
        chosen |= {run.id: run for run in _named(view, name, deleted)}
    return list(chosen.values())


def _deleted_projects(view: MetaView, names: Sequence[str]) -> list[Project]:
    """Return those of the names that are deleted projects."""
    refs = [name.removesuffix("/") for name in names]
    projects = [view.deleted_project(ref) for ref in refs if view.project(ref) is None]
    return [project for project in projects if project is not None]


def _named(view: MetaView, name: str, deleted: list[DeletedRun]) -> list[DeletedRun]:
    if (match := _ID.fullmatch(name)) and (run := next((r for r in deleted if r.id == match[1]), None)):
        return [run]
    ref = name.removesuffix("/")
    project = view.project(ref) or view.deleted_project(ref)
    runs = [run for run in deleted if name in (run.name, f"{run.project}/{run.name}", f"{run.project_id}/{run.name}")]
    shown = clean(name[:100])
    if project is not None and runs and not name.endswith("/"):
        raise ConfigurationError(
            f"{shown!r} is a project, and a deleted run: write {shown}/ for all deleted runs of the project, or "
            f"{_ids(runs)} for the run."
        )
    if project is not None:
        its = [run for run in deleted if run.project_id == project.id]
        if not its and project.deleted is None:
            raise ConfigurationError(
                f"The project {shown!r} has no deleted run and is not deleted: `hectiqlab projects delete {shown}`."
            )
        return its
    if len(runs) > 1:
        raise ConfigurationError(f"Several deleted runs are named {shown!r}: give the id of one, {_ids(runs)}.")
    if runs:
        return runs
    alive = view.run(match[1]) if match else next(iter(view.runs_named(name)), None)
    if alive is not None and alive.purged is not None:
        raise ConfigurationError(f"The run {clean(alive.name)!r} ({alive.id}) was purged already.")
    if alive is not None:
        raise ConfigurationError(
            f"The run {clean(alive.name)!r} ({alive.id}) is not deleted: first `hectiqlab delete {alive.id}`."
        )
    raise ConfigurationError(
        f"No deleted run and no project is named {shown!r}: `hectiqlab admin purge` lists what is deleted."
    )


def _ids(runs: Sequence[DeletedRun]) -> str:
    return ", ".join(run.id for run in runs[:5]) + (" …" if len(runs) > 5 else "")


def _run_text(run: DeletedRun) -> str:
    return clean(f"{run.project}/{run.name} ({run.id})")


def _list(runs: Sequence[DeletedRun], projects: Sequence[Project], as_json: bool) -> None:
    if as_json:
        echo_json([asdict(run) for run in runs])
        return
    for project in projects:
        assert project.deleted is not None
        click.echo(
            f"The project {clean(project.name)} ({project.id}) is deleted; it goes {_goes(project.deleted)}. "
            f"`hectiqlab projects restore {project.id}` takes it back."
        )
    if not runs and not projects:
        click.echo("Nothing is deleted.", err=True)
    elif runs:
        header = ("run", "project", "name", "points", "deleted", "goes")
        ends = ["now" if run.asked else _goes(run.deleted) for run in runs]
        rows = [
            (r.id, clean(r.project), clean(r.name), f"{r.points:,}", moment(r.deleted), end)
            for r, end in zip(runs, ends, strict=True)
        ]
        table(header, rows)


def _goes(deleted: float) -> str:
    from ..server.lab import KEEP_DELETED_S

    return moment(deleted + KEEP_DELETED_S)


def _taken(storage: Storage) -> Taken:
    with storage.meta.reading() as view:
        files = view.stored_bytes()
    return Taken(dict(storage.sizes()), files)


def _ask(storage: Storage, runs: Sequence[DeletedRun]) -> int:
    """Note durably which runs are to be purged, and return how many. Runs that were restored meanwhile are left
    alone.
    """
    n = 0
    for i in range(0, len(runs), ASKED_AT_ONCE):
        some = {run.id: run for run in runs[i : i + ASKED_AT_ONCE]}
        with storage.meta.writing() as tx:
            asked = tx.ask_purge(list(some), time.time())
            tx.note_changes([change_noted("purged", f"run {_run_text(some[run])}") for run in asked])
        n += len(asked)
    return n


def _ask_projects(storage: Storage, projects: Sequence[Project]) -> int:
    """Note that projects are to be purged, durably. Return for how many more runs this was noted; a project with very
    many runs may still be being deleted.
    """
    n = 0
    for project in projects:
        while len(late := _not_asked(storage, project)) > ASKED_AT_ONCE:
            n += _ask(storage, late)
        with storage.meta.writing() as tx:
            if tx.ask_purge_project(project.id, time.time()):
                tx.note_changes([change_noted("purged", f"project {project.name} ({project.id})")])
    return n


def _not_asked(storage: Storage, project: Project) -> list[DeletedRun]:
    with storage.meta.reading() as view:
        return [run for run in view.deleted(project.id) if not run.asked]


def _finish(storage: Storage) -> bool:
    """Purge all that was noted, or wait for the running lab to do so as long as there is progress. Return whether it is
    done.
    """
    from ..server.tending import purging

    def progress() -> None:
        if sys.stderr.isatty():
            with storage.meta.reading() as view:
                left = view.purges_left()
            sizes = ", ".join(f"{name} {size_text(n)}" for name, n in storage.sizes().items())
            click.echo(f"\r\033[K{counted(left, 'run')} left; {sizes} … ", nl=False, err=True)

    if storage.alone:
        purging.purge_alone(storage, time.time(), progress)
    known, since = None, time.monotonic()
    while is_left := purging.is_left(storage):
        progress()
        with storage.meta.reading() as view:
            now = view.purges_left(), view.stored_bytes(), *storage.sizes().values(), *storage.unused().values()
        if now != known:
            known, since = now, time.monotonic()
        elif storage.alone or time.monotonic() - since > SILENT_MAX_S:
            break
        time.sleep(LOOK_EVERY_S)
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    return not is_left


def _report(asked: int, before: Taken, after: Taken, whole: bool, as_json: bool) -> None:
    if as_json:
        report = {"runs": asked, "done": whole, "before": asdict(before), "after": asdict(after)}
        echo_json(report | {"given_back": max(0, before.all - after.all)})
        return
    click.echo(f"Purged {counted(asked, 'run')}: {size_text(max(0, before.all - after.all))} came back.")
    click.echo(f"{', '.join(_changes(before, after))}.")
    if not whole:
        click.echo(
            "Not all is done yet: the lab continues, with files once a running backup has ended. Look at "
            "`hectiqlab admin status`, and whether the lab works.",
            err=True,
        )


def _changes(before: Taken, after: Taken) -> Iterator[str]:
    for name, size in before.databases.items():
        yield f"{name} {size_text(size)} → {size_text(after.databases[name])}"
    yield f"files {size_text(before.files)} → {size_text(after.files)}"
