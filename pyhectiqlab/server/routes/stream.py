"""GET /stream: server-sent events of what commits changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Query, Response
from starlette.concurrency import run_in_threadpool

from ..access.access import TheCaller, TheLab
from ..access.permitted import find_project, find_run
from ..accounts.accounts import Caller
from ..accounts.authority import Grant, GrantedResponse
from ..http.replies import ApiError
from ..lab import Lab
from ..live.stream import Message
from ..models import models
from .common import ApiRouter, answers

router = ApiRouter(tags=["stream"])
RUNS_MAX = 256
PROJECTS_MAX = 64
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **answers(models.Empty, 200, 404, 410, 429, 503),
    200: {
        "description": "events: points {run, project, keys, points}, logs {run, project}, state {run, project, state}, "
        "run {run, project}, project {project}, resync {} (some were dropped: look again), missing {runs, projects}",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}


@router.get("/stream", response_model=None, responses=_ANSWERS)
async def stream(
    lab: TheLab,
    caller: TheCaller,
    run: Annotated[list[str], Query(max_length=RUNS_MAX)] = [],  # noqa: B006
    project: Annotated[
        list[Annotated[str, Query(max_length=512)]], Query(max_length=PROJECTS_MAX, description="Name or id. Several.")
    ] = [],  # noqa: B006
    known: Annotated[
        bool, Query(description="Only of those that there are; the event `missing` names the others.")
    ] = False,
) -> Response:
    """Send live updates of these runs, and of all runs of these projects."""
    if not run and not project:
        raise ApiError(422, "bad_request", "Name at least one run, or a project.")
    if lab.hub.closed:
        raise ApiError(503, "busy", "The lab is stopping: try again later.", {"Retry-After": "15"})
    watched = await run_in_threadpool(_watched, lab, caller, run, project, known)
    return GrantedResponse(
        lab.hub.read(frozenset(watched.runs), frozenset(watched.projects), watched.first),
        lab.authority,
        Grant(caller, frozenset({*watched.runs.values(), *watched.projects})),
        whole=False,
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


@dataclass
class _Watched:
    """What a stream is of. `runs`: their projects by id."""

    runs: dict[str, str] = field(default_factory=dict)
    projects: set[str] = field(default_factory=set)
    missing_runs: list[str] = field(default_factory=list)
    missing_projects: list[str] = field(default_factory=list)

    @property
    def first(self) -> list[Message]:
        """What is sent before all else."""
        if not self.missing_runs and not self.missing_projects:
            return []
        return [Message("missing", "", "", {"runs": self.missing_runs, "projects": self.missing_projects})]


def _watched(lab: Lab, caller: Caller, runs: list[str], projects: list[str], known: bool) -> _Watched:
    """Raises ApiError for what is not there, unless only what is known is asked for."""
    watched = _Watched()
    for ref in runs:
        try:
            run = find_run(lab, caller, ref)
        except ApiError:
            if not known:
                raise
            watched.missing_runs.append(ref)
        else:
            watched.runs[run.id] = run.project_id
    for ref in projects:
        try:
            watched.projects.add(find_project(lab, caller, ref).id)
        except ApiError:
            if not known:
                raise
            watched.missing_projects.append(ref)
    return watched
