"""Opening a Storage: the one place that decides which engines hold a lab's data."""

from __future__ import annotations

from pathlib import Path

from .embedded import EmbeddedStorage
from .fleet import Addresses, FleetStorage
from .moving.move import refuse_moved as refuse_moved
from .storage import Storage


def open_storage(place: Path | Addresses, *, upgrade: bool = True, snapshot: bool = True) -> Storage:
    """Open a lab's data, in a folder for this process alone, or at addresses for several labs. Make or migrate the
    databases. Blocks on them.

    Args:
        upgrade: migrate data of an earlier version; else OlderSchemaError.
        snapshot: copy the databases before they are migrated (upgrading.py).

    Both are about a folder. Raises DataDirectoryInUseError where another lab has it, NewerSchemaError, StoreError,
    ConfigurationError, also where the lab was moved elsewhere or its move to here is not whole (moving/).
    """
    storage = open_place(place, upgrade=upgrade, snapshot=snapshot)
    try:
        refuse_moved(storage)
        if isinstance(storage, FleetStorage):
            storage.claim()
    except BaseException:
        storage.close()
        raise
    return storage


def open_place(place: Path | Addresses, *, upgrade: bool = True, snapshot: bool = True) -> Storage:
    """Open as `open_storage` does, also a lab that is being moved."""
    if isinstance(place, Addresses):
        return FleetStorage(place)
    return EmbeddedStorage(place, upgrade, snapshot)


def open_beside(place: Path | Addresses) -> Storage:
    """Open the data of a lab that is stopped, or that runs meanwhile; for commands. Writes of both wait for each other,
    and a running lab sees the changes. Never migrates. Blocks on the disk.

    Raises ConfigurationError where there is no lab; NewerSchemaError; OlderSchemaError; StoreError, also where a
    running lab is of another version.
    """
    if isinstance(place, Addresses):
        return FleetStorage(place, beside=True)
    return EmbeddedStorage.beside(place)
