"""Check whether a file or folder is this user's own, so that its content can be trusted.

If another user could write to a spool, they could make this user's uploader read any of this user's files and send it
to a lab where both can see it. So nothing is trusted that somebody else wrote, or could have written.

A file is this user's if this user is its owner. But a file server that maps root or everybody to `nobody` shows every
file of this process as somebody else's. So before a file counts as another user's, a new file is made beside it, and
the owners of both are compared.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_REACH = stat.S_IXGRP | stat.S_IXOTH
_made: dict[int, int] = {}  # device → the owner of what this process makes there


def is_ours(about: os.stat_result, folder: Path) -> bool:
    """Return whether a file or folder is this user's. `folder`: the folder that holds the file, or the folder
    itself.
    """
    return about.st_uid == os.geteuid() or about.st_uid == _owner_of_ours(folder, about.st_dev)


def others_write(about: os.stat_result) -> bool:
    return bool(about.st_mode & _OTHERS_WRITE)


def folder_problem(path: Path) -> str:
    """Say why others could have put something into this folder, and what to do; "" if they could not. Never raises."""
    try:
        about = os.lstat(path)
    except FileNotFoundError:
        return ""
    except OSError as e:
        return f"{path} cannot be looked at ({e.strerror})"
    if not stat.S_ISDIR(about.st_mode):
        return f"{path} is not a folder: remove it"
    if not is_ours(about, path):
        return f"{path} belongs to another user (uid {about.st_uid}): only that user can deliver it"
    if others_write(about):
        return f"{path} can be written by others: look at what is in it, then run `chmod -R go-w {path}`"
    return ""


def tree_problem(path: Path, *, but: tuple[str, ...] = ()) -> str:
    """Say the same as `folder_problem` for a folder and everything below it. `but`: endings of names that are not
    checked. Never raises.
    """
    if problem := folder_problem(path):
        return problem
    try:
        reached = bool(os.lstat(path).st_mode & _OTHERS_REACH)
        with os.scandir(path) as entries:
            for entry in entries:
                if problem := _entry_problem(entry, path, but, reached):
                    return problem
    except OSError as e:
        return f"{path} cannot be looked at ({e.strerror})"
    return ""


def _entry_problem(entry: os.DirEntry[str], folder: Path, but: tuple[str, ...], reached: bool) -> str:
    if entry.name.endswith(but):
        return ""
    try:
        about = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # it was removed meanwhile
        return ""
    if stat.S_ISDIR(about.st_mode):
        return tree_problem(Path(entry.path), but=but)
    if stat.S_ISLNK(about.st_mode):
        return f"{entry.path} is a link, which pyhectiqlab does not make: remove it"
    if not is_ours(about, folder):
        return f"{entry.path} belongs to another user (uid {about.st_uid}): remove it"
    if reached and others_write(about):
        return f"{entry.path} can be written by others: look at what is in it, then run `chmod -R go-w {folder}`"
    return ""


def _owner_of_ours(folder: Path, device: int) -> int:
    if device in _made:
        return _made[device]
    probe = folder / f".{os.urandom(8).hex()}.owner"
    try:
        fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return -1
    try:
        about = os.fstat(fd)
    finally:
        os.close(fd)
        with contextlib.suppress(OSError):
            os.unlink(probe)
    if about.st_dev == device:
        _made[device] = about.st_uid
    return _made.get(device, -1)
