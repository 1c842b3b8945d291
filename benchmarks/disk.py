"""What does a lab cost its disk: bytes written, bytes kept, syncs, and the CPU beside them?

    python benchmarks/disk.py steady [--clients 30] [--keys 19] [--points 95] [--seconds 30]
    python benchmarks/disk.py flushes [--clients 30] [--keys 19] [--points 95] [--flushes 2]
    python benchmarks/disk.py kept [--runs 200] [--keys 50] [--points 2000] [--values float32]

`steady`: the real lab under clients that send a batch a second, each of some points for some keys, as training scripts
do. It tells the bytes that the lab's process wrote (/proc/PID/io), syncs a second (strace, in a second interval of the
same length), CPU, and how long acks took.

`flushes`: the same batches through the same writer and stores, faster than real time and in one process, over whole
rounds of recent points that become chunks. In a lab such a round comes each six minutes or so, longer than `steady`
measures. It tells the bytes that were written in a round, and how often a point was written into a chunk.

`kept`: points appended to the store as batches of all keys of a run, runs in turn; the size of its files before and
after all compaction. Values are those of a falling curve with noise, float32 as losses from `tensor.item()` are, or
full float64; keys that are logged together share their times, which jitter.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from ingest import Client, body

from pyhectiqlab.server.writing import deferred
from pyhectiqlab.server.writing.ingest import decode
from pyhectiqlab.server.writing.ingest_plan import IngestJob
from pyhectiqlab.server.writing.jobs import Ingest
from pyhectiqlab.server.writing.refusals import Refusals
from pyhectiqlab.server.writing.writer import COMPACT_BUDGET_S, Writer
from pyhectiqlab.store.meta import AttachRequest, MetaStore
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.store.points import Column, PointBatch
from pyhectiqlab.store.sqlite_points import recent
from pyhectiqlab.store.sqlite_points.chunks import PointColumns
from pyhectiqlab.store.sqlite_points.database import PAGE_BYTES
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.store.sqlite_points.trees import Tree
from pyhectiqlab.testing.lab import RealLab

WARM_UP_S = 20.0
STEP_S = 0.21  # between two steps of a training


def wire_batch(run: str, writer: str, number: int, n: int, keys: int) -> dict[str, Any]:
    """Batch `number` of a writer: n points, of which each key has its share, keys of a step logged at one moment."""
    first, now, rng = 1 + number * n, time.time(), np.random.default_rng(number)
    steps = -(-n // keys)
    series = []
    for k in range(keys):
        seq = np.arange(k, n, keys)
        its = np.arange(len(seq))
        value = (2.0 / (1.0 + (number * steps + its) / 1e4) + 0.05 * rng.normal(size=len(seq))).astype("<f4")
        series.append(
            {
                "key": f"train/key{k}",
                "seq": seq.astype("<u4").tobytes(),
                "step": (number * steps + its).astype("<i8").tobytes(),
                "value": value.astype("<f8").tobytes(),
                "time": (now + STEP_S * its).astype("<f8").tobytes(),
            }
        )
    stream = {"writer": writer, "run": run, "rank": 0, "attempt": 1}
    return {**stream, "first": first, "last": first + n - 1, "series": series, "events": []}


async def one_client(lab: RealLab, i: int, args: argparse.Namespace, acks: list[tuple[float, float]]) -> None:
    client = await Client(lab).open()
    session, writer = os.urandom(8).hex(), os.urandom(16).hex()
    attach = f'{{"name": "run-{i}", "session": "{session}", "pid": {os.getpid()}}}'.encode()
    run = (await client.post("/runs/attach", attach, "application/json"))["run"]["id"]
    await asyncio.sleep(random.uniform(0, 1))  # training jobs do not march in step
    for number in range(1 << 30):
        content = body(session, [wire_batch(run, writer, number, args.points, args.keys)])
        began = time.perf_counter()
        answer = await client.post("/ingest", content, "application/x-msgpack")
        acks.append((began, time.perf_counter() - began))
        assert answer["results"][0]["status"] == 200, answer
        await asyncio.sleep(max(0.0, began + 1.0 - time.perf_counter()))


def bytes_written(pid: int) -> int:
    return int(re.findall(r"^write_bytes: (\d+)$", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)[0])


def syncs(pid: int, seconds: float) -> float:
    """A second; NaN without strace."""
    if shutil.which("strace") is None:
        return float("nan")
    command = ["timeout", "-s", "INT", str(seconds), "strace", "-f", "-e", "trace=fsync,fdatasync", "-p", str(pid)]
    trace = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False).stderr
    return len(re.findall(r"\b(?:fsync|fdatasync)\(", trace)) / seconds


def size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


async def steady(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=args.dir) as folder, RealLab(Path(folder) / "data", Path(folder) / "h") as lab:
        acks: list[tuple[float, float]] = []
        empty = size(Path(folder) / "data")
        clients = [asyncio.create_task(one_client(lab, i, args, acks)) for i in range(args.clients)]
        await asyncio.sleep(WARM_UP_S)
        process, written, began = psutil.Process(lab.pid), bytes_written(lab.pid), time.perf_counter()
        cpu = sum(process.cpu_times()[:2])
        await asyncio.sleep(args.seconds)
        took = time.perf_counter() - began
        its = [ack for at, ack in acks if at >= began]
        written, cpu = bytes_written(lab.pid) - written, sum(process.cpu_times()[:2]) - cpu
        kept = size(Path(folder) / "data") - empty
        rate, total = len(its) * args.points / took, len(acks) * args.points
        synced = await asyncio.to_thread(syncs, lab.pid, args.seconds)
        for client in clients:
            client.cancel()
        p50, p95, p99 = np.percentile(its, [50, 95, 99]) * 1e3
        print(
            f"{args.clients} clients, {args.points} points over {args.keys} keys a batch: {rate:,.0f} points/s; "
            f"written {written / len(its) / args.points:,.0f} bytes a point; kept meanwhile {kept / total:.1f}; "
            f"syncs {synced:.1f} a second; CPU {cpu / took / rate * 1e5:.1f} % of a core for 1,000 points/s; "
            f"acks p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} ms"
        )


class Clock:
    """The module `time` for others: seconds that pass when we say so."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def count_chunked() -> Callable[[], int]:
    """Return a function that tells how many points were written into chunks since now."""
    chunked, write = 0, Tree._write_chunk

    def counted(tree: Tree, run: int, points: PointColumns, copied: bool, pending: bool) -> None:
        nonlocal chunked
        chunked += len(points)
        write(tree, run, points, copied, pending)

    Tree._write_chunk = counted  # type: ignore[method-assign]
    return lambda: chunked


def attach(meta: MetaStore, clients: int) -> tuple[str, list[tuple[str, str]]]:
    """Return a user, and a session and a run of each client."""
    with meta.writing() as tx:
        user = tx.make_owner("bench", time.time())
        made = []
        for i in range(clients):
            session = os.urandom(8).hex()
            request = AttachRequest(f"run-{i}", "bench", True, session, 0, 1, None, "", i, "", 0.0)
            made.append((session, tx.attach(request, user, time.time(), 60.0).run.id))
    return user.id, made


def flushes(args: argparse.Namespace) -> None:
    chunked, clock = count_chunked(), Clock()
    with tempfile.TemporaryDirectory(dir=args.dir) as folder, contextlib.closing(open_storage(Path(folder))) as storage:
        assert isinstance(storage.points, SqlitePointStore)
        user, clients = attach(storage.meta, args.clients)
        names = [os.urandom(16).hex() for _ in clients]
        writer = Writer(storage.meta, storage.points, lambda *_: None, Refusals())
        writer._jobs.is_crowded = lambda: True  # type: ignore[method-assign]
        recent.time = deferred.time = clock  # type: ignore[assignment]  # points become old as fast as they come
        number, due, under_way, commits = 0, 0.0, False, []
        rounds: list[tuple[int, int, int]] = []  # at the end of each: batches, bytes written, points put into chunks
        while len(rounds) <= args.flushes:
            jobs, due = [], due + args.clients * args.pause
            while due >= 1:  # as many as come between two commits
                which = number % len(clients)
                session, run = clients[which]
                content = body(session, [wire_batch(run, names[which], number // len(clients), args.points, args.keys)])
                jobs.append(Ingest(IngestJob(decode(content), user, time.time()), len(content)))
                number, due = number + 1, due - 1
            clock.now += args.pause
            began = time.perf_counter()
            writer._commit(jobs)
            writer._compact(COMPACT_BUDGET_S)
            if not writer.deferred.due_s():
                writer._catch_up_soon()
            commits.append(time.perf_counter() - began)
            assert all(result.status == 200 for job in jobs for result in job.future.result())
            was, under_way = under_way, storage.points._flusher.is_due()
            if was and not under_way:
                rounds.append((number, bytes_written(os.getpid()), chunked()))
        (batches, written, into_chunks), end = rounds[0], rounds[-1]
        points = (end[0] - batches) * args.points
        print(
            f"{args.clients} clients, {args.points} points over {args.keys} keys a batch, {len(rounds) - 1} whole "
            f"rounds of {points / (len(rounds) - 1):,.0f} points: written {(end[1] - written) / points:,.1f} bytes a "
            f"point; each put into a chunk {(end[2] - into_chunks) / points:.2f} times; commit and upkeep p50 "
            f"{np.percentile(commits, 50) * 1e3:.1f}, p99 {np.percentile(commits, 99) * 1e3:.1f}, "
            f"longest {max(commits) * 1e3:.0f} ms"
        )


def batches(run: int, args: argparse.Namespace) -> Iterator[PointBatch]:
    """Of one run, each with `--batch` points of every key."""
    rng, keys = np.random.default_rng(run), args.keys
    when = 1_700_000_000_000_000 + run * 3_600_000_000
    for at in range(0, args.points, args.batch):
        n = min(args.batch, args.points - at)
        step = np.arange(at, at + n)
        times = when + np.cumsum(rng.normal(STEP_S * 1e6, 2_000, n).astype(np.int64))
        when = int(times[-1])
        first = 1 + at * keys
        columns = []
        for k in range(keys):
            value = 2.0 / (1.0 + step / 1e3) + 0.05 * rng.normal(size=n)
            if args.values == "float32":
                value = value.astype(np.float32).astype(np.float64)
            columns.append(Column(f"train/layer{k}/norm", first + k + keys * np.arange(n), step, value, times))
        yield PointBatch(f"{run:016x}", 0, 1, f"{run:032x}", first, first + n * keys - 1, columns)


def kept(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        store = SqlitePointStore(Path(folder) / "points.db")
        total, began, written = args.runs * args.keys * args.points, time.perf_counter(), bytes_written(os.getpid())
        for group in range(0, args.runs, args.at_once):
            runs = [batches(run, args) for run in range(group, min(group + args.at_once, args.runs))]
            for together in zip(*runs, strict=True):
                store.append(list(together))
                if args.meanwhile:
                    store.compact(0.0)
        print(f"{total:,} points: before compaction {size(Path(folder)) / total:.1f} bytes a point", end="; ")
        sys.stdout.flush()
        appended = time.perf_counter() - began
        store.flush()
        while store.compact(1.0):
            pass
        store.close()
        with contextlib.closing(sqlite3.connect(Path(folder) / "points.db")) as db:
            (free,) = db.execute("PRAGMA freelist_count").fetchone()
        print(
            f"after it {size(Path(folder)) / total:.2f}, of which {free * PAGE_BYTES / total:.2f} in free pages; "
            f"written by the process "
            f"{(bytes_written(os.getpid()) - written) / total:.1f}; "
            f"{appended:.1f} s to append, {time.perf_counter() - began - appended:.1f} s to compact"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dir", type=Path, help="where the lab's folder is made")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("steady")
    one.add_argument("--clients", type=int, default=30)
    one.add_argument("--keys", type=int, default=19)
    one.add_argument("--points", type=int, default=95, help="a batch")
    one.add_argument("--seconds", type=float, default=30.0)
    three = commands.add_parser("flushes")
    three.add_argument("--clients", type=int, default=30)
    three.add_argument("--keys", type=int, default=19)
    three.add_argument("--points", type=int, default=95, help="a batch")
    three.add_argument("--flushes", type=int, default=2, help="whole rounds to measure, behind a first one")
    three.add_argument("--pause", type=float, default=0.113, help="seconds between two commits")  # PACE_S, and a batch
    two = commands.add_parser("kept")
    two.add_argument("--runs", type=int, default=200)
    two.add_argument("--keys", type=int, default=50, help="of each run")
    two.add_argument("--points", type=int, default=2000, help="of each key")
    two.add_argument("--batch", type=int, default=50, help="points of a key in one batch")
    two.add_argument("--at-once", type=int, default=10, help="runs whose batches come in turn")
    two.add_argument("--meanwhile", action="store_true", help="compact between the batches, too")
    two.add_argument("--values", choices=("float32", "float64"), default="float32")
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if args.command == "steady":
        asyncio.run(steady(args))
    elif args.command == "flushes":
        flushes(args)
    else:
        kept(args)


if __name__ == "__main__":
    main()
