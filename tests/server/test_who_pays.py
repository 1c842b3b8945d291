"""Whose share of the lab a request takes: its caller's, also if the lab did not know them when it came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.server.app import create_app
from pyhectiqlab.server.lab import Lab
from pyhectiqlab.store.opening import open_storage

AT_ONCE = 40  # each costs a millisecond at least, and 25 of them hold others back


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(open_storage(tmp_path / "data"))
    lab.start()
    yield lab
    lab.stop()


def test_whoever_begins_many_requests_at_once_pays_for_them(lab: Lab) -> None:
    user = lab.write(lambda tx: tx.add_user("ann", "member", None, time.time()))
    _, key = lab.accounts.add_key(user, "test")

    async def main() -> list[int]:
        app = create_app(lab, None)
        return await asyncio.gather(*(_asked(app, key) for _ in range(AT_ONCE)))

    assert asyncio.run(main()) == [200] * AT_ONCE
    assert not lab.shares.costs.wanted(user.id), "they are others to themselves"
    assert lab.shares.costs.wanted("another"), "nobody paid"


async def _asked(app: Any, key: str) -> int:
    """Ask who the key belongs to. Return the status."""
    scope = {"type": "http", "method": "GET", "path": "/api/v1/me", "raw_path": b"/api/v1/me", "query_string": b""}
    scope |= {"headers": [(b"host", b"lab"), (b"authorization", b"Bearer " + key.encode())], "scheme": "http"}
    scope |= {"root_path": "", "http_version": "1.1", "server": ("lab", 80), "client": ("127.0.0.1", 1)}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status
