"""Write raw points of a run to a path, or to anything that takes bytes, in a file format that the lab makes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from urllib.parse import urlencode

from ..profile import Profile
from ..transport.file_download import place_for
from ..transport.http import quoted
from .shapes import asking

FORMATS = ("csv", "jsonl", "parquet")
_PIECE_BYTES = 256 << 10


def pieces(
    profile: Profile, run: str, keys: Sequence[str] | None, form: str, rank: int | None, attempt: int | None
) -> Iterator[bytes]:
    """Yield the file, piece by piece. Blocks on the network. Raises LabRequestError, even in the middle if the
    connection breaks.
    """
    asked = [("format", form), *(("key", key) for key in keys or ())]
    asked += [(name, str(value)) for name, value in (("rank", rank), ("attempt", attempt)) if value is not None]
    path = f"/runs/{quoted(run)}/export?{urlencode(asked)}"
    with asking(profile) as lab, lab.opened(path, {"Accept": "*/*"}) as body:
        if body.status != 200:
            raise body.failure()
        while piece := body.read(_PIECE_BYTES):
            yield piece


def save(
    profile: Profile,
    run: str,
    path: str | os.PathLike[str],
    keys: Sequence[str] | None,
    form: str | None,
    rank: int | None,
    attempt: int | None,
    name: str = "",
) -> Path:
    """Save the points, see RunView.export. `name`: how the file in a folder is called, without the format; "": by the
    run's id.
    """
    form = form or Path(path).suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ValueError(f"{Path(path).name!r} ends in no format: give one of {', '.join(FORMATS)}")
    path = place_for(path, f"{(name or run).replace('/', '_')[:200]}.{form}")
    chunks = pieces(profile, run, keys, form, rank, attempt)
    first = next(chunks, b"")  # before the file is made: a refused request leaves none behind
    part = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            for piece in chain([first], chunks):
                file.write(piece)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path
