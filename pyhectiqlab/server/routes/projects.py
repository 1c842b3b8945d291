"""Projects: list, make, look up."""

from __future__ import annotations

import time

from fastapi import APIRouter, Response

from ...store.meta import NameTakenError
from .. import models
from ..access import TheCaller, TheLab
from ..replies import ApiError, cursor_in, cursor_out, reply
from .common import LIMIT, After, Limit, answers, project_told

router = APIRouter(tags=["projects"])


@router.get("/projects", response_model=None, responses=answers(models.Projects))
def list_projects(lab: TheLab, caller: TheCaller, limit: Limit = LIMIT, after: After = None) -> Response:
    """By name."""
    behind = cursor_in(after, str)
    with lab.meta.reading() as view:
        found = view.projects(limit + 1, behind[0] if behind else "")
    more = cursor_out([found[limit - 1].name]) if len(found) > limit else None
    return reply({"items": [project_told(p) for p in found[:limit]], "next": more})


@router.post("/projects", status_code=201, response_model=None, responses=answers(models.ProjectAnswer, 201, 409))
def make_project(body: models.NameBody, lab: TheLab, caller: TheCaller) -> Response:
    try:
        project = lab.write(lambda tx: tx.add_project(body.name, caller.user.id, time.time()))
    except NameTakenError as e:
        raise ApiError(409, "name_taken", str(e)) from None
    return reply(project_told(project), 201)


@router.get("/projects/{ref}", response_model=None, responses=answers(models.ProjectAnswer, 200, 404))
def get_project(ref: str, lab: TheLab, caller: TheCaller) -> Response:
    """By id or by name."""
    with lab.meta.reading() as view:
        project = view.project(ref)
    if project is None:
        raise ApiError(404, "project_not_found", f"No project named {ref[:100]!r}: see `hectiqlab projects`.")
    return reply(project_told(project))
