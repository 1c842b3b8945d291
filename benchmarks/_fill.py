"""Fills a lab's data folder with a large project, directly through its stores: what `scripts/fill` runs.

Many short runs with configs, tags, notes and states; where asked for, a few long ones (10,000,000 points over ten
keys) and wide ones (100,000 keys); and a small project with every kind of thing (_kinds.py). The same arguments give
the same lab, times and ids apart.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from _kinds import Kinds

from pyhectiqlab.store.folder.blob_store import FolderBlobStore
from pyhectiqlab.store.meta import AttachRequest, Event, MetaBatch, User
from pyhectiqlab.store.points import Column, PointBatch
from pyhectiqlab.store.sql.meta_store import SqlMeta, SqlMetaStore
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore

PROJECT = "bench"
LONG, WIDE = "long", "wide"  # how the names of such runs begin
RUNS_AT_ONCE = 100  # in one transaction
POINTS = 3  # of each series of a short run
LONG_KEYS = 10
BATCH = 100_000  # points of a long run in one append
KEYS_AT_ONCE = 5_000  # of a wide run


@dataclass(frozen=True)
class Wish:
    """How large."""

    runs: int = 10_000
    keys: int = 1_000  # distinct ones of the short runs
    keys_per_run: int = 100
    long_runs: int = 0
    long_points: int = 10_000_000
    wide_runs: int = 0
    wide_keys: int = 100_000


def fill(folder: Path, wish: Wish) -> None:
    """The folder must be new or empty."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder} is not empty: name another folder.")
    meta, points = SqlMetaStore(folder / "lab.db"), SqlitePointStore(folder / "points.db")
    rng = random.Random(0)
    names = [f"{part}/layer{i // 4}/{word}" for i in range(wish.keys - 2) for part, word in [_key(i)]]
    with meta.writing() as tx:
        users = [tx.add_user(f"user{i}", "member", None, 1.0) for i in range(5)]
        tx.add_project(PROJECT, users[0].id, 1.0)
    for start in range(0, wish.runs, RUNS_AT_ONCE):
        some = range(start, min(start + RUNS_AT_ONCE, wish.runs))
        with meta.writing() as tx:
            ids = _add_runs(tx, some, users, rng, points=wish.keys_per_run * POINTS)
        its = {i: [*rng.sample(names, wish.keys_per_run - 2), "train/loss", "valid/accuracy"] for i in some}
        points.append([_points_of(run, i, its[i]) for i, run in zip(some, ids, strict=True)])
        _tell(f"{some.stop} of {wish.runs} runs")
    for i in range(wish.long_runs):
        number = wish.runs + i
        with meta.writing() as tx:
            (run,) = _add_runs(tx, [number], users[:1], rng, f"{LONG}-{i}", points=wish.long_points)
        _add_long(points, run, number, wish.long_points, f"long run {i + 1} of {wish.long_runs}")
    for i in range(wish.wide_runs):
        number = wish.runs + wish.long_runs + i
        with meta.writing() as tx:
            (run,) = _add_runs(tx, [number], users[:1], rng, f"{WIDE}-{i}", points=wish.wide_keys * POINTS)
        _add_wide(points, run, number, wish.wide_keys, f"wide run {i + 1} of {wish.wide_runs}")
    with contextlib.closing(FolderBlobStore(folder / "blobs")) as blobs:
        Kinds(meta, points, blobs, users).make()
    points.flush()
    while points.compact(1.0):
        _tell("compacting")
    _tell("")
    meta.close()
    points.close()


def _tell(what: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)


def _add_long(store: SqlitePointStore, run: str, number: int, n: int, what: str) -> None:
    """Ten curves that fall with noise, a spike in each."""
    rng = np.random.default_rng(number)
    per_key = n // LONG_KEYS
    first = 1
    for key in range(LONG_KEYS):
        for at in range(0, per_key, BATCH):
            step = np.arange(at, min(at + BATCH, per_key))
            value = 2.0 / (1.0 + step / 1e4) + 0.05 * rng.normal(size=len(step))
            when = 1_700_000_000_000_000 + step * 1_000 + key
            seq = np.arange(first, first + len(step))
            column = Column(f"train/loss{key}", seq, step, value, when)
            store.append([PointBatch(run, 0, 1, f"{number:032x}", first, int(seq[-1]), [column])])
            first += len(step)
            store.compact(0.0)
        _tell(f"{what}: {first - 1} points")


def _add_wide(store: SqlitePointStore, run: str, number: int, keys: int, what: str) -> None:
    first = 1
    for at in range(0, keys, KEYS_AT_ONCE):
        names = [f"layer{k // 100}/head{k % 100}/norm" for k in range(at, min(at + KEYS_AT_ONCE, keys))]
        batch = _points_of(run, number, names, first)
        store.append([batch])
        first = batch.last + 1
        _tell(f"{what}: {at + len(names)} keys")


def _key(i: int) -> tuple[str, str]:
    return ("train", "valid", "grad", "weight")[i % 4], ("norm", "mean", "std", "max")[i // 4 % 4] + str(i)


def _add_runs(
    tx: SqlMeta, numbers: Sequence[int], users: Sequence[User], rng: random.Random, name: str = "", *, points: int
) -> list[str]:
    """Add a run for each number, and what each of them said, which is stored at once as it is where many send."""
    batches = []
    for i in numbers:
        now, session = _began(i), f"{i:016x}"
        request = AttachRequest(
            name or f"resnet-{i % 97}-{i}", PROJECT, False, session, 0, 1, None, "host", 1, "0.1.0", 0.0
        )
        run = tx.attach(request, users[i % len(users)], now, 60.0).run.id
        said = _said(i, now, rng)
        batches.append(MetaBatch(f"{i:032x}", run, 0, 1, session, 1, len(said), points, 0.0, said))
    tx.apply(batches, _began(numbers[-1]) + 1.0)
    return [batch.run for batch in batches]


def _began(i: int) -> float:
    return 1_700_000_000.0 + 60.0 * i


def _said(i: int, now: float, rng: random.Random) -> list[Event]:
    config = {
        "lr": 10 ** rng.uniform(-5, -1),
        "seed": i,
        "model": {"name": rng.choice(["resnet", "vit", "mlp"]), "layers": rng.randint(1, 48), "dropout": rng.random()},
        "data": {"path": f"/data/{i % 13}", "augment": rng.random() < 0.5, "workers": 8},
        **{f"option{j}": rng.random() for j in range(30)},
    }
    facts: list[tuple[str, dict[str, Any]]] = [
        ("config", {"values": config}),
        ("tag", {"name": rng.choice(["baseline", "sweep", "final", "debug"])}),
        ("note", {"text": f"Trial {i} of the sweep over learning rates and depths."}),
        ("state", {"state": rng.choice(["completed", "completed", "failed", "running"])}),
    ]
    return [Event(n + 1, kind, now, fields, msgpack.packb(fields)) for n, (kind, fields) in enumerate(facts)]


def _points_of(run: str, i: int, keys: list[str], first: int = 1) -> PointBatch:
    rng = np.random.default_rng(i)
    values = rng.normal(size=(len(keys), POINTS))
    step, when = np.arange(POINTS), 1_700_000_000_000_000 + 60_000_000 * i + np.arange(POINTS)
    columns = [
        Column(key, first + np.arange(n * POINTS, (n + 1) * POINTS), step, values[n], when)
        for n, key in enumerate(keys)
    ]
    return PointBatch(run, 0, 1, f"{i:032x}", first, first + len(keys) * POINTS - 1, columns)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/fill", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the lab's data, new or empty")
    parser.add_argument("--runs", type=int, default=10_000, help="short ones (default: %(default)s)")
    parser.add_argument("--keys", type=int, default=1_000, help="distinct ones of those (default: %(default)s)")
    parser.add_argument("--keys-per-run", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--long-runs", type=int, default=2, help="of 10,000,000 points (default: %(default)s)")
    parser.add_argument("--wide-runs", type=int, default=1, help="of very many keys (default: %(default)s)")
    parser.add_argument("--wide-keys", type=int, default=100_000, help="of each of those (default: %(default)s)")
    args = parser.parse_args()
    began = time.monotonic()
    fill(
        args.data,
        Wish(
            runs=args.runs,
            keys=args.keys,
            keys_per_run=args.keys_per_run,
            long_runs=args.long_runs,
            wide_runs=args.wide_runs,
            wide_keys=args.wide_keys,
        ),
    )
    size = sum(path.stat().st_size for path in args.data.iterdir())
    print(f"{args.data}: {size / 1e9:.2f} GB in {time.monotonic() - began:.0f} s.")
    print(f"Start it: hectiqlab server --data {args.data}")


if __name__ == "__main__":
    main()
