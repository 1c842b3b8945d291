"""Config texts: the values of configs as text, for those who choose columns of runs or complete a search.

To read them takes 0.1 s for 2,000 runs with 38 values each on a quick machine, and a page asks again and again. So they
are kept in memory. The texts of a run are read again once the lab has heard of the run: a config changes only with a
batch or a new attempt, which note the time in the same transaction.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...store.meta import MetaView

VALUES_MAX = 300_000  # values in memory: some 30 MB


@dataclass(frozen=True)
class _Kept:
    """`heard`: when the run was heard of. `paths`: shared by the runs that have the same."""

    heard: float | str
    paths: tuple[str, ...]
    texts: tuple[str, ...]


class ConfigTexts:
    """Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # by run, the least recently used first
        self._paths: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._values = 0

    def counts(
        self, view: MetaView, ids: Sequence[str], heard: Mapping[str, float | str], words: str = ""
    ) -> dict[str, Counter[str]]:
        """Return how many of these runs have each text, by the path of the value; only paths that contain `words`,
        whatever the case. `heard`: when each run was heard of, by the same view. Blocks on the store.
        """
        wanted = words.lower()
        columns: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for kept in self._some(view, ids, heard):
            columns.setdefault(kept.paths, []).append(kept.texts)
        counts: dict[str, Counter[str]] = {}
        for paths, rows in columns.items():
            for path, texts in zip(paths, zip(*rows, strict=True), strict=True):
                if wanted in path.lower():
                    counts.setdefault(path, Counter()).update(texts)
        return counts

    def _some(self, view: MetaView, ids: Sequence[str], heard: Mapping[str, float | str]) -> list[_Kept]:
        with self._lock:
            known = {run: kept for run in ids if (kept := self._kept.get(run)) and kept.heard == heard.get(run)}
            for run in known:
                self._kept.move_to_end(run)
        missing = [run for run in ids if run not in known]
        if missing:
            read = view.config_texts(missing)
            with self._lock:
                known.update((run, self._keep(run, heard.get(run, 0.0), *read.get(run, ((), ())))) for run in missing)
        return list(known.values())

    def _keep(self, run: str, heard: float | str, paths: tuple[str, ...], texts: Sequence[str]) -> _Kept:
        if len(self._paths) > len(self._kept) + 1000:
            self._paths.clear()  # of runs that are no longer kept, most of them
        kept = _Kept(heard, self._paths.setdefault(paths, paths), tuple(texts))
        before = self._kept.pop(run, None)
        self._kept[run] = kept
        self._values += len(kept.texts) - (len(before.texts) if before else 0)
        while self._values > VALUES_MAX and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._values -= len(dropped.texts)
        return kept
