"""Purging: deleted runs lose what they had, in bounded steps. A running lab does it, or a command if no lab runs.

First their points are marked as removed, which may be repeated. Then their rows are removed, with a transaction of the
writer for each step. So a kill at any moment leaves a run that the next purge finds again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ...base import crashpoints
from ...store.meta import MetaStore, MetaTransaction
from ...store.points import PointStore
from ...store.storage import Storage
from ..files.files import Files
from ..transacts import T, Transacts, WriteFunction
from .project_lives import finish_deletions

SECONDS_MAX = 0.5  # of one turn of the lab's watch
LONG_AGO_S = 1.0  # files of runs that somebody asked to purge count as unused since then


def purge_some(
    meta: MetaStore,
    points: PointStore,
    write: Transacts,
    now: float,
    before: float | None,
    seconds_max: float = SECONDS_MAX,
) -> int:
    """Purge runs, then projects whose runs are gone, for about so long, and return how many runs are purged now and how
    many steps were taken with projects. `before`: those that were deleted before that time, too, not only those that
    somebody asked to purge. Block on the stores; raise StoreError.
    """
    deadline = time.monotonic() + seconds_max
    purged = 0
    while purged == 0 or time.monotonic() < deadline:
        with meta.reading() as view:
            run = view.purgeable(before)
        if run is None:
            if not _purge_project(meta, write, now, before):
                break
            purged += 1
            continue
        points.delete(run)
        crashpoints.passing("upkeep.run_dropped")
        while not (whole := _purge(write, run, now)) and time.monotonic() < deadline:
            pass
        if not whole:
            break
        purged += 1
    return purged


def _purge_project(meta: MetaStore, write: Transacts, now: float, before: float | None) -> bool:
    """Take a step with a project whose runs are gone. False where none is to go."""
    with meta.reading() as view:
        project = view.purgeable_project(before)
    if project is None:
        return False
    write(lambda tx: tx.purge_project(project, now))
    return True


def _purge(write: Transacts, run: str, now: float) -> bool:
    def step(tx: MetaTransaction) -> bool:
        whole = tx.purge(run, now)
        crashpoints.passing("upkeep.purged_rows")
        return whole

    return write(step)


def is_left(storage: Storage) -> bool:
    """Return whether something of what somebody asked to purge still is to go, or its room to be given back. Block on
    the databases for a moment; raise StoreError.
    """
    with storage.meta.reading() as view:
        if view.purges_left() or view.unused_blobs(LONG_AGO_S, 1):
            return True
    return storage.is_settling()


def purge_alone(storage: Storage, now: float, step: Callable[[], None] = lambda: None) -> None:
    """Do all that somebody asked to purge, on the data of a lab that does not run. `step` is called now and then.
    Block until it is done; raise StoreError.
    """

    def write(function: WriteFunction[T]) -> T:
        with storage.meta.writing() as tx:
            return function(tx)

    files = Files(storage.meta, storage.blobs, write, storage.files)
    try:
        storage.free(lambda: finish_deletions(storage.meta, write))
        while storage.free(lambda: purge_some(storage.meta, storage.points, write, now, None)):
            step()
        while storage.free(lambda: _maintain(storage)):
            step()
        storage.free(lambda: files.tidy(now))
        while _has_idle_files(storage):
            files.tidy_soon()
            files.tidy(now)
            step()
    finally:
        files.writers.shutdown()


def _maintain(storage: Storage) -> bool:
    saving = storage.is_saving()
    return storage.points.maintain(saving=saving) or storage.meta.maintain(saving=saving)


def _has_idle_files(storage: Storage) -> bool:
    with storage.files.tried() as free, storage.meta.reading() as view:
        return free and bool(view.unused_blobs(LONG_AGO_S, 1))
