"""How long does the lab take for the first page of a project with 10,000 runs, by any sort and filter?

At the lab, in-process, without HTTP: the stores are filled directly, in a folder that can be kept for another time
(--data); then pages of 100 runs are asked for as the route does, all that it answers included. "First asked" is the
first search by a metric since the lab was started.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from _common import Number, arguments, report
from _fill import PROJECT, Wish, fill

from pyhectiqlab.protocol.search import parse, parse_sort
from pyhectiqlab.server.replies import reply
from pyhectiqlab.server.routes.common import run_answers
from pyhectiqlab.server.search import find_runs
from pyhectiqlab.store.meta import MetaStore, RunPage, RunQuery
from pyhectiqlab.store.points import PointStore
from pyhectiqlab.store.sql.meta_store import SqlMetaStore
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore

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
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=1_000, help="distinct ones in the project")
    parser.add_argument("--keys-per-run", type=int, default=100, help="1000: 7 minutes to fill, 3.3 GB")
    parser.add_argument("--data", type=Path, help="the lab's folder; filled if it is empty, and kept")
    args = parser.parse_args()
    if args.data is not None:
        report(__doc__, measured(args.data, args), args.json)
        return
    with tempfile.TemporaryDirectory() as folder:
        report(__doc__, measured(Path(folder), args), args.json)


def measured(folder: Path, args: argparse.Namespace) -> list[Number]:
    if not (folder / "lab.db").exists():
        fill(folder, Wish(args.runs, args.keys, args.keys_per_run))
    meta, points = SqlMetaStore(folder / "lab.db"), SqlitePointStore(folder / "points.db")
    try:
        return first_pages(meta, points)
    finally:
        meta.close()
        points.close()


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
