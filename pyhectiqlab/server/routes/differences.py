"""Differences between runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from ..access.access import TheCaller, TheLab
from ..access.permitted import check_readable
from ..http.replies import ApiError, reply_large, reply_msgpack, wants_msgpack
from ..models import models_differences as models
from ..models.answers import answer
from ..tables.differences import RUNS_MAX
from ..tables.differences import differences as differences_of
from ..turns.bodies import BodyRoute
from .common import Router, answers

router = Router(tags=["runs"], route_class=BodyRoute)
RunId = Annotated[str, Query(min_length=1, max_length=64)]


@router.get("/runs/differences", response_model=None, responses=answers(models.DifferencesAnswer, 200, 404, 410))
def differences(
    request: Request,
    lab: TheLab,
    caller: TheCaller,
    run: Annotated[list[RunId], Query(min_length=1, max_length=RUNS_MAX, description="Ids, each once.")],
    baseline: Annotated[RunId | None, Query(description="One of them; without it, the first.")] = None,
    alike: Annotated[bool, Query(description="Also what all of them have in common.")] = False,
) -> Response:
    """Return in what the runs differ: config, packages, environment, git (commit, branch, remote, and whether files
    differed from the commit alike), and the newest values of metrics with their distance from the baseline's.

    As msgpack (Accept: application/x-msgpack) NaN and the infinities are numbers.
    """
    if len(set(run)) < len(run):
        raise ApiError(422, "invalid", "A run is named twice.")
    base = run[0] if baseline is None else baseline
    if base not in run:
        raise ApiError(422, "invalid", "The baseline is not one of the runs.")
    check_readable(lab, caller, run)
    with lab.meta.reading() as view:
        its = differences_of(view, lab.points, run, run.index(base), alike=alike)
    rows = [answer(models.DifferenceAnswer, row) for row in its.rows]
    body = {"runs": run, "baseline": base, "rows": rows, "cut": its.cut}
    return reply_msgpack(body) if wants_msgpack(request) else reply_large(body)
