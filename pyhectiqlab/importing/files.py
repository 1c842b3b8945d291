"""The files below what a user named. What cannot be read is reported with its place, and the rest comes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .points import Problems


def below(path: Path, wanted: Callable[[str], bool], problems: Problems) -> list[Path]:
    """Return the path itself if it is a file; else the files in it and in all folders below it whose names are wanted,
    sorted. Folders that cannot be read are reported; links to folders are not followed.
    """

    def unreadable(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            report(error, path, problems)

    files: list[Path] = []
    with reporting(path, problems):
        if path.is_file():
            files.append(path)
        for folder, _, names in os.walk(path, onerror=unreadable):
            files += [one for name in names if wanted(name) and (one := Path(folder, name)).is_file()]
    return sorted(files)


@contextmanager
def reporting(path: Path, problems: Problems) -> Iterator[None]:
    """Report what cannot be read in this block, and go on behind it. `path`: what it is about."""
    try:
        yield
    except OSError as e:
        report(e, path, problems)


def report(error: OSError, path: Path, problems: Problems) -> None:
    place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(path)
    problems.add(f"unreadable {place}", f"{place} cannot be read: {error.strerror or error}")
