"""The process that those are forked from which are killed while they move a lab."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from pyhectiqlab.base import crashpoints
from pyhectiqlab.cli.fleet_options import from_environment
from pyhectiqlab.store.fleet import Addresses
from pyhectiqlab.store.moving import move, points
from pyhectiqlab.store.opening import open_beside, open_place

from ..nursery import serve


def place_of(name: str) -> Path | Addresses:
    """Return the place: a folder, or what a file with addresses names."""
    if not Path(name).is_file():
        return Path(name)
    addresses = from_environment({"HECTIQLAB_CONFIG": name})
    assert addresses is not None
    return addresses


def work(order: dict[str, Any]) -> int:
    crashpoints.passing = crashpoints.armed(f"{order['at']}:{order['nth']}:{order['marker']}")
    points.POINTS_AT_ONCE = 500  # several inserts
    with closing(open_beside(place_of(order["source"]))) as source:
        move.move(source, lambda: open_place(place_of(order["target"])), lambda what: None)
    return 0


if __name__ == "__main__":
    serve(work)
