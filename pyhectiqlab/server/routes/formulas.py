"""Formulas of metrics over the steps, one formula over another, and the metrics that runs want to be drawn over."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from ...store.points import Smoothing
from ..access.access import TheCaller, TheLab
from ..access.permitted import check_readable
from ..http.replies import ApiError, Page, reply_large, wants_msgpack
from ..models import models_formulas as models
from ..models import models_series
from ..tables.formula import Formula, FormulaError, parse_formula
from ..tables.formulalines import FormulaLine, TooLongError, formula_lines, formula_pairs
from ..turns.bodies import BodyRoute
from .common import Router, answers
from .series import buckets_answer

router = Router(tags=["series"], route_class=BodyRoute)
AXES_RUNS_MAX = 100  # as many as a page draws
AXES_MAX = 1000
RunId = Annotated[str, Query(min_length=1, max_length=64)]


@router.post("/series/formulas", response_model=None, responses=answers(models_series.BucketsAnswer, 200, 404, 410))
def formulas(body: models.FormulasBody, request: Request, lab: TheLab, caller: TheCaller) -> Response:
    """Formulas of the metrics of a run, such as `train/loss - valid/loss`, in buckets of steps, as of POST
    /series/buckets; `key` is the formula.

    Points are paired by their step: a step counts where every metric of the formula has a point, and others are left
    out; nothing is interpolated. Of several points at a step it is the mean of the finite ones. What has no value (the
    logarithm of -1) is NaN.
    """
    check_readable(lab, caller, (line.run for line in body.lines))
    lines = [FormulaLine(s.run, _read(s.formula), s.formula, s.rank, s.attempt) for s in body.lines]
    smoothing = None if body.smooth is None else Smoothing(body.smooth.kind, body.smooth.width)
    packed = wants_msgpack(request)
    page = Page(len(lines), packed, name="series")
    try:
        for series in formula_lines(lab.points, lines, body.lo, body.hi, body.n, smoothing):
            page.add(buckets_answer(series, packed, body.short and packed), large=True)
    except TooLongError as e:
        raise ApiError(422, "too_long", f"{e}") from None
    return page.reply()


@router.post("/series/pairs", response_model=None, responses=answers(models.PairsAnswer, 200, 404, 410))
def pairs(body: models.PairsBody, request: Request, lab: TheLab, caller: TheCaller) -> Response:
    """Return for each run the values of two formulas, y over x, at the steps where all their metrics have points. Exact
    values, in the order of the steps; y smoothed where that is asked for.
    """
    check_readable(lab, caller, (line.run for line in body.lines))
    page = Page(len(body.lines), wants_msgpack(request), name="lines")
    smoothing = None if body.smooth is None else Smoothing(body.smooth.kind, body.smooth.width)
    among = None if body.x_range is None else (min(body.x_range), max(body.x_range))
    for s in body.lines:
        x, y = (FormulaLine(s.run, _read(text), text, s.rank, s.attempt) for text in (s.x, s.y))
        try:
            paired = formula_pairs(lab.points, x, y, body.n, lo=body.lo, hi=body.hi, among=among, smoothing=smoothing)
        except TooLongError as e:
            raise ApiError(422, "too_long", f"{e}") from None
        columns = {name: getattr(paired, name).tolist() for name in ("step", "x", "y")}
        page.add({"run": s.run, "total": paired.total, **columns}, large=True)
    return page.reply()


@router.get("/series/axes", response_model=None, responses=answers(models.AxesAnswer, 200, 404, 410))
def axes(
    lab: TheLab,
    caller: TheCaller,
    run: Annotated[list[RunId], Query(min_length=1, max_length=AXES_RUNS_MAX, description="Ids.")],
) -> Response:
    """Over which metric the runs want metrics to be drawn, as W&B's define_metric says with its step_metric: what they
    have as the meta `x_axes`. Where they differ, the first of the runs counts.
    """
    check_readable(lab, caller, run)
    with lab.meta.reading() as view:
        said = view.meta_of_key(run, "x_axes")
    its: dict[str, str] = {}
    for one in run:
        asked = said.get(one)
        for name, metric in asked.items() if isinstance(asked, dict) else ():
            if isinstance(name, str) and isinstance(metric, str) and len(its) < AXES_MAX:
                its.setdefault(name, metric)
    return reply_large({"axes": its})


def _read(text: str) -> Formula:
    try:
        return parse_formula(text)
    except FormulaError as e:
        raise ApiError(422, "bad_formula", f"{e}") from None
