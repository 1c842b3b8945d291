"""Attaching to a run, signs of life, ends: what a client reports about its processes."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Path, Request, Response

from ...protocol import limits
from ...store.meta import (
    Attached,
    AttachRequest,
    EndReport,
    MayNotAddError,
    MetaTransaction,
    NameTakenError,
    ProjectArchivedError,
    ProjectNotFoundError,
)
from ..access.access import TheCaller, TheLab
from ..access.near import near_project
from ..accounts.accounts import Caller
from ..http.replies import ApiError, reply
from ..lab import Lab
from ..models import models, models_runs
from ..models.answers import answer, project_ref, run_url
from ..turns.bodies import BodyRoute
from ..writing.heartbeats import Beat
from .common import ApiRouter, answers, base_url

router = ApiRouter(tags=["sessions"], route_class=BodyRoute)
MANY_RUN_S = 50e-6  # what each run counts as in a heartbeat of more than a client sends at once
SessionId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,64}$")]


@router.post("/runs/attach", response_model=None, responses=answers(models_runs.AttachAnswer, 200, 403, 404, 409))
def attach(request: Request, body: models_runs.AttachBody, lab: TheLab, caller: TheCaller) -> Response:
    """Find or create the run by name, in one atomic step."""
    now = time.time()
    skew = body.client_time - now if body.client_time is not None else 0.0
    said = body.model_dump(exclude={"client_time", "started", "gone"})
    started = min(body.started - skew, now) if body.started is not None else None
    wanted = AttachRequest(**said, skew=skew, started=started, gone=tuple(body.gone))
    try:
        attached = lab.write(lambda tx: _attach(lab, tx, wanted, caller))
    except ProjectNotFoundError as e:
        with lab.meta.reading() as view:
            near = near_project(view, caller.user.id, body.project or "")
        raise ApiError(404, "project_not_found", f"{e}{near}") from None
    except ProjectArchivedError as e:
        raise ApiError(403, "project_archived", str(e)) from None
    except MayNotAddError as e:
        raise ApiError(403, "may_not_add", str(e)) from None
    except NameTakenError as e:
        raise ApiError(409, "name_taken", str(e)) from None
    run = attached.run
    if attached.mode == "read-write":
        lab.screen.note_attached(caller.user.id, run.id)
    return reply(
        answer(
            models_runs.AttachAnswer,
            attached,
            run=answer(models_runs.AttachedRun, run, url=run_url(base_url(request), run.id), project=project_ref(run)),
            lab_id=lab.lab_id,
            generation=lab.generation,
        )
    )


def _attach(lab: Lab, tx: MetaTransaction, wanted: AttachRequest, caller: Caller) -> Attached:
    attached = tx.attach(wanted, caller.user, time.time(), lab.lost_after_s)
    if attached.project_made:
        tx.note_changes([caller.change("made", f"project {attached.run.project}")])
    return attached


@router.post("/sessions/{session}/heartbeat", response_model=None, responses=answers(models.Empty))
def heartbeat(session: SessionId, body: models_runs.HeartbeatBody, lab: TheLab, caller: TheCaller) -> Response:
    """A sign of life for these attachments of the session. Those that the lab does not know are ignored, and so are
    those of runs to which the caller may no longer add.
    """
    now = time.time()
    if len(body.runs) > limits.HEARTBEAT_RUNS:
        lab.shares.costs.charge(caller.user.id, MANY_RUN_S * len(body.runs))
    with lab.meta.reading() as view:
        attached = view.attached(session, caller.user.id)
        named = attached.keys() & {(r.run, r.rank, r.attempt) for r in body.runs} if attached else set()
        known = view.run_ids(sorted({run for run, _, _ in named}))
    added_to = {id for id, run in known.items() if run.author_id == caller.user.id and run.writable}
    runs = sorted(one for one in named if one[0] in added_to)
    if not runs:
        return reply({})
    skew = body.clock - now if body.clock is not None else 0.0
    lab.heartbeats.note(session, caller.user.id, Beat(runs, skew, body.backlog, body.losses, now))
    revives = any(attached[one] for one in runs)
    if revives or not lab.writer.is_crowded():
        lab.write(lab.heartbeats.store, urgent=False)
    return reply({})


@router.post("/sessions/{session}/end", response_model=None, responses=answers(models.Empty, 200, 403, 404))
def end(session: SessionId, body: models_runs.EndBody, lab: TheLab, caller: TheCaller) -> Response:
    """Take how the owner's process ended, as its uploader reports it. Idempotent; the last report counts."""
    now = time.time()
    report = EndReport(
        **body.model_dump(exclude={"time", "clock"}),
        session=session,
        time=now if body.time is None else body.time,
        skew=0.0 if body.time is None else None if body.clock is None else body.clock - now,
        final=True,
    )
    unknown = ApiError(404, "session_not_found", "The lab knows no such attachment of this session to this run.")
    with lab.meta.reading() as view:
        run = view.run_ids([body.run]).get(body.run)
        role = None if run is None else view.role_in(run.project_id, caller.user.id, deleted_too=True)
    if run is None or role is None or run.author_id != caller.user.id:
        raise unknown
    if not run.writable:
        raise ApiError(403, "may_not_add", "You may no longer add to the project of this run: ask an admin of it.")

    def ends(tx: MetaTransaction) -> bool:
        lab.heartbeats.store(tx)  # they came before
        return tx.end(report, caller.user.id, now)

    if not lab.write(ends):
        raise unknown
    return reply({})
