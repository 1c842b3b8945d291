"""Restoring a lab's data from a snapshot (backup.py), in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

from ...errors import NewerSchemaError, StoreError
from .. import upgrading
from ..catching_up import catch_up_by_points
from ..copying import failing_as_store_error, mute_notices, reading, renew_generation, sync_folder
from ..sql.meta_store import SqlMetaStore
from ..sqlite_points import check as points_check
from ..sqlite_points.point_store import SqlitePointStore
from ..upgrading import DATABASES
from .backup import (
    DESCRIPTION,
    NAMED,
    DamagedError,
    Progress,
    Snapshot,
    blob_path,
    check,
    check_into,
    copy_file,
    described_by,
    take_database,
)


def restore(snapshot: Path, data: Path, progress: Progress = lambda _: None, despite_damage: bool = False) -> Snapshot:
    """Make a lab's data of a snapshot, in a folder that is not there yet or is empty. Return what it holds.

    The snapshot is checked first. If anything is wrong with it, nothing is made, and DamagedError is raised.
    `despite_damage`: restore what there is all the same, without missing files. What is returned then has in `wrong`
    what is wrong with the snapshot.

    The lab gets a new generation id: clients notice that it is behind what it acked, and send again what they keep.
    Blocks for as long as the disks take. Raises StoreError.
    """
    if not (snapshot / DESCRIPTION).is_file():
        raise StoreError(f"{snapshot} is not a whole snapshot: name one of those that `hectiqlab admin backups` lists.")
    with failing_as_store_error(data):
        if data.exists() and any(data.iterdir()):
            raise StoreError(f"{data} is not empty: move it away, or name another folder with --data.")
        described = described_by(snapshot)
        partial = data.with_name(f"{data.name}.restoring")
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(mode=0o700, parents=True)
        if despite_damage:
            described = replace(described, wrong=check(snapshot, progress))
            for name in DATABASES:
                progress(name)
                take_database(snapshot, partial, name, None)
        elif wrong := check_into(snapshot, partial, progress):
            shutil.rmtree(partial)
            raise DamagedError(snapshot, wrong)
        try:
            its = upgrading.refuse_newer(partial)
        except NewerSchemaError:
            shutil.rmtree(partial)
            raise
        with reading(partial / "lab.db") as lab:
            named = [digest for digest, _ in lab.execute(NAMED)]
        renew_generation(partial / "lab.db")
        mute_notices(partial / "lab.db")
        if not its.is_older:  # else it stays of its version, until a lab is started on it
            with contextlib.suppress(StoreError) if despite_damage else contextlib.nullcontext():
                _catch_up(partial)
        for i, digest in enumerate(named):
            if i % 1000 == 0:
                progress(f"file {i} of {len(named)}")
            target = blob_path(partial, digest)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                copy_file(blob_path(snapshot, digest), target)
            except FileNotFoundError:
                if not despite_damage:
                    raise
        for name in DATABASES:
            with (partial / name).open("rb") as file:
                os.fsync(file.fileno())
        if data.exists():
            data.rmdir()
        partial.rename(data)
        sync_folder(data.parent)
    return described


def _catch_up(data: Path) -> None:
    """Bring lab.db, which was copied first, up to the points that the copy of points.db has."""
    with reading(data / "points.db") as db:
        cursors = points_check.cursors(db)
    with (
        contextlib.closing(SqlMetaStore(data / "lab.db")) as meta,
        contextlib.closing(SqlitePointStore(data / "points.db")) as points,
    ):
        catch_up_by_points(meta, points, cursors)
