"""Runs: list, look up, delete, restore; their events and writers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Query, Request, Response

from ...protocol import limits, search, states
from ...store.meta import NameTakenError, Run, RunQuery
from ...store.projects import ProjectGoneError
from ...store.purging import PurgedError
from ..access.access import ChangeableRun, ReadableRun, RestorableRun, TheCaller, TheLab
from ..access.near import near_run
from ..access.permitted import find_project, find_run, may_change
from ..accounts.accounts import Caller
from ..http.replies import (
    ApiError,
    Page,
    cursor_in,
    cursor_out,
    reply,
    reply_large,
    reply_list,
    reply_msgpack,
    wants_msgpack,
)
from ..lab import KEEP_DELETED_S, Lab
from ..models import models, models_runs
from ..models.answers import answer, tag_answers
from ..tables.captured import captured, paper
from ..tables.search import find_runs
from ..turns.bodies import BodyRoute
from .common import LIMIT, After, Limit, Router, answers, run_answers

router = Router(tags=["runs"], route_class=BodyRoute)
HISTORY_SHOWN = 200
DETAILS_CHARS_MAX = 2 << 20  # of all sessions that a run's page shows, together
DETAIL_ELSEWHERE = "GET /api/v1/runs/{run}/sessions has it."
KEYS_MAX = 256
FILTER_NOTE = (
    "Terms with spaces between them, all of which are to hold: state=failed,killed tag=baseline author=ada "
    "created>2026-07-01 config.model.layers>=4 metric.loss.min<0.2 name~resnet. May be given several times."
)
RUNS_AT_ONCE = 100  # which most pages have: each time takes requests of their own to every engine
CONFIGS_AT_ONCE = 50  # of up to 64 KiB each
LISTED_CONFIG_BYTES_MAX = 64 << 10
CONFIG_NOTE = "Whether each run has its `config`, too; null for one of more than 64 KiB."
_BY_METRIC = f"metric.KEY.last ({', '.join(search.STATS[1:])})"
SORT_NOTE = f"{', '.join(search.SORTS)}, config.NAME, {_BY_METRIC}; - before it: descending."
Search = Annotated[str, Query(max_length=search.LENGTH_MAX)]
Key = Annotated[str, Query(min_length=1, max_length=limits.KEY_BYTES_MAX)]
OfAttempt = Annotated[int | None, Query(ge=1, le=models.INT32_MAX, description="What this attempt logged itself.")]
_VALUE = (str, int, float, type(None))
_RUN_ID = re.compile(r"[0-9a-f]{12}")
_LINK = re.compile(r"^https?://[^/]+/(?:.*/)?runs/([0-9a-f]{12})(?:[/?#].*)?$")


@router.get("/runs", response_model=None, responses=answers(models_runs.Runs, 200, 404))
def list_runs(
    request: Request,
    lab: TheLab,
    caller: TheCaller,
    project: Annotated[str | None, Query(max_length=512, description="Name or id.")] = None,
    state: Annotated[str | None, Query(max_length=512, description="One or several, with commas.")] = None,
    q: Annotated[str, Query(max_length=512, description="Part of the name or note, or an id.")] = "",
    filter: Annotated[list[Search] | None, Query(description=FILTER_NOTE)] = None,
    sort: Annotated[str, Query(max_length=2048, description=SORT_NOTE)] = "-created",
    key: Annotated[list[Key] | None, Query(max_length=KEYS_MAX, description="Which metrics are in `last`.")] = None,
    config: Annotated[bool, Query(description=CONFIG_NOTE)] = False,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response:
    """A page of the runs for which all holds. As msgpack (Accept: application/x-msgpack) NaN and the infinities are
    numbers. A run that is added meanwhile neither repeats another one nor hides it. A page may have fewer runs than
    `limit`; the last page is the one without a `next`.
    """
    try:
        terms = search.parse(*(filter or ()))
        order = search.parse_sort(sort)
    except ValueError as e:
        raise ApiError(422, "bad_filter", f"{str(e)[:1].upper()}{str(e)[1:]}.") from None
    wanted = tuple(word for word in (state or "").split(",") if word)
    if unknown := sorted(set(wanted) - states.ALL_STATES):
        raise ApiError(422, "bad_state", f"{unknown[0][:32]!r} is not a state of a run.")
    terms += (search.Term(search.Field("state"), "=", wanted),) if wanted else ()
    terms += (search.Term(search.Field("text"), "~", (q,)),) if q else ()
    value, run_id, now, by = cursor_in(after, _VALUE, str, float, str) or (None, None, time.time(), sort)
    if by != sort or (after and value is None and order.field.kind not in ("metric", "config")):
        raise ApiError(422, "bad_cursor", "`after` is of another sort: begin with the first page.")
    project_id = None if project is None else find_project(lab, caller, project).id
    query = RunQuery(project_id, terms, order, limit, [value, run_id] if after else None, caller.user.id)
    lab.searched.note(query)
    with lab.meta.reading() as view:
        matches = find_runs(view, lab.points, query, now)

        def answers_of_runs() -> Iterator[dict[str, Any] | None]:
            """A few runs at a time: not many more are read than are sent."""
            at_once = CONFIGS_AT_ONCE if config else RUNS_AT_ONCE
            for start in range(0, len(matches.places), at_once):
                ids = [run_id for _, run_id in matches.places[start : start + at_once]]
                runs = {run["id"]: run for run in run_answers(request, lab, view.some_runs(ids), key)}
                configs = view.configs(ids, LISTED_CONFIG_BYTES_MAX) if config else {}
                for run_id in ids:
                    run = runs.get(run_id)
                    yield {**run, "config": configs.get(run_id)} if run and config else run

        page = Page(limit, packed=wants_msgpack(request))
        read = 0
        for read, run in enumerate(answers_of_runs(), start=1):  # noqa: B007
            if run is not None:
                page.add(run)
            if page.full:
                break
    more = matches.more or read < len(matches.places)
    return page.reply(next=cursor_out([*matches.places[read - 1], now, sort]) if more else None)


@router.get("/runs/resolve", response_model=None, responses=answers(models_runs.RunAnswer, 200, 404, 409, 410))
def resolve(
    request: Request,
    lab: TheLab,
    caller: TheCaller,
    ref: Annotated[str, Query(min_length=1, max_length=4096)],
    deleted: Annotated[bool, Query(description="One that was deleted, and can still be restored.")] = False,
) -> Response:
    """The run that is meant by an id, a link to its page, a name that only one run has, or PROJECT/NAME."""
    link = _LINK.match(ref)
    run_id = link.group(1) if link else ref
    by, named = caller.user.id, []
    with lab.meta.reading() as view:
        run = view.run(run_id) if _RUN_ID.fullmatch(run_id) else None
        if run is not None and view.role_in(run.project_id, by) is None:
            run = None
        if run is not None and deleted and run.deleted is None:
            run = None
        if not (run or link):
            named = view.runs_named(ref, seen_by=by, deleted=deleted)
        parts = ref.split("/") if not (run or link or named) else []
        for at in range(1, min(len(parts), limits.NAME_PARTS_MAX)):  # names of projects and of runs may hold slashes
            project, name = "/".join(parts[:at]), "/".join(parts[at:])
            named += view.runs_named(name, project, seen_by=by, deleted=deleted)
    if len(named) > 1:
        ids = [r.id for r in named]
        raise ApiError(
            409, "name_not_unique", f"Several runs are named {ref!r}: say which, by id: {', '.join(ids)}.", ids=ids
        )
    run = run or (named[0] if named else None)
    if run is None and deleted:
        raise ApiError(404, "run_not_found", f"No run that was deleted is {ref[:100]!r}: give its id, link or name.")
    if run is None:
        with lab.meta.reading() as view:
            near = "" if link else near_run(view, by, ref)
        raise ApiError(
            404, "run_not_found", f"No run is {ref[:100]!r}: give an id, a link or a name (`hectiqlab runs`).{near}"
        )
    return reply(run_answers(request, lab, [find_run(lab, caller, run.id, deleted_too=deleted)])[0])


@router.get("/runs/{run_id}", response_model=None, responses=answers(models_runs.RunDetailAnswer, 200, 404, 410))
def get_run(run: ReadableRun, request: Request, lab: TheLab, caller: TheCaller) -> Response:
    return reply_large(run_page(run, request, lab, caller))


def run_page(run: Run, request: Request, lab: Lab, caller: Caller) -> dict[str, Any]:
    """Return what the page of a run shows. Blocks on the stores."""
    run_id = run.id
    if lab.tell_all(run_id):
        with lab.meta.reading() as view:
            run = view.run(run_id) or run
    page = run_answers(request, lab, [run])[0]
    with lab.meta.reading() as view:
        tags = view.tags(run_id, limits.TAGS_MAX + 1)
        page |= {
            "config": view.config(run_id),
            "meta": view.meta(run_id),
            "config_attempts": view.config_attempts(run_id, HISTORY_SHOWN),
            "meta_attempts": view.meta_attempts(run_id, HISTORY_SHOWN),
            "note": view.note(run_id),
            "note_cut": False,
            "tags": tag_answers(tags[: limits.TAGS_MAX]),
            "tags_cut": len(tags) > limits.TAGS_MAX,  # of a run that is older than this bound
            "sessions": _some_details(
                [answer(models_runs.SessionAnswer, s) for s in view.newest_sessions(run_id, limits.SESSIONS_LISTED)]
            ),
            "session_count": view.session_count(run_id),
            "history": [
                answer(models_runs.StateChangeAnswer, change) for change in view.state_history(run_id, HISTORY_SHOWN)
            ],
            "losses": view.losses(run_id),
            "events": view.event_count(run_id),
            "writers": view.writer_count(run_id),
            "can_write": may_change(view.role_in(run.project_id, caller.user.id), caller, run),
            "capture": captured(view, run_id, with_diffs=False),
            "paper": paper(view, run_id),
            "kept_until": view.kept_until(run_id),
        }
    return page


def _some_details(sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return them without the details beyond DETAILS_CHARS_MAX together. Those of the newest attempts stay."""
    left = DETAILS_CHARS_MAX
    for session in reversed(sessions):
        if len(session["detail"]) > left:
            session["detail"] = DETAIL_ELSEWHERE
        left -= len(session["detail"])
    return sessions


@router.get("/runs/{run_id}/sessions", response_model=None, responses=answers(models_runs.Sessions, 200, 404, 410))
def list_sessions(run: ReadableRun, lab: TheLab, limit: Limit = LIMIT, after: After = None) -> Response:
    """The processes that attached to the run, by attempt and rank."""
    behind = cursor_in(after, int, int, (int, float), str)
    with lab.meta.reading() as view:
        sessions = view.sessions(run.id, limit + 1, behind)
        return reply_list(
            ((answer(models_runs.SessionAnswer, s), [s.attempt, s.rank, s.started, s.session]) for s in sessions), limit
        )


@router.get("/runs/{run_id}/capture", response_model=None, responses=answers(models_runs.CaptureAnswer, 200, 404, 410))
def get_capture(run: ReadableRun, lab: TheLab) -> Response:
    """Packages, machine and repositories as the scripts found them, diffs included."""
    with lab.meta.reading() as view:
        return reply_large(captured(view, run.id, with_diffs=True))


@router.get("/runs/{run_id}/config", response_model=None, responses=answers(models_runs.ConfigAnswer, 200, 404, 410))
def get_config(run: ReadableRun, request: Request, lab: TheLab, attempt: OfAttempt = None) -> Response:
    """Return what all attempts logged, merged (where several set a value, the newest one's counts), or what one attempt
    logged itself.

    As msgpack (Accept: application/x-msgpack) NaN and the infinities are numbers.
    """
    with lab.meta.reading() as view:
        if attempt is None:
            of, config = None, view.config(run.id)
        else:
            of, config = view.attempt_config(run.id, attempt) or (None, {})
    body = {"config": config, "attempt": of}
    return reply_msgpack(body) if wants_msgpack(request) else reply_large(body)


@router.get("/runs/{run_id}/meta", response_model=None, responses=answers(models_runs.MetaAnswer, 200, 404, 410))
def get_meta(run: ReadableRun, lab: TheLab, attempt: OfAttempt = None) -> Response:
    """Return what all attempts logged; of a key that several logged, the newest one's value. Or what one attempt logged
    itself.
    """
    with lab.meta.reading() as view:
        return reply_large({"meta": view.meta(run.id, attempt)})


@router.patch("/runs/{run_id}", response_model=None, responses=answers(models_runs.RunAnswer, 200, 403, 404, 409, 410))
def rename_run(run: ChangeableRun, body: models.NameBody, request: Request, lab: TheLab, caller: TheCaller) -> Response:
    try:
        lab.change(
            lambda tx: tx.rename_run(run.id, body.name), caller.change("renamed", _subject(run), f"to {body.name}")
        )
    except NameTakenError as e:
        raise ApiError(409, "name_taken", str(e)) from None
    return reply(run_answers(request, lab, [find_run(lab, caller, run.id)])[0])


def _subject(run: Run) -> str:
    return f"run {run.project}/{run.name} ({run.id})"


@router.delete("/runs/{run_id}", response_model=None, responses=answers(models.Empty, 200, 403, 404, 410))
def delete_run(run: ChangeableRun, lab: TheLab, caller: TheCaller) -> Response:
    """Delete a run. POST /runs/{run_id}/restore brings it back for a week; late data for it is refused at once."""
    noted = caller.change("deleted", _subject(run))
    lab.storage.free(lambda: lab.change(lambda tx: tx.delete_run(run.id, time.time()), noted))
    return reply({})


@router.post(
    "/runs/{run_id}/restore", response_model=None, responses=answers(models_runs.RunAnswer, 200, 403, 404, 409, 410)
)
def restore_run(run: RestorableRun, request: Request, lab: TheLab, caller: TheCaller) -> Response:
    """Restore a run within a week of its deletion. 409 `name_taken`: another run has the name by now."""
    if run.deleted is not None:
        if run.purged is not None or run.deleted < time.time() - KEEP_DELETED_S:
            raise ApiError(410, "run_purged", "The run was deleted too long ago: its data is gone.")
        try:
            lab.change(lambda tx: tx.restore_run(run.id, time.time()), caller.change("restored", _subject(run)))
        except NameTakenError as e:
            raise ApiError(409, "name_taken", str(e)) from None
        except PurgedError as e:
            raise ApiError(410, "run_purged", str(e)) from None
        except ProjectGoneError as e:
            raise ApiError(410, "project_deleted", f"{e} See POST /projects/ID/restore.") from None
    return reply(run_answers(request, lab, [find_run(lab, caller, run.id)])[0])


@router.get("/runs/{run_id}/events", response_model=None, responses=answers(models_runs.Events, 200, 404, 410))
def list_events(
    run: ReadableRun,
    request: Request,
    lab: TheLab,
    kind: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response:
    """List events in order of arrival at the lab. A page ends early where its events take some megabytes. As msgpack
    (Accept: application/x-msgpack) fields have the types that they came with: bytes, NaN, keys that are no texts.
    """
    behind = cursor_in(after, int)
    with lab.meta.reading() as view:
        events = view.events(run.id, kind, limit + 1, behind[0] if behind else 0)
        items = ((answer(models_runs.EventAnswer, event), [event.id]) for event in events)
        return reply_list(items, limit, wants_msgpack(request), large=True, ends=True)


@router.get("/runs/{run_id}/writers", response_model=None, responses=answers(models_runs.Writers, 200, 404, 410))
def list_writers(run: ReadableRun, lab: TheLab, limit: Limit = LIMIT, after: After = None) -> Response:
    """Say how far the lab has each stream of events into this run."""
    behind = cursor_in(after, str)
    lab.tell_all(run.id)
    with lab.meta.reading() as view:
        writers = view.writers_of(run.id, limit + 1, behind[0] if behind else "")
    return reply_list(((answer(models_runs.WriterAnswer, writer), [writer.writer]) for writer in writers), limit)
