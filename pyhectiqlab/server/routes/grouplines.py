"""Lines of groups of runs: the middle of a metric over runs, with a band."""

from __future__ import annotations

from typing import Any

import numpy as np
from fastapi import Request, Response

from ...store.points import Smoothing
from ..access.access import TheCaller, TheLab
from ..access.permitted import check_readable
from ..http.replies import ApiError, Page, wants_msgpack
from ..models import models_grouplines as models
from ..tables.grouplines import LINES_MAX, RUNS_MAX, Band, GroupLine, group_lines
from ..turns.bodies import BodyRoute
from .common import Router, answers

router = Router(tags=["series"], route_class=BodyRoute)
_COLUMNS = (("start", "<i8"), ("runs", "<i8"), ("middle", "<f8"), ("low", "<f8"), ("high", "<f8"))


@router.post("/series/groups", response_model=None, responses=answers(models.GroupLinesAnswer, 200, 404, 410))
def lines_of_groups(body: models.GroupLinesBody, request: Request, lab: TheLab, caller: TheCaller) -> Response:
    """Return a line for each key and group of runs: the mean or the median over the runs in each bucket, with a band.

    What a run contributes to a bucket is the mean of its finite points there, over its ranks, without what a newer
    attempt hides. A run without a finite point in a bucket contributes nothing to it: nothing is interpolated. Buckets
    are as of POST /series/buckets; those to which no run contributes are left out. As msgpack (Accept:
    application/x-msgpack) each list is a little-endian column of 8 bytes an item.
    """
    runs = [run for group in body.groups for run in group]
    if len(runs) > RUNS_MAX or len(runs) * len(body.keys) > LINES_MAX:
        raise ApiError(
            422, "too_many", f"There are at most {RUNS_MAX} runs, and runs times keys are at most {LINES_MAX:,}."
        )
    if any(len(set(group)) < len(group) for group in body.groups) or len(set(body.keys)) < len(body.keys):
        raise ApiError(422, "invalid", "A run is twice in a group, or a key is named twice.")
    if body.ranks is not None and len(body.ranks) != len(body.groups):
        raise ApiError(422, "invalid", "There is a rank, or null, for each group.")
    low, high = body.quantiles
    if low > high or (body.band == "std" and body.middle != "mean"):
        raise ApiError(422, "invalid", "The lower quantile comes first, and a band of std lies around the mean.")
    check_readable(lab, caller, runs)
    packed = wants_msgpack(request)
    page = Page(len(body.groups) * len(body.keys), packed, name="lines")
    try:
        for line in group_lines(
            lab.points,
            body.groups,
            body.keys,
            ranks=body.ranks or (),
            axis=body.axis,
            lo=body.lo,
            hi=body.hi,
            n=body.n,
            attempts=body.attempts,
            middle=body.middle,
            band=Band(body.band, low, high),
            smoothing=None if body.smooth is None else Smoothing(body.smooth.kind, body.smooth.width),
        ):
            page.add(_answer(line, packed), large=True)
    except ValueError as e:
        raise ApiError(422, "bad_range", f"These lines cannot be made: {e}.") from None
    return page.reply()


def _answer(line: GroupLine, packed: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"group": line.group, "key": line.key, "width": line.width, "total": line.total}
    for name, kind in _COLUMNS:
        column = np.asarray(getattr(line, name)).astype(kind)
        body[name] = column.tobytes() if packed else column.tolist()
    if line.smoothed is not None:
        values = line.smoothed.tolist()
        body["smoothed"] = line.smoothed.astype("<f8").tobytes() if packed else [v if v == v else None for v in values]
    return body
