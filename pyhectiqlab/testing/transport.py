"""A transport that fails on request, around a real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ..errors import LabRequestError, LabUnavailableError, LabUnreachableError
from ..transport import Transport

__all__ = ["FaultyTransport"]


class FaultyTransport:
    """Passes every call on to `inner`, except for what it was told to spoil. Safe for several threads.

    Attributes:
        calls: names of the methods called, in order ("attach", "ingest", …), failed ones included.
        delay_s: seconds that each call waits before it is passed on.
    """

    def __init__(self, inner: Transport, *, delay_s: float = 0.0) -> None:
        self.inner = inner
        self.delay_s = delay_s
        self.calls: list[str] = []
        self._lock = threading.Lock()
        self._to_fail = 0
        self._error: Callable[[], LabRequestError] = _unavailable
        self._to_lose = 0

    def fail_next(self, n: int, error: Callable[[], LabRequestError] | None = None) -> None:
        """The next `n` calls raise `error()` (a 503 by default) and do not reach the lab."""
        with self._lock:
            self._to_fail = n
            self._error = error or _unavailable

    def lose_replies(self, n: int) -> None:
        """The next `n` calls reach the lab, which commits them, but raise LabUnreachableError: its answer is lost."""
        with self._lock:
            self._to_lose = n

    def attach(self, request: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        answer: dict[str, Any] = self._pass("attach", lambda: self.inner.attach(request, timeout_s=timeout_s))
        return answer

    def ingest(self, body: bytes) -> dict[str, Any]:
        answer: dict[str, Any] = self._pass("ingest", lambda: self.inner.ingest(body))
        return answer

    def heartbeat(self, session: str, payload: dict[str, Any]) -> None:
        self._pass("heartbeat", lambda: self.inner.heartbeat(session, payload))

    def end(self, session: str, payload: dict[str, Any]) -> None:
        self._pass("end", lambda: self.inner.end(session, payload))

    def close(self) -> None:
        self.inner.close()

    def _pass(self, name: str, call: Callable[[], Any]) -> Any:
        with self._lock:
            self.calls.append(name)
            fail, self._to_fail = self._to_fail > 0, max(0, self._to_fail - 1)
            lose = False
            if not fail:
                lose, self._to_lose = self._to_lose > 0, max(0, self._to_lose - 1)
            error = self._error
        if self.delay_s:
            time.sleep(self.delay_s)
        if fail:
            raise error()
        answer = call()
        if lose:
            raise LabUnreachableError("The answer of the lab was lost on purpose.")
        return answer


def _unavailable() -> LabRequestError:
    return LabUnavailableError("The lab is unavailable on purpose.", status=503)
