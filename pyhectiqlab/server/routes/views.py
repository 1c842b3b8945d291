"""Saved views of a project's page: somebody's own, and those that are shared with everybody who can see the project."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Query, Response

from ...protocol import limits, roles
from ...store.meta import MetaView, NameTakenError, Project
from ...store.projects import ProjectGoneError
from ...store.views import SavedView, ViewVersionError
from ..access.access import ReadableProject, TheCaller, TheLab
from ..accounts.accounts import Caller
from ..http.replies import ApiError, cursor_in, reply_large, reply_list
from ..lab import Lab
from ..models import models, models_views
from ..models.answers import answer
from ..turns.bodies import BodyRoute
from .common import LIMIT, After, Limit, Router, answers

router = Router(tags=["views"], route_class=BodyRoute)
AT_ONCE = 20  # documents that are read before they are answered


@router.get("/projects/{ref}/views", response_model=None, responses=answers(models_views.Views, 200, 404))
def list_views(
    project: ReadableProject,
    lab: TheLab,
    caller: TheCaller,
    documents: Annotated[bool, Query(description="Each with its document.")] = False,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response:
    """List views by name: the caller's own and those that are shared."""
    behind = cursor_in(after, str, str) or ("", "")
    with lab.meta.reading() as view:
        role = view.role_in(project.id, caller.user.id)

        def items() -> Iterator[tuple[dict[str, Any], list[str]]]:
            views = view.views(project.id, caller.user.id, limit + 1, behind)
            for start in range(0, len(views), AT_ONCE):
                some = views[start : start + AT_ONCE]
                read = view.view_documents([its.id for its in some]) if documents else {}
                for its in some:
                    yield _answer(its, caller, role, read.get(its.id)), [its.name, its.id]

        return reply_list(items(), limit, large=documents)


@router.post(
    "/projects/{ref}/views",
    status_code=201,
    response_model=None,
    responses=answers(models_views.ViewAnswer, 201, 403, 404, 409),
)
def make_view(project: ReadableProject, body: models_views.NewViewBody, lab: TheLab, caller: TheCaller) -> Response:
    """Whoever can see the project may have views of their own; its members share them. 409 `name_taken`: the caller has
    one of this name.
    """
    document = _text(body)
    if body.shared:
        with lab.meta.reading() as view:
            _check_may_share(view.role_in(project.id, caller.user.id), project)
    created = time.time() if body.created is None else body.created
    try:
        made = lab.change(
            lambda tx: tx.add_view(project.id, caller.user.id, body.name, body.shared, document, created, body.changed),
            caller.change("made", _subject(body.name, project), "shared" if body.shared else "private"),
        )
    except NameTakenError as e:
        raise ApiError(409, "name_taken", str(e)) from None
    except ProjectGoneError as e:
        raise ApiError(404, "project_not_found", str(e)) from None
    return _one(lab, caller, project, made.id, 201)


@router.get(
    "/projects/{ref}/views/{view_id}", response_model=None, responses=answers(models_views.ViewAnswer, 200, 404)
)
def get_view(project: ReadableProject, view_id: str, lab: TheLab, caller: TheCaller) -> Response:
    return _one(lab, caller, project, view_id)


@router.put(
    "/projects/{ref}/views/{view_id}",
    response_model=None,
    responses=answers(models_views.ViewAnswer, 200, 403, 404, 409),
)
def change_view(
    project: ReadableProject, view_id: str, body: models_views.ViewChangeBody, lab: TheLab, caller: TheCaller
) -> Response:
    """Replace name, document and whether it is shared: of one's own view, or as an admin of the project of one that is
    shared. 409 `version_conflict`: it is of another version than `version`, so somebody changed it meanwhile.
    """
    document = _text(body)
    its = _changeable(lab, caller, project, view_id, share=body.shared)
    said = {False: "private", True: "shared"}
    details = [f"to {body.name}"] if body.name != its.name else []
    details += [said[body.shared]] if body.shared != its.shared else []
    try:
        changed = lab.change(
            lambda tx: tx.change_view(
                its.id, body.version, name=body.name, shared=body.shared, document=document, now=time.time()
            ),
            caller.change("changed", _subject(its.name, project), ", ".join(details)),
        )
    except NameTakenError as e:
        raise ApiError(409, "name_taken", str(e)) from None
    except ViewVersionError as e:
        raise ApiError(409, "version_conflict", str(e)) from None
    if changed is None:
        raise _none(view_id)
    return _one(lab, caller, project, view_id)


@router.delete(
    "/projects/{ref}/views/{view_id}", response_model=None, responses=answers(models.Empty, 200, 403, 404, 409)
)
def delete_view(
    project: ReadableProject,
    view_id: str,
    lab: TheLab,
    caller: TheCaller,
    version: Annotated[int | None, Query(ge=1, description="Only if it is still of this version.")] = None,
) -> Response:
    its = _changeable(lab, caller, project, view_id)
    try:
        lab.change(lambda tx: tx.delete_view(its.id, version), caller.change("deleted", _subject(its.name, project)))
    except ViewVersionError as e:
        raise ApiError(409, "version_conflict", str(e)) from None
    return reply_large({})


def _text(body: models_views.ViewBody) -> str:
    """Return the document as it is stored. Raises ApiError."""
    try:
        text = json.dumps(body.document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise ApiError(422, "invalid", "The document has NaN or an infinity, which JSON has not.") from None
    if len(text) > limits.VIEW_CHARS_MAX:
        raise ApiError(
            422, "too_long", f"The document has {len(text):,} characters, and at most {limits.VIEW_CHARS_MAX:,}."
        )
    return text


def _one(lab: Lab, caller: Caller, project: Project, view_id: str, status: int = 200) -> Response:
    with lab.meta.reading() as view:
        its, role = _seen(view, caller, project, view_id)
        document = view.view_documents([its.id]).get(its.id, "{}")
    reply = reply_large(_answer(its, caller, role, document))
    reply.status_code = status
    return reply


def _answer(its: SavedView, caller: Caller, role: str | None, document: str | None) -> dict[str, Any]:
    return answer(
        models_views.ViewAnswer,
        its,
        own=its.author_id == caller.user.id,
        can_change=_may_change(its, caller, role),
        document=None if document is None else json.loads(document),
    )


def _seen(view: MetaView, caller: Caller, project: Project, view_id: str) -> tuple[SavedView, str | None]:
    """Return a view that the caller sees, and the caller's role. Raises ApiError 404."""
    its = view.view(project.id, view_id)
    if its is None or not (its.shared or its.author_id == caller.user.id):
        raise _none(view_id)
    return its, view.role_in(project.id, caller.user.id)


def _none(view_id: str) -> ApiError:
    return ApiError(404, "view_not_found", f"You see no view {view_id[:64]!r} in the project.")


def _may_change(its: SavedView, caller: Caller, role: str | None) -> bool:
    if its.author_id != caller.user.id:
        return roles.at_least(role, roles.ADMIN)
    return not its.shared or roles.at_least(role, roles.MEMBER)


def _changeable(lab: Lab, caller: Caller, project: Project, view_id: str, share: bool = False) -> SavedView:
    """Return a view that the caller may change. `share`: and may share. Raises ApiError 403, 404."""
    with lab.meta.reading() as view:
        its, role = _seen(view, caller, project, view_id)
    if not _may_change(its, caller, role):
        raise ApiError(403, "not_yours", f"The view {its.name!r} is of {its.author}: save it as one of your own.")
    if share:
        _check_may_share(role, project)
    return its


def _check_may_share(role: str | None, project: Project) -> None:
    if not roles.at_least(role, roles.MEMBER):
        raise ApiError(403, "may_not_add", f"You are a viewer of the project {project.name!r}: keep the view private.")


def _subject(name: str, project: Project) -> str:
    return f"view {name} of project {project.name}"
