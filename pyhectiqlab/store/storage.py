"""Storage: all that a lab, or a command beside it, needs of the place where the data is. opening.py makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from .blobs import BlobStore
from .engine_counts import EngineCounts
from .meta import MetaStore
from .peers import Peers
from .points import PointStore
from .upgrading import Before

T = TypeVar("T")


class ChangeMark(Protocol):
    """Says when permissions last changed, in any process. What somebody learned about a key before must be looked up
    again.
    """

    def read(self) -> int:
        """Return a number that grows with each change. Takes a microsecond; never blocks or raises."""

    def set(self) -> None:
        """Note a change. Blocks for a moment; raises nothing."""


class FilesLock(Protocol):
    """While it is held, nobody else removes files of the lab. A backup holds it, and the tidying itself."""

    def held(self) -> AbstractContextManager[None]:
        """Wait for others, as long as they take. Raises StoreError."""

    def tried(self) -> AbstractContextManager[bool]:
        """Try to hold it. Yields whether it was free; never waits. Raises StoreError."""

    def using(self) -> AbstractContextManager[None]:
        """Wait until nobody is `removing`, then keep everybody from it for the moment in which a file gets a name or an
        upload of it begins. Many may do so at once. Raises StoreError.
        """

    def removing(self) -> AbstractContextManager[None]:
        """Wait until nobody is `using` files, then keep everybody from it for the moment in which one is removed, if
        nothing uses it. Raises StoreError.
        """


class Storage(Protocol):
    """One lab's data, open until `close`."""

    @property
    def place(self) -> Path | str:
        """The place of the data, for messages."""

    @property
    def peers(self) -> Peers:
        """The other lab processes on the data."""

    @property
    def meta(self) -> MetaStore: ...
    @property
    def points(self) -> PointStore: ...
    @property
    def blobs(self) -> BlobStore: ...
    @property
    def permissions(self) -> ChangeMark:
        """The change mark of accounts, keys and roles."""

    @property
    def files(self) -> FilesLock:
        """The lock on the removal of files."""

    @property
    def upgraded(self) -> Before | None:
        """The snapshot of before the upgrade that opening it made; None: there was none."""

    def remove_old_snapshots(self, now: float) -> None:
        """Remove snapshots of before upgrades that are no longer kept. Raises StoreError."""

    @property
    def alone(self) -> bool:
        """Whether no lab runs on the data, and none can be started until this is closed."""

    def sizes(self) -> Mapping[str, int]:
        """Return how many bytes the databases take on disk, by name. Blocks on the disk for a moment."""

    def unused(self) -> Mapping[str, int]:
        """Return how many bytes of `sizes` are free for new data, by name. Blocks on the disk for a moment. Raises
        StoreError.
        """

    def engines(self) -> Mapping[str, EngineCounts]:
        """Return what the lab asked of each engine that is not its own, by name; none of a folder. Never blocks."""

    def is_settling(self) -> bool:
        """Return whether points of deleted runs, or free pages, are still to be removed, as far as the writer does that
        by itself. Blocks on the disk for a moment. Raises StoreError.
        """

    def shrink(self, name: str, step: Callable[[], None]) -> None:
        """Write the database `name` anew, without its free pages, so that from now on it gives them back by itself.
        Only while nobody else uses it. `step` is called now and then. Blocks as long as that takes. Raises StoreError.
        """

    def prepare_for_full(self) -> bool:
        """Keep some room for a disk that becomes full: to open the data, and for `free`. A running lab calls it when
        there is room. Return False while `is_saving`. Blocks on the disk for a moment; raises nothing.
        """

    def free(self, work: Callable[[], T]) -> T:
        """Do some work that makes room, such as a deletion. Where the disk is too full for it, give up the room that
        was kept for this, and do it again. Raises what it raises.
        """

    def is_saving(self) -> bool:
        """Return whether the room for `free` was given up, by any process, and is not there again. Until then nothing
        is to be stored but what makes room. Takes a microsecond.
        """

    def find_damage(self, go_on: Callable[[], bool]) -> list[str]:
        """Read all that no read by itself would find damaged, while others read and write. Return a sentence for each
        thing that is not as it was written. An engine that has checksums of its own needs none.

        Args:
            go_on: called now and then, while nothing is locked: it may wait, and end the work by returning False.

        Blocks as long as that takes. Raises StoreError.
        """

    def disk_total(self) -> int | None:
        """Return the size of the disk that holds files and databases; None where it is unknown. Never blocks long."""

    def close(self) -> None:
        """Close everything, and give up the right to the data. Safe twice."""
