"""Opening a run for a stand-in: the one of `hectiqlab run` where there is one, else a run of its own."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import settings
from ..capture.launcher import place
from ..client.naming import is_made_up, name_for, other_name
from ..client.opening import open_run
from ..client.saying import say_once
from ..errors import LabError, NotFoundError
from ..protocol.search import quoted
from ..run import Run

if TYPE_CHECKING:
    from ..read.view import RunView

CANDIDATES_MAX = 200
DEFAULT_PROJECT = "default"  # where a lab puts a run for which no project is named

_names: set[str] = set()  # of runs that this process has opened
_joined: set[int] = set()  # processes that have joined the run of `hectiqlab run`; a run after it is one of its own


def open_for(
    tracker: str,
    *,
    name: str | None = None,
    ident: str | None = None,
    continues: bool = False,
    project: str | None = None,
    dry: bool = False,
    tags: Iterable[str] = (),
    note: str | None = None,
    group: str | None = None,
    facts: Mapping[str, Any] | None = None,
    console: bool = True,
) -> Run:
    """Open a run. Waits for the lab as `Run(...)` does. Raises nothing because of the lab.

    Args:
        name: what people call it. If the project has a run of that name, a number is added: trackers give a name to
            many runs.
        ident: what identifies it: opened again, the run is continued. A new run is called `name`-`ident`.
        continues: a run of this `name` is continued.
        facts: what else the tracker was told; stored as meta.
        console: record what Python prints, too.
    """
    joins = settings.get("run") is not None and os.getpid() not in _joined and not dry
    if joins:
        _joined.add(os.getpid())
        run = Run()
        _take_names(run, tracker, name, project)
    elif ident is not None:
        view = None if dry else find_run(ident, project)
        new_name = _named(f"{name}-{ident}" if name and name != ident else ident)
        run = Run(view.name if view is not None else new_name, project, should_create_project=True, dry=dry)
    elif continues and name is not None:
        run = Run(_named(name), project, should_create_project=True, dry=dry)
    else:
        run = _new(name, project, dry)
    for tag in tags:
        run.add_tag(str(tag))
    if note:
        run.set_note(str(note))
    if group and not joins:
        run.set_group(_named(group))
    known = {key: value for key, value in {**(facts or {}), "name": name, "project": project}.items() if value}
    if known:
        run.add_meta(tracker, known)
    if not joins and not dry:
        run.add_package_versions()
        if console:
            run.start_recording_logs(capture_console="python")
    return run


def _take_names(run: Run, tracker: str, name: str | None, project: str | None) -> None:
    """Give the run of `hectiqlab run` the name that the script has for it, if the command was given none. Say where the
    run is, if the script names a project and the command was given none: a run that goes on is not moved.
    """
    if place().rank or run.mode != "online":
        return
    if name and is_made_up(run.name):
        wanted = _named(name)
        for one in (wanted, other_name(wanted)):
            with contextlib.suppress(ValueError):  # another run of the project has the name
                run.rename(one)
                break
    if project and run.project == DEFAULT_PROJECT != project:
        say_once(
            f"{tracker}: the script names the project {project!r}; `hectiqlab run` has made the run in "
            f"{run.project!r}. To have it there: hectiqlab run --project {shlex.quote(project)} …"
        )


def _new(name: str | None, project: str | None, dry: bool) -> Run:
    """Open a run that nobody has opened before. Without a name, the ranks of a job open the same one."""
    here, new = place(), True
    if name is None:
        try:
            name, new = name_for(here)
        except ValueError:  # nothing tells this job from others: each of its ranks is a run
            name, new = name_for(type(here)())
    name = _named(name)
    if name in _names:  # the lab takes it for the same opening, which was answered already
        name = other_name(name)
    _names.add(name)
    run = Run.__new__(Run)
    run._asked_project = project
    opened = open_run(name, project, True, dry, here, new)
    run._become(opened.answer["run"]["name"] if opened.answer else name, opened)
    return run


def _named(text: object) -> str:
    """Return a text as the name of a run."""
    return " ".join(str(text).split())[:200] or "run"


_shared: list[Run] = []  # the run that all writers of this process share
_folders: dict[str, str] = {}  # folder → what stands before its keys in the shared run


def share(run: Run) -> None:
    """Have `folder_run` return this run from now on."""
    _shared[:] = [run]
    _folders.clear()


def folder_run(tracker: str, folder: str, name: str) -> tuple[Run, bool, str]:
    """Return (the run for a folder of logs, whether others share it, what stands before its keys there)."""
    if _shared and _shared[0]._closed:
        _shared.clear()
    if not _shared and settings.get("run") is not None and os.getpid() not in _joined:
        share(open_for(tracker, name=name))
    if _shared:
        prefix = "" if not _folders or folder in _folders else f"{os.path.basename(folder.rstrip('/')) or 'more'}/"
        return _shared[0], True, _folders.setdefault(folder, prefix)
    return open_for(tracker, name=name, continues=True), False, ""


def find_run(ident: str, project: str | None) -> RunView | None:
    """Return the run that an earlier `open_for` made with this `ident`, or that has it as its name. None: there is
    none, or the lab cannot be asked, which is said.
    """
    from ..read.search import search_runs

    try:
        if settings.get("mode") != "online":
            return None
        named = search_runs(settings.get("project") or project, quoted(ident), sort="created", limit=CANDIDATES_MAX)
        return next((view for view in named if view.name == ident or view.name.endswith(f"-{ident}")), None)
    except NotFoundError:  # the project is still to be made
        return None
    except LabError as e:
        say_once(f"whether there is a run {ident!r} is not known: {e}")
        return None
