"""Files of an export: each once, under the SHA-256 of its bytes, however many names it has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..base.filedigest import digest_of_file
from ..transport.file_download import receive
from ..transport.http import LabClient, quoted
from .layout import file_of

_FIELDS = ("uuid", "name", "step", "version", "kind", "meta", "digest", "bytes", "author", "created")


class Files:
    """The files of an export, which it brings from the lab where they are not there."""

    def __init__(self, lab: LabClient, folder: Path) -> None:
        self._lab, self._folder = lab, folder
        self.new = self.new_bytes = 0

    def bring(self, content: str, digest: str, size: int) -> None:
        """Bring the bytes at the path `content` of the API. A part that a killed export left is continued, and the
        digest is compared. Raises OSError, LabRequestError.
        """
        path = self._folder / file_of(digest)
        if path.is_file() and path.stat().st_size == size:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{digest}.part")
        fd = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            receive(self._lab, content, part, fd, size, digest)
        finally:
            os.close(fd)
        part.replace(path)
        self.new, self.new_bytes = self.new + 1, self.new_bytes + size

    def artifacts(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield these artifacts of the API, the oldest first, each when it is there."""
        for row in sorted(rows, key=lambda row: (row["created"], row["uuid"])):
            self.bring(f"/artifacts/{quoted(row['uuid'])}/content", row["digest"], row["bytes"])
            yield {name: row[name] for name in _FIELDS}


def is_whole(folder: Path, digest: str) -> bool:
    """Return whether the export has these very bytes. Blocks on the disk."""
    path = folder / file_of(digest)
    return path.is_file() and digest_of_file(path) == digest
