"""What does a lab on PostgreSQL, ClickHouse and S3 cost, beside one in a folder?

Both on this machine, one after the other, with their engines: those of the tests (tests/postgres.py, clickhouse.py,
seaweedfs.py), with a PostgreSQL that is durable. First one lab process each is fed with columns that were packed
before, then by many clients that send a little each second. Then a lab of many runs in a folder is moved to the
engines, and the first pages of its project are asked of both. Charts, room and ingest at the store alone:
clickhouse.py.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
from _common import Number, arguments, leave, report
from _filled import add_arguments, folder_of
from ingest import REFUSED, feed
from runs_page import first_pages

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pyhectiqlab.store.fleet import Addresses
from pyhectiqlab.store.moving.move import forget, move
from pyhectiqlab.store.opening import open_place
from pyhectiqlab.testing.lab import RealLab
from tests.clickhouse import server
from tests.postgres import Cluster
from tests.seaweedfs import seaweedfs

INGEST_REACH, ACKS_REACH = 0.35, 2.0  # times the embedded lab's


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=300)
    add_arguments(parser, keys=100, keys_per_run=10)
    parser.add_argument("--only", choices=("ingest", "pages"), help="half of it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(__doc__, list(numbers_of(Path(folder), args)), args.json)


def numbers_of(folder: Path, args: argparse.Namespace) -> Iterator[Number]:
    if args.only != "pages":
        yield from _ingest(folder, args)
    if args.only != "ingest":
        with folder_of(args) as many:
            yield from _pages(many)


def _ingest(folder: Path, args: argparse.Namespace) -> Iterator[Number]:
    places = {"in a folder": ("--data", str(folder / "lab")), "of a fleet": _words(_addresses())}
    speed: dict[str, float] = {}
    acks: dict[str, float] = {}
    for what, place in places.items():
        speed[what], _ = _fed(folder / what, place, args.seconds, writers=1, points=50_000, keys=10)
        _tell()
        yield Number(f"packed columns to one lab {what}", speed[what], "points/s")
    yield Number("  of a fleet", speed["of a fleet"] / speed["in a folder"], "times", INGEST_REACH, at_least=True)
    for what, place in places.items():
        few = {"points": 95, "keys": 19, "interval": 1.0}
        _, waits = _fed(folder / f"{what} again", place, args.seconds, writers=args.clients, **few)
        acks[what] = 1e3 * float(np.percentile(waits, 99))
        _tell()
        yield Number(f"acks of {args.clients} clients, {what}, median", 1e3 * float(np.median(waits)), "ms")
        yield Number(f"acks of {args.clients} clients, {what}, p99", acks[what], "ms")
    yield Number("  of a fleet", acks["of a fleet"] / acks["in a folder"], "times", ACKS_REACH)


def _pages(folder: Path) -> Iterator[Number]:
    target = _addresses()
    source = open_place(folder)
    try:
        moved = move(source, lambda: open_place(target), _times(lambda part: print(part, file=sys.stderr, flush=True)))
        forget(source)
        yield Number(f"moving {moved.runs:,} runs, {moved.points:,} points to the engines", moved.seconds, "s")
        yield from (_named("in a folder", number) for number in first_pages(source.meta, source.points))
    finally:
        source.close()
    fleet = open_place(target)
    try:
        while fleet.points.maintain():
            pass
        yield from (_named("of a fleet", number) for number in first_pages(fleet.meta, fleet.points))
    finally:
        fleet.close()


def _times(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Return a progress that tells how long each part took."""
    now = ["", time.perf_counter()]

    def progress(what: str) -> None:
        part = re.sub(r"[\d,]+.*", "", what)
        if part != now[0]:
            tell(f"{now[0]}: {time.perf_counter() - float(now[1]):.1f} s")
            now[:] = part, time.perf_counter()  # type: ignore[list-item]

    return progress


def _named(what: str, number: Number) -> Number:
    return Number(f"{number.what}, {what}", number.value, number.unit, number.reach)


def _fed(
    folder: Path, place: tuple[str, ...], seconds: float, *, writers: int, points: int, keys: int, interval: float = 0.0
) -> tuple[float, list[float]]:
    """(points a second, seconds of each ack)."""
    args = argparse.Namespace(writers=writers, points=points, keys=keys, batches=200, seconds=seconds)
    args.interval, args.prepare = interval, 3.0 + writers / 50
    data = None if place[0] != "--data" else Path(place[1])
    with RealLab(data, folder / "home", *(() if data else place)) as lab:
        total, took, acks, _ = asyncio.run(feed(lab, args))
    for what, count in REFUSED.items():
        print(f"refused {count} times, and sent again: {what}", file=sys.stderr)
    REFUSED.clear()
    return total / took, acks


def _addresses() -> Addresses:
    database, points = _cluster().make_database(), server().make_database()
    return Addresses(_cluster().url(database), server().url(points), seaweedfs().address())


@cache
def _cluster() -> Cluster:
    return Cluster(durable=True)


def _words(addresses: Addresses) -> tuple[str, ...]:
    return ("--database", addresses.database, "--points", addresses.points, "--files", addresses.files)


def _tell() -> None:
    print(".", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
    leave()
