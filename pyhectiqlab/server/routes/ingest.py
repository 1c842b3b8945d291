"""POST /ingest: batches of points and events, answered after a durable commit."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from ...errors import StoreError
from ...protocol import limits
from .. import models
from ..access import CheckedInside, lab_of
from ..access import caller as caller_of
from ..commit import IngestJob
from ..ingest import Batch, decode, inflate
from ..replies import MSGPACK, ApiError, reply, reply_msgpack
from .common import answers

router = APIRouter(tags=["ingest"])

POINT_BYTES = 32  # of a decoded point
INLINE_BYTES = 64 << 10  # a smaller body is decoded faster than it is handed to a thread
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
    """One result for each batch, in order; a result other than 200 changed nothing."""
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
    if len(body) <= INLINE_BYTES and not encoding:
        decoded = decode(body)
    else:
        decoded = await run_in_threadpool(lambda: decode(inflate(body, encoding)))
    job = IngestJob(decoded, caller.user.id, received)
    size = max(len(body), POINT_BYTES * sum(b.points for b in decoded.batches if isinstance(b, Batch)))
    try:
        results = [r.told() for r in await asyncio.wrap_future(lab.writer.ingest(job, size))]
    except StoreError as e:
        results = [{"writer": b.writer, "status": 503, "cursor": 0, "error": str(e)} for b in decoded.batches]
    lives = {"generation": lab.generation, "start": lab.start_id}
    answer: dict[str, Any] = {"v": limits.PROTOCOL_VERSION, **lives, "results": results}
    return reply_msgpack(answer) if "msgpack" in request.headers.get("accept", "") else reply(answer)
