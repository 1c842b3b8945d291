"""Searched: which metrics people search, sort and group by.

They are noted across starts, so that the first search after a start finds them in memory: reading a metric of ten
thousand runs takes some 0.2 s, and a second if the disk has to be asked.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable

from ...base.loops import Loop
from ...protocol.search import Field
from ...store.meta import MetaStore, RunQuery
from ...store.points import PointStore
from ..transacts import Transacts

log = logging.getLogger("hectiqlab.server")

KEY = "searched_metrics"  # of the lab's value: a list, the latest last
METRICS_MAX = 20
NOTED_EVERY_S = 60.0


class Searched:
    """Call `note` from any thread, and `keep` from the watch. A thread between `start` and `stop` reads the metrics."""

    def __init__(self, meta: MetaStore, points: PointStore, write: Transacts) -> None:
        self._meta, self._points, self._write = meta, points, write
        with meta.reading() as view:
            keys = json.loads(view.lab_value(KEY) or "[]")
        self._lock = threading.Lock()
        self._metrics: OrderedDict[str, None] = OrderedDict.fromkeys(keys)
        self._kept: list[str] = list(keys)
        self._kept_at = 0.0
        self.loop = Loop("searched", self._read, log.warning)

    def start(self) -> None:
        self.loop.start()

    def stop(self) -> None:
        """Block until the metric that is being read has been read."""
        self.loop.stop()

    def note(self, query: RunQuery, fields: Iterable[Field] = (), columns: Iterable[Field] = ()) -> None:
        """Note the metrics of a search.

        Args:
            fields: what else was read of all runs: further sorts, statistics of groups.
            columns: what was read of some rows only. Groups of these runs would be told by them, so they are noted
                where there is room.
        """
        searched = _metrics([*(term.field for term in query.terms), query.sort.field, *fields])
        shown = _metrics(columns)
        with self._lock:
            for metric in searched:
                self._metrics[metric] = None
                self._metrics.move_to_end(metric)
            while len(self._metrics) > METRICS_MAX:
                self._metrics.popitem(last=False)
            for metric in shown:
                if metric not in self._metrics and len(self._metrics) < METRICS_MAX:
                    self._metrics[metric] = None
                    self._metrics.move_to_end(metric, last=False)

    def keep(self, now: float) -> None:
        """Write them down if they changed, now and then. Raises StoreError."""
        with self._lock:
            metrics = list(self._metrics)
        if metrics != self._kept and not 0 <= now - self._kept_at < NOTED_EVERY_S:
            self._write(lambda tx: tx.set_lab_value(KEY, json.dumps(metrics)))
            self._kept, self._kept_at = metrics, now

    def _read(self) -> None:
        """Read the latest first. Nobody waits for it: a search that comes meanwhile reads what it needs by itself."""
        with self._meta.reading() as view:
            runs = view.found_ids(RunQuery(), time.time()) if self._kept else []
        for metric in reversed(self._kept):
            if self.loop.stopping:
                return
            self._points.summaries(metric, runs)


def _metrics(fields: Iterable[Field]) -> list[str]:
    return [field.name for field in fields if field.kind == "metric" and field.name]
