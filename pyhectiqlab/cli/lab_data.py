"""Helpers of the administrator's commands: open the lab's data beside a lab that may run, and write the audit log."""

from __future__ import annotations

import contextlib
import getpass
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import settings
from ..errors import ConfigurationError, StoreError
from .fleet_options import folder_from_environment, from_environment

if TYPE_CHECKING:
    from ..store.accounts import Change
    from ..store.storage import Storage

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the lab's data.  [default: the engines that HECTIQLAB_CONFIG or variables name; else "
    "$HECTIQLAB_HOME/lab]",
)


def data_of(data: Path | None) -> Path:
    data = data if data is not None else folder_from_environment()
    return data.absolute() if data is not None else settings.home() / "lab"


folder_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the lab's data.  [default: $HECTIQLAB_HOME/lab]",
)


def folder_of(data: Path | None) -> Path:
    """Return the folder of a lab, for commands that know no other place. Raises ConfigurationError where no folder is
    given and the environment names engines: it would be another lab.
    """
    if data is None and (at := from_environment()) is not None:
        raise ConfigurationError(
            f"This is for a lab in a folder: name it with --data. The environment names {at}; back up, restore and "
            "upgrade those with the tools of the engines: docs/moving.md, docs/upgrading.md."
        )
    return data_of(data)


@contextlib.contextmanager
def opened_lab(data: Path | None, *, moved: bool = False) -> Iterator[Storage]:
    """Open the data of a lab, which may run meanwhile: those in the folder, or if no folder is given and the
    environment names them, those of several labs. Raises what `open_beside` and `refuse_moved` raise.

    Args:
        moved: also where the lab was moved elsewhere, or its move to here is not whole.
    """
    from ..store.opening import open_beside, refuse_moved

    try:
        place = (from_environment() if data is None else None) or data_of(data)
        with contextlib.closing(open_beside(place)) as storage:
            if not moved:
                refuse_moved(storage)
            yield storage
    except StoreError as e:
        if "disk is full" not in str(e):  # SQLite's words
            raise
        raise StoreError(
            f"{e} Make room: `hectiqlab delete` runs, then `hectiqlab admin purge` them, which works on a full disk."
        ) from e


def change_noted(action: str, subject: str, detail: str = "") -> Change:
    """Return a line of the audit log, in the name of the person who is logged in on this machine."""
    from ..store.accounts import Change

    try:
        who = getpass.getuser()
    except (KeyError, OSError):
        who = "somebody"
    return Change(time.time(), who, "command", socket.gethostname(), action, subject, detail)
