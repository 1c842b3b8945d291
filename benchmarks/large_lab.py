"""How fast does a lab with years of runs in it answer its pages?

A real lab on loopback with 10,000 short runs, one of 10,000,000 points and one of 100,000 keys (see _fill.py; --data
keeps it for another time). Asked over HTTP, as the pages do: the first page of the project by several sorts and
filters; all requests with which the page of the wide run opens; charts of a series of 1,000,000 points, from several
clients at once.
"""

from __future__ import annotations

import http.client
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from _common import Number, arguments, report
from _fill import LONG, PROJECT, WIDE, Wish, fill

from pyhectiqlab.testing.lab import RealLab

REPEAT = 9
PANELS = 24  # that a large screen shows before anybody scrolls
BUCKETS = 512  # of a panel
CLIENTS = 4
CHARTS = 400
LISTS = (
    {},
    {"sort": "name"},
    {"sort": "-duration", "filter": "state=completed"},
    {"sort": "-metric.valid/accuracy.max"},
    {"filter": "config.lr<0.001"},
    {"filter": "metric.train/loss.last<0"},
)


def asked(run: str, keys: list[str], n: int) -> dict[str, Any]:
    """The body of a request for buckets."""
    return {"selectors": [{"run": run, "key": key} for key in keys], "axis": "step", "n": n}


class Client:
    def __init__(self, lab: RealLab) -> None:
        self.http = requests.Session()
        self.http.headers.update(lab.headers)
        self.root = f"{lab.url}/api/v1"

    def get(self, path: str, **params: Any) -> Any:
        answer = self.http.get(self.root + path, params=params, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def buckets(self, run: str, keys: list[str], n: int) -> None:
        answer = self.http.post(f"{self.root}/series/buckets", json=asked(run, keys, n), timeout=60)
        answer.raise_for_status()


def milliseconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return 1e3 * statistics.median(taken)


def charts_per_second(lab: RealLab, run: str, keys: list[str]) -> float:
    """Whole series, each in a request of its own. By the plainest client: the lab is what is measured."""
    headers = {**lab.headers, "Content-Type": "application/json"}
    bodies = [json.dumps(asked(run, [key], 1500)).encode() for key in keys]
    failed: list[int] = []

    def draw(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", lab.port)
        for i in range(first, CHARTS, CLIENTS):
            connection.request("POST", "/api/v1/series/buckets", bodies[i % len(bodies)], headers)
            answer = connection.getresponse()
            if answer.status != 200 or len(answer.read()) < 1500:
                failed.append(answer.status)

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(CLIENTS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[:3]
    return CHARTS / (time.perf_counter() - began)


def measured(lab: RealLab) -> list[Number]:
    client = Client(lab)
    numbers = []
    for query in LISTS:
        what = " ".join(query.values()) or "newest first"
        page = {"project": PROJECT, "limit": 100, **query}
        client.get("/runs", **page)  # the first search by a metric reads them all
        numbers.append(Number(f"first page, {what}", milliseconds(lambda q=page: client.get("/runs", **q)), "ms", 100))
    wide, long = (client.get("/runs/resolve", ref=f"{name}-0")["id"] for name in (WIDE, LONG))

    def open_wide() -> None:
        client.get(f"/runs/{wide}")
        keys = [item["key"] for item in client.get(f"/runs/{wide}/keys", limit=100)["items"]]
        client.buckets(wide, keys[:PANELS], BUCKETS)

    numbers.append(Number("page of a run with 100,000 keys, its requests", milliseconds(open_wide), "ms", 300))
    search = milliseconds(lambda: client.get(f"/runs/{wide}/keys", q="head77", limit=100))
    numbers.append(Number("  a search among its keys", search, "ms"))
    keys = [item["key"] for item in client.get(f"/runs/{long}/keys", limit=100)["items"]]
    rate = charts_per_second(lab, long, keys)
    numbers.append(Number(f"charts of 1,000,000 points, {CLIENTS} clients", rate, "/s", 100, at_least=True))
    return numbers


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="short ones (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="the lab's folder; filled if it is not there, and kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data or Path(folder) / "data"
        if not data.exists():
            fill(data, Wish(runs=args.runs, long_runs=1, wide_runs=1))
        with RealLab(data, Path(folder) / "home") as lab:
            report(__doc__, measured(lab), args.json)


if __name__ == "__main__":
    main()
