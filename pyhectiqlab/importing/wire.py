"""Points, events and files as the lab's API takes them."""

from __future__ import annotations

import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgpack

from ..base import crashpoints
from ..errors import LabRequestError
from ..protocol.limits import PROTOCOL_VERSION
from ..transport.file_upload import register, upload_file
from ..transport.http import LabClient
from ..transport.retry import Backoff
from .incoming import Event, NewFile, hex_of
from .points import Point

TRIES = 5
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


def ingest(
    lab: LabClient,
    session: str,
    batches: Sequence[dict[str, Any]],
    is_settled: Callable[[dict[str, Any], dict[str, Any]], bool],
    again: tuple[int, ...],
) -> list[dict[str, Any]]:
    """Send batches until all of them are settled, TRIES times at most. Return what the lab says of each.

    Args:
        is_settled: whether an answer to a batch is one that needs no other.
        again: after which other answers a batch is sent once more.

    Raises LabRequestError.
    """
    backoff = Backoff()
    while True:
        request = {"v": PROTOCOL_VERSION, "session": session, "clock": time.time(), "batches": list(batches)}
        wait_s = None
        try:
            results: list[dict[str, Any]] = lab.ingest(msgpack.packb(request))["results"]
        except LabRequestError as e:
            if not e.retry:
                raise
            error, wait_s = e, e.retry_after_s
        else:
            left = [its for batch, its in zip(batches, results, strict=True) if not is_settled(batch, its)]
            if not left:
                crashpoints.passing("import.sent")
                return results
            error = LabRequestError(
                f"The lab does not take a part of this run: {left[0].get('error') or left[0]['status']}"
            )
            if any(its["status"] not in again for its in left):
                raise error
        if backoff.failures >= TRIES:
            raise error
        time.sleep(backoff.failed(wait_s))


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
    crashpoints.passing("import.stored")
