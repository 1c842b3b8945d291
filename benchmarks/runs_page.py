"""How long does the lab take for the first page of a project with 10,000 runs, by any sort and filter?

At the lab, in-process, without HTTP: the stores are filled directly, in a folder that can be kept for another time
(--data); then pages of 100 runs are asked for as the route does, all that it answers included. "First asked" is the
first search by a metric since the lab was started.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from _common import Number
from _fill import PROJECT
from _filled import main_of

from pyhectiqlab.protocol.search import parse, parse_sort
from pyhectiqlab.server.http.replies import reply
from pyhectiqlab.server.routes.common import run_answers
from pyhectiqlab.server.tables.search import find_runs
from pyhectiqlab.store.meta import MetaStore, RunPage, RunQuery
from pyhectiqlab.store.points import PointStore

REACH_MS = 100
REPEAT = 7
PAGE = 100
ASKED = (  # sort, filter
    ("-created", ""),
    ("name", ""),
    ("-duration", "state=completed"),
    ("author", "tag=baseline created>2023-11-15"),
    ("-points", "name~resnet-7 author=user2"),
    ("-created", "trial"),
    ("-created", "config.lr<0.001 config.model.name=vit,mlp"),
    ("-created", "config.model.name~res config.data.augment=true"),
    ("config.model.dropout", ""),
    ("-created", "metric.train/loss.last<0"),
    ("-created", "metric.train/loss.min<-2.5 state=failed"),
    ("-metric.valid/accuracy.max", ""),
    ("metric.train/loss.last", "metric.valid/accuracy.min<0 config.lr>0.001 tag!=debug"),
)


def main() -> None:
    main_of(__doc__, first_pages, keys=1_000, keys_per_run=100)


def first_pages(meta: MetaStore, points: PointStore) -> list[Number]:
    lab: Any = SimpleNamespace(meta=meta, points=points, public_url="http://127.0.0.1")
    request: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(lab=lab)))

    def page(query: RunQuery) -> RunPage:
        with meta.reading() as view:
            matches = find_runs(view, points, query, time.time())
            ids = [run_id for _, run_id in matches.places]
            reply({"items": run_answers(request, lab, view.some_runs(ids))})
        return matches

    with meta.reading() as view:
        project = view.project(PROJECT)
    assert project is not None
    numbers = []
    for sort, words in ASKED:
        query = RunQuery(project.id, parse(words), parse_sort(sort), PAGE)
        what = f"by {sort}, {words or 'no filter'}: "
        began = time.perf_counter()
        first = page(query)
        assert first.places, f"{what}no run, of too few: give more --runs"
        if "metric." in what:
            numbers.append(Number(f"{what}first asked", 1e3 * (time.perf_counter() - began), "ms"))
        numbers.append(Number(f"{what}first page", _milliseconds(lambda q=query: page(q)), "ms", REACH_MS))
        if first.more:
            behind = replace(query, after=first.places[-1])
            numbers.append(Number(f"{what}next page", _milliseconds(lambda q=behind: page(q)), "ms", REACH_MS))
    return numbers


def _milliseconds(work: Callable[[], object]) -> float:
    """The median of some repetitions."""
    times = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


if __name__ == "__main__":
    main()
