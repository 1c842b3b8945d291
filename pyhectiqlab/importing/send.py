"""Sending: points with their own times as a run, straight to the lab's ingest. No queue and no journal: the files stay.

Sessions and writers are named after the content, and batches are cut the same way every time. So an import that is
repeated after a failure goes on where the lab's cursor is, and one that is repeated after success finds its session.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgpack

from .. import settings
from .._version import __version__
from ..capture.process import host
from ..errors import LabRequestError, NotFoundError, PermissionDeniedError
from ..protocol import states
from ..protocol.limits import PROTOCOL_VERSION
from ..transport.http import LabClient, quoted
from ..transport.retry import Backoff
from .points import Point, Problems, Source

BATCH_POINTS = 20_000
BATCH_KEY_BYTES = 4 << 20  # of a batch's distinct keys
TRIES = 5


@dataclass(frozen=True)
class Imported:
    """What became of a source.

    Attributes:
        run: the lab's id of the run, and its page; None where there was no point, and so no run was made.
        points: how many were read; of a run that was there already, how many it has.
        was_there: an earlier import brought the same content; nothing was sent.
        problems: what was left out, a line for each kind.
    """

    name: str
    run: str | None
    project: str | None
    url: str | None
    points: int
    was_there: bool
    problems: list[str]


def send(lab: LabClient, source: Source, project: str | None) -> Imported:
    """Makes the run, or a new attempt of the run of that name, and fills it. Blocks on the lab and on the disk.

    Args:
        project: name or id, made if there is none; None: as for `Run`.

    Raises LabRequestError, of which PermissionDeniedError where the run of that name is somebody else's; OSError.
    """
    before = _imported(lab, source, project)
    if before is not None:
        return before
    problems = Problems()
    batches = _batches(source.read(problems))
    first = next(batches, None)
    if first is None:
        return Imported(source.name, None, None, None, 0, False, [*problems.lines(), f"{source.name}: no scalars"])
    ended = min(point.time for point in first)
    told = _attach(lab, source, project, ended)
    run, attempt = told["run"], told["attempt"]
    writer = hashlib.sha256(f"{source.digest} {run['id']} {attempt}".encode()).hexdigest()[:32]
    stream = {"writer": writer, "run": run["id"], "rank": 0, "attempt": attempt}
    done = cursor = 0
    for batch in chain([first], batches):
        if done + len(batch) > cursor:
            cursor = _ingest(lab, source.digest, stream, batch, done, cursor)
        done += len(batch)
        ended = max(ended, *(point.time for point in batch))
    _end(lab, source.digest, stream, ended)
    return Imported(source.name, run["id"], run["project"]["name"], run["url"], done, False, problems.lines())


def _imported(lab: LabClient, source: Source, project: str | None) -> Imported | None:
    """The run that an earlier import of the same content filled to its end."""
    try:
        runs = list(lab.pages("/runs", {"project": project, "q": source.name, "limit": 1000}))
    except NotFoundError:  # the project is made when the run is
        return None
    for run in runs:
        if run["name"] == source.name:
            sessions = lab.get(f"/runs/{quoted(run['id'])}")["sessions"]
            if any(s["session"] == source.digest and s["ended"] is not None for s in sessions):
                return Imported(run["name"], run["id"], run["project"]["name"], run["url"], run["points"], True, [])
    return None


def _attach(lab: LabClient, source: Source, project: str | None, started: float) -> dict[str, Any]:
    request = {
        "name": source.name,
        "project": project,
        "create_project": True,
        "session": source.digest,
        "rank": 0,
        "world_size": 1,
        "restart": None,
        "host": host(),
        "pid": os.getpid(),
        "client_time": time.time(),
        "started": started,
        "client_version": __version__,
    }
    told = lab.attach(request, timeout_s=settings.ATTACH_TIMEOUT_S)
    if told["mode"] != "read-write":
        author = told["run"]["author"]
        raise PermissionDeniedError(f"The run {source.name!r} belongs to {author}: choose another name with --name.")
    return told


def _batches(points: Iterable[Point]) -> Iterator[list[Point]]:
    """The points, at most so many at once that a request holds them; cut by the points alone."""
    batch: list[Point] = []
    keys: set[str] = set()
    key_bytes = 0
    for point in points:
        if point.key not in keys:
            keys.add(point.key)
            key_bytes += len(point.key.encode())
        batch.append(point)
        if len(batch) >= BATCH_POINTS or key_bytes >= BATCH_KEY_BYTES:
            yield batch
            batch, keys, key_bytes = [], set(), 0
    if batch:
        yield batch


def _wire(points: list[Point], done: int, cursor: int) -> dict[str, Any]:
    """The points numbered from `done` + 1, without those up to `cursor`, as columns (FORMAT.md, section 3)."""
    columns: dict[str, list[tuple[int, Point]]] = {}
    skip = max(0, cursor - done)
    for seq, point in enumerate(points[skip:]):
        columns.setdefault(point.key, []).append((seq, point))
    series = []
    for key, column in columns.items():
        n = len(column)
        series.append(
            {
                "key": key,
                "seq": struct.pack(f"<{n}I", *(seq for seq, _ in column)),
                "step": struct.pack(f"<{n}q", *(point.step for _, point in column)),
                "value": struct.pack(f"<{n}d", *(point.value for _, point in column)),
                "time": struct.pack(f"<{n}d", *(point.time for _, point in column)),
            }
        )
    return {"first": done + skip + 1, "last": done + len(points), "series": series, "events": []}


def _ingest(lab: LabClient, session: str, stream: dict[str, Any], points: list[Point], done: int, cursor: int) -> int:
    """Sends the points behind `cursor`, again where that may help. How many points of the stream the lab has then."""
    backoff = Backoff()
    while True:
        batch = {**stream, **_wire(points, done, cursor)}
        request = {"v": PROTOCOL_VERSION, "session": session, "clock": time.time(), "batches": [batch]}
        wait_s = None
        try:
            result = lab.ingest(msgpack.packb(request))["results"][0]
        except LabRequestError as e:
            if not e.retry:
                raise
            error, wait_s = e, e.retry_after_s
        else:
            status, there = result["status"], result["cursor"]
            if status in (200, 409) and there >= done + len(points):
                return int(there)
            error = LabRequestError(f"The lab does not take the points of this run: {result.get('error') or status}")
            if status == 409 and there > cursor:  # an earlier version cut the batches elsewhere: the rest is new
                cursor = there
            elif status != 503:
                raise error
        if backoff.failures >= TRIES:
            raise error
        time.sleep(backoff.failed(wait_s))


def _end(lab: LabClient, session: str, stream: dict[str, Any], ended: float) -> None:
    report = {"state": states.COMPLETED, "cause": "imported", "exit_code": None, "signal": None, "detail": ""}
    where = {name: stream[name] for name in ("run", "rank", "attempt")}
    lab.end(session, {**where, **report, "time": ended, "clock": time.time()})
