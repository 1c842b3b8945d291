"""The SHA-256 of a file, read a block at a time."""

from __future__ import annotations

import hashlib
from pathlib import Path

_BLOCK_BYTES = 1 << 20


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, hex. Blocks on the disk. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
