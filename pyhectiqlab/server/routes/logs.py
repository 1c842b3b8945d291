"""Logs of a run: forwards from the first, backwards from the newest, or what came since."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from ...protocol import logs as protocol
from ...store.meta import MetaView, StoredEvent
from .. import models
from ..access import ReadableRun, TheLab
from ..replies import ApiError, cursor_in, cursor_out, reply
from .common import LIMIT, After, answers

router = APIRouter(tags=["runs"])
LINES_MAX = 5000  # of one page
TEXT_CHARS_MAX = 4 << 20  # of one page: it ends early beyond this
LOOKED_AT_MAX = 50_000  # for one page: with a filter that nothing passes it ends early, with a cursor to go on from
CHUNK = 1000


@router.get("/runs/{run_id}/logs", response_model=None, responses=answers(models.Logs, 200, 404, 410))
def list_logs(
    run: ReadableRun,
    lab: TheLab,
    channel: Annotated[str | None, Query(max_length=512)] = None,
    level: Annotated[str | None, Query(max_length=64, description="This one and worse.")] = None,
    q: Annotated[str, Query(max_length=512, description="Part of the text, in any case.")] = "",
    rank: Annotated[int | None, Query(ge=0, le=models.INT32_MAX)] = None,
    attempt: Annotated[int | None, Query(ge=1, le=models.INT32_MAX)] = None,
    newest: Annotated[bool, Query(description="The last ones instead of the first.")] = False,
    before: Annotated[str | None, Query(max_length=4096, description="`previous` of the page after.")] = None,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=LINES_MAX, description="How many items at most.")] = LIMIT,
) -> Response:
    """In order of arrival at the lab, whichever way it is read."""
    backwards = newest or before is not None
    if backwards and after is not None:
        raise ApiError(422, "bad_request", "Read forwards with `after`, or backwards with `newest` or `before`.")
    least = None if level is None else protocol.severity_of(level)
    needle = q.casefold()

    def wanted(event: StoredEvent) -> bool:
        return (
            (rank is None or event.rank == rank)
            and (attempt is None or event.attempt == attempt)
            and (channel is None or event.fields.get("channel") == channel)
            and (least is None or protocol.severity(event.fields) >= least)
            and needle in str(event.fields.get("text", "")).casefold()
        )

    given = cursor_in(before if backwards else after, int)
    start = given[0] if given else None
    with lab.meta.reading() as view:
        found, first, last, more = _page(view, run.id, backwards, start, limit, wanted)
    if backwards:
        found.reverse()
        first, last = last, first
    return reply(
        {
            "items": [_told(event) for event in found],
            "next": cursor_out([last]) if more and not backwards else None,
            "previous": None if first is None or (backwards and not more) else cursor_out([first]),
            "end": cursor_out(None if last is None else [last]) or after,
        }
    )


def _page(
    view: MetaView,
    run_id: str,
    backwards: bool,
    start: int | None,
    limit: int,
    wanted: Callable[[StoredEvent], bool],
) -> tuple[list[StoredEvent], int | None, int | None, bool]:
    """(what is wanted, in the order of reading; first and last id looked at; whether more may follow)."""
    found: list[StoredEvent] = []
    first = last = None
    chars = looked_at = 0
    chunk = min(CHUNK, limit + 1)
    while True:
        if backwards:
            some = view.newest_events(run_id, "log", chunk, start)
        else:
            some = view.events(run_id, "log", chunk, start or 0)
        for event in some:
            first, last = first or event.id, event.id
            looked_at += 1
            if wanted(event):
                found.append(event)
                chars += len(str(event.fields.get("text", "")))
            if len(found) >= limit or chars >= TEXT_CHARS_MAX or looked_at >= LOOKED_AT_MAX:
                return found, first, last, event is not some[-1] or len(some) == chunk
        if len(some) < chunk:
            return found, first, last, False
        start = last


def _told(event: StoredEvent) -> dict[str, Any]:
    level = event.fields.get("level")
    return {
        "time": event.time,
        "level": None if level is None else str(level),
        "channel": str(event.fields.get("channel") or ""),
        "rank": event.rank,
        "attempt": event.attempt,
        "writer": event.writer,
        "text": str(event.fields.get("text", "")),
    }
