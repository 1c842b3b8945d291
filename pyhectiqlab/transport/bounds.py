"""Time-outs of a LabClient: how long a request may take."""

from __future__ import annotations

from typing import TypedDict

from .. import settings


class Bounds(TypedDict):
    """Time-outs of a LabClient."""

    connect_timeout_s: float
    read_timeout_s: float


def defaults() -> Bounds:
    return {
        "connect_timeout_s": settings.REQUEST_CONNECT_TIMEOUT_S,
        "read_timeout_s": settings.REQUEST_READ_TIMEOUT_S,
    }


def asking() -> Bounds:
    """Return time-outs for a caller that waits for the answer: ATTACH_TIMEOUT_S a request, with connecting."""
    connect = min(settings.REQUEST_CONNECT_TIMEOUT_S, settings.ATTACH_TIMEOUT_S / 2)
    return {"connect_timeout_s": connect, "read_timeout_s": settings.ATTACH_TIMEOUT_S - connect}
