"""POST /ingest: batches of points and events, answered after a durable commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from ... import settings
from ...errors import StoreError
from ...protocol import limits
from ...store.pauses import pausing
from ..access.access import CheckedInside, lab_of
from ..access.access import caller as caller_of
from ..http.replies import MSGPACK, ApiError, reply, reply_msgpack
from ..lab import Lab
from ..models import models
from ..turns.inflate import opened
from ..turns.shares import Shares
from ..writing.ingest import Batch, decode
from ..writing.ingest import Request as Decoded
from ..writing.ingest_plan import IngestJob
from ..writing.pieces import cost_s
from .common import ApiRouter, answers

T = TypeVar("T")
router = ApiRouter(tags=["ingest"])

POINT_BYTES = 32  # memory of a decoded point
INLINE_BYTES = 16 << 10  # to decode a smaller body takes less time than to hand it to a thread …
INLINE_WEIGHT = 64 << 10  # … unless it has very many values
REFUSED_S = 0.002  # added to the caller's share for a batch that is refused, as it is of use to nobody
REFUSED_BODY_S = 0.2  # the same for a large body that is refused whole
_TYPES = frozenset({MSGPACK, "application/msgpack", "application/vnd.msgpack"})
_BODY = {
    "requestBody": {
        "required": True,
        "description": "A msgpack map {v, session, clock, batches}: protocol/FORMAT.md, section 3. "
        "Content-Encoding gzip is taken.",
        "content": {MSGPACK: {"schema": {"type": "string", "format": "binary", "maxLength": limits.INGEST_BYTES_MAX}}},
    }
}


@router.post(
    "/ingest",
    dependencies=[CheckedInside],
    response_model=None,
    responses=answers(models.IngestAnswer, 200, 400, 413, 415, 503),
    openapi_extra=_BODY,
)
async def ingest(request: Request) -> Response:
    """Take batches. Return one result for each, in order. A result other than 200 changed nothing, except that the
    beginning of a batch with hundreds of events may be stored: offer it again, to have the rest committed, or to learn
    from 409 how far the lab is.
    """
    # Not as dependencies: resolving those takes as long as the rest of a small request.
    lab, caller = lab_of(request), await caller_of(request)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in _TYPES:
        raise ApiError(415, "unsupported_type", f"Send {MSGPACK}.")
    try:
        body = await request.body()  # which is here: admission.py
    except ClientDisconnect:
        raise ApiError(400, "bad_body", "The body ended too early.") from None
    received = time.time()
    encoding = request.headers.get("content-encoding", "").strip().lower()
    async with _Held(lab.shares, caller.user.id) as held:
        decoded, cost = await held.decoded(body, encoding)
        job = IngestJob(decoded, caller.user.id, received, cost)
        if await held.refused(lab, job):
            results = [result.answer() for result in job.results]
        else:
            size = max(len(body), POINT_BYTES * sum(b.points for b in decoded.batches if isinstance(b, Batch)))
            results = await _results(lab, job, size)
            lab.screen.note_answered(job)
    lab.metrics.answered(result["status"] for result in results)
    lives = {"generation": lab.generation, "start": lab.start_id}
    answer: dict[str, Any] = {"v": limits.PROTOCOL_VERSION, **lives, "results": results}
    return reply_msgpack(answer) if "msgpack" in request.headers.get("accept", "") else reply(answer)


class _Held:
    """What a request takes of the caller's share until it is answered: its place, and the memory of its values."""

    def __init__(self, shares: Shares, who: str) -> None:
        self._shares, self._who = shares, who
        self._bytes = 0
        self._to_rest_s = 0.0  # behind the last piece of work in a thread

    async def __aenter__(self) -> _Held:
        await self._shares.ingests.take(self._who)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._shares.ingests.give_back(self._who)
        self._shares.decoded.give_back(self._who, self._bytes)

    async def decoded(self, body: bytes, encoding: str) -> tuple[Decoded, float]:
        """Return what the body says, weighed first, and what it costs the writer. Raises ApiError, OverShareError."""
        if len(body) <= INLINE_BYTES and not encoding:
            plain, weight = self._timed(opened, body, encoding)
            if weight <= INLINE_WEIGHT:
                self._take(weight)
                return self._timed(_decoded, plain)
        shares, loop = self._shares, asyncio.get_running_loop()
        await shares.decodes.take(self._who)
        try:
            shares.check(self._who)  # their requests before this one may have cost much
            plain, weight = await loop.run_in_executor(shares.decoders, self._rested, opened, body, encoding)
            self._take(weight)
            return await loop.run_in_executor(shares.decoders, self._rested, _decoded, plain)
        except ApiError:
            shares.costs.charge(self._who, REFUSED_BODY_S)
            raise
        finally:
            rest = self._to_rest_s if shares.costs.wanted(self._who) else 0.0
            loop.call_later(rest, shares.decodes.give_back, self._who)

    async def refused(self, lab: Lab, job: IngestJob) -> bool:
        """Return whether nothing of it can be added, now or later; `job.results` say why. A reader finds that out, so
        that it costs the writer nothing.
        """
        if lab.screen.passes(job):
            return False
        await self._shares.reads.take(self._who)
        try:
            refused = await run_in_threadpool(self._timed, lab.screen.refuses, job)
        finally:
            self._shares.reads.give_back(self._who)
        if refused:
            self._shares.costs.charge(self._who, REFUSED_S * len(job.results))
        return refused

    def _take(self, weight: int) -> None:
        self._shares.decoded.take(self._who, weight, settings.LAB_DECODED_OF_USER)
        self._bytes = weight

    def _timed(self, function: Callable[..., T], *args: object) -> T:
        began = time.thread_time()
        try:
            return function(*args)
        finally:
            self._shares.costs.charge(self._who, time.thread_time() - began)

    def _rested(self, function: Callable[..., T], *args: object) -> T:
        """`_timed`, in a thread and in pieces of some milliseconds. While others want some of the lab's time, it rests
        behind each for LAB_READ_REST times as long as that took.
        """
        piece_s = settings.LAB_READ_PIECE_S
        look_at, done = time.monotonic() + piece_s, time.thread_time()

        def rest() -> None:
            nonlocal look_at, done
            if time.monotonic() < look_at:  # nothing takes more of a processor than time goes by
                return
            took = time.thread_time() - done
            if took >= piece_s:
                if self._shares.costs.wanted(self._who):
                    time.sleep(settings.LAB_READ_REST * took)
                done, took = time.thread_time(), 0.0
            look_at = time.monotonic() + piece_s - took

        try:
            with pausing(rest):
                return self._timed(function, *args)
        finally:
            self._to_rest_s = time.thread_time() - done


def _decoded(plain: bytes | bytearray) -> tuple[Decoded, float]:
    request = decode(plain)
    return request, cost_s(request)


async def _results(lab: Lab, job: IngestJob, size: int) -> list[dict[str, Any]]:
    try:
        return [r.answer() for r in await asyncio.wrap_future(lab.writer.ingest(job, size))]
    except StoreError as e:
        return [{"writer": b.writer, "status": 503, "cursor": 0, "error": str(e)} for b in job.request.batches]
