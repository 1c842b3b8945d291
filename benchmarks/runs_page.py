"""How long does the lab take for the first page of a project with 10,000 runs, by any sort and filter?

At the lab, in-process, without HTTP: the stores are filled directly, in a folder that can be kept for another time
(--data); then pages of 100 runs are asked for as the route does, all that it answers included. "First asked" is the
first search by a metric since the lab was started.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack
import numpy as np
from _common import Number, arguments, report

from pyhectiqlab.protocol.search import parse, parse_sort
from pyhectiqlab.server.replies import reply
from pyhectiqlab.server.routes.common import runs_told
from pyhectiqlab.server.search import find_runs
from pyhectiqlab.store.meta import AttachRequest, Event, MetaBatch, RunPage, RunQuery, User
from pyhectiqlab.store.points import Column, PointBatch
from pyhectiqlab.store.sql_meta import SqlMeta, SqlMetaStore
from pyhectiqlab.store.sqlite_points import SqlitePointStore

REACH_MS = 100
REPEAT = 7
PAGE = 100
RUNS_AT_ONCE = 100  # in one transaction
POINTS = 3  # of each series: what is measured does not look at them
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
        fill(folder, args.runs, args.keys, args.keys_per_run)
    meta, points = SqlMetaStore(folder / "lab.db"), SqlitePointStore(folder / "points.db")
    lab: Any = SimpleNamespace(meta=meta, points=points)
    request: Any = SimpleNamespace(base_url="http://127.0.0.1/")

    def page(query: RunQuery) -> RunPage:
        with meta.reading() as view:
            found = find_runs(view, points, query, time.time())
            reply({"items": runs_told(request, lab, found.items)})
        return found

    numbers = []
    for sort, words in ASKED:
        query = RunQuery("bench", parse(words), parse_sort(sort), PAGE)
        what = f"by {sort}, {words or 'no filter'}: "
        began = time.perf_counter()
        first = page(query)
        if "metric." in what:
            numbers.append(Number(f"{what}first asked", 1e3 * (time.perf_counter() - began), "ms"))
        numbers.append(Number(f"{what}first page", _milliseconds(lambda q=query: page(q)), "ms", REACH_MS))
        if first.next is not None:
            behind = replace(query, after=first.next)
            numbers.append(Number(f"{what}next page", _milliseconds(lambda q=behind: page(q)), "ms", REACH_MS))
    meta.close()
    points.close()
    return numbers


def _milliseconds(work: Callable[[], object]) -> float:
    """The median of some repetitions."""
    times = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def fill(folder: Path, runs: int, keys: int, keys_per_run: int) -> None:
    """A lab of one project, whose runs have keys, configs, tags and states."""
    folder.mkdir(parents=True, exist_ok=True)
    meta, points = SqlMetaStore(folder / "lab.db"), SqlitePointStore(folder / "points.db")
    rng = random.Random(0)
    names = [f"{part}/layer{i // 4}/{word}" for i in range(keys - 2) for part, word in [_key(i)]]
    with meta.writing() as tx:
        users = [tx.add_user(f"user{i}", "member", None, 1.0) for i in range(5)]
        tx.add_project("bench", users[0].id, 1.0)
    for start in range(0, runs, RUNS_AT_ONCE):
        some = range(start, min(start + RUNS_AT_ONCE, runs))
        with meta.writing() as tx:
            ids = [_add_run(tx, i, users[i % 5], rng) for i in some]
        its = {i: [*rng.sample(names, keys_per_run - 2), "train/loss", "valid/accuracy"] for i in some}
        points.append([_points_of(run, i, its[i]) for i, run in zip(some, ids, strict=True)])
        print(f"\rfilled {some.stop} of {runs} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    meta.close()
    points.close()


def _key(i: int) -> tuple[str, str]:
    return ("train", "valid", "grad", "weight")[i % 4], ("norm", "mean", "std", "max")[i // 4 % 4] + str(i)


def _add_run(tx: SqlMeta, i: int, user: User, rng: random.Random) -> str:
    now = 1_700_000_000.0 + 60.0 * i
    session = f"{i:016x}"
    request = AttachRequest(f"resnet-{i % 97}-{i}", "bench", False, session, 0, 1, None, "host", 1, "0.1.0", 0.0)
    run = tx.attach(request, user, now, 60.0).run.id
    config = {
        "lr": 10 ** rng.uniform(-5, -1),
        "seed": i,
        "model": {"name": rng.choice(["resnet", "vit", "mlp"]), "layers": rng.randint(1, 48), "dropout": rng.random()},
        "data": {"path": f"/data/{i % 13}", "augment": rng.random() < 0.5, "workers": 8},
        **{f"option{j}": rng.random() for j in range(30)},
    }
    told: list[tuple[str, dict[str, Any]]] = [
        ("config", {"values": config}),
        ("tag", {"name": rng.choice(["baseline", "sweep", "final", "debug"])}),
        ("note", {"text": f"Trial {i} of the sweep over learning rates and depths."}),
        ("state", {"state": rng.choice(["completed", "completed", "failed", "running"])}),
    ]
    events = [Event(n + 1, kind, now, fields, msgpack.packb(fields)) for n, (kind, fields) in enumerate(told)]
    tx.apply([MetaBatch(f"{i:032x}", run, 0, 1, session, len(events), 3000, 0.0, events)], now + 1.0)
    return run


def _points_of(run: str, i: int, keys: list[str]) -> PointBatch:
    rng = np.random.default_rng(i)
    values = rng.normal(size=(len(keys), POINTS))
    step, when = np.arange(POINTS), 1_700_000_000_000_000 + 60_000_000 * i + np.arange(POINTS)
    columns = [
        Column(key, np.arange(n * POINTS + 1, (n + 1) * POINTS + 1), step, values[n], when)
        for n, key in enumerate(keys)
    ]
    return PointBatch(run, 0, 1, f"{i:032x}", 1, len(keys) * POINTS, columns)


if __name__ == "__main__":
    main()
