"""Gzip for browsers: who takes it, and the web app's files, each compressed when first asked for and then kept."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

BYTES_MIN = 1024  # smaller answers fit into one packet anyway
FILES_KEPT = 64
WORTH = frozenset({".css", ".html", ".js", ".json", ".map", ".svg", ".txt"})  # of other files gzip saves nothing
_TAKEN = re.compile(r"^\s*(gzip|x-gzip|\*)\s*(?:;\s*q\s*=\s*([0-9.]+)\s*)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Packed:
    """A file as gzip. `etag`: of these bytes, which are not those of the file."""

    content: bytes
    etag: str


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether a client that sends this Accept-Encoding takes gzip. What names gzip counts before `*`."""
    named: dict[str, bool] = {}
    for part in accept_encoding[:1000].split(","):
        if taken := _TAKEN.match(part):
            try:
                named["*" if taken[1] == "*" else "gzip"] = taken[2] is None or float(taken[2]) > 0
            except ValueError:
                continue  # "1.2.3" is not a number: as if it was not named
    return named.get("gzip", named.get("*", False))


def packed_file(path: Path) -> Packed | None:
    """Return a file of the web app as gzip; None where that saves nothing. Blocks when it is first asked for."""
    if path.suffix not in WORTH:
        return None
    stat = path.stat()
    return _packed(path, stat.st_mtime_ns, stat.st_size) if stat.st_size >= BYTES_MIN else None


@lru_cache(FILES_KEPT)
def _packed(path: Path, _mtime_ns: int, _bytes: int) -> Packed:
    content = gzip.compress(path.read_bytes(), 9, mtime=0)
    return Packed(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def is_known(if_none_match: str, etag: str) -> bool:
    """Return whether a client that sends this If-None-Match has what has this ETag."""
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in known or "*" in known
