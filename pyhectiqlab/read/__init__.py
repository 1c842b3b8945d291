"""Read back from the lab: projects, runs and all that is in them.

    from pyhectiqlab import read, search_runs

    for run in search_runs("vision", "state=completed metric.valid/loss.min<0.2", sort="-created"):
        print(run.name, run.config.lr, run.metrics("valid/loss"))

    run = read.run("dev-run")  # the same as Run.existing("dev-run")

Everything here blocks on the network, each request within the bounds of `transport.http.LabClient`. It raises
ConfigurationError if no lab is known or pandas is missing, and LabRequestError if the lab cannot be asked or refuses.
Times are seconds since 1970 UTC.
"""

from __future__ import annotations

from ..errors import NotFoundError
from ..protocol.search import quoted
from ..transport.connecting import find_profile
from ..transport.projects import project_path
from .artifacts import Artifact, Lineage, Version
from .differences import Difference, Differences, differences
from .edits import (
    Edited,
    add_tag,
    archive_runs,
    delete_runs,
    move_runs,
    remove_tag,
    set_group,
    set_note,
    unarchive_runs,
)
from .project_info import Objective, ProjectInfo, project_info
from .saved_views import SavedView, save_view, saved_view, saved_views
from .search import FoundRuns, search_runs
from .shapes import KeyInfo, Log, Point, StateChange, asking, shaped
from .view import RunView, run_view

__all__ = [
    "Artifact",
    "Difference",
    "Differences",
    "Edited",
    "FoundRuns",
    "KeyInfo",
    "Lineage",
    "Log",
    "Objective",
    "Point",
    "ProjectInfo",
    "RunView",
    "SavedView",
    "StateChange",
    "Version",
    "add_tag",
    "archive_runs",
    "delete_runs",
    "deleted_run",
    "differences",
    "move_runs",
    "project",
    "projects",
    "remove_tag",
    "run",
    "save_view",
    "saved_view",
    "saved_views",
    "search_runs",
    "set_group",
    "set_note",
    "unarchive_runs",
]


def projects(*, archived: bool = False, deleted: bool = False, profile: str | None = None) -> list[ProjectInfo]:
    """Return the projects that the user of a profile can see.

    Args:
        archived: True returns only the archived ones, False only the others.
        deleted: True returns instead the deleted ones that the user can restore.
        profile: name of a profile. None: the one in use.
    """
    chosen = find_profile(profile)
    asked = {"limit": 1000, **({"archived": "true"} if archived else {}), **({"deleted": "true"} if deleted else {})}
    with asking(chosen) as lab:
        return [shaped(lab, project_info, item, chosen) for item in lab.pages("/projects", asked)]


def project(ref: str, *, deleted: bool = False, profile: str | None = None) -> ProjectInfo:
    """Return one project.

    Args:
        ref: its id, its name, or one of its former names.
        deleted: look among the deleted projects that can still be restored. If several had the name, the one that was
            deleted last is meant.
        profile: name of a profile. None: the one in use.

    Raises NotFoundError.
    """
    chosen = find_profile(profile)
    if deleted:
        for one in projects(deleted=True, profile=profile):
            if ref in (one.id, one.name):
                return one
        raise NotFoundError(f"No project that you can restore is {ref[:100]!r}.", status=404, code="project_not_found")
    with asking(chosen) as lab:
        return shaped(lab, project_info, lab.get(project_path(lab, ref)), chosen)


def deleted_run(ref: str, *, profile: str | None = None) -> RunView:
    """Return a deleted run that can still be restored. Its other methods raise until it is restored.

    Args:
        ref: as for `run`.
        profile: name of a profile. None: the one in use.
    """
    chosen = find_profile(profile)
    with asking(chosen) as lab:
        return shaped(lab, run_view, lab.get("/runs/resolve", {"ref": ref, "deleted": "true"}), chosen)


def run(ref: str, project: str | None = None, *, profile: str | None = None) -> RunView:
    """Return one run.

    Args:
        ref: its id, the link of its page, or its name if only one run has it.
        project: name or id of the project in which the name is looked up. None: all projects.
        profile: name of a profile. None: the one in use.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: several runs have the name; the message lists their ids.
    """
    chosen = find_profile(profile)
    with asking(chosen) as lab:
        if project is None:
            return shaped(lab, run_view, lab.get("/runs/resolve", {"ref": ref}), chosen)
        for term in (f"name={quoted(ref)}", f"id={quoted(ref)}"):
            for item in lab.pages("/runs", {"project": project, "filter": term, "limit": 1}):
                return shaped(lab, run_view, item, chosen)
        view = shaped(lab, run_view, lab.get("/runs/resolve", {"ref": ref}), chosen)
        if project not in (view.project, view.project_id):
            raise NotFoundError(f"The run {ref!r} is of the project {view.project!r}, not {project!r}.", status=404)
        return view
