"""What does a lab cost its disk: bytes written, bytes kept, syncs, and the CPU beside them?

    python benchmarks/disk.py steady [--clients 30] [--keys 19] [--points 95] [--seconds 30]
    python benchmarks/disk.py kept [--runs 200] [--keys 50] [--points 2000] [--values float32]

`steady`: the real lab under clients that send a batch a second, each of some points for some keys, as training scripts
do. It tells the bytes that the lab's process wrote (/proc/PID/io), syncs a second (strace, in a second interval of the
same length), CPU, and how long acks took.

`kept`: points appended to the store as batches of all keys of a run, runs in turn; the size of its files before and
after all compaction. Values are those of a falling curve with noise, float32 as losses from `tensor.item()` are, or
full float64; keys that are logged together share their times, which jitter.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from ingest import Client, body

from pyhectiqlab.store.points import Column, PointBatch
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
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
    told = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False).stderr
    return len(re.findall(r"\b(?:fsync|fdatasync)\(", told)) / seconds


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
        print(
            f"after it {size(Path(folder)) / total:.2f}; written by the process "
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
    else:
        kept(args)


if __name__ == "__main__":
    main()
