"""Points, events and files as the lab's API takes them."""

from __future__ import annotations

import struct
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..transport.file_upload import register, upload_file
from ..transport.http import LabClient
from .incoming import Event, NewFile, hex_of
from .points import Point

_POINT_BYTES = 28


def size_of(item: Point | Event) -> int:
    """Return about how many bytes it takes in a batch."""
    if isinstance(item, Point):
        return _POINT_BYTES
    return 100 + sum(
        len(value) * 4 if isinstance(value, str) else len(value) if isinstance(value, bytes) else 1000
        for value in item.fields.values()
    )


def batch_of(before: int, items: Sequence[Point | Event]) -> dict[str, Any]:
    """Return the items numbered from `before` + 1 as columns and events (FORMAT.md, section 3)."""
    columns: dict[str, list[tuple[int, Point]]] = {}
    events, seq = [], 0
    for item in items:
        if isinstance(item, Event):
            events.append([seq, item.kind, round(item.time * 1e6), dict(item.fields)])
            seq += item.numbers
        else:
            columns.setdefault(item.key, []).append((seq, item))
            seq += 1
    series = []
    for key, column in columns.items():
        n = len(column)
        series.append(
            {
                "key": key,
                "seq": struct.pack(f"<{n}I", *(at for at, _ in column)),
                "step": struct.pack(f"<{n}q", *(point.step for _, point in column)),
                "value": struct.pack(f"<{n}d", *(point.value for _, point in column)),
                "time": struct.pack(f"<{n}d", *(point.time for _, point in column)),
            }
        )
    return {"first": before + 1, "last": before + seq, "series": series, "events": events}


def store_file(lab: LabClient, file: NewFile, run: str, project: str) -> None:
    """Make it an artifact of a run. Blocks on the lab and the disk. Raises LabRequestError, OSError."""
    if file.path is not None:
        _store(lab, file, file.path, run, project)
        return
    with tempfile.NamedTemporaryFile(prefix="hectiqlab-") as made:
        made.write(file.data or b"")
        made.flush()
        _store(lab, file, Path(made.name), run, project)


def file_id(file: NewFile, run: str) -> str:
    """Return what names the artifact in the lab: the same at each import."""
    return hex_of(file.id, run)


def _store(lab: LabClient, file: NewFile, path: Path, run: str, project: str) -> None:
    sent = upload_file(lab, path, project=project)
    body = {
        "name": file.name, "digest": sent.digest, "bytes": sent.bytes, "step": file.step, "kind": file.kind,
        "meta": dict(file.meta), "id": file_id(file, run),
        "created": time.time() if file.created is None else file.created,
    }  # fmt: skip
    register(lab, body, run=run)
