"""Ends of smoothed lines in many runs, for tables that are sorted by them: kept in memory once they were computed.

A value is kept with the number of points that the run had of the metric. Points are never changed, only added. So while
that number stays the same, the value does, too: another page of a table costs nothing, and only for live runs are
values computed again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from ...base.texts import counted
from ...errors import SlowSearchError
from ..points import Axis, Smoothing, Summary

_NONE: tuple[int, None] = (0, None)
ENTRIES_MAX = 500_000  # values, summed over all metrics and smoothings: some 60 MB
RUNS_AT_ONCE = 256  # runs that are read in one transaction

N = TypeVar("N", bound=Hashable)  # the name of a line: a run, or a (run, rank)
Compute = Callable[[str, Smoothing, Axis, Sequence[str]], Iterator[tuple[N, float]]]


class _Known(Generic[N]):
    """Values of the lines of one metric, smoothed in one way. `size`: how many there are."""

    def __init__(self) -> None:
        self.computing = threading.Lock()
        self.size = 0
        self._of_runs: dict[str, dict[N, tuple[int, float]]] = {}  # by line: how many points it had, and the value

    def get(self, run: str, name: N) -> tuple[int, float] | tuple[int, None]:
        return self._of_runs.get(run, {}).get(name, _NONE)

    def put(self, run: str, name: N, points: int, value: float) -> None:
        its = self._of_runs.setdefault(run, {})
        self.size += name not in its
        its[name] = points, value

    def forget(self, run: str) -> None:
        self.size -= len(self._of_runs.pop(run, {}))


class SmoothedEnds(Generic[N]):
    """Safe for several threads.

    Args:
        summaries: PointStore.summaries, or rank_summaries.
        compute: yields the value of each line of the metric in some runs.
        run_of: returns the run of a line.
        seconds_max: how long one call may compute.
    """

    def __init__(
        self,
        summaries: Callable[[str, Sequence[str]], Mapping[N, Summary]],
        compute: Compute[N],
        run_of: Callable[[N], str],
        seconds_max: float = 10.0,
    ) -> None:
        self._summaries, self._compute, self._run_of, self.seconds_max = summaries, compute, run_of, seconds_max
        self._lock = threading.Lock()  # never taken while waiting for anything else
        # The least recently used first. What changes them holds the lock.
        self._known: OrderedDict[tuple[str, Smoothing, Axis], _Known[N]] = OrderedDict()

    def of(self, key: str, smoothing: Smoothing, axis: Axis, runs: Sequence[str]) -> dict[N, float]:
        """See PointStore.smoothed. Raises SlowSearchError after `seconds_max`. It keeps what it has computed, so the
        next call goes on from there.
        """
        place = key, smoothing, axis
        with self._lock:
            known = self._known.setdefault(place, _Known())
            self._known.move_to_end(place)
        with known.computing:
            summaries = self._summaries(key, runs)
            missing = [name for name, s in summaries.items() if known.get(self._run_of(name), name)[0] != s.points]
            try:
                self._add(known, place, missing, summaries)
            finally:
                self._shrink()
            values = ((name, known.get(self._run_of(name), name)[1]) for name in summaries)
            return {name: value for name, value in values if value is not None}

    def forget(self, run: str) -> None:
        """Forget the values of a run that was deleted, because it may get other points."""
        with self._lock:
            for known in self._known.values():
                known.forget(run)

    def _add(
        self,
        known: _Known[N],
        place: tuple[str, Smoothing, Axis],
        missing: Sequence[N],
        summaries: Mapping[N, Summary],
    ) -> None:
        until = time.monotonic() + self.seconds_max
        left = set(missing)
        runs = list(dict.fromkeys(map(self._run_of, missing)))
        for start in range(0, len(runs), RUNS_AT_ONCE):
            some = runs[start : start + RUNS_AT_ONCE]
            for name, value in self._compute(*place, some):
                if name not in summaries:
                    continue  # a rank that has come since
                with self._lock:
                    known.put(self._run_of(name), name, summaries[name].points, value)
                left.discard(name)
                if left and time.monotonic() > until:
                    still = {self._run_of(name) for name in left}
                    raise SlowSearchError(
                        f"{place[0]!r} of {counted(len(still), 'run')} is still to be smoothed: ask again, which goes "
                        "on from here, or search fewer runs, or smooth over a smaller width."
                    )

    def _shrink(self) -> None:
        with self._lock:
            entries = sum(known.size for known in self._known.values())
            while entries > ENTRIES_MAX and len(self._known) > 1:
                _, dropped = self._known.popitem(last=False)
                entries -= dropped.size
