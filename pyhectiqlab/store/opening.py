"""Opening a Storage: the one place that decides which engines hold a lab's data."""

from __future__ import annotations

from pathlib import Path

from .embedded import EmbeddedStorage
from .storage import Storage


def open_storage(place: Path) -> Storage:
    """Open a lab's data for this process alone. Make or migrate the databases. Blocks on the disk.

    Raises DataDirectoryInUseError where another lab has it, NewerSchemaError, StoreError.
    """
    return EmbeddedStorage(place)


def open_beside(place: Path) -> Storage:
    """Open the data of a lab that is stopped, or that runs meanwhile; for commands. Writes of both wait for each other,
    and a running lab sees the changes. Blocks on the disk.

    Raises ConfigurationError where there is no lab; NewerSchemaError; StoreError, also where a running lab is of
    another version.
    """
    return EmbeddedStorage.beside(place)
