"""Storage that all users of a machine share: this user's folder in it, and how long a file may be."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def own_name() -> str:
    """Return the name of this user's folder in storage that all users share."""
    return f"hectiqlab-{os.geteuid()}"


def private_dir(path: Path) -> bool:
    """Make the folder `path` if needed. Return False where it is not ours alone. Its parent must not let others remove
    it: it must be ours, or sticky.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return False
    return is_private(path)


def is_private(path: Path) -> bool:
    """Return whether it is a folder of this user, no link, and closed to all others."""
    try:
        about = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & 0o077


def file_bytes_max() -> int:
    """Return how many bytes a file of this process may have (`ulimit -f`)."""
    import resource

    most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return most if most != resource.RLIM_INFINITY else 1 << 62
