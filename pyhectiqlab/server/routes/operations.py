"""For whoever runs the lab: its metrics, as Prometheus asks for them."""

from __future__ import annotations

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST

from .. import models
from ..access import Scraper, TheLab
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
