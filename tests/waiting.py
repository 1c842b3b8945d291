"""Waiting for what other threads and processes do, where nothing tells that it has happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

ASK_S = 0.02


def eventually(check: Callable[[], Any], timeout: float = 20.0, what: str = "") -> Any:
    """Return the first true answer of `check`, asked again until then. Fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := check()):
        assert time.monotonic() < deadline, f"not within {timeout:.0f} s: {what or check}"
        time.sleep(ASK_S)
    return answer
