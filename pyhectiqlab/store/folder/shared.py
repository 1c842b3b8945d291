"""A folder that several labs see: it bears the id of the lab whose files it has, and the generation of that lab."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...errors import ConfigurationError, StoreError
from ..addresses import lacking, other_generation
from .blob_store import FolderBlobStore

OWNER, GENERATION = "lab", "generation"  # files in the folder


class SharedFolder(FolderBlobStore):
    """A BlobStore below a folder that is this lab's own, or becomes so.

    Args:
        lab, generation, has_files: see `look`.

    Raises ConfigurationError, StoreError.
    """

    def __init__(self, folder: Path, lab: str, generation: str = "", has_files: bool = False) -> None:
        self._marks = folder
        with _errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        look(folder, lab, generation, has_files)
        with _errors(folder), contextlib.suppress(FileExistsError):
            _make(folder / OWNER, lab)
        look(folder, lab, generation)  # another lab may have made it at the same moment
        if generation and not _noted(folder, GENERATION):
            self.note_generation(generation)
        super().__init__(folder / "blobs")

    def note_generation(self, generation: str) -> None:
        """Note in the folder that it is of this generation of its lab. Raises StoreError."""
        with _errors(self._marks):
            (self._marks / GENERATION).unlink(missing_ok=True)
            with contextlib.suppress(FileExistsError):
                _make(self._marks / GENERATION, generation)


def look(folder: Path, lab: str, generation: str = "", has_files: bool = False) -> None:
    """Find out whether a lab may have a folder, and change nothing.

    Args:
        lab: the lab's id.
        generation: of the lab; "": any.
        has_files: whether the lab's rows name files, so that the folder must not be empty.

    Raises ConfigurationError where it is another lab's, or another generation's; StoreError where it cannot be read, or
    is empty and should not be.
    """
    owner = _noted(folder, OWNER)
    if owner and owner != lab:
        raise ConfigurationError(
            f"{folder} has the files of another lab ({owner}; the database is of {lab or 'a new one'}): name the "
            "database or the folder that belong together."
        )
    if has_files and not owner and not any((folder / "blobs").glob("??/*")):
        raise StoreError(lacking(str(folder), "files", "the folder"))
    its = _noted(folder, GENERATION) if generation else ""
    if its and its != generation:
        raise ConfigurationError(other_generation(f"{folder} has the files", "a folder"))


def try_to_write(folder: Path) -> None:
    """Make the folder, and a file in it, which it removes. Raises StoreError; a full disk is fine."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".check"):
            pass
    except OSError as e:
        if e.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise _unusable(folder, e) from None


def _noted(folder: Path, name: str) -> str:
    with _errors(folder), contextlib.suppress(FileNotFoundError):
        return (folder / name).read_text().strip()
    return ""


def _make(path: Path, words: str) -> None:
    """Make a file that nobody sees before all of it is there. Raises FileExistsError."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}") as new:
        new.write(f"{words}\n")
        new.flush()
        os.fsync(new.fileno())
        try:
            os.link(new.name, path)
        except OSError as e:
            if e.errno not in {errno.EPERM, errno.ENOTSUP}:
                raise
            with path.open("x") as f:  # a file system without links
                f.write(f"{words}\n")


@contextlib.contextmanager
def _errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as e:
        raise _unusable(folder, e) from None


def _unusable(folder: Path, error: OSError) -> StoreError:
    return StoreError(f"{folder} cannot be used ({error.strerror}): name another folder with --files.")
