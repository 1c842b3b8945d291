"""From a producer's queue to a lab, every part real but the lab and the network: turn by turn, crashes included."""

from __future__ import annotations

import contextlib
import secrets
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgpack

from pyhectiqlab.capture.process import this_process
from pyhectiqlab.errors import LabRequestError
from pyhectiqlab.journal import Journal
from pyhectiqlab.protocol import records
from pyhectiqlab.ring import mapping
from pyhectiqlab.ring.producer import make_puts
from pyhectiqlab.ring.spill import SpillWriter
from pyhectiqlab.spool import SessionDir, Writer
from pyhectiqlab.uploader import recover
from pyhectiqlab.uploader.drain import Drain
from pyhectiqlab.uploader.send import Sender
from pyhectiqlab.uploader.stream import Batch, Stream

Item = tuple[Any, ...]  # ("point", key, step, value), ("event", kind, fields), ("loss", reason)


class ModelLab:
    """What a lab promises about batches, in a dict: a Transport without a network.

    Attributes:
        stored: per writer, what each sequence number brought.
        poison: for these step numbers a batch is refused: "batch" by a 422 of its own, "request" as a whole by 400.
    """

    def __init__(self) -> None:
        self.stored: dict[str, list[Item]] = {}
        self.attached: list[dict[str, Any]] = []
        self.poison: dict[int, str] = {}
        self.results: list[dict[str, int]] = []  # one for each batch from now on, instead of looking at it
        self.refuse: list[LabRequestError] = []  # raised one a request
        self.attach_error: LabRequestError | None = None
        self.taken: Callable[[dict[str, Any]], bool] = lambda request: False  # in spite of `attach_error`
        self.mode = "read-write"

    def attach(self, request: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        if self.attach_error is not None and not self.taken(request):
            raise self.attach_error
        self.attached.append(request)
        return {"run": {"id": "r1", "author": "ada"}, "attempt": 1, "mode": self.mode, "sets_state": True}

    def ingest(self, body: bytes) -> dict[str, Any]:
        if self.refuse:
            raise self.refuse.pop(0)
        request = msgpack.unpackb(body, strict_map_key=False, unicode_errors="surrogatepass")
        decoded = [(batch, _items_of(batch)) for batch in request["batches"]]
        if any(self._poisoned(items) == "request" for _, items in decoded):
            raise invalid(400)
        return {"generation": "g", "results": [self._take(batch, items) for batch, items in decoded]}

    def _poisoned(self, items: list[Item]) -> str | None:
        ways = [self.poison[item[2]] for item in items if item[0] == "point" and item[2] in self.poison]
        return ways[0] if ways else None

    def _take(self, batch: dict[str, Any], items: list[Item]) -> dict[str, Any]:
        held = self.stored.setdefault(batch["writer"], [])
        answer = {"writer": batch["writer"], "status": 200}
        if self.results:
            return {**answer, "cursor": len(held), **self.results.pop(0)}
        if batch["last"] > len(held):
            if batch["first"] != len(held) + 1:
                answer["status"] = 409
            elif self._poisoned(items):
                answer["status"] = 422
            else:
                held.extend(items)
        return {**answer, "cursor": len(held)}

    def heartbeat(self, session: str, payload: dict[str, Any]) -> None:
        return None

    def end(self, session: str, payload: dict[str, Any]) -> None:
        return None

    def close(self) -> None:
        return None


def invalid(status: int, code: str = "bad_request") -> LabRequestError:
    from pyhectiqlab.transport.answers import Answer

    body = msgpack.packb({"error": {"code": code, "message": "no"}})
    return Answer("http://lab", status, {"content-type": "application/x-msgpack"}, body).failure()


def _items_of(batch: dict[str, Any]) -> list[Item]:
    """Return one entry for each sequence number of the batch. Assert that each is there once."""
    n = batch["last"] - batch["first"] + 1
    items: list[Item | None] = [None] * n

    def put(at: int, item: Item) -> None:
        assert items[at] is None, "a sequence number twice"
        items[at] = item

    for series in batch["series"]:
        count = len(series["step"]) // 8
        seq = struct.unpack(f"<{count}I", series["seq"])
        assert list(seq) == sorted(set(seq)), "seq is strictly increasing"
        steps, values = struct.unpack(f"<{count}q", series["step"]), struct.unpack(f"<{count}d", series["value"])
        for at, step, value in zip(seq, steps, values, strict=True):
            put(at, ("point", series["key"], step, value))
    for at, kind, _, fields in batch["events"]:
        for i in range(records.event_count(kind, fields)):
            put(at + i, ("loss", fields["reason"]) if kind == "loss" else ("event", kind, fields))
    assert None not in items, "a sequence number is missing"
    return [item for item in items if item is not None]


class Pipeline:
    """A producer, and as many uploaders one after another as the test wants. All are closed when the test has ended:
    conftest.py.
    """

    opened: ClassVar[list[Pipeline]] = []

    def __init__(self, folder: Path, capacity: int = 1 << 16, lab: Any = None) -> None:
        self.opened.append(self)
        self._closed_last = contextlib.ExitStack()
        self.lab = lab or ModelLab()
        self.session = SessionDir.create(folder / "spool", this_process(), time.time())
        made = mapping._create_mapped(folder, "q", capacity)
        assert made is not None
        self.mapping = made
        self._closed_last.callback(made.close)
        self.writer = secrets.token_hex(16)
        self.spill = SpillWriter(self.session.spill(self.writer))
        self._closed_last.callback(self.spill.close)
        self.puts = make_puts(made, self.spill.append, {float})
        self.log: list[str] = []
        self.rejected: list[Batch] = []
        self.budget = 1 << 40
        self.session.save_writer(
            Writer(
                writer=self.writer,
                queue=str(made.path),
                owner=this_process(),
                mode="online",
                url="http://lab",
                profile="p",
                attach={"name": "run", "rank": 0},
                run={"run": {"id": "r1"}, "attempt": 1},
                ends_run=True,
                created=0.0,
            )
        )
        self.n = 0
        self.now = 0.0
        self.start()

    def start(self, journal: Callable[[Path], Journal] = Journal) -> None:
        """Start a new uploader, from the files alone; the one before it is gone as if killed."""
        self.journal = journal(self.session.path / "journal")
        self._closed_last.callback(self.journal.close)
        known = recover.read_journal(self.journal, self.log.append)
        (info,) = self.session.writers()
        self.stream: Stream = recover.open_stream(self.session, info, known.pop(info.writer, None), self.log.append)
        if self.stream.consumer is not None:
            self._closed_last.callback(self.stream.consumer.close)
        self.drain_loop = Drain(self.journal, self.budget, self.log.append)
        self.sender = Sender(
            "s",
            lambda: self.lab,
            attached=lambda stream, answer: setattr(stream, "info", stream.info.changed(run=answer)),
            rejected=lambda stream, batch: self.rejected.append(batch),
            log=self.log.append,
        )

    def close(self) -> None:
        """Close the producer and all uploaders. Safe twice."""
        with contextlib.suppress(OSError):  # a test has filled the disk
            self._closed_last.close()

    def log_points(self, n: int, key: str = "k") -> None:
        """Log points whose steps continue from 0 over the life of the pipeline."""
        for _ in range(n):
            self.puts.point(key, self.n, float(self.n))
            self.n += 1

    def drain(self) -> None:
        self.now += 10
        if self.stream.rewind_to is not None:
            recover.rewind(self.journal, self.stream, self.stream.rewind_to, self.log.append)
        self.drain_loop.turn(self.stream, self.now, closing=True)
        self.stream.publish(1, 1)

    def send(self) -> bool:
        self.sender.lab.hurry()
        return self.sender.turn([self.stream])

    def deliver(self, turns: int = 100) -> None:
        """Drain and send until nothing waits. Fail if that never comes true."""
        for _ in range(turns):
            self.drain()
            busy = self.send()
            at_rest = not busy and self.stream.rewind_to is None and self.stream.direct is None
            if at_rest and self.stream.consumer is not None and not self.stream.consumer.backlog:
                return
        raise AssertionError(f"not delivered after {turns} turns: {self.log[-5:]}")

    @property
    def stored(self) -> list[Item]:
        held: list[Item] = self.lab.stored.get(self.writer, [])
        return held

    def points(self) -> list[int]:
        """Return the steps at the lab, in the order of their sequence numbers."""
        return [item[2] for item in self.stored if item[0] == "point"]
