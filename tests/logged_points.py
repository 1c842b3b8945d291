"""LoggedPoints: a PointStore for tests that several labs may share.

A table of PostgreSQL is the log of all batches. Each process reads it into the plain model of testing/memory_points.py.
Slow, and easy to believe.
"""

from __future__ import annotations

import base64
import pickle
import threading
from collections.abc import Callable, Sequence
from typing import Any

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store import fleet
from pyhectiqlab.store.points import AppendResult, PointBatch, PointStore
from pyhectiqlab.testing.memory_points import MemoryPointStore

SCHEME = "log"
_MAKE = "CREATE TABLE IF NOT EXISTS point_log (n bigserial PRIMARY KEY, what text NOT NULL, content text NOT NULL)"


class LoggedPoints:
    wants_few_inserts = False

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.RLock()
        self._model = MemoryPointStore()
        self._read = 0
        self._conn: Any = None
        self.before_forgetting: Callable[[], None] = lambda: None
        self._in_log(lambda: None)

    def _in_log(self, work: Callable[[], Any]) -> Any:
        """Do it with all that the log has, while nobody adds to it."""
        import psycopg

        with self._lock:
            for last in (False, True):
                try:
                    if self._conn is None:
                        self._conn = psycopg.connect(self._url)
                        self._conn.execute(f"SELECT pg_advisory_lock(4712); {_MAKE}; SELECT pg_advisory_unlock(4712)")
                        self._conn.commit()
                    with self._conn.transaction():
                        self._conn.execute("SELECT pg_advisory_xact_lock(4711)")
                        self._follow()
                        return work()
                except psycopg.Error as e:
                    if self._conn is not None:
                        self._conn.close()
                    self._conn = None
                    if last:
                        raise StoreError(f"The log of points failed: {e}".splitlines()[0]) from e
        return None

    def _follow(self) -> None:
        rows = self._conn.execute("SELECT n, what, content FROM point_log WHERE n > %s ORDER BY n", [self._read])
        for n, what, content in rows.fetchall():
            if what == "append":
                self._model.append(pickle.loads(base64.b64decode(content)))
            else:
                getattr(self._model, what)(content)
            self._read = n

    def _add(self, what: str, content: str) -> None:
        self._conn.execute("INSERT INTO point_log (what, content) VALUES (%s, %s)", [what, content])

    def append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        def work() -> list[AppendResult]:
            before = self._model._state
            results = self._model.append(batches)
            self._model._state = before  # the log has it once this is committed, and then it is read from there
            self._add("append", base64.b64encode(pickle.dumps(list(batches))).decode())
            return results

        results: list[AppendResult] = self._in_log(work)
        return results

    def delete(self, run: str) -> None:
        self._in_log(lambda: self._add("delete", run))

    def undelete(self, run: str) -> None:
        self._in_log(lambda: self._add("undelete", run))

    def maintain(self, seconds_max: float = 0.1, saving: bool = False) -> bool:
        return False

    def late_writers(self) -> list[str]:
        return []

    def close(self) -> None:
        with self._lock:
            self._model.close()
            if self._conn is not None:
                self._conn.close()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._model, name)

        def call(*arguments: Any, **more: Any) -> Any:
            def work() -> Any:
                result = method(*arguments, **more)
                return list(result) if name in {"iter_buckets", "of_writer"} else result

            return self._in_log(work)

        return call


def register() -> None:
    """Have labs of this process know addresses such as log:postgresql://…."""

    def opened(storage: fleet.FleetStorage) -> PointStore:
        return LoggedPoints(storage.at.points.partition(":")[2])  # type: ignore[return-value]

    fleet.POINT_STORES[SCHEME] = opened
