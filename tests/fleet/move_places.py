"""Places that labs are moved to in tests, and all that is in one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from pyhectiqlab.store.fleet import Addresses
from pyhectiqlab.store.moving import move, points, rows
from pyhectiqlab.store.opening import open_beside
from pyhectiqlab.store.sql.meta_schema import blobs

from ..clickhouse import needs_clickhouse, server
from ..postgres import needs_postgres
from ..seaweedfs import needs_s3, seaweedfs
from ..stores import PostgresPlace


@contextmanager
def empty_place(folder: Path) -> Iterator[tuple[Addresses, Path]]:
    """Return an empty place for several labs, and a file that names it."""
    needs_postgres(), needs_clickhouse(), needs_s3()
    place, database = PostgresPlace(empty=True), server().make_database()
    at = Addresses(place.url, server().url(database), seaweedfs().address())
    config = folder / "lab.conf"
    config.write_text(f"[lab]\ndatabase = {at.database}\npoints = {at.points}\nfiles = {at.files}\n")
    try:
        yield at, config
    finally:
        place.remove()
        server().drop_database(database)


def everything(place: Path | Addresses) -> dict[str, Any]:
    """Return all rows of a lab by table, points by run, and files, each as a digest."""
    with closing(open_beside(place)) as storage:
        with storage.meta.reading() as view:
            parts: dict[str, Any] = dict(rows.digests(view.conn))  # type: ignore[attr-defined]
            parts |= {f"lab {name}": view.lab_value(name) for name in ("id", "generation")}
            digests = list(view.conn.execute(select(blobs.c.digest)).scalars())  # type: ignore[attr-defined]
        of_runs = points.digests(storage.points, move._runs_of(storage))
        parts |= {f"points of {run}": its for run, its in of_runs.items()}
        for digest in digests:
            with storage.blobs.open(digest) as file:
                assert hashlib.sha256(file.read()).hexdigest() == digest
            parts[f"file {digest}"] = storage.blobs.size(digest)
        return parts
