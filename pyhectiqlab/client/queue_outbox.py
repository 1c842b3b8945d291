"""The outbox of a run whose events are kept: into a shared-memory queue, which the session's uploader empties."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import Any

from ..base.lazyclass import replace
from ..capture.ending import Ending, as_word
from ..capture.snapshot import Source
from ..capture.values import PLAIN_TYPES, check_key
from ..protocol import records
from ..protocol.events import is_time
from ..ring import layout, mapping
from ..ring.peek import Peek, peek
from ..ring.producer import ForkedError, Puts, make_puts
from ..ring.spill import SpillWriter
from ..settings import LOOK_AFTER_S
from ..spool import read_json
from .binding import Binding
from .outbox import AtEnd, DroppingOutbox, RunStatus, by_writer, raise_closed
from .session import Session
from .uploads import Upload, Uploads, progress
from .waiting import wait_until

Place = tuple[int, int, int, int]  # positions: in the ring, in the spill file, in stdout, in stderr


class QueueOutbox:
    """Puts into a shared-memory queue that the session's uploader empties. Raises OSError if the spool cannot be
    written.
    """

    point: Callable[[str, int, float], None]
    points: Callable[[Mapping[str, float], int], None]
    _record: Callable[[bytes], None]

    def __init__(self, session: Session, binding: Binding) -> None:
        self.session = session
        self.binding = binding
        self.cell: int | None = None  # the notebook's cell that opened the run last
        self.closed = False
        self._let_go = False
        self._last = RunStatus(binding.mode)  # the last status of a queue that was let go
        self._end_at = 0, 0  # its end: positions in the ring and in the spill file
        self.at_end: list[AtEnd] = []
        self.counts: dict[str, Iterator[int]] = {}
        self.uploads = Uploads(session.dir, self._lose_file)
        self._files_lost: dict[str, int] = {}
        self._open(binding)
        session.outboxes.add(self)

    @property
    def lab(self) -> tuple[str, str, str]:
        return self.binding.url, self.binding.profile, self.binding.lab_id

    def _open(self, binding: Binding) -> None:
        folder = self.session.dir
        self.writer = os.urandom(16).hex()
        self._pid = os.getpid()
        (folder.path / "queues").mkdir(mode=0o700, exist_ok=True)
        self._mapping = mapping.create(f"{self.writer}.q", folder.path / "queues")
        self._opened_at = time.monotonic()
        self._spill = SpillWriter(folder.spill(self.writer))
        self._puts: Puts = make_puts(
            self._mapping, self._overflow, PLAIN_TYPES, check_key=check_key, on_silence=self.session.look_after_uploader
        )
        self.point, self.points, self._record = self._puts.point, self._puts.points, self._puts.record
        self._show_torch()
        try:
            folder.announce(binding.as_writer(self.writer, str(self._mapping.path)))
        except OSError:
            self._mapping.path.unlink(missing_ok=True)
            raise

    def _overflow(self, tail: int, record: bytes) -> None:
        """Write what the ring could not take to the spill file, in one write. If that fails too, count the event as
        lost.
        """
        words = self._mapping.words
        if not words[layout.SPOOL_FULL]:
            try:
                self._spill.append(tail, record)
                return
            except OSError:
                pass  # counted below; the uploader tells the lab and the log
        words[layout.LOST] += 1

    def _show_torch(self) -> None:
        """Set the attribute by which torch.compile knows which operator to trace in place of a put."""
        writer = self.writer
        by_writer[writer] = self

        def point(key: str, step: int, value: float) -> None:
            from . import compiled

            compiled.point(writer, key, step, value)

        def points(values: Mapping[str, float], step: int) -> None:
            from . import compiled

            compiled.points(writer, values, step)

        self.point._torchdynamo_inline = point  # type: ignore[attr-defined]
        self.points._torchdynamo_inline = points  # type: ignore[attr-defined]

    def event(self, kind: str, fields: dict[str, Any], at: float | None = None) -> None:
        """Put an event. Raises ValueError for one that the lab would refuse or cut. An `at` that is no time counts as
        now.
        """
        data = records.event(kind, float(at) if at is not None and is_time(at) else time.time(), fields)
        try:
            self._record(data)
        except ForkedError:
            self.after_fork_in_child()
            self._record(data)

    # Files ------------------------------------------------------------------------------------------------------

    def file(self, upload: Upload, source: Source) -> str | None:
        return self._asked(self.uploads.put(self._own_writer(), upload, source))

    def made_file(self, upload: Upload, make: Callable[[Path], object]) -> str | None:
        return self._asked(self.uploads.put_made(self._own_writer(), upload, make))

    def folder(self, upload: Upload, source: Path) -> str | None:
        """Ask for the upload of a version. None: see Uploads.put_folder."""
        return self._asked(self.uploads.put_folder(self._own_writer(), upload, source))

    def _own_writer(self) -> str:
        """Return the writer of this process; a forked child becomes one first. Raises RunClosedError."""
        if self.closed:
            raise_closed()
        if self._pid != os.getpid():
            self._reopened()
        return self.writer

    def _asked(self, ident: str | None) -> str | None:
        if ident is not None and time.monotonic() - self.alive_at() > LOOK_AFTER_S:
            self.session.look_after_uploader()
        return ident

    def _lose_file(self, upload: Upload, reason: str, why: str) -> None:
        """Report a file that was given up at the call: on stderr, in the status, and to the lab by an event."""
        self._files_lost[reason] = self._files_lost.get(reason, 0) + 1
        self.session.complain(f"the artifact {upload.name!r} is not stored: {why}")
        self.event("loss", {"reason": reason, "count": 1, "name": upload.name, "step": upload.step, "detail": why})

    def set_cache(self, settings: dict[str, Any]) -> None:
        """Set the metrics cache for what follows in the stream, and for processes that are forked later."""
        self.event("metrics_cache", settings)
        self.binding = replace(self.binding, cache=settings)

    # The console ------------------------------------------------------------------------------------------------

    def record_descriptors(self, wanted: bool) -> None:
        if self.session.is_owner:
            console = self.session.console
            (console.start if wanted else console.stop)(self.writer)

    def check_console(self) -> None:
        self.session.console.check()

    # Forks ------------------------------------------------------------------------------------------------------

    def before_fork(self, timeout: float) -> None:
        self._puts.wait_idle(timeout)

    def after_fork_in_child(self) -> None:
        """Leave the queue to the parent, which is its only producing process. The child opens one of its own when it
        first logs.
        """
        if self.closed:
            return
        self._puts.disown()
        self.point = lambda key, step, value: self._reopened().point(key, step, value)
        self.points = lambda values, step: self._reopened().points(values, step)
        self._record = lambda data: self._reopened()._record(data)

    def _reopened(self) -> QueueOutbox:
        self._spill.close()
        before = self.writer
        self.uploads = Uploads(self.session.dir, self._lose_file)
        self._files_lost = {}
        try:
            # A child that ends does not end its parent's run.
            self._open(replace(self.binding, ends_run=False))
        except OSError as e:
            self.session.complain(f"a forked process cannot log: {os.strerror(e.errno or 5)}")
            drop = DroppingOutbox("dry")
            self.writer, self._pid = before, os.getpid()  # files still find the run by the parent's writer
            self.point, self.points, self._record = drop.point, drop.points, lambda data: None
        self.session.look_after_uploader()
        return self

    # Waiting ----------------------------------------------------------------------------------------------------

    def request_flush(self) -> Place:
        """Ask the uploader to send at once. Return the queues' positions right behind the last event put."""
        words = self._mapping.words
        place = words[layout.TAIL], self._spill.size(), *self.session.console.place(self.writer)
        words[layout.FLUSH] += 1
        return place

    def is_journaled(self, place: Place) -> bool:
        words = self._mapping.words
        taken = words[layout.HEAD] >= place[0] and words[layout.SPILL] >= place[1]
        return bool(taken) and self.session.console.is_there(self.writer, place[2:], acked=False)

    def is_acked(self, place: Place) -> bool:
        words = self._mapping.words
        acked = words[layout.ACKED_RING] >= place[0] and words[layout.ACKED_SPILL] >= place[1]
        return bool(acked) and self.session.console.is_there(self.writer, place[2:], acked=True)

    def is_stopped(self) -> bool:
        """Return whether the uploader has stopped, for now or for good, with events left to send."""
        return self._stopped() != 0

    def is_deleted(self) -> bool:
        return self._stopped() == layout.IS_DELETED

    def _stopped(self) -> int:
        if self._let_go:
            header = self._peek()
            return header.stopped if header is not None else 0
        return int(self._mapping.words[layout.STOPPED])

    def is_there(self, place: Place) -> bool:
        """Return whether everything up to `place` is acked; or journaled, if nothing is sent."""
        return self.is_acked(place) if self.binding.mode == "online" else self.is_journaled(place)

    def files_left(self) -> set[str]:
        """Return the ids of this process's files that are still to be sent; none if nothing is sent."""
        return set(self.uploads.left()) if self.binding.mode == "online" else set()

    def flush(self, timeout: float) -> bool:
        if self._let_go:
            with contextlib.suppress(OSError):
                (self.session.dir.path / "hurry").touch()
            there = wait_until(self._is_all_there, timeout, self.session, [self])
            return there and not self.uploads.take_given_up()
        place, files = self.request_flush(), self.files_left()
        there = wait_until(
            lambda: self.is_there(place) and not self.uploads.any_left(files), timeout, self.session, [self]
        )
        return there and not self.uploads.take_given_up()

    def answer_to(self, ident: str, timeout: float) -> dict[str, Any] | None:
        """Wait for the answer to a file put with `answer`. Return None if there was none within `timeout` seconds."""
        self.request_flush()
        answers: list[dict[str, Any]] = []

        def is_answered() -> bool:
            answer = self.uploads.answer(ident)
            if answer is not None:
                answers.append(answer)
            return bool(answers)

        wait_until(is_answered, timeout, self.session, [self])
        return answers[0] if answers else None

    def alive_at(self) -> float:
        """Return when the uploader last gave a sign of life, by this machine's monotonic clock. Before its first sign:
        when the queue was made.
        """
        if self._let_go:
            header = self._peek()
            if header is not None:
                return max(header.alive_s, self._opened_at)
            return time.monotonic() if self.session.has_uploader() else self._opened_at  # put away: no queue to say it
        return max(float(self._mapping.words[layout.ALIVE_MS]) / 1e3, self._opened_at)

    def note_end(self, ending: Ending) -> None:
        """Note in the queue's header how the process ends, so that it is known even if the disk is full."""
        self._mapping.words[layout.END] = as_word(ending)

    def end(self, ending: Ending) -> None:
        """Put an event that says how the run ends, as it is closed. If no event finds room, note it in the header."""
        words = self._mapping.words
        lost = words[layout.LOST]
        fields = {"state": ending.state, "cause": ending.cause, "exit_code": ending.exit_code, "detail": ending.detail}
        self.event("end", {**fields, "signal": ending.signal})
        if words[layout.LOST] != lost:
            self.note_end(ending)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.point = self.points = self._record = raise_closed
            words = self._mapping.words
            words[layout.CLOSED] = 1
            words[layout.FLUSH] += 1
            self.session.outboxes.discard(self)
            self._count_opening()

    def renew(self, binding: Binding) -> None:
        """Begin the next attempt of the run, for all who hold this outbox, and end the current one. Never waits.
        Raises OSError if the spool cannot be written; then nothing has changed.
        """
        before = copy(self)
        try:
            self._open(binding)
        except OSError:
            self.__dict__.update(before.__dict__)
            raise
        self.binding = binding
        self.uploads, self._files_lost, self.counts = Uploads(self.session.dir, self._lose_file), {}, {}
        before.at_end = []
        before.end(Ending("completed", "opened again", None))
        before.close()
        before.let_go()

    def _count_opening(self) -> None:
        """Count this opening: when the process opens the run again, that is another life of it."""
        if self.binding.ends_run:
            opened = str(self.binding.attach["name"]), int(self.binding.attach["rank"])
            self.session.openings[opened] = self.session.openings.get(opened, 0) + 1

    def let_go(self) -> None:
        """Release the memory and the descriptors of a closed queue; a sweep makes hundreds of queues in one process.
        The uploader empties it all the same, and `status` and `flush` find it by its name. Safe twice.
        """
        if not self.closed or self._let_go or self._pid != os.getpid() or not self._puts.retire(raise_closed):
            return
        self._last = self.status()
        self._end_at = int(self._mapping.words[layout.TAIL]), self._spill.size()
        self._let_go = True
        self._mapping.words[layout.CLOSED] = layout.LET_GO
        self._mapping.close()
        self._spill.close()
        self.session.console.forget(self.writer)

    def _peek(self) -> Peek | None:
        return peek(self._mapping.path, self.session.dir.spill(self.writer))

    def _is_all_there(self) -> bool:
        """Return whether everything of a queue that was let go is acked; or journaled, if nothing is sent."""
        if self.files_left() or self.session.console.left(self.writer):
            return False
        online = self.binding.mode == "online"
        header = self._peek()
        if header is None:  # put away: all of it is in the journal
            return not online or self.status().backlog <= 0
        reached = header.acked_at if online else header.drained_at
        return reached[0] >= self._end_at[0] and reached[1] >= self._end_at[1]

    def status(self) -> RunStatus:
        header = self._peek()
        report = read_json(self.session.dir.path / "status.json") or {}
        its = report.get("writers", {}).get(self.writer, {})
        if header is not None:  # its cursors belong to what it says is waiting
            cursors = [header.journaled, header.sent, header.acked]
        elif not self._let_go:
            words = self._mapping.words
            cursors = [int(words[at]) for at in (layout.JOURNALED, layout.SENT, layout.ACKED)]
        else:  # put away: its cursors are in status.json, or from before that is written, in the writer's file
            info = self.session.dir.writer(self.writer)
            held, delivered = (info.journaled, info.delivered) if info is not None else (0, 0)
            noted = [int(its.get(name, 0)) for name in ("journaled", "sent", "acked")]
            cursors = list(map(max, noted, (held, delivered, delivered)))
        last = (self._last.journaled, self._last.sent, self._last.acked)
        journaled, sent, acked = map(max, cursors, last)
        waiting, waiting_bytes = (header.waiting, header.waiting_bytes) if header else (0, 0)
        losses = dict(its.get("lost", {}))
        if header is not None and header.lost:
            losses["queue_full"] = losses.get("queue_full", 0) + header.lost
        for reason, count in self._files_lost.items():
            losses[reason] = losses.get(reason, 0) + count
        files = progress(self.session.dir, self.uploads.left())
        for reason, count in self.uploads.losses().items():  # the uploader writes them down within a second
            losses[reason] = max(losses.get(reason, 0), count)
        return RunStatus(
            mode=self.binding.mode,
            produced=journaled + waiting,
            journaled=journaled,
            sent=sent,
            acked=acked,
            backlog=journaled + waiting - acked,
            backlog_bytes=waiting_bytes,
            losses=losses,
            uploader_pid=(header.uploader_pid if header else int(report.get("pid", 0))) or None,
            trouble=str(report.get("trouble", "")),
            files_left=len(files),
            file_bytes_left=sum(f["bytes"] - f["sent"] for f in files),
            printed_bytes_left=self.session.console.left(self.writer),
            files=tuple(files),
        )


def outboxes_of(session: Session) -> list[QueueOutbox]:
    """Return the open outboxes of a session."""
    return [o for o in tuple(session.outboxes) if isinstance(o, QueueOutbox)]
