"""Ends of smoothed lines in many runs, for tables that are sorted by them: kept in memory once they were computed.

A value is kept with the number of points that the run had of the metric. Points are never changed, only added. So while
that number stays the same, the value does, too: another page of a table costs nothing, and only for live runs are
values computed again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..errors import SlowSearchError
from .points import Axis, Smoothing, Summary

_NONE: tuple[int, None] = (0, None)
ENTRIES_MAX = 500_000  # values, summed over all metrics and smoothings: some 60 MB
RUNS_AT_ONCE = 256  # runs that are read in one transaction

Compute = Callable[[str, Smoothing, Axis, Sequence[str]], Iterator[tuple[str, float]]]


class _Known:
    def __init__(self) -> None:
        self.computing = threading.Lock()
        self.values: dict[str, tuple[int, float]] = {}  # by run: how many points it had, and the value


class SmoothedEnds:
    """Safe for several threads.

    Args:
        summaries: PointStore.summaries.
        compute: yields the value of each run that has the metric.
        seconds_max: how long one call may compute.
    """

    def __init__(
        self,
        summaries: Callable[[str, Sequence[str]], Mapping[str, Summary]],
        compute: Compute,
        seconds_max: float = 10.0,
    ) -> None:
        self._summaries, self._compute, self.seconds_max = summaries, compute, seconds_max
        self._lock = threading.Lock()  # never taken while waiting for anything else
        self._known: OrderedDict[tuple[str, Smoothing, Axis], _Known] = OrderedDict()  # the least recently used first

    def of(self, key: str, smoothing: Smoothing, axis: Axis, runs: Sequence[str]) -> dict[str, float]:
        """See PointStore.smoothed. Raises SlowSearchError after `seconds_max`. It keeps what it has computed, so the
        next call goes on from there.
        """
        place = key, smoothing, axis
        with self._lock:
            known = self._known.setdefault(place, _Known())
            self._known.move_to_end(place)
        with known.computing:
            summaries = self._summaries(key, runs)
            missing = [run for run, s in summaries.items() if known.values.get(run, _NONE)[0] != s.points]
            try:
                self._add(known, place, missing, summaries)
            finally:
                self._shrink()
            return {run: value for run in summaries if (value := known.values.get(run, _NONE)[1]) is not None}

    def forget(self, run: str) -> None:
        """Forget the values of a run that was deleted, because it may get other points."""
        with self._lock:
            for known in self._known.values():
                known.values.pop(run, None)

    def _add(
        self,
        known: _Known,
        place: tuple[str, Smoothing, Axis],
        runs: Sequence[str],
        summaries: Mapping[str, Summary],
    ) -> None:
        until = time.monotonic() + self.seconds_max
        done = 0
        for start in range(0, len(runs), RUNS_AT_ONCE):
            some = runs[start : start + RUNS_AT_ONCE]
            for run, value in self._compute(*place, some):
                known.values[run] = summaries[run].points, value
                done += 1
                if time.monotonic() > until and done < len(runs):
                    raise SlowSearchError(
                        f"{place[0]!r} of {len(runs) - done:,} runs is still to be smoothed: ask again, which goes on "
                        "from here, or search fewer runs, or smooth over a smaller width."
                    )

    def _shrink(self) -> None:
        with self._lock:
            entries = sum(len(known.values) for known in self._known.values())
            while entries > ENTRIES_MAX and len(self._known) > 1:
                _, dropped = self._known.popitem(last=False)
                entries -= len(dropped.values)
