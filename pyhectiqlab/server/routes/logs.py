"""Logs of a run: forwards from the first, backwards from the newest, or what came since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import Query, Response

from ...protocol import limits
from ...protocol import logs as protocol
from ...protocol.logs import TEXT_CHARS_MAX
from ...store.meta import StoredEvent
from ...store.pauses import may_pause
from ..access.access import ReadableRun, TheLab
from ..http.replies import ApiError, Page, cursor_in, cursor_out
from ..models import models, models_runs
from ..models.answers import answer
from .common import LIMIT, After, Router, answers

router = Router(tags=["runs"])
LINES_MAX = 5000  # lines of one page
ODD_TEXT_BYTES_MAX = 64 << 10  # of an event whose text is not a text: it is shown as Python writes it
FOLDED_CHARS = 1 << 18
LOOKED_AT_MAX = 50_000  # for one page: with a filter that nothing passes it ends early, with a cursor to go on from


@router.get("/runs/{run_id}/logs", response_model=None, responses=answers(models_runs.Logs, 200, 404, 410))
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
    """List them in order of arrival at the lab, whichever way they are read. A search looks at some thousands of logs
    for one page, so a page may be empty: there are more as long as there is a `next`, or a `previous` when reading
    backwards.
    """
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
            and _has(_text(event), needle)
        )

    given = cursor_in(before if backwards else after, int)
    start = given[0] if given else None
    page = Page(limit)
    with lab.meta.reading() as view:
        if backwards:
            events = view.newest_events(run.id, "log", LOOKED_AT_MAX + 1, start)
        else:
            events = view.events(run.id, "log", LOOKED_AT_MAX + 1, start or 0)
        first, last, more = _fill(page, events, wanted)
    if backwards:
        page.reverse()
        first, last = last, first
    return page.reply(
        next=cursor_out([last]) if more and not backwards else None,
        previous=None if first is None or (backwards and not more) else cursor_out([first]),
        end=cursor_out(None if last is None else [last]) or after,
    )


def _fill(
    page: Page, events: Iterator[StoredEvent], wanted: Callable[[StoredEvent], bool]
) -> tuple[int | None, int | None, bool]:
    """Return (first and last id looked at, in the order of reading; whether more may follow)."""
    first = last = None
    size = 0
    for looked_at, event in enumerate(events):
        if page.full or looked_at >= LOOKED_AT_MAX or size >= limits.LOOKED_AT_BYTES_MAX:
            return first, last, True
        first, last = first or event.id, event.id
        size += event.bytes
        if wanted(event):
            line = _log_answer(event)
            page.add(line, large=len(line["text"]) > TEXT_CHARS_MAX)
        may_pause()
    return first, last, False


def _log_answer(event: StoredEvent) -> dict[str, Any]:
    level, channel = event.fields.get("level"), event.fields.get("channel")
    return answer(
        models_runs.LogAnswer,
        event,
        level=None if level is None else str(level),
        channel=str(channel or ""),
        text=_text(event),
    )


def _text(event: StoredEvent) -> str:
    text = event.fields.get("text", "")
    if isinstance(text, str):
        return text
    return str(text) if event.bytes <= ODD_TEXT_BYTES_MAX else ""


def _has(text: str, needle: str) -> bool:
    """Return whether the folded text has the folded needle. Looks at one part of the text at a time."""
    for start in range(0, len(text) or 1, FOLDED_CHARS):
        # A character folds to one or more, so what begins in this part ends within as many as the needle has.
        if needle in text[start : start + FOLDED_CHARS + len(needle)].casefold():
            return True
        may_pause()
    return False
