"""Runs that come from elsewhere, with their own times, states, processes and authors."""

from __future__ import annotations

import time

from fastapi import Request, Response

from ...store.edits import Tag
from ...store.imports import (
    ImportBegun,
    ImportRequest,
    NoParentError,
    NotImportedError,
    NotYoursError,
    PastFork,
    PastSession,
    PastState,
    RunRecord,
)
from ...store.meta import MayNotAddError, MetaTransaction, ProjectArchivedError, ProjectNotFoundError
from ..access.access import AddableRun, TheCaller, TheLab
from ..access.permitted import find_run
from ..accounts.accounts import Caller
from ..http.replies import ApiError, reply
from ..models import models_imports, models_runs
from ..models.answers import answer, run_url
from ..turns.bodies import BodyRoute
from .common import ApiRouter, answers, base_url, find_user, run_answers

router = ApiRouter(tags=["imports"], route_class=BodyRoute)


@router.post("/imports", response_model=None, responses=answers(models_imports.ImportAnswer, 200, 403, 404))
def begin_import(request: Request, body: models_imports.ImportBody, lab: TheLab, caller: TheCaller) -> Response:
    """Find or make the run of this origin in a project. It is filled like any other run, by ingest and artifacts, as
    its author: the caller, until PUT /runs/{run_id}/record says whose it was.
    """
    wanted = ImportRequest(**body.model_dump())
    try:
        begun = lab.write(lambda tx: _begin(tx, wanted, caller))
    except ProjectNotFoundError as e:
        raise ApiError(404, "project_not_found", str(e)) from None
    except ProjectArchivedError as e:
        raise ApiError(403, "project_archived", str(e)) from None
    except MayNotAddError as e:
        raise ApiError(403, "may_not_add", str(e)) from None
    except NotYoursError as e:
        raise ApiError(403, "not_yours", str(e)) from None
    run = find_run(lab, caller, begun.run)
    its = {"run": run.id, "name": run.name, "project": run.project, "project_id": run.project_id}
    url = run_url(base_url(request), run.id)
    return reply(answer(models_imports.ImportAnswer, None, **its, url=url, created=begun.created, digest=begun.digest))


def _begin(tx: MetaTransaction, wanted: ImportRequest, caller: Caller) -> ImportBegun:
    begun = tx.begin_import(wanted, caller.user, time.time())
    run = tx.run(begun.run)
    assert run is not None
    if begun.project_made:
        tx.note_changes([caller.change("made", f"project {run.project}")])
    if begun.created:
        tx.note_changes([caller.change("imported", f"run {run.project}/{run.name} ({run.id})")])
    return begun


@router.put(
    "/runs/{run_id}/record", response_model=None, responses=answers(models_runs.RunAnswer, 200, 403, 404, 409, 410)
)
def set_record(
    run: AddableRun, body: models_imports.RecordBody, request: Request, lab: TheLab, caller: TheCaller
) -> Response:
    """Say what an imported run was: its times, states, processes, note, tags and author. 409 `not_imported`: the run
    was made in this lab.
    """
    author = caller.user
    if body.author is not None and body.author != caller.user.username:
        if not caller.user.is_admin:
            raise ApiError(403, "not_admin", "Only an admin of the lab gives a run to somebody else: leave out author.")
        author = find_user(lab, body.author)
    record = RunRecord(
        **body.model_dump(exclude={"sessions", "history", "tags", "author", "fork"}),
        fork=None if body.fork is None else PastFork(**body.fork.model_dump()),
        tags=None if body.tags is None else [Tag(**tag.model_dump()) for tag in body.tags],
        sessions=[PastSession(**session.model_dump()) for session in body.sessions],
        history=[PastState(**change.model_dump()) for change in body.history],
    )
    noted = caller.change("recorded", f"run {run.project}/{run.name} ({run.id})", f"author {author.username}")
    try:
        lab.change(lambda tx: tx.finish_import(run.id, record, author, time.time()), noted)
    except NotImportedError as e:
        raise ApiError(409, "not_imported", str(e)) from None
    except NoParentError as e:
        raise ApiError(404, "parent_not_found", str(e)) from None
    return reply(run_answers(request, lab, [find_run(lab, caller, run.id)])[0])
