"""What does a run that logs cost each process of a fleet: CPU, memory, disk?

One lab on PostgreSQL (durable), ClickHouse and S3, all on this machine, fed by many clients that send a little each
second, as uploaders do: half of the clients first, then all of them. The costs are seconds of CPU of each program,
which other work on the machine changes little, so docs/scale.md computes from them what many runs need. "A run" is one
client: one batch a second. The difference of the two halves is what a further run costs; the rest is what the programs
need by themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from _common import Number, arguments, leave, report
from ingest import feed

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pyhectiqlab.store.fleet import Addresses
from pyhectiqlab.store.opening import open_beside
from pyhectiqlab.testing.lab import RealLab
from tests.clickhouse import server
from tests.postgres import Cluster
from tests.seaweedfs import seaweedfs

Costs = dict[str, float]  # by program


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--points", type=int, default=95, help="of a client's batch")
    parser.add_argument("--keys", type=int, default=19, help="of a client's batch")
    parser.add_argument("--bulk", type=int, default=50_000, help="points of a batch of one client that sends flat out")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(__doc__, list(numbers_of(Path(folder), args)), args.json)


def numbers_of(folder: Path, args: argparse.Namespace) -> Iterator[Number]:
    cluster = Cluster(durable=True)
    database, points = cluster.make_database(), server().make_database()
    at = Addresses(cluster.url(database), server().url(points), seaweedfs().address())
    words = ("--database", at.database, "--points", at.points, "--files", at.files)
    with RealLab(None, folder / "home", *words) as lab:
        roots = {"the lab": lab.pid, "PostgreSQL": _postmaster(cluster), "ClickHouse": _clickhouse()}
        time.sleep(2)
        idle = _cpu(roots)
        time.sleep(5)
        for name, cost in _since(idle, roots).items():
            yield Number(f"{name}, nobody logs", 1e3 * cost / 5, "ms CPU/s")
        halves = []
        for clients in (args.clients // 2, args.clients):
            total, took, cost = _fed(lab, roots, args, clients, args.points, args.keys, 1.0)
            halves.append({name: its / took for name, its in cost.items()})
            print(f"{clients} clients: {total:,} points in {took:.1f} s", file=sys.stderr, flush=True)
        for name in roots:
            further = (halves[1][name] - halves[0][name]) / (args.clients - args.clients // 2)
            yield Number(f"{name}, {args.clients} runs", 1e3 * halves[1][name] / args.clients, "ms CPU/s a run")
            yield Number(f"{name}, each further run", 1e3 * further, "ms CPU/s a run")
        for name, root in roots.items():
            yield Number(f"memory of {name}, {args.clients} runs", _memory(root) / 2**20, "MiB")
        before = _rows(cluster, database)
        total, _, cost = _fed(lab, roots, args, 1, args.bulk, 10, 0.0)
        for name in roots:
            yield Number(f"{name}, packed columns", 1e9 * cost[name] / total, "ns CPU/point")
    with contextlib.closing(open_beside(at)) as storage:
        while storage.points.maintain():
            pass
    query = (
        f"SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND database = '{points}' AND table = "
    )
    yield Number("disk of a point in ClickHouse, alone", float(server().ask(query + "'stored'")), "bytes")
    yield Number(f"disk of PostgreSQL, {args.clients * 3 // 2} runs", before / 2**20, "MiB")


def _fed(
    lab: RealLab, roots: dict[str, int], args: argparse.Namespace, clients: int, points: int, keys: int, interval: float
) -> tuple[int, float, Costs]:
    """(points, seconds, CPU of each program), from before the first batch to some seconds behind the last one."""
    its = argparse.Namespace(writers=clients, points=points, keys=keys, batches=200, seconds=args.seconds)
    its.interval, its.prepare = interval, 3.0 + clients / 20

    async def fed() -> tuple[int, float, Costs]:
        feeding = asyncio.create_task(feed(lab, its))
        await asyncio.sleep(its.prepare - 0.1)  # runs are attached
        begun, began = _cpu(roots), time.perf_counter()
        total, _, _, _ = await feeding
        took = time.perf_counter() - began
        return total, took, _since(begun, roots)

    return asyncio.run(fed())


def _processes(root: int) -> list[psutil.Process]:
    process = psutil.Process(root)
    return [process, *process.children(recursive=True)]


def _cpu(roots: dict[str, int]) -> dict[str, dict[int, float]]:
    """Seconds of CPU so far, by program and process."""
    result: dict[str, dict[int, float]] = {}
    for name, root in roots.items():
        result[name] = {}
        for process in _processes(root):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                result[name][process.pid] = times.user + times.system
    return result


def _since(before: dict[str, dict[int, float]], roots: dict[str, int]) -> Costs:
    now = _cpu(roots)
    return {
        name: sum(its - before[name].get(pid, 0.0) for pid, its in processes.items()) for name, processes in now.items()
    }


def _memory(root: int) -> float:
    """Bytes; what several processes share counts once, as far as the system tells."""
    return float(sum(process.memory_full_info().pss for process in _processes(root)))


def _postmaster(cluster: Cluster) -> int:
    return int((cluster.folder / "data" / "postmaster.pid").read_text().split()[0])


def _clickhouse() -> int:
    port = server().port
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if str(port) in line or f"--http_port={port}" in line:
            return int(process.pid)
    raise SystemExit("ClickHouse does not run.")


def _rows(cluster: Cluster, database: str) -> float:
    ((size,),) = cluster.ask("SELECT pg_database_size(%s)", database)
    assert isinstance(size, int)
    return float(size)


if __name__ == "__main__":
    main()
    leave()
