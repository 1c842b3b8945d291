"""The fault injector itself: what it spoils reaches or does not reach the lab as it says."""

from __future__ import annotations

from typing import Any

import pytest

from pyhectiqlab.errors import GoneError, LabUnavailableError, LabUnreachableError
from pyhectiqlab.testing.transport import FaultyTransport
from pyhectiqlab.transport import Transport


class Counting:
    """The least transport that works."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def attach(self, request: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        return request

    def ingest(self, body: bytes) -> dict[str, Any]:
        self.bodies.append(body)
        return {"results": []}

    def heartbeat(self, session: str, payload: dict[str, Any]) -> None:
        pass

    def end(self, session: str, payload: dict[str, Any]) -> None:
        pass

    def close(self) -> None:
        pass


def test_failed_calls_do_not_reach_the_lab() -> None:
    inner = Counting()
    transport = FaultyTransport(inner)
    transport.fail_next(2)
    for _ in range(2):
        with pytest.raises(LabUnavailableError):
            transport.ingest(b"a")
    transport.ingest(b"b")
    assert inner.bodies == [b"b"]
    assert transport.calls == ["ingest"] * 3


def test_the_error_can_be_chosen() -> None:
    transport = FaultyTransport(Counting())
    transport.fail_next(1, lambda: GoneError("The run was deleted.", status=410))
    with pytest.raises(GoneError):
        transport.heartbeat("s", {})


def test_lost_replies_reach_the_lab() -> None:
    inner = Counting()
    transport = FaultyTransport(inner)
    transport.lose_replies(1)
    with pytest.raises(LabUnreachableError):
        transport.ingest(b"a")
    transport.ingest(b"a")
    assert inner.bodies == [b"a", b"a"]


def test_it_is_a_transport() -> None:
    transport: Transport = FaultyTransport(Counting())
    assert transport.attach({"name": "r"}, timeout_s=1) == {"name": "r"}
    transport.end("s", {})
