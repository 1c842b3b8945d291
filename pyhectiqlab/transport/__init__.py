"""The interface by which the uploader and a Run talk to the lab. HTTP is one implementation."""

from __future__ import annotations

from typing import Any, Protocol

from .http import LabClient
from .retry import Backoff

__all__ = ["Backoff", "LabClient", "Transport"]


class Transport(Protocol):
    """The four requests of the pipeline. Each blocks within a bound and raises `LabRequestError` when it fails.

    An implementation may be used by several threads, but not on both sides of a fork.
    """

    def attach(self, request: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """Find or create a run; FORMAT.md section 5 has the request and the answer."""

    def ingest(self, body: bytes) -> dict[str, Any]:
        """Send packed batches. The answer says what was committed. FORMAT.md section 3."""

    def heartbeat(self, session: str, payload: dict[str, Any]) -> None:
        """Tell the lab that a session is alive."""

    def end(self, session: str, payload: dict[str, Any]) -> None:
        """Tell the lab how the owner of a session ended. Idempotent."""

    def close(self) -> None:
        """Release the connections. Safe twice."""
