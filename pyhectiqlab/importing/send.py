"""Sending: files of points with their own times become a run, straight by the lab's ingest.

There is no queue and no journal, because the files stay on the disk.

Sessions and writers are named after the beginnings of the files, and batches are cut the same way every time. So an
import that is repeated after a failure goes on at the lab's cursor. Behind a file's points, its writer sends an event
with a note: how many bytes the points were read from, and their digest. An import that is repeated after success finds
its session. If a file has grown since, it sends what is new, into the same attempt. Files that were changed in another
way become another attempt.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .. import settings
from .._version import __version__
from ..capture.process import host
from ..errors import ConflictError, InvalidRequestError, NotFoundError, PermissionDeniedError
from ..protocol import states
from ..transport.http import LabClient, quoted
from .incoming import Event, NewFile
from .points import Point, Problems
from .source import Part, Source
from .wire import batch_of, file_id, ingest, size_of, store_file

BATCH_ITEMS = 20_000
BATCH_BYTES = 4 << 20  # of the distinct keys and the events of a batch, about
TOLD_KIND = "imported"  # the kind of the event behind the points of a file
CAUSE = "imported"  # the cause of the end of an attempt that an import has filled


@dataclass(frozen=True)
class Imported:
    """What became of a source.

    Attributes:
        run: the lab's id of the run, and its page; None where there was no point, and so no run was made.
        points: how many were read; for a run that was there already, how many it has.
        before: how many of these an earlier import brought, of the same files, which have grown since.
        was_there: whether an earlier import brought the same content, so that nothing was sent.
        problems: what was left out, a line for each kind.
        instead_of: the id of the run that an earlier import had made, which was deleted, as the files are others now at
            what it had brought; None: there was none.
        files: how many files came with it; 0 where it was there. Of event files, those that are new.
    """

    name: str
    run: str | None
    project: str | None
    url: str | None
    points: int
    before: int
    was_there: bool
    problems: list[str]
    instead_of: str | None = None
    files: int = 0


@dataclass
class _FileNote:
    """What a writer noted about its file: `number` is that of the event, `points` how many points came before it, and
    `items` how many points and events; None: an older version noted it, which brought points alone.
    """

    number: int
    points: int
    size: int
    digest: str
    items: int | None


@dataclass
class _Target:
    """Where the points of a source go: an attempt of a run."""

    session: str
    run: str
    project: str
    project_id: str
    url: str
    attempt: int
    notes: dict[str, _FileNote]  # by writer

    def writer(self, part: Part) -> str:
        return hashlib.sha256(f"{part.head} {self.run} {self.attempt}".encode()).hexdigest()[:32]

    def stream(self, part: Part) -> dict[str, Any]:
        return {"writer": self.writer(part), "run": self.run, "rank": 0, "attempt": self.attempt}

    def before(self, part: Part) -> _FileNote | None:
        return self.notes.get(self.writer(part))


def send(lab: LabClient, source: Source, project: str | None) -> Imported:
    """Make the run, or a new attempt of the run of that name if imports made it, and fill it; or go on with the attempt
    that an earlier import filled from the same files. Blocks on the lab and on the disk.

    Args:
        project: name or id, made if there is none; None: as for `Run`.

    Raises LabRequestError, of which PermissionDeniedError where the run of that name is somebody else's and
    ConflictError where something else has made it; OSError.
    """
    target: _Target | None = None
    changed, all_imported, there = False, True, _runs_named(lab, source.name, project)
    for run in there:
        details = lab.get(f"/runs/{quoted(run['id'])}")
        sessions = {s["session"]: s for s in details["sessions"]}
        all_imported &= all(s["cause"] == CAUSE for s in details["sessions"])
        if source.digest in sessions and sessions[source.digest]["ended"] is not None:
            return _was_there(run)
        known = sessions.get(source.head)
        if known is None:
            continue
        target = _Target(
            source.head, run["id"], run["project"]["name"], run["project"]["id"], run["url"], known["attempt"], {}
        )
        target.notes = _notes(lab, target)
        changed = not _has_grown(source, target)
        if changed:
            target = None
        elif known["ended"] is not None and all(_is_complete(part, target) for part in source.parts):
            return _was_there(run)
    joins = changed or (bool(there) and all_imported)
    sending = _Sending(lab, source, project, target, changed, joins)
    for part in source.parts:
        sending.send(part)
    return sending.finish()


class _Sending:
    """A source on its way."""

    def __init__(
        self,
        lab: LabClient,
        source: Source,
        project: str | None,
        target: _Target | None,
        changed: bool,
        joins: bool,
    ) -> None:
        self._lab, self._source, self._project, self._target = lab, source, project, target
        self._changed, self._joins = changed, joins
        self._files_there = _files_of(lab, target) if target else set()
        self._problems = Problems()
        self._read = self._before = self._files = 0
        self._latest = -math.inf

    def send(self, part: Part) -> None:
        """Send what the lab lacks of a file. Raises LabRequestError, OSError."""
        note = self._target.before(part) if self._target else None
        items = self._behind(part, note)
        number = cursor = note.number if note else 0
        points, count = (note.points, note.items) if note else (0, 0)
        count = points if count is None else count
        for batch in _batches(items):
            target = self._target_of(min(item.time for item in batch))
            if number + len(batch) > cursor:
                cursor = _ingest(self._lab, target.session, target.stream(part), batch, number, cursor)
            number, count = number + len(batch), count + len(batch)
            new = sum(isinstance(item, Point) for item in batch)
            points, self._read = points + new, self._read + new
            self._latest = max(self._latest, *(item.time for item in batch))
        if self._target is not None and (note is None or not _is_complete(part, self._target)):
            _tell(self._lab, self._target, part, number, points, count, self._latest)

    def _behind(self, part: Part, note: _FileNote | None) -> Iterator[Point | Event]:
        """Yield what an earlier import has not brought. Files are sent on the way."""
        left = 0 if note is None else note.points if note.items is None else note.items
        points_alone = note is not None and note.items is None
        for item in part.read(self._problems):
            if isinstance(item, NewFile):
                self._store(item)
                continue
            if left and (isinstance(item, Point) or not points_alone):
                left -= 1
                if isinstance(item, Point):
                    self._read, self._before = self._read + 1, self._before + 1
                self._latest = max(self._latest, item.time)
                continue
            yield item

    def _store(self, file: NewFile) -> None:
        created = file.created or 0.0
        target = self._target_of(created)
        self._latest = max(self._latest, created)
        if file_id(file, target.run) in self._files_there:
            return
        try:
            store_file(self._lab, file, target.run, target.project_id)
            self._files += 1
        except (InvalidRequestError, ConflictError) as e:
            self._problems.add(f"file {e.code}", f"the file {file.name!r}: {e}")

    def _target_of(self, started: float) -> _Target:
        """Make the run, or find it, if that has not been done. `started`: a time of what it is made for."""
        if self._target is None:
            self._target = _attach(self._lab, self._source, self._project, started, self._changed, self._joins)
        return self._target

    def finish(self) -> Imported:
        name, problems, target = self._source.name, self._problems.lines(), self._target
        if target is None:
            nothing = f"{name}: nothing in its files could be imported: they hold no values yet, or are of another kind"
            return Imported(name, None, None, None, 0, 0, False, [*problems, nothing])
        _end(self._lab, target, self._latest if math.isfinite(self._latest) else time.time())
        its = (name, target.run, target.project, target.url, self._read, self._before, False, problems)
        return Imported(*its, files=self._files)


def _files_of(lab: LabClient, target: _Target) -> set[str]:
    """Return the ids of the artifacts that the run has."""
    rows = lab.pages(f"/runs/{quoted(target.run)}/artifacts", {"versions": "all", "limit": 1000})
    return {row["uuid"] for row in rows}


def _was_there(run: dict[str, Any]) -> Imported:
    project = run["project"]["name"]
    return Imported(run["name"], run["id"], project, run["url"], run["points"], 0, True, [])


def _runs_named(lab: LabClient, name: str, project: str | None) -> list[dict[str, Any]]:
    try:
        runs = list(lab.pages("/runs", {"project": project, "q": name, "limit": 1000}))
    except NotFoundError:  # the project is made when the run is
        return []
    return [run for run in runs if run["name"] == name]


def _notes(lab: LabClient, target: _Target) -> dict[str, _FileNote]:
    """Return the last note of each writer of an attempt about its file."""
    notes: dict[str, _FileNote] = {}
    for event in lab.pages(f"/runs/{quoted(target.run)}/events", {"kind": TOLD_KIND, "limit": 1000}):
        fields, numbers = event["fields"], ("points", "bytes")
        if event["attempt"] != target.attempt or not all(isinstance(fields.get(name), int) for name in numbers):
            continue
        before = notes.get(event["writer"])
        if before is None or before.number < event["seq"]:
            items = fields.get("items")
            notes[event["writer"]] = _FileNote(
                event["seq"], fields["points"], fields["bytes"], str(fields.get("digest")),
                items if isinstance(items, int) else None,
            )  # fmt: skip
    return notes


def _has_grown(source: Source, target: _Target) -> bool:
    """Return whether the files still begin with what was imported, as far as it was noted."""
    notes = [(part, target.before(part)) for part in source.parts]
    return all(one is None or (part.size >= one.size and part.digest(one.size) == one.digest) for part, one in notes)


def _is_complete(part: Part, target: _Target) -> bool:
    """Return whether the lab has all of a file already."""
    note = target.before(part)
    return note is not None and note.items is not None and note.size == part.size


def _attach(lab: LabClient, source: Source, project: str | None, started: float, changed: bool, joins: bool) -> _Target:
    """Make the run or find it.

    Args:
        changed: the session that is named after the files' beginning has another content.
        joins: the run of this name may get another attempt, as imports alone have filled it.

    Raises ConflictError where something else has made a run of this name, which is left as it is.
    """
    session = source.digest if changed else source.head
    request = {
        "name": source.name,
        "project": project,
        "create_project": True,
        "new": not joins,
        "session": session,
        "rank": 0,
        "world_size": 1,
        "restart": None,
        "host": host(),
        "pid": os.getpid(),
        "client_time": time.time(),
        "started": started,
        "client_version": __version__,
    }
    try:
        answer = lab.attach(request, timeout_s=settings.ATTACH_TIMEOUT_S)
    except ConflictError as e:
        if e.code != "name_taken":
            raise
        raise ConflictError(
            f"The project has a run named {source.name!r} already, which comes from elsewhere and is left as it is: "
            "choose another name with --name."
        ) from None
    if answer["mode"] != "read-write":
        author = answer["run"]["author"]
        raise PermissionDeniedError(f"The run {source.name!r} belongs to {author}: choose another name with --name.")
    run = answer["run"]
    its = run["project"]
    return _Target(session, run["id"], its["name"], its["id"], run["url"], answer["attempt"], {})


def _batches(items: Iterable[Point | Event]) -> Iterator[list[Point | Event]]:
    """Yield the items in batches that fit a request. Where a batch is cut depends on the items alone."""
    batch: list[Point | Event] = []
    keys: set[str] = set()
    size = 0
    for item in items:
        if isinstance(item, Event):
            size += size_of(item)
        elif item.key not in keys:
            keys.add(item.key)
            size += len(item.key.encode())
        batch.append(item)
        if len(batch) >= BATCH_ITEMS or size >= BATCH_BYTES:
            yield batch
            batch, keys, size = [], set(), 0
    if batch:
        yield batch


def _ingest(
    lab: LabClient, session: str, stream: dict[str, Any], items: list[Point | Event], done: int, cursor: int
) -> int:
    """Send the items behind `cursor`, numbered from `done` + 1. Return which number of the stream the lab has then."""
    while True:
        skip = max(0, cursor - done)
        batch = batch_of(done + skip, items[skip:])
        reached = _taken(lab, session, {**stream, **batch}, done + len(items))
        if reached >= done + len(items):
            return reached
        cursor = reached  # an earlier version cut the batches at another place: the rest is new


def _taken(lab: LabClient, session: str, batch: dict[str, Any], last: int) -> int:
    """Send a batch, again if that may help. Return the lab's cursor: at least `last`, or behind the batch's first
    number. Raises LabRequestError.
    """

    def settled(batch: dict[str, Any], result: dict[str, Any]) -> bool:
        status, there = result["status"], result["cursor"]
        return bool((status in (200, 409) and there >= last) or (status == 409 and there >= batch["first"]))

    (result,) = ingest(lab, session, [batch], settled, again=(503,))
    return int(result["cursor"])


def _tell(lab: LabClient, target: _Target, part: Part, number: int, points: int, items: int, at: float) -> None:
    """Send the note about a file behind its points: an event with the next number."""
    fields = {"file": part.name, "bytes": part.size, "digest": part.digest(part.size)}
    fields |= {"points": points, "items": items}
    moment = int(at * 1e6) if math.isfinite(at) else 0
    event = {"first": number + 1, "last": number + 1, "series": [], "events": [[0, TOLD_KIND, moment, fields]]}
    _taken(lab, target.session, {**target.stream(part), **event}, number + 1)


def _end(lab: LabClient, target: _Target, ended: float) -> None:
    report = {"state": states.COMPLETED, "cause": CAUSE, "exit_code": None, "signal": None, "detail": ""}
    where = {"run": target.run, "rank": 0, "attempt": target.attempt}
    lab.end(target.session, {**where, **report, "time": ended, "clock": time.time()})
