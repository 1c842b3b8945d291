"""How many points a second does the lab take, and how long does an ack take?

The real lab on loopback, fed with columns that were packed before; clients and lab share the machine.

    python benchmarks/ingest.py [--writers 300] [--points 4000] [--seconds 10] [--keys 10]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import psutil

from pyhectiqlab.testing.lab import RealLab

AGAIN_S = 0.1
REFUSED: Counter[str] = Counter()  # what a lab said that took something only later


def batch(run: str, writer: str, number: int, n: int, keys: int) -> dict[str, Any]:
    """The writer's batch of that number: n points over `keys` series."""
    first = 1 + number * n
    now = int(time.time() * 1e6)
    series = []
    for k in range(keys):
        seq = np.arange(k, n, keys)
        series.append(
            {
                "key": f"train/key{k}",
                "seq": seq.astype("<u4").tobytes(),
                "step": (seq + first).astype("<i8").tobytes(),
                "value": np.sin((seq + first) / 1000.0).astype("<f8").tobytes(),
                "time": ((seq + now) / 1e6).astype("<f8").tobytes(),
            }
        )
    return {
        "writer": writer,
        "run": run,
        "rank": 0,
        "attempt": 1,
        "first": first,
        "last": first + n - 1,
        "series": series,
        "events": [],
    }


def body(session: str, batches: list[dict[str, Any]]) -> bytes:
    packed: bytes = msgpack.packb({"v": 1, "session": session, "clock": time.time(), "batches": batches})
    return packed


class Client:
    """A keep-alive connection that costs as little as it can: the lab is what is measured."""

    def __init__(self, lab: RealLab) -> None:
        self.port, self.headers = lab.port, "".join(f"{k}: {v}\r\n" for k, v in lab.headers.items())

    async def open(self) -> Client:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def post(self, path: str, content: bytes, kind: str) -> Any:
        head = (
            f"POST /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{self.headers}"
            f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self.writer.write(head.encode() + content)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = next(int(x[15:]) for x in answer.lower().split(b"\r\n") if x.startswith(b"content-length:"))
        return json.loads(await self.reader.readexactly(length))


async def one_writer(lab: RealLab, name: str, args: argparse.Namespace, start: asyncio.Event, acks: list[float]) -> int:
    client = await Client(lab).open()
    session = os.urandom(8).hex()
    attach = json.dumps({"name": name, "session": session, "pid": os.getpid()}).encode()
    run = (await client.post("/runs/attach", attach, "application/json"))["run"]["id"]
    writer = os.urandom(16).hex()
    ready = [body(session, [batch(run, writer, i, args.points, args.keys)]) for i in range(args.batches)]
    await start.wait()
    await asyncio.sleep(random.uniform(0, args.interval))  # training jobs do not march in step
    end = time.perf_counter() + args.seconds
    done = 0
    for content in ready:
        t = time.perf_counter()
        if t > end:
            break
        while True:  # as the uploader does: what is not taken now is sent again, and the ack has taken so long
            answer = await client.post("/ingest", content, "application/x-msgpack")
            if "error" not in answer and answer["results"][0]["status"] == 200:
                break
            said = answer.get("error") or answer["results"][0]
            assert said["status"] in (429, 503), said
            REFUSED[said.get("message") or said["error"]] += 1
            await asyncio.sleep(AGAIN_S)
        acks.append(time.perf_counter() - t)
        done += args.points
        if args.interval:
            await asyncio.sleep(max(0.0, t + args.interval - time.perf_counter()))
    client.writer.close()
    return done


async def feed(lab: RealLab, args: argparse.Namespace) -> tuple[int, float, list[float], float]:
    """Return (points taken, seconds, seconds of each ack, seconds of the lab's CPU)."""
    start = asyncio.Event()
    acks: list[float] = []
    tasks = [asyncio.create_task(one_writer(lab, f"run-{i}", args, start, acks)) for i in range(args.writers)]
    await asyncio.sleep(args.prepare)
    before = psutil.Process(lab.pid).cpu_times()
    start.set()
    began = time.perf_counter()
    total = sum(await asyncio.gather(*tasks))
    took = time.perf_counter() - began
    used = psutil.Process(lab.pid).cpu_times()
    return total, took, acks, used.user + used.system - before.user - before.system


async def measure(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, RealLab(Path(folder) / "data", Path(folder) / "home") as lab:
        total, took, acks, cpu = await feed(lab, args)
        p50, p99 = np.percentile(acks, [50, 99]) * 1e3
        size = sum(f.stat().st_size for f in (Path(folder) / "data").iterdir())
        print(
            f"{args.writers} writers, {args.points} points a batch over {args.keys} keys: "
            f"{total:,} points in {took:.2f} s = {total / took:,.0f} points/s; "
            f"acks p50 {p50:.1f} ms, p99 {p99:.1f} ms; the lab's CPU: {cpu / len(acks) * 1e3:.2f} ms a request, "
            f"{cpu / total * 1e9:.0f} ns a point; {size / total:.1f} bytes a point on disk; "
            f"its memory {psutil.Process(lab.pid).memory_info().rss / 2**20:.0f} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--writers", type=int, default=1)
    parser.add_argument("--points", type=int, default=50_000, help="a batch")
    parser.add_argument("--keys", type=int, default=10)
    parser.add_argument("--batches", type=int, default=200, help="that each writer sends at most")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--interval", type=float, default=0.0, help="seconds between a writer's batches; 0: at once")
    parser.add_argument("--prepare", type=float, default=3.0)
    args = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    asyncio.run(measure(args))


if __name__ == "__main__":
    main()
