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
from .artifacts import Artifact, Lineage, Version
from .search import FoundRuns, search_runs
from .shapes import KeyInfo, Log, Point, ProjectInfo, StateChange, asking, from_item, shaped
from .view import RunView, run_view

__all__ = [
    "Artifact",
    "FoundRuns",
    "KeyInfo",
    "Lineage",
    "Log",
    "Point",
    "ProjectInfo",
    "RunView",
    "StateChange",
    "Version",
    "deleted_run",
    "projects",
    "run",
    "search_runs",
]


def projects(*, profile: str | None = None) -> list[ProjectInfo]:
    """Return the projects that the user of `profile` can see. None: the profile in use."""
    with asking(find_profile(profile)) as lab:
        return [shaped(lab, from_item, ProjectInfo, item) for item in lab.pages("/projects", {"limit": 1000})]


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
