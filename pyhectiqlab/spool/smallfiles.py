"""Small files of a session: written whole, and read only if they are this user's."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from ..capture import ownership


def write_json(path: Path, value: dict[str, Any], *, durable: bool = False) -> None:
    """Write a file whole. Raises OSError. `durable`: the file is on disk on return, not just in the kernel."""
    beside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w") as f:
            json.dump(value, f)
            if durable:
                f.flush()
                os.fsync(fd)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def opened_alone(path: str, flags: int) -> int:
    """An opener for `open`: the file is closed to others, whatever the umask, and never opened through a link."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def sync_path(path: Path) -> None:
    """Sync a file or folder to the disk. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a file holds. None: there is no such file, it is not understood, or somebody else may have written
    it.
    """
    try:
        value = json.loads(read_ours(path))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_ours(path: Path) -> bytes:
    """Return the bytes of a file. Raises OSError; PermissionError where the file is not this user's alone. The check is
    made on the open file, as the path may lead to another file a moment later.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as f:
        about = os.fstat(fd)
        if not (stat.S_ISREG(about.st_mode) and ownership.is_ours(about, path.parent)):
            raise PermissionError(errno.EPERM, "it is not a file of this user's", str(path))
        if ownership.others_write(about) and ownership.folder_problem(path.parent):
            raise PermissionError(errno.EPERM, "it can be written by others", str(path))
        return f.read()
