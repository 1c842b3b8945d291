"""Moving a whole lab to other engines.

Files come first: they may be copied while the lab runs. Once it is stopped, rows and points follow. Then all of it is
read on both sides and compared. Only then is the new place a lab, and the old one says where it went.

If a move ends early, for whatever reason, it goes on when it is called again. Until all is compared the target bears a
mark, and no lab starts on it. The lab keeps its id and its generation, so links and keys stay good, and clients find
what they sent.
"""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, insert, select, text

from ...base import crashpoints
from ...base.texts import counted
from ...errors import ConfigurationError, StoreError
from ..backups.backup import LAST
from ..blobs import BlobStore, WrongDigestError
from ..catching_up import catch_up
from ..sql.meta_schema import blobs as blobs_table
from ..sql.meta_schema import lab, runs, writers
from ..sql.meta_store import SqlMetaStore
from ..storage import Storage
from . import points, rows

MOVING = "moving from"  # name of a lab value: the place that this lab, which is not whole yet, is moved from
MOVED = "moved to"  # name of a lab value: the place that this lab was moved to
BLOCK_BYTES = 1 << 20
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Moved:
    """Attributes:
    whole: all was moved. Else the lab runs, and its files alone were copied.
    seconds: for how long nobody could use the lab, counted from the look whether it runs.
    """

    whole: bool
    rows: int
    points: int
    runs: int
    files: int
    seconds: float


def refuse_moved(storage: Storage) -> None:
    """Raise ConfigurationError where nobody is to work on the data: the lab was moved, or is being moved here."""
    with storage.meta.reading() as view:
        to, begun = view.lab_value(MOVED), view.lab_value(MOVING)
    if to:
        data = f" --data {shlex.quote(str(storage.place))}" if isinstance(storage.place, Path) else ""
        raise ConfigurationError(
            f"This lab was moved to {to}: use that one. If this one is to go on as it was then: "
            f"`hectiqlab admin move{data} --forget`."
        )
    if begun:
        raise ConfigurationError(
            f"A lab is being moved here from {begun}, and is not whole: call `hectiqlab admin move` there again."
        )


def forget(storage: Storage) -> None:
    """Forget that a lab was moved, so that it may run again."""
    with _meta(storage).writing() as tx:
        tx.conn.execute(delete(lab).where(lab.c.key == MOVED))


def move(source: Storage, open_target: Callable[[], Storage], progress: Progress) -> Moved:
    """Move what is in one place to another, which is empty, or has what an earlier call of this brought.

    Args:
        source: opened beside a lab that may run.
        open_target: opens the other place for this process alone.

    Raises ConfigurationError where it has another lab; StoreError. Blocks until it is done.
    """
    with source.meta.reading() as view:
        if view.lab_value(MOVING):
            refuse_moved(source)
    with contextlib.closing(open_target()) as target:
        _begin(source, target)
    with contextlib.closing(open_target()) as target:  # again: what it knows of itself is what the source is
        files = _copy_files(source, target, progress)
        began = time.monotonic()
        if _runs(source):
            return Moved(False, 0, 0, 0, files, 0.0)
        _mark(source, str(target.place))
        if _runs(source):  # a lab was started while files were copied
            forget(source)
            return Moved(False, 0, 0, 0, files, 0.0)
        files = _copy_files(source, target, progress)
        crashpoints.passing("move.files")
        catch_up(source.meta, source.points)  # a lab that was killed may have answered what only its points say
        with _meta(source).reading() as view, _meta(target).writing() as tx:
            rows.copy(view.conn, tx.conn, lambda name: progress(f"rows of {name}"))
            crashpoints.passing("move.rows")
        n_points = _copy_points(source, target, progress)
        with _meta(target).writing() as tx:
            rows.update_statistics(tx.conn)
        n_rows = _compare(source, target, progress)
        crashpoints.passing("move.compared")
        _copy_lab_values(source, target, moving=False)
        return Moved(True, n_rows, n_points, len(_runs_of(source)), files, time.monotonic() - began)


def _meta(storage: Storage) -> SqlMetaStore:
    meta = storage.meta
    assert isinstance(meta, SqlMetaStore)
    return meta


def _begin(source: Storage, target: Storage) -> None:
    """Mark the target as the place that the source is moved to, with the source's id."""
    with _meta(source).reading() as view:
        its = view.lab_value("id")
    with _meta(target).reading() as view:
        begun, there = view.lab_value(MOVING), view.lab_value("id")
        if not (begun and there == its) and not rows.is_empty(view.conn):
            raise ConfigurationError(f"{target.place} has a lab already: name a place that is empty.")
    _copy_lab_values(source, target, moving=True)


def _copy_lab_values(source: Storage, target: Storage, moving: bool) -> None:
    """Copy the lab values of the source. `moving`: keep the mark of a move, as there is more to copy."""
    with _meta(source).reading() as view:
        values = {row.key: row.value for row in view.conn.execute(select(lab)) if row.key not in (MOVED, MOVING)}
    if not isinstance(target.place, Path):
        values.pop(LAST, None)  # snapshots are of folders: this one would only grow old
    if moving:
        values[MOVING] = str(source.place)
    with _meta(target).writing() as tx:
        tx.conn.execute(delete(lab))
        tx.conn.execute(insert(lab), [{"key": key, "value": value} for key, value in values.items()])


def _mark(source: Storage, to: str) -> None:
    with _meta(source).writing() as tx:
        tx.set_lab_value(MOVED, to)


def _runs(source: Storage) -> bool:
    """Return whether a lab runs on the data."""
    if source.alone:
        return False
    with _meta(source).reading() as view:
        if view.conn.dialect.name != "postgresql":
            return True
        labs = text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'hectiqlab peers %'"
        )
        return bool(view.conn.execute(labs).scalar_one())


def _runs_of(storage: Storage) -> list[str]:
    with _meta(storage).reading() as view:
        return list(view.conn.execute(select(runs.c.id).order_by(runs.c.created, runs.c.id)).scalars())


def _writers_of(storage: Storage) -> list[points.Writer]:
    columns = (writers.c.writer, writers.c.run_id, writers.c.rank, writers.c.attempt)
    with _meta(storage).reading() as view:
        return [points.Writer(*row) for row in view.conn.execute(select(*columns).order_by(writers.c.writer))]


def _copy_files(source: Storage, target: Storage, progress: Progress) -> int:
    """Copy files that rows name and the target lacks, and return how many there are."""
    with _meta(source).reading() as view:
        digests = list(view.conn.execute(select(blobs_table.c.digest).order_by(blobs_table.c.digest)).scalars())
    there = 0
    for n, digest in enumerate(digests):
        progress(f"file {n + 1} of {len(digests)}")
        there += _copy_file(source.blobs, target.blobs, digest)
    return there


def _copy_file(source: BlobStore, target: BlobStore, digest: str) -> bool:
    """Copy a file, unless it is there. Return False where the source does not have it: its upload is not finished."""
    try:
        size = source.size(digest)
    except KeyError:
        return False
    if target.has(digest) and target.size(digest) == size:
        return True
    with target.open_upload(f"move{digest[:32]}") as upload, source.open(digest, upload.offset) as file:
        while data := file.read(BLOCK_BYTES):
            upload.append(data)
        try:
            upload.finish(digest)
        except WrongDigestError as e:
            raise StoreError(f"A file is damaged where it is ({e}): see `hectiqlab admin check`.") from None
    return True


def _copy_points(source: Storage, target: Storage, progress: Progress) -> int:
    ids, writers = _runs_of(source), _writers_of(source)
    progress(f"points of {counted(len(ids), 'run')}")
    return points.copy(
        ids, writers, source.points, target.points, lambda n: progress(f"points of {counted(len(ids), 'run')}: {n:,}")
    )


def _compare(source: Storage, target: Storage, progress: Progress) -> int:
    """Read all of both, and return how many rows there are. Raises StoreError where they differ."""
    progress("comparing rows")
    with _meta(source).reading() as old, _meta(target).reading() as new:
        wanted, moved = rows.digests(old.conn), rows.digests(new.conn)
        digests = list(old.conn.execute(select(blobs_table.c.digest)).scalars())
    for table, of_old in wanted.items():
        if moved[table] != of_old:
            raise StoreError(
                f"The rows of {table} did not arrive as they were ({of_old[0]}, {moved[table][0]}): move again."
            )
    ids = _runs_of(source)
    progress(f"comparing points of {counted(len(ids), 'run')}")
    points.same(
        ids,
        _writers_of(source),
        source.points,
        target.points,
        lambda n: progress(f"comparing points of {counted(len(ids), 'run')}: {n:,}"),
    )
    for n, digest in enumerate(digests):
        progress(f"comparing file {n + 1} of {len(digests)}")
        if source.blobs.has(digest) and target.blobs.size(digest) != source.blobs.size(digest):
            raise StoreError(f"The file {digest} did not arrive as it was: move again.")
    return sum(count for count, _ in wanted.values())
