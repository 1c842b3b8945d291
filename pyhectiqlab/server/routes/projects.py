"""Projects: list, make, look up; who may see one, what its members may do, and how long it keeps what."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Query, Response

from ...protocol import roles
from ...store.meta import NameTakenError, Project, ProjectRuns, User
from ...store.retention import settings_text
from .. import models, models_accounts
from ..access import AdministeredProject, Member, ReadableProject, TheCaller, TheLab
from ..accounts import Caller
from ..answers import answer, project_answer
from ..bodies import BodyRoute
from ..lab import Lab
from ..replies import ApiError, cursor_in, cursor_out, reply
from .common import LIMIT, After, Limit, Router, answers, find_user

router = Router(tags=["projects"], route_class=BodyRoute)


@router.get("/projects", response_model=None, responses=answers(models.Projects))
def list_projects(
    lab: TheLab,
    caller: TheCaller,
    limit: Limit = LIMIT,
    after: After = None,
    name: Annotated[str | None, Query(max_length=512, description="Only the one with this name.")] = None,
) -> Response:
    """By name: those that the caller can see."""
    behind = cursor_in(after, str)
    with lab.meta.reading() as view:
        if name is None:
            projects = view.projects(limit + 1, behind[0] if behind else "", seen_by=caller.user.id)
        else:
            named = view.project(name)
            projects = [named] if named is not None and named.name == name else []
        counted = view.runs_of_projects([p.id for p in projects])
        given = view.roles_of(caller.user.id)
    more = cursor_out([projects[limit - 1].name]) if len(projects) > limit else None
    seen = [(p, roles.in_project(caller.user.role, p.private, given.get(p.id))) for p in projects[:limit]]
    return reply(
        {"items": [project_answer(p, counted[p.id], role) for p, role in seen if role is not None], "next": more}
    )


@router.post("/projects", status_code=201, response_model=None, responses=answers(models.ProjectAnswer, 201, 403, 409))
def make_project(body: models.NameBody, lab: TheLab, caller: Member) -> Response:
    """Its maker is its first admin. Everybody can learn whether a name is taken, as no two projects share one."""
    try:
        project = lab.change(
            lambda tx: tx.add_project(body.name, caller.user.id, time.time()),
            caller.change("made", f"project {body.name}"),
        )
    except NameTakenError as e:
        raise ApiError(409, "name_taken", str(e)) from None
    return reply(project_answer(project, ProjectRuns(), roles.ADMIN), 201)


def _detail_answer(lab: Lab, caller: Caller, project_id: str) -> Response:
    with lab.meta.reading() as view:
        project = view.project(project_id)
        role = None if project is None else view.role_in(project.id, caller.user.id)
        counted = view.runs_of_projects([project_id])[project_id]
        use = view.use_of(project.id) if project is not None and role is not None else None
        own = view.retention_settings().get(project_id, {})
        rule = view.retention_of(project_id)
    if project is None or role is None or use is None:
        raise ApiError(404, "project_not_found", "The project is gone.")
    detail = {"file_bytes": use.used, "quota": use.quota}
    retention = answer(models.RetentionAnswer, rule, own=sorted(own))
    return reply({**project_answer(project, counted, role), **detail, "retention": retention})


@router.get("/projects/{ref}", response_model=None, responses=answers(models.ProjectDetailAnswer, 200, 404))
def get_project(project: ReadableProject, lab: TheLab, caller: TheCaller) -> Response:
    """By id or by name."""
    return _detail_answer(lab, caller, project.id)


@router.patch("/projects/{ref}", response_model=None, responses=answers(models.ProjectDetailAnswer, 200, 403, 404))
def change_project(
    project: AdministeredProject, body: models_accounts.ProjectChangeBody, lab: TheLab, caller: TheCaller
) -> Response:
    """Private: only people with a role in it and the lab's admins see it."""
    action = "made private" if body.private else "opened to the lab"
    lab.accounts.change(
        lambda tx: tx.set_private(project.id, body.private), caller.change(action, f"project {project.name}")
    )
    return _detail_answer(lab, caller, project.id)


@router.put(
    "/projects/{ref}/retention", response_model=None, responses=answers(models.ProjectDetailAnswer, 200, 403, 404)
)
def set_retention(
    project: AdministeredProject, body: models_accounts.RetentionBody, lab: TheLab, caller: TheCaller
) -> Response:
    """How long the project keeps its runs and earlier versions of artifacts. Replaces what it had set before."""
    settings = body.model_dump(include=body.model_fields_set)
    lab.change(
        lambda tx: tx.set_retention(project.id, settings),
        caller.change("set the retention", f"project {project.name}", settings_text(settings)),
    )
    return _detail_answer(lab, caller, project.id)


@router.get("/projects/{ref}/members", response_model=None, responses=answers(models_accounts.Members, 200, 404))
def list_members(project: ReadableProject, lab: TheLab) -> Response:
    """Everybody who was given a role in the project. In one that is not private, the role in the lab counts too."""
    with lab.meta.reading() as view:
        members = view.members(project.id)
    items = [answer(models_accounts.MemberAnswer, member, id=member.user_id) for member in members]
    return reply({"items": items, "next": None})


@router.put("/projects/{ref}/members/{username}", response_model=None, responses=answers(models.Empty, 200, 403, 404))
def set_member(
    project: AdministeredProject, username: str, body: models_accounts.MemberBody, lab: TheLab, caller: TheCaller
) -> Response:
    """Give a user a role in the project."""
    _set_member(lab, caller, project, find_user(lab, username), body.role)
    return reply({})


@router.delete(
    "/projects/{ref}/members/{username}", response_model=None, responses=answers(models.Empty, 200, 403, 404)
)
def remove_member(project: AdministeredProject, username: str, lab: TheLab, caller: TheCaller) -> Response:
    _set_member(lab, caller, project, find_user(lab, username), None)
    return reply({})


def _set_member(lab: Lab, caller: Caller, project: Project, user: User, role: str | None) -> None:
    detail = "no longer a member" if role is None else f"now {role}"
    lab.accounts.change(
        lambda tx: tx.set_member(project.id, user.id, role),
        caller.change("changed the role", f"project {project.name}, user {user.username}", detail),
    )
