"""Storage that all users of a machine share: this user's own folder in it, and the longest file that is allowed."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def own_name() -> str:
    """Of the folder of this user in storage that all users share."""
    return f"hectiqlab-{os.geteuid()}"


def private_dir(path: Path) -> bool:
    """Make `path` if need be. False where it is not a folder of ours alone. Its parent must be one that lets nobody
    else remove it: ours, or sticky.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return False
    return is_private(path)


def is_private(path: Path) -> bool:
    """Return whether it is a folder, no link, of this user, that nobody else may look into."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def file_bytes_max() -> int:
    """Return the longest file that this process may write (`ulimit -f`)."""
    import resource

    most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return most if most != resource.RLIM_INFINITY else 1 << 62
