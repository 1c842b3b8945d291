"""For whoever runs the lab: its metrics, as Prometheus asks for them, and its state."""

from __future__ import annotations

import time

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST

from ..access.access import Admin, Scraper, TheLab
from ..http.replies import reply
from ..models import models, models_status
from ..status.status import status as status_of
from .common import Router, answers

router = Router(tags=["operations"])
_TEXT: dict[str, object] = {
    "content": {"text/plain": {"schema": {"type": "string"}}},
    "description": "Prometheus' text format.",
}


@router.get(
    "/metrics",
    response_class=Response,
    responses=answers(models.Empty, 200, 403) | {200: _TEXT},
)
def metrics(lab: TheLab, caller: Scraper) -> Response:
    """Requests, commits, points, losses, what waits, runs by state, bytes on disk, the last backup; for an admin's key.

    As `authorization` in Prometheus' scrape settings, best a key of the scope "metrics".
    """
    return Response(lab.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/admin/status", response_model=None, responses=answers(models_status.LabState, 200, 403))
def status(lab: TheLab, caller: Admin) -> Response:
    """Say how the lab is, and what to do about it: disk by project and kind, busiest runs and clients, what waits, the
    last backup, threads.
    """
    return reply(status_of(lab.storage, lab, time.time()))
