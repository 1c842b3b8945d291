"""GET /stream: server-sent events of what commits changed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.concurrency import run_in_threadpool

from .. import models
from ..access import TheCaller, TheLab, find_project, find_run
from ..accounts import Caller
from ..authority import Grant, GrantedResponse
from ..lab import Lab
from ..replies import ApiError
from .common import answers

router = APIRouter(tags=["stream"])
RUNS_MAX = 256
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **answers(models.Empty, 200, 404, 410, 429, 503),
    200: {
        "description": "events: points {run, keys, points}, logs {run}, state {run, state}, run {run}, "
        "project {project}, resync {} (some were dropped: look again)",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
}


@router.get("/stream", response_model=None, responses=_ANSWERS)
async def stream(
    lab: TheLab,
    caller: TheCaller,
    run: Annotated[list[str], Query(max_length=RUNS_MAX)] = [],  # noqa: B006
    project: Annotated[str | None, Query(max_length=512, description="Name or id.")] = None,
) -> Response:
    """Of these runs, or of all runs of a project."""
    if not run and project is None:
        raise ApiError(422, "bad_request", "Name at least one run, or a project.")
    if lab.hub.closed:
        raise ApiError(503, "busy", "The lab is stopping: try again later.", {"Retry-After": "15"})
    runs, project_id, grant = await run_in_threadpool(_checked, lab, caller, run, project)
    return GrantedResponse(
        lab.hub.read(runs, project_id),
        lab.authority,
        grant,
        whole=False,
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


def _checked(lab: Lab, caller: Caller, run: list[str], project: str | None) -> tuple[frozenset[str], str | None, Grant]:
    """Return runs and project by their ids, and the grant that watching them rests on."""
    runs = {its_run.id: its_run.project_id for one in run for its_run in [find_run(lab, caller, one)]}
    project_id = None if project is None else find_project(lab, caller, project).id
    of = {*runs.values(), *([] if project_id is None else [project_id])}
    return frozenset(runs), project_id, Grant(caller, frozenset(of))
