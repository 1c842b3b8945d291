"""The process that those are forked from which are killed while they append to ClickHouse, or tidy there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyhectiqlab.base import crashpoints
from pyhectiqlab.store.clickhouse.point_store import ClickHousePointStore
from pyhectiqlab.store.points import PointBatch

from ..clickhouse_place import TINY
from ..nursery import serve
from .point_store_data import Writer


def batches(n: int, points: int = 10) -> Sequence[PointBatch]:
    """Return n batches of each of two writers, of two runs."""
    writers = Writer("a"), Writer("b", run="other", rank=1)
    return [w.steps(range(i * points, (i + 1) * points)) for i in range(n) for w in writers]


def work(order: dict[str, Any]) -> int:
    store = ClickHousePointStore(order["url"], order["facts"], TINY)
    store.append(batches(1))
    crashpoints.passing = crashpoints.armed(f"{order['at']}:1:{order['marker']}")
    store.append(batches(3))
    if order["at"] == "points.purged":
        store.delete("other")
    while store.maintain(0.0):
        pass
    return 0


if __name__ == "__main__":
    serve(work)
