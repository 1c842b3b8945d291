"""Media of a run: the names it has figures, images, tables, histograms and texts under, and what is there by step."""

from __future__ import annotations

from types import NoneType
from typing import Annotated, Any

from fastapi import Query, Request, Response

from ...protocol import limits
from ...protocol import media as protocol
from ...store.media import MediaItem, MediaQuery
from ..access.access import ReadableRun, TheLab
from ..http.replies import cursor_in, reply_list
from ..models import models, models_media
from ..models.answers import answer, artifact_answer
from .common import LIMIT, After, Limit, Router, answers, base_url

router = Router(tags=["media"])
STEPS_MIN = 16  # thinner than this, a grid of powers of two leaves next to nothing
STEPS_MAX = 1000
AnyStep = Annotated[int | None, Query(ge=limits.STEP_MIN, le=limits.STEP_MAX)]
Kind = Annotated[str, Query(pattern=f"^({'|'.join(protocol.KINDS)})$")]


@router.get("/runs/{run_id}/media", response_model=None, responses=answers(models_media.MediaGroups, 200, 404, 410))
def list_media(
    run: ReadableRun,
    lab: TheLab,
    kind: Kind | None = None,
    q: Annotated[str, Query(max_length=limits.KEY_BYTES_MAX, description="Part of the name.")] = "",
    name: Annotated[str | None, Query(max_length=limits.KEY_BYTES_MAX, description="Exactly this name.")] = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response:
    """List the names, sorted, each with its kind, how many items it has, and over which steps."""
    with lab.meta.reading() as view:
        groups = view.media_groups(run.id, kind, q, limit + 1, cursor_in(after, str, str), name)
    return reply_list(
        ((answer(models_media.MediaGroupAnswer, group), [group.name, group.kind]) for group in groups), limit
    )


@router.get(
    "/runs/{run_id}/media/items", response_model=None, responses=answers(models_media.MediaItems, 200, 404, 410)
)
def list_items(
    run: ReadableRun,
    request: Request,
    lab: TheLab,
    kind: Kind,
    name: Annotated[str, Query(min_length=1, max_length=limits.KEY_BYTES_MAX)],
    rank: Annotated[int | None, Query(ge=0, le=models.INT32_MAX)] = None,
    lo: Annotated[AnyStep, Query(description="From this step on; then nothing without a step.")] = None,
    hi: Annotated[AnyStep, Query(description="Up to this step.")] = None,
    steps: Annotated[
        int | None,
        Query(ge=STEPS_MIN, le=STEPS_MAX, description="At most so many different steps, spread over the range."),
    ] = None,
    newest: Annotated[bool, Query(description="The last step first.")] = False,
    data: Annotated[bool, Query(description="False: only which steps there are.")] = True,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response:
    """List items by step, those without one first, then by rank. Exact unless `steps` is less than there are."""
    behind = cursor_in(after, (int, NoneType), int)
    query = MediaQuery(run.id, kind, name, rank, lo, hi, steps, newest, limit + 1, behind, data)
    base = base_url(request)
    with lab.meta.reading() as view:
        items = view.media_items(query)
        return reply_list(((_item_answer(kind, item, base), [item.step, item.rank]) for item in items), limit)


def _item_answer(kind: str, item: MediaItem, base: str) -> dict[str, Any]:
    histogram = text = None
    if item.fields is not None and kind == protocol.HISTOGRAM:
        values = protocol.histogram_of(item.fields)
        histogram = None if values is None else vars(values)
    elif item.fields is not None:
        text = protocol.text_of(item.fields)
    artifact = None if item.artifact is None else artifact_answer(item.artifact, base)
    return answer(models_media.MediaItemAnswer, item, histogram=histogram, text=text, artifact=artifact)
