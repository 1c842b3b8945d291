"""Storage: all that a lab, and a command beside it, ask of where the data is. opening.py makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from .blobs import BlobStore
from .meta import MetaStore
from .points import PointStore


class ChangeMark(Protocol):
    """Says when permissions last changed, whichever process changed them. What was found out about a key before that is
    looked up again.
    """

    def read(self) -> int:
        """Return a number that grows with each change. Takes a microsecond; never blocks or raises."""

    def set(self) -> None:
        """Note a change. Blocks for a moment; raises nothing."""


class FilesLock(Protocol):
    """Whoever holds it may be sure that no file of the lab goes: a backup, or the tidying itself."""

    def held(self) -> AbstractContextManager[None]:
        """Wait for others, as long as they take. Raises StoreError."""

    def tried(self) -> AbstractContextManager[bool]:
        """Give whether it was free; never waits. Raises StoreError."""


class Storage(Protocol):
    """One lab's data, open until `close`."""

    @property
    def place(self) -> Path:
        """Where it is, as people name it."""

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
    def alone(self) -> bool:
        """Return whether no lab runs on the data, and none can be started until this is closed."""

    def sizes(self) -> Mapping[str, int]:
        """Return what the databases take on disk, by name, in bytes. Blocks on the disk for a moment."""

    def unused(self) -> Mapping[str, int]:
        """Return how many bytes of `sizes` are free for what comes next, by name. Blocks on the disk for a moment.
        Raises StoreError.
        """

    def is_settling(self) -> bool:
        """Return whether points of deleted runs, or pages that are free, still are to go, as far as whoever writes
        does that by itself. Blocks on the disk for a moment. Raises StoreError.
        """

    def shrink(self, name: str, step: Callable[[], None]) -> None:
        """Write the database `name` anew, without its free pages, so that from now on it gives them back by itself.
        Only while nobody else uses it. `step` is called now and then. Blocks as long as that takes. Raises StoreError.
        """

    def prepare_for_full(self) -> None:
        """Keep some room, so that what is stored can be opened again where the disk has become full. For a lab that
        runs, when there is room. Blocks on the disk for a moment; raises nothing.
        """

    def disk_total(self) -> int | None:
        """Return the bytes of the disk that files and databases are on; None where nobody knows. Never blocks long."""

    def close(self) -> None:
        """Release everything, also the right to the data. Safe twice."""
