"""Series: the keys of a run, their raw points, and buckets at a screen's resolution."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Query, Request, Response
from starlette.concurrency import run_in_threadpool

from ...protocol import limits
from ...store.points import Buckets, Int64s, Points, Selector, SeriesInfo, Smoothing
from ..access.access import ReadableRun, TheCaller, TheLab
from ..access.permitted import check_readable
from ..accounts.authority import Grant, GrantedResponse
from ..http.replies import MSGPACK, ApiError, Page, cursor_in, reply_list, reply_msgpack, wants_msgpack
from ..models import models, models_series
from ..models.answers import answer
from ..tables.export import FORMATS, FormatMissingError, exported
from ..turns.bodies import BodyRoute
from ..turns.shares import Shares
from .artifacts import disposition
from .common import LIMIT, After, Limit, Router, answers, is_system

router = Router(tags=["series"], route_class=BodyRoute)
POINTS_DEFAULT = 10_000
POINTS_MAX = 100_000
KEYS_MAX = 256
STEPS_DEFAULT = 1_000
KEYS_OF_STEPS_MAX = 1_000  # keys among which the longest is looked for
POINTS_AT_ONCE = 1_000  # points that become JSON at once
Key = Annotated[str, Query(min_length=1, max_length=limits.KEY_BYTES_MAX)]
_POINT_COLUMNS = (("step", "<i8"), ("value", "<f8"), ("time", "<i8"), ("rank", "<i8"), ("attempt", "<i8"))
_BUCKET_COLUMNS = (
    ("start", "<i8"),
    ("count", "<i8"),
    ("min", "<f8"),
    ("max", "<f8"),
    ("mean", "<f8"),
    ("last", "<f8"),
    ("last_x", "<i8"),
    ("nan", "<i8"),
    ("pinf", "<i8"),
    ("ninf", "<i8"),
)


def _columns_note(what: str) -> dict[str, Any]:
    return {"content": {MSGPACK: {"schema": {"type": "string", "format": "binary"}}}, "description": what}


def _also_msgpack(documented: dict[int | str, dict[str, Any]], what: str) -> dict[int | str, dict[str, Any]]:
    documented[200] |= _columns_note(what)
    return documented


@router.get("/runs/{run_id}/keys", response_model=None, responses=answers(models_series.SeriesKeys, 200, 404, 410))
def list_keys(
    run: ReadableRun,
    lab: TheLab,
    q: Annotated[str, Query(max_length=limits.KEY_BYTES_MAX, description="Part of the key.")] = "",
    limit: Limit = LIMIT,
    after: After = None,
) -> Response:
    """The keys of a run, pooled over ranks and attempts. min and max are of finite values, null without any."""
    behind = cursor_in(after, str)
    infos = lab.points.keys(run.id, q, behind[0] if behind else "", limit + 1)
    return reply_list(((_key_answer(info), [info.key]) for info in infos), limit)


@router.get("/runs/{run_id}/attempts", response_model=None, responses=answers(models_series.Attempts, 200, 404, 410))
def list_attempts(run: ReadableRun, lab: TheLab, limit: Limit = LIMIT, after: After = None) -> Response:
    """The attempts that reported a metric, and from when on their relative time is counted."""
    behind = cursor_in(after, int)
    zeros = lab.points.origins(run.id, behind[0] if behind else 0, limit + 1)
    return reply_list((({"attempt": n, "zero": zero / 1e6}, [n]) for n, zero in zeros.items()), limit)


@router.get("/runs/{run_id}/steps", responses=answers(models_series.StepsAnswer, 200, 404, 410))
def list_steps(
    run: ReadableRun,
    lab: TheLab,
    rank: Annotated[int | None, Query(ge=0, le=models.INT32_MAX)] = None,
    attempt: Annotated[int | None, Query(ge=0, le=models.INT32_MAX)] = None,
    n: Annotated[int, Query(ge=1, le=models_series.BUCKETS_MAX)] = STEPS_DEFAULT,
) -> models_series.StepsAnswer:
    """When the training was at which step: exact moments, about `n` of them, evenly spread over time. With them, what
    is measured in time (the system metrics, whose step is a second) can be placed beside what the training reports.
    Without an attempt: the newest moment of each step.
    """
    infos = lab.points.keys(run.id, limit=KEYS_OF_STEPS_MAX)
    longest = max((info for info in infos if not is_system(info)), key=lambda info: info.count, default=None)
    if longest is None:
        return models_series.StepsAnswer(key=None, step=[], time=[])
    (line,) = lab.points.buckets([Selector(run.id, longest.key, rank, attempt)], "time", n=n)
    # A step that was reported late, behind higher ones, says nothing of when the training was there.
    ahead = line.last_step > np.concatenate(([limits.STEP_MIN], np.maximum.accumulate(line.last_step)[:-1]))
    step, time = line.last_step[ahead], line.last_x[ahead]
    return models_series.StepsAnswer(key=longest.key, step=step.tolist(), time=time.tolist())


def _key_answer(info: SeriesInfo) -> dict[str, Any]:
    return answer(
        models_series.SeriesKeyAnswer,
        info,
        last={"step": info.last_step, "value": info.last_value, "time": info.last_time / 1e6},
        min=None if math.isnan(info.min) else info.min,
        max=None if math.isnan(info.max) else info.max,
    )


@router.get(
    "/runs/{run_id}/points",
    response_model=None,
    responses=_also_msgpack(
        answers(models_series.PointsPage, 200, 404, 410),
        "As msgpack by Accept: {step, value, time (µs), rank, attempt, next, end}, "
        "little-endian columns of 8 bytes an item. `end`: cursor behind the last of these points, for whoever wants "
        "those that come later.",
    ),
)
def list_points(
    run: ReadableRun,
    request: Request,
    lab: TheLab,
    key: Annotated[str, Query(min_length=1, max_length=limits.KEY_BYTES_MAX)],
    rank: Annotated[int | None, Query(ge=0, le=models.INT32_MAX)] = None,
    attempt: Annotated[int | None, Query(ge=0, le=models.INT32_MAX)] = None,
    limit: Annotated[int, Query(ge=1, le=POINTS_MAX)] = POINTS_DEFAULT,
    after: After = None,
) -> Response:
    """Every raw point of a key in order of arrival at the lab."""
    try:
        points = lab.points.points(run.id, key, rank, attempt, after or "", limit)
    except ValueError:
        raise ApiError(
            422, "bad_cursor", "`after` is not a cursor of this list: take `next` of the page before."
        ) from None
    more = points.cursor if len(points.step) >= limit else None
    if wants_msgpack(request):
        columns = {name: getattr(points, name).astype(kind).tobytes() for name, kind in _POINT_COLUMNS}
        return reply_msgpack({**columns, "next": more, "end": points.cursor})
    page = Page(limit)
    for start in range(0, len(points.step), POINTS_AT_ONCE):
        page.add_all(_point_answers(points, slice(start, start + POINTS_AT_ONCE)))
    return page.reply(next=more)


@router.post(
    "/runs/{run_id}/points",
    response_model=None,
    responses={**answers(models.Empty, 200, 404, 410), 200: _columns_note("Always msgpack: columns as of GET.")},
)
def list_points_of_keys(run: ReadableRun, lab: TheLab, body: models_series.PointsBody) -> Response:
    """Raw points of many keys, each in order of arrival from its cursor on: {series: [{key, step, value, time, rank,
    attempt, next, end}, …]}, as GET answers for one key. When there are `limit` points, the keys that follow are left
    out: ask for them again, and for those that have a `next`.
    """
    series, left = [], body.limit
    for asked in body.keys:
        if left <= 0:
            break
        try:
            points = lab.points.points(run.id, asked.key, None, None, asked.after or "", left)
        except ValueError:
            raise ApiError(422, "bad_cursor", f"`after` of {asked.key[:99]!r} is not a cursor of its points.") from None
        more = points.cursor if len(points.step) >= left else None
        columns = {name: getattr(points, name).astype(kind).tobytes() for name, kind in _POINT_COLUMNS}
        series.append({"key": asked.key, **columns, "next": more, "end": points.cursor})
        left -= len(points.step)
    return reply_msgpack({"series": series})


_FILE = {"schema": {"type": "string", "format": "binary"}}
EXPORTED = {
    **answers(models.Empty, 200, 404, 410),
    200: {
        "description": "One row a point: key, step, value, time, rank, attempt. `time` is in seconds since 1970 UTC, "
        "in Parquet a timestamp; NaN and the infinities are NaN, Infinity and -Infinity, in JSON lines as strings.",
        "content": {kind.partition(";")[0]: _FILE for kind in FORMATS.values()},
    },
}


@router.get("/runs/{run_id}/export", response_model=None, responses=EXPORTED)
def export(
    run: ReadableRun,
    lab: TheLab,
    caller: TheCaller,
    format: Annotated[Literal["csv", "jsonl", "parquet"], Query(description="parquet: where the lab can.")] = "csv",
    key: Annotated[list[Key] | None, Query(max_length=KEYS_MAX, description="Without one: all keys.")] = None,
    rank: Annotated[int | None, Query(ge=0, le=models.INT32_MAX)] = None,
    attempt: Annotated[int | None, Query(ge=0, le=models.INT32_MAX)] = None,
) -> Response:
    """Raw points as a file, in order of arrival for each key; streamed, however many there are."""
    for name in key or ():
        if not lab.points.series(run.id, name):
            raise ApiError(
                404, "key_not_found", f"The run has no metric {name[:100]!r}: see `hectiqlab metrics {run.id}`."
            )
    try:
        pieces = exported(lab.points, run.id, key, format, rank, attempt)
    except FormatMissingError as e:
        raise ApiError(422, "format_missing", f"{e}") from None
    headers = {"Content-Disposition": disposition("attachment", f"{run.name.replace('/', '_')}.{format}")}
    grant = Grant(caller, frozenset({run.project_id}))
    taken = in_turns(lab.shares, caller.user.id, pieces)
    return GrantedResponse(taken, lab.authority, grant, whole=True, headers=headers, media_type=FORMATS[format])


async def in_turns(shares: Shares, user_id: str, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield each piece of a long answer in a turn of its own: while one is sent, others read."""
    work = shares.pace.work(user_id)

    def next_piece() -> bytes | None:
        with work:
            return next(pieces, None)

    while True:
        await shares.reads.take(user_id)
        try:
            piece = await run_in_threadpool(next_piece)
        finally:
            shares.reads.give_back(user_id)
        if piece is None:
            return
        yield piece


def _point_answers(points: Points, some: slice) -> list[dict[str, Any]]:
    return [
        {"step": step, "value": value, "time": time, "rank": rank, "attempt": attempt}
        for step, value, time, rank, attempt in zip(
            points.step[some].tolist(),
            points.value[some].tolist(),
            (points.time[some] / 1e6).tolist(),
            points.rank[some].tolist(),
            points.attempt[some].tolist(),
            strict=True,
        )
    ]


@router.post(
    "/series/buckets",
    response_model=None,
    responses=_also_msgpack(
        answers(models_series.BucketsAnswer, 200, 404, 410),
        "Msgpack unless Accept asks for JSON: the same map, each list a little-endian column of 8 bytes an item, "
        "NaN for null. With `short`, columns leave out what follows from the rest.",
    ),
)
def buckets(body: models_series.BucketsBody, request: Request, lab: TheLab, caller: TheCaller) -> Response:
    """Series at a screen's resolution. min, max and mean are of the finite values of a bucket. All series of one key
    lie on one grid, made for the range that they cover together. If all buckets would be over 400,000 (100,000 as
    JSON), every series has fewer than `n`: see `width`. With `smooth`, a line's smoothed values are computed by the lab
    over its points, not over its buckets: they are the same at any width and zoom.
    """
    check_readable(lab, caller, (s.run for s in body.selectors))
    selectors = [Selector(s.run, s.key, s.rank, s.attempt) for s in body.selectors]
    packed = wants_msgpack(request, default=True)
    most = limits.BUCKETS_OF_ANSWER_MAX if packed else limits.BUCKETS_OF_ANSWER_MAX // 4
    try:
        smoothing = None if body.smooth is None else Smoothing(body.smooth.kind, body.smooth.width)
        query = body.axis, body.lo, body.hi, body.n, body.attempts, most, smoothing
        all_series = lab.points.iter_buckets(selectors, *query)
        page = Page(len(selectors), packed, name="series")
        for series in all_series:
            page.add(buckets_answer(series, packed, body.short and packed), large=True)
    except ValueError as e:
        raise ApiError(422, "bad_range", f"These buckets cannot be made: {e}.") from None
    return page.reply()


def buckets_answer(b: Buckets, packed: bool, short: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "run": b.selector.run,
        "key": b.selector.key,
        "rank": b.selector.rank,
        "attempt": b.selector.attempt,
        "ranks": b.ranks,
        "width": b.width,
        "total": b.total,
    }
    columns: tuple[tuple[str, str], ...] = _BUCKET_COLUMNS
    if b.smoothed is not None:
        body["smooth_cell"] = b.smooth_cell
        columns += (("smoothed", "<f8"),)
    for name, kind in columns:
        column = np.asarray(getattr(b, name)).astype(kind)
        if short and kind == "<i8":
            column = _evenly_begun(column)
        body[name] = column.tobytes() if packed else column.tolist()
    if short:
        body |= {name: None for name in ("max", "mean", "last") if body[name] == body["min"]}
    if not packed:
        for name in {"min", "max", "mean", "smoothed"} & body.keys():
            body[name] = [None if math.isnan(v) else v for v in body[name]]
    return body


def _evenly_begun(column: Int64s) -> Int64s:
    """Return the first item where all are alike, the first two where all differ by as much, else all."""
    if len(column) < 2:
        return column
    steps = np.diff(column)
    if (steps != steps[0]).any():
        return column
    return column[: 1 if steps[0] == 0 else 2]
