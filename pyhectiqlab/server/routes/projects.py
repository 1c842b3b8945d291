"""Projects: list, make, look up, change, delete, restore; who may see one, and how long it keeps what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated

from fastapi import Query, Response

from ...protocol import roles
from ...store.accounts import NoHeirError
from ...store.meta import MetaTransaction, NameTakenError, Project, ProjectRuns, User
from ...store.projects import Objective, ProjectGoneError
from ...store.retention import settings_text
from ..access.access import (
    AdministeredProject,
    Member,
    OwnedProject,
    ReadableProject,
    RestorableProject,
    TheCaller,
    TheLab,
)
from ..access.permitted import check_owner
from ..accounts.accounts import Caller
from ..http.replies import ApiError, cursor_in, cursor_out, reply
from ..lab import KEEP_DELETED_S, Lab
from ..models import models, models_accounts
from ..models.answers import answer, project_answer
from ..turns.bodies import BodyRoute
from .common import LIMIT, After, Limit, Router, answers, find_user

router = Router(tags=["projects"], route_class=BodyRoute)


@router.get("/projects", response_model=None, responses=answers(models.Projects))
def list_projects(
    lab: TheLab,
    caller: TheCaller,
    limit: Limit = LIMIT,
    after: After = None,
    name: Annotated[
        str | None, Query(max_length=512, description="Only the one with this name, or that had it.")
    ] = None,
    archived: Annotated[bool, Query(description="Those that are archived, instead of those that are not.")] = False,
    deleted: Annotated[
        bool, Query(description="Those that the caller can restore, the newest deletion first.")
    ] = False,
) -> Response:
    """List the projects that the caller can see, by name."""
    behind = cursor_in(after, str)
    with lab.meta.reading() as view:
        if deleted:
            projects = view.deleted_projects(limit, None if caller.user.is_admin else caller.user.id)
        elif name is None:
            at = behind[0] if behind else ""
            projects = view.projects(limit + 1, at, seen_by=caller.user.id, archived=archived)
        else:
            named = view.project(name)
            projects = [named] if named is not None and (named.name == name or named.id != name) else []
        ids = [p.id for p in projects]
        counted, former = view.runs_of_projects(ids), view.former_names(ids)
        given = view.roles_of(caller.user.id)
    more = cursor_out([projects[limit - 1].name]) if len(projects) > limit else None
    seen = [(p, roles.in_project(caller.user.role, p.private, given.get(p.id))) for p in projects[:limit]]
    items = [project_answer(p, counted[p.id], role, former[p.id]) for p, role in seen if role is not None]
    return reply({"items": items, "next": more})


@router.post("/projects", status_code=201, response_model=None, responses=answers(models.ProjectAnswer, 201, 403, 409))
def make_project(body: models.NewProjectBody, lab: TheLab, caller: Member) -> Response:
    """Make a project. Its maker is its first admin. Everybody can learn whether a name is taken, as no two projects
    share one.
    """
    created = time.time() if body.created is None else body.created
    try:
        project = lab.change(
            lambda tx: tx.add_project(body.name, caller.user.id, created),
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
        former = view.former_names([project_id])[project_id]
    if project is None or role is None or use is None:
        raise ApiError(404, "project_not_found", "The project is gone.")
    detail = {"file_bytes": use.used, "quota": use.quota}
    retention = answer(models.RetentionAnswer, rule, own=sorted(own))
    return reply({**project_answer(project, counted, role, former), **detail, "retention": retention})


@router.get("/projects/{ref}", response_model=None, responses=answers(models.ProjectDetailAnswer, 200, 404))
def get_project(project: ReadableProject, lab: TheLab, caller: TheCaller) -> Response:
    """Return a project by its id or name."""
    return _detail_answer(lab, caller, project.id)


@router.patch("/projects/{ref}", response_model=None, responses=answers(models.ProjectDetailAnswer, 200, 403, 404, 409))
def change_project(
    project: AdministeredProject, body: models_accounts.ProjectChangeBody, lab: TheLab, caller: TheCaller
) -> Response:
    """Change what is given. Private: only people with a role in it and the lab's admins see it. Archived: it is in no
    lists and takes no new runs; those that are there go on. Its name until now leads to it until somebody takes it.
    """
    owner = None
    if body.owner is not None:
        check_owner(caller, project)
        owner = find_user(lab, body.owner)
    noted = [
        caller.change(action, f"project {project.name}", detail) for action, detail in _changes_of(project, body, owner)
    ]

    def change(tx: MetaTransaction) -> None:
        now = time.time()
        if body.name is not None:
            tx.rename_project(project.id, body.name, caller.user.id, now)
        if body.private is not None:
            tx.set_private(project.id, body.private)
        if body.archived is not None:
            tx.set_archived(project.id, now if body.archived else None)
        if owner is not None:
            tx.move_project(project.id, owner.id)

    try:
        lab.accounts.change(change, *noted)
    except NameTakenError as e:
        raise ApiError(409, "name_taken", str(e)) from None
    except NoHeirError as e:
        raise ApiError(409, "no_heir", str(e)) from None
    except ProjectGoneError as e:
        raise ApiError(404, "project_not_found", str(e)) from None
    return _detail_answer(lab, caller, project.id)


def _changes_of(
    project: Project, body: models_accounts.ProjectChangeBody, owner: User | None
) -> Iterator[tuple[str, str]]:
    """Yield what is changed, for the audit log."""
    if body.name not in (None, project.name):
        yield "renamed", f"to {body.name}"
    if body.private is not None:
        yield "made private" if body.private else "opened to the lab", ""
    if body.archived is not None:
        yield "archived" if body.archived else "unarchived", ""
    if owner is not None:
        yield "moved", f"from {project.owner} to {owner.username}"


@router.delete("/projects/{ref}", response_model=None, responses=answers(models.Empty, 200, 403, 404))
def delete_project(project: OwnedProject, lab: TheLab, caller: TheCaller) -> Response:
    """Delete a project with all its runs, models, datasets and files. It can be restored for a week (POST
    /projects/{ref}/restore); late data for it is refused at once. Its name is free.
    """
    try:
        noted = caller.change("deleted", f"project {project.name} ({project.id})")
        lab.storage.free(lambda: lab.lives.delete(project.id, noted))
    except ProjectGoneError as e:
        raise ApiError(404, "project_not_found", str(e)) from None
    return reply({})


@router.post(
    "/projects/{ref}/restore",
    response_model=None,
    responses=answers(models.ProjectDetailAnswer, 200, 403, 404, 409, 410),
)
def restore_project(project: RestorableProject, lab: TheLab, caller: TheCaller) -> Response:
    """Within a week of its deletion, by its id or name. 409 `name_taken`: another project has the name by now."""
    if project.deleted is not None:
        gone = ApiError(410, "project_purged", "The project was deleted too long ago: its data is gone.")
        if project.deleted < time.time() - KEEP_DELETED_S:
            raise gone
        try:
            noted = caller.change("restored", f"project {project.name} ({project.id})")
            lab.lives.restore(project.id, caller.user.id, noted)
        except NameTakenError as e:
            raise ApiError(409, "name_taken", str(e)) from None
        except ProjectGoneError:
            raise gone from None
    return _detail_answer(lab, caller, project.id)


@router.put(
    "/projects/{ref}/retention", response_model=None, responses=answers(models.ProjectDetailAnswer, 200, 403, 404)
)
def set_retention(
    project: AdministeredProject, body: models_accounts.RetentionBody, lab: TheLab, caller: TheCaller
) -> Response:
    """Set how long the project keeps its runs and earlier versions of artifacts. This replaces what was set before."""
    settings = body.model_dump(include=body.model_fields_set)
    lab.change(
        lambda tx: tx.set_retention(project.id, settings),
        caller.change("set the retention", f"project {project.name}", settings_text(settings)),
    )
    return _detail_answer(lab, caller, project.id)


@router.put(
    "/projects/{ref}/objective", response_model=None, responses=answers(models.ProjectDetailAnswer, 200, 403, 404)
)
def set_objective(
    project: AdministeredProject, body: models_accounts.ObjectiveBody, lab: TheLab, caller: TheCaller
) -> Response:
    """Say which metric the project's runs are compared by, and whether its lowest or its highest value is the best."""
    return _with_objective(lab, caller, project, Objective(body.key, body.goal))


@router.delete(
    "/projects/{ref}/objective", response_model=None, responses=answers(models.ProjectDetailAnswer, 200, 403, 404)
)
def remove_objective(project: AdministeredProject, lab: TheLab, caller: TheCaller) -> Response:
    return _with_objective(lab, caller, project, None)


def _with_objective(lab: Lab, caller: Caller, project: Project, objective: Objective | None) -> Response:
    detail = "none" if objective is None else f"{objective.goal} {objective.key}"
    try:
        lab.change(
            lambda tx: tx.set_objective(project.id, objective),
            caller.change("set the objective", f"project {project.name}", detail),
        )
    except ProjectGoneError as e:
        raise ApiError(404, "project_not_found", str(e)) from None
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
