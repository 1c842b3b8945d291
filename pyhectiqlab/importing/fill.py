"""Filling: send an incoming run to the lab, by its API of imports. What the lab has already is not sent again.

The items of a section go into one stream for each rank and attempt, numbered in order. The lab's cursor of a stream
says how many it has, so an import that is repeated goes on there. The record of a run says in a digest what was in the
streams. Where the files do not begin with that any more, as a damaged one was repaired or one was changed, going on
would double some items and miss others: the run is deleted, and made anew.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgpack

from .._version import __version__
from ..capture.process import host
from ..errors import ConflictError, InvalidRequestError, NotFoundError
from ..protocol.events import check_fields
from ..protocol.limits import BATCHES_PER_REQUEST_MAX, EVENT_BYTES_MAX, STEP_MAX, STEP_MIN
from ..transport.file_upload import upload_file
from ..transport.http import LabClient, quoted
from .incoming import Cut, Event, Incoming, NewFile, NewVersion, Placed, artifact_name_from, hex_of
from .points import Point, Problems, is_time, readable, trouble_with_key
from .send import Imported
from .wire import batch_of, ingest, size_of, store_file

REQUEST_ITEMS = 20_000
REQUEST_BYTES = 4 << 20  # of keys and events in one request, about
_BETWEEN = "."  # in the digest of a record: of all its content, and of what is in the streams


class Filling:
    """One run on its way. Call `fill`, then `finish`; between them, versions of models may name the run."""

    def __init__(self, lab: LabClient, incoming: Incoming, project: str | None, create_project: bool = True) -> None:
        """Find the run or make it. Raises LabRequestError."""
        self._lab, self._incoming = lab, incoming
        self._request = {
            "origin": incoming.origin, "names": list(incoming.names), "project": project or incoming.project,
            "create_project": create_project, "digest": incoming.digest, "host": host(),
            "client_version": __version__,
        }  # fmt: skip
        self.run: dict[str, Any] = lab.post("/imports", self._request)
        self.problems = Problems()
        self.origin, self.author = incoming.origin, incoming.author
        content, _, self._streams_there = self.run["digest"].partition(_BETWEEN)
        self.was_there = bool(incoming.digest) and content == incoming.digest
        self.instead_of: str | None = None
        self.points = self.before = self.files = 0
        self._streams: list[_Stream] = []

    def fill(self) -> None:
        """Send what the lab lacks. Blocks on the lab and the disk. Raises LabRequestError, OSError."""
        if self.was_there:
            return
        cursors = {}
        if not self.run["created"]:
            path = f"/runs/{quoted(self.run['run'])}/writers"
            cursors = {row["writer"]: row["cursor"] for row in self._lab.pages(path, {"limit": 1000})}
            if self._streams_there and self._digest_up_to(cursors) != self._streams_there:
                self._make_anew()
                cursors = {}
        self._send_facts(cursors)
        for name, items in self._incoming.sections.items():
            sending = _Sending(self._lab, self._incoming.origin, self.run["run"], name, cursors)
            for placed in readable(items(self.problems), f"the rest of its {name}", self.problems):
                if isinstance(placed.item, NewFile):
                    self._send_file(placed.item)
                else:
                    sending.add(placed.item, placed.rank, placed.attempt)
            sending.send()
            self.points += sending.points
            self.before += sending.before
            self._streams += sending.streams()
        for file in readable(self._incoming.files(self.problems), "the rest of its files", self.problems):
            self._send_file(file)
        for version in readable(self._incoming.versions(self.problems), "the rest of its versions", self.problems):
            self._send_version(version)

    def _send_facts(self, cursors: Mapping[str, int]) -> None:
        facts = list(readable(self._incoming.facts(self.problems), "the rest of what is said of it", self.problems))
        whole = hashlib.blake2b(digest_size=16)
        for placed in facts:
            whole.update(struct.pack("<qq", placed.rank, placed.attempt) + _bytes_of(placed.item))
        sending = _Sending(self._lab, self._incoming.origin, self.run["run"], f"facts {whole.hexdigest()}", cursors)
        for placed in facts:
            assert not isinstance(placed.item, NewFile)
            sending.add(placed.item, placed.rank, placed.attempt)
        sending.send()

    def _digest_up_to(self, cursors: Mapping[str, int]) -> str:
        """Return the digest of as many items as the lab has. Reads all of them, and reports nothing."""
        nothing = Problems()
        streams: list[_Stream] = []
        for name, items in self._incoming.sections.items():
            known: dict[tuple[int, int], _Stream] = {}
            for placed in readable(items(nothing), "", nothing):
                if isinstance(placed.item, NewFile | Cut):
                    continue
                place = (placed.rank, placed.attempt)
                if place not in known:
                    writer = _writer(self._incoming.origin, self.run["run"], name, *place)
                    known[place] = _Stream(writer, *place, cursors.get(writer, 0))
                if known[place].number < known[place].cursor:
                    known[place].take(placed.item)
            streams += known.values()
        return _digest_of(streams)

    def _make_anew(self) -> None:
        """Delete the run, which can be restored, and make another one of this origin."""
        self.instead_of = self.run["run"]
        self._lab.delete(f"/runs/{quoted(self.run['run'])}")
        self.run = self._lab.post("/imports", self._request)

    def finish(self, more: Mapping[str, Any] | None = None) -> Imported:
        """Say what the run was. `more`: other members of the record."""
        if not self.was_there:
            record = {**self._incoming.record(self.problems), **(more or {})}
            # What was left out may be there next time.
            content = "" if self.problems.lines() else self._incoming.digest
            record["digest"] = f"{content}{_BETWEEN}{_digest_of(self._streams)}"
            at = f"/runs/{quoted(self.run['run'])}/record"
            try:
                self._lab.put(at, record)
            except NotFoundError as e:
                if e.code != "user_not_found":
                    raise
                self.problems.add("author", f"its author {record['author']!r} is not a user here: it is yours")
                self._lab.put(at, {**record, "author": None})
        run = self.run
        return Imported(
            run["name"], run["run"], run["project"], run["url"], self.points, self.before, self.was_there,
            self.problems.lines(), self.instead_of, self.files,
        )  # fmt: skip

    def fork_among(self, brought: Mapping[str, str]) -> dict[str, Any]:
        """Return the member of the record that says of which run of this lab it is a fork. Report a run that is not
        there.

        Args:
            brought: origin → id here, of the runs that were brought before it.
        """
        if self.was_there or self._incoming.fork is None:
            return {}
        origin, step = self._incoming.fork
        parent = brought.get(origin)
        if parent is None:
            what = "the run that it is a fork of did not come with it"
            said = f"{what}, so it is shown as a run of its own: import it again together with that one"
            self.problems.add("fork", said)
            return {}
        return {"fork": {"parent": parent, "step": step}}

    def _send_file(self, file: NewFile) -> None:
        try:
            store_file(self._lab, file, self.run["run"], self.run["project_id"])
            self.files += 1
        except OSError as e:
            self.problems.add(f"file {file.name}", f"the file {file.name!r}: {e.strerror or e}")
        except (InvalidRequestError, ConflictError) as e:
            self.problems.add(f"file {e.code}", f"the file {file.name!r}: {e}")

    def _send_version(self, version: NewVersion) -> None:
        name = artifact_name_from(version.name)
        at = f"/projects/{quoted(self.run['project_id'])}/{version.kind}/{quoted(name)}"
        try:
            files = []
            for inside, path in version.files.items():
                sent = upload_file(self._lab, path, project=self.run["project_id"])
                files.append({"path": inside, "digest": sent.digest, "bytes": sent.bytes})
            body = {
                "version": version.version, "files": files, "description": version.description, "run": self.run["run"],
                "id": hex_of(version.id, self.run["run"]), "created": version.created,
            }  # fmt: skip
            row = self._lab.post(f"{at}/versions", body)
            for alias in version.aliases:
                self._lab.put(f"{at}/aliases/{quoted(alias)}", {"version": row["version"]})
        except OSError as e:
            self.problems.add(f"version {name}", f"{version.name!r}: {e.filename or ''}: {e.strerror or e}")
        except (InvalidRequestError, ConflictError, NotFoundError) as e:
            self.problems.add(f"version {e.code}", f"{version.name!r}: {e}")


def bring(
    lab: LabClient,
    incoming: Incoming,
    project: str | None,
    fallback: str | None,
    users: Mapping[str, str],
    brought: dict[str, str],
) -> Imported:
    """Bring a run of another tool into a lab.

    Args:
        project: where it goes; None: into the project that it was in, else `fallback`.
        users: its author there → here; for admins of the lab.
        brought: origin → id here, of the runs that were brought before it; this one is added.
    """
    filling = Filling(lab, incoming, project or incoming.project or fallback)
    filling.fill()
    done = filling.finish({"author": users.get(incoming.author or ""), **filling.fork_among(brought)})
    brought[incoming.origin] = filling.run["run"]
    return done


class _Stream:
    def __init__(self, writer: str, rank: int, attempt: int, cursor: int) -> None:
        self.place = {"writer": writer, "run": "", "rank": rank, "attempt": attempt}
        self.number = 0
        self.cursor = cursor
        self.content = hashlib.blake2b(digest_size=16)

    def take(self, item: Point | Event) -> None:
        self.number += item.numbers if isinstance(item, Event) else 1
        self.content.update(_bytes_of(item))


def _bytes_of(item: Point | Event | NewFile | Cut) -> bytes:
    """Return what tells it from another item."""
    if isinstance(item, Point):
        return struct.pack("<qdd", item.step, item.value, item.time) + item.key.encode()
    if isinstance(item, Event):
        its: bytes = msgpack.packb([item.kind, item.time, dict(item.fields)])
        return its
    return b""


def _digest_of(streams: list[_Stream]) -> str:
    """Return the digest of what is in streams."""
    its = sorted(f"{one.place['writer']} {one.number} {one.content.hexdigest()}" for one in streams if one.number)
    return hex_of(*its)


def _writer(origin: str, run: str, section: str, rank: int, attempt: int) -> str:
    return hex_of(origin, run, section, str(rank), str(attempt))


class _Sending:
    """A section on its way: items become batches, and batches requests."""

    def __init__(self, lab: LabClient, session: str, run: str, section: str, cursors: Mapping[str, int]) -> None:
        self._lab, self._session, self._run, self._section, self._cursors = lab, session, run, section, cursors
        self._streams: dict[tuple[int, int], _Stream] = {}
        self._batches: list[tuple[_Stream, int, list[Point | Event]]] = []  # stream, number before, items
        self._open: dict[tuple[int, int], int] = {}  # place → its batch that takes more points
        self._items = self._bytes = 0
        self._keys: set[str] = set()
        self.points = self.before = 0

    def add(self, item: Point | Event | Cut, rank: int, attempt: int) -> None:
        place = (rank, attempt)
        if isinstance(item, Cut):
            self.send()
            return
        stream = self._streams.get(place) or self._new(place)
        numbers = item.numbers if isinstance(item, Event) else 1
        stream.take(item)
        if isinstance(item, Point):
            self.points += 1
        if stream.number <= stream.cursor:
            self.before += isinstance(item, Point)
            return
        at = self._open.get(place)
        if at is None or (
            isinstance(item, Event) and at != len(self._batches) - 1
        ):  # events stay in order, across streams too
            at = self._open[place] = len(self._batches)
            self._batches.append((stream, stream.number - numbers, []))
        self._batches[at][2].append(item)
        self._items += 1
        self._bytes += size_of(item)
        if isinstance(item, Point) and item.key not in self._keys:
            self._keys.add(item.key)
            self._bytes += len(item.key.encode()) + 100
        full = self._items >= REQUEST_ITEMS or self._bytes >= REQUEST_BYTES
        if full or len(self._batches) >= BATCHES_PER_REQUEST_MAX:
            self.send()

    def _new(self, place: tuple[int, int]) -> _Stream:
        rank, attempt = place
        writer = _writer(self._session, self._run, self._section, rank, attempt)
        stream = self._streams[place] = _Stream(writer, rank, attempt, self._cursors.get(writer, 0))
        stream.place["run"] = self._run
        return stream

    def streams(self) -> list[_Stream]:
        return list(self._streams.values())

    def send(self) -> None:
        """Send what waits. Raises LabRequestError."""
        if self._batches:
            batches = [{**stream.place, **batch_of(before, items)} for stream, before, items in self._batches]
            ingest(self._lab, self._session, batches, _is_settled, again=(503, 409))
        self._batches, self._open, self._keys = [], {}, set()
        self._items = self._bytes = 0


def _is_settled(batch: dict[str, Any], result: dict[str, Any]) -> bool:
    status, there = result["status"], result["cursor"]
    return bool(status == 200 or (status == 409 and there >= batch["last"]))


def valid(items: Iterator[Placed], where: str, problems: Problems) -> Iterator[Placed]:
    """Yield what the lab takes of what another tool logged, and report the rest."""
    for placed in items:
        item = placed.item
        if isinstance(item, Point):
            trouble = trouble_with_key(item.key)
            if trouble:
                problems.add(f"key {where}", f"{where}: the metric {item.key[:40]!r} {trouble}")
            elif not is_time(item.time):
                problems.add(f"time {where}", f"{where}: step {item.step} of {item.key!r} has no valid time")
            elif not STEP_MIN <= item.step <= STEP_MAX:
                problems.add(f"step {where}", f"{where}: {item.key!r} has a step beyond 64 bits")
            else:
                yield placed
            continue
        if isinstance(item, Event):
            try:
                check_fields(dict(item.fields))
                if len(msgpack.packb(dict(item.fields))) > EVENT_BYTES_MAX:
                    raise ValueError("too large")
            except (ValueError, TypeError, OverflowError) as e:
                problems.add(f"{item.kind} {where}", f"{where}: a {item.kind}: {e}")
                continue
        yield placed
