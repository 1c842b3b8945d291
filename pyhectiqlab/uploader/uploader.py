"""The uploader as an object: the streams of one session, drained by one thread and sent by another.

It is done when every process that feeds the session is gone and everything is at the lab, when the session's folder
vanished, or after LINGER_MAX_S.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from .. import settings
from ..base import crashpoints
from ..base.storage import file_bytes_max
from ..capture import ending
from ..errors import ConfigurationError
from ..journal import Journal
from ..ring import layout
from ..spool import SessionDir, Writer, places, read_json, write_json
from . import courier, quarantine, recover
from .console import Consoles
from .deliver import Delivery
from .drain import Drain
from .redirect import NOWHERE_ELSE, Redirect
from .stream import Stream
from .system import SystemMetrics
from .transfer import Transfer
from .watch import End, EndWatch, Owner

SEGMENTS_OF_BUDGET_MIN = 8


class Uploader:
    """Empties one session. `run` blocks until there is nothing left to do for it.

    Args:
        owner_fd: a pidfd of the session's owner, opened while it surely lived, or -1.
        channel: a socket by which the owner hands over its terminal, or -1.
        deliver_kept: also send what was kept in dry or offline mode (a sync).
        until_drained: do not wait for living owners; return once all there is was sent, or the lab failed (a sync).
        hosts_gone: machines of which somebody said that they are gone, with all that was in their memory.
        redirect: where goes what the lab does not take as it is.
    """

    def __init__(
        self,
        session: SessionDir,
        *,
        owner_fd: int = -1,
        channel: int = -1,
        deliver_kept: bool = False,
        until_drained: bool = False,
        hosts_gone: Collection[str] = (),
        redirect: Redirect = NOWHERE_ELSE,
    ) -> None:
        self.session = session
        self.hosts_gone = hosts_gone
        self._given_way = False
        self.deliver_kept = deliver_kept
        self.redirect = redirect
        self.until_drained = until_drained
        self.streams: dict[str, Stream] = {}
        self.unopened: dict[str, str] = {}  # writers whose queue is there but cannot be opened now → why
        self._owners: dict[tuple[int, float], Owner] = {}
        self._ends: dict[tuple[int, float], End] = {}
        self._end_watch = EndWatch(self.log)
        self._scanned: tuple[int, float] = (0, 0.0)
        self._looked_at = 0.0
        self._status: dict[str, Any] = {}
        self._halted: dict[str, str] = {}  # writers of which nothing is sent → why
        self._started = time.monotonic()
        self.budget = self._spool_budget()
        # Only whole segments are removed: with few large ones, a small budget would stay used up for ever.
        share = min(self.budget // SEGMENTS_OF_BUDGET_MIN, file_bytes_max())
        self.journal = Journal(session.path / "journal", segment_bytes_max=share)
        self._told_before = (read_json(session.path / "status.json") or {}).get("writers", {})
        self._known = recover.read_journal(self.journal, self.log)
        crashpoints.passing("recover.read")
        self.drain = Drain(self.journal, self.budget, self.log)
        self.delivery = Delivery(self)
        self.transfer = Transfer(self)
        self._session_owner = session.owner()
        if self._session_owner is not None:
            self._owners[_key(self._session_owner)] = Owner(self._session_owner, session, owner_fd)
            self._end_watch.add(self._owners[_key(self._session_owner)])
        self._marks_seen = self._marks()
        self.system = SystemMetrics(session, self._session_owner, self.log)
        self.console = Consoles(session, channel, self._has_session_ended, self.log)
        self.scan()
        self._read_synced()
        self.transfer.open()

    def _spool_budget(self) -> int:
        try:
            budget: int = settings.get("spool_max_bytes")
        except ConfigurationError as e:  # no reason to deliver nothing
            self.log(f"{e} The default is taken.")
            setting = settings.TABLE["spool_max_bytes"]
            budget = setting.parse(str(setting.default))
        return places.budget(self.session.path, budget)

    # Streams and their owners -----------------------------------------------------------------------------------

    def scan(self) -> None:
        """Finds writers that announced themselves since the last look."""
        try:
            changed = self.session.writers_dir.stat().st_mtime_ns
        except OSError:
            return
        now = time.monotonic()
        # The clock of a file system ticks coarsely: look again a moment after any change, and once in a while.
        if changed == self._scanned[0] and now < self._scanned[1]:
            return
        self._scanned = changed, now + (5 if changed == self._scanned[0] else 0.2)
        new = []
        for info in self.session.writers():
            if info.writer not in self.streams:
                try:
                    stream = recover.open_stream(self.session, info, self._known.get(info.writer), self.log)
                except OSError as e:
                    self._cannot_open(info, e)
                    continue
                self.unopened.pop(info.writer, None)
                self._known.pop(info.writer, None)
                self.streams[info.writer] = stream
                if not info.done:
                    new.append(info.writer)
                if info.done:  # as it was left: the journal need not know of the last ack
                    told = self._told_before.get(info.writer, {})
                    stream.acknowledge(stream.journaled)
                    stream.lost, stream.stopped = dict(told.get("lost", {})), str(told.get("stopped", ""))
        if new:
            self.session.sync_writers(new)

    def _take_in(self) -> None:
        """Moves into the spool what announced itself beside the queues, once the spool can be written."""
        folders = {*(Path(s.info.queue).parent for s in self.streams.values()), *places.queue_folders()}
        for path, info in self.session.announced_beside(folders):
            stream = self.streams.get(info.writer)
            with contextlib.suppress(OSError):  # the next time perhaps; until then it is found where it is
                self.session.save_writer(stream.info if stream else info, durable=True)
                path.unlink(missing_ok=True)

    def _cannot_open(self, info: Writer, error: OSError) -> None:
        """Tried again at the next look."""
        why = f"the queue {info.queue} of writer {info.writer} cannot be opened: {error.strerror}"
        if self.unopened.get(info.writer) != why:
            self.unopened[info.writer] = why
            self.log(why)

    def owner(self, info: Writer) -> Owner:
        key = _key(info.owner)
        if key not in self._owners or (not self._owners[key].has_ended() and self._is_gone(info)):
            self._owners[key] = Owner(info.owner, self.session, gone=self._is_gone(info))
            self._end_watch.add(self._owners[key])
        return self._owners[key]

    def _is_gone(self, info: Writer) -> bool:
        """Whether a process of another machine is known to have ended with nothing of it left in that machine."""
        if info.owner.is_here():
            return False
        if info.drained or info.owner.host in self.hosts_gone:
            return True
        return self.session.end_path(info.owner).exists() and Path(info.queue).exists()  # a queue on the shared disk

    def has_ended(self, stream: Stream) -> bool:
        return self.owner(stream.info).has_ended() and not self.console.feeds(stream)

    def _has_session_ended(self) -> bool:
        return self._session_owner is None or self._owners[_key(self._session_owner)].has_ended()

    def _sees_session(self) -> bool:
        """Whether the session's processes are, or were, of this machine; or somebody said that theirs is gone."""
        owner = self._session_owner
        return owner is None or owner.is_here() or owner.host in self.hosts_gone

    def end_of(self, stream: Stream) -> End | None:
        """How the stream's process ended, once that is known; kept on disk from then on, for a sync on another day."""
        key = _key(stream.info.owner)
        if key not in self._ends:
            words = stream.words()
            said = stream.said_end or (ending.from_word(words[layout.END]) if words is not None else None)
            end = self.owner(stream.info).end(said)
            if end is None:
                return None
            self._ends[key] = end
            path = self.session.end_path(stream.info.owner)
            with contextlib.suppress(OSError):
                if not path.exists():
                    write_json(path, {**end.as_dict(), "time": self.ended_at(stream)})
        return self._ends[key]

    def ended_at(self, stream: Stream) -> float:
        """When the stream's process ended, as far as that was seen; now, where it was not. Seconds since 1970."""
        return self.owner(stream.info).ended_at or time.time()

    @staticmethod
    def is_closed(stream: Stream) -> bool:
        words = stream.words()
        return stream.info.closed or (words is not None and bool(words[layout.CLOSED]))

    @staticmethod
    def is_let_go(stream: Stream) -> bool:
        """Whether its process, which may live on, looks at the queue no more."""
        words = stream.words()
        return words is not None and words[layout.CLOSED] == layout.LET_GO

    @staticmethod
    def is_empty(stream: Stream) -> bool:
        return stream.consumer is None or (stream.consumer.backlog == 0 and stream.direct is None)

    def is_sendable(self, stream: Stream) -> bool:
        return not stream.stopped and (stream.info.mode == "online" or self.deliver_kept)

    def sendable(self) -> list[Stream]:
        return [s for s in tuple(self.streams.values()) if not s.info.done and self.is_sendable(s)]

    def can_send(self) -> bool:
        """Whether what is cut now may go out soon: the lab answers, and this is no offline session."""
        return not self.delivery.failure() and bool(self.sendable())

    # The main thread's turn -------------------------------------------------------------------------------------

    def turn(self, now: float) -> bool:
        """Drains what is due. Whether there was anything."""
        self.scan()
        self._go_back()
        self.drain.cut_interval_s = settings.CUT_INTERVAL_S if self.can_send() else settings.CUT_INTERVAL_AWAY_S
        took = self._sees_session() and self.console.turn(now, self.streams)
        for stream in self.streams.values():
            if stream.info.done:
                continue
            if stream.rewind_to is not None:
                recover.rewind(self.journal, stream, stream.rewind_to, self.log)
            # First whether it ended, then the queue: what a process put before its end is then surely seen.
            closing = self.has_ended(stream) or self.is_closed(stream)
            took |= self.drain.turn(stream, now, closing=closing)
        self.transfer.scan()
        self.transfer.tell_losses()
        if took:
            self.delivery.wake()
        self._sync_journal()
        halted = {s.id: s.refused or s.stopped for s in self.streams.values() if s.refused or s.stopped}
        if halted != self._halted:  # who is told by the queue that it waits in vain looks there for the reason
            self._halted = halted
            self._write_status()
        self._publish(self.streams.values())
        for stream in self.streams.values():
            if not stream.info.done:
                self._finish(stream)
        return took

    def _go_back(self) -> None:
        """Opens again what was delivered to a lab that was put back since."""
        while self.delivery.behind:
            writer, behind = self.delivery.behind.popleft()
            info = next((w for w in self.session.writers() if w.writer == writer), None)
            if (stream := self.streams.get(writer)) is not None and info is not None:
                self.delivery.go_back(stream, behind, info)

    def _sync_journal(self, force: bool = False) -> bool:
        try:
            self.journal.sync(force)
        except OSError as e:
            self.log(f"fsync of the journal failed: {e}")
            return False
        return True

    @staticmethod
    def _publish(streams: Iterable[Stream]) -> None:
        alive_ms, pid = int(time.monotonic() * 1000), os.getpid()
        for stream in streams:
            stream.publish(alive_ms, pid)

    def _finish(self, stream: Stream) -> None:
        """Puts away the queue of a writer that will put no more and was drained; marks it done once the lab has
        everything.
        """
        closed, ended = self.is_closed(stream), self.has_ended(stream)
        if not (closed or ended) or not self.is_empty(stream):
            return
        if not closed and ended and self.end_of(stream) is None:
            return
        self.transfer.scan(now=True)  # what the process put before its end is surely seen
        delivered = stream.acked >= stream.journaled or bool(stream.stopped)
        let_go = self.is_let_go(stream)
        if stream.consumer is not None and (ended or delivered or let_go):
            # On disk, not just handed to the kernel, before the other copy goes.
            if not self._sync_journal(force=True) and not delivered:
                return
            self._publish([stream])
            if ended or let_go:  # a sync on another machine cannot see the queue go
                stream.change(drained=ended or stream.info.drained, closed=closed)
                if not self._save(stream) and not delivered:
                    return
            crashpoints.passing("finish.synced")
            stream.consumer.close()
            stream.consumer = None
            Path(stream.info.queue).unlink(missing_ok=True)
            crashpoints.passing("finish.unlinked")
            self.session.spill(stream.id).unlink(missing_ok=True)
        if self.transfer.waits(stream.id):
            return
        if delivered and (closed or stream.stopped or not stream.info.ends_run or self.delivery.told_end(stream)):
            if stream.stopped:
                try:
                    quarantine.keep_stopped(self.session, stream)
                except OSError as e:
                    self.log(f"what writer {stream.id} did not send could not be put aside: {e}")
            stream.change(done=True)
            self._save(stream)

    def _save(self, stream: Stream) -> bool:
        try:
            self.session.save_writer(stream.info, durable=True)
        except OSError as e:
            self.log(f"the file of writer {stream.id} cannot be written: {e}")
            return False
        return True

    def _is_left(self, stream: Stream) -> bool:
        """Whether it stays here, as the lab takes nothing of it now: only where its script lives it is asked again."""
        return bool(stream.refused) and (self.until_drained or self.has_ended(stream))

    def has_work(self) -> bool:
        """Whether anything is, or may become, this process's to do."""
        for stream in self.streams.values():
            if stream.info.done:
                continue
            if self.has_ended(stream) and not self.is_closed(stream) and self.end_of(stream) is None:
                return True
            left = self._is_left(stream)
            if self.transfer.waits(stream.id) and (stream.stopped or self.is_sendable(stream)) and not left:
                return True
            finished = self.has_ended(stream) or self.until_drained
            waits = (not left and self.is_sendable(stream)) and (
                stream.backlog > 0
                or (self.has_ended(stream) and stream.info.ends_run and not self.delivery.told_end(stream))
            )
            if not finished or not self.is_empty(stream) or waits:
                return True
        if self.console.has_work() or (self.unopened and not self.until_drained):
            return True
        if self.delivery.asks() and not self.until_drained:  # a sync has asked already
            return True
        return not self.until_drained and not self._has_session_ended()

    def left(self) -> int:
        """Events that are not at the lab, of the streams that may be sent."""
        return sum(s.backlog for s in self.sendable())

    def _look_around(self) -> None:
        """What need not be done at every turn."""
        self._take_in()
        self.system.aim(self.streams.values(), lambda s: self.has_ended(s) or self.is_closed(s))
        self.journal.release(self.budget)
        self._write_status()
        self._read_synced()
        marks = self._marks()
        if marks != self._marks_seen:
            if marks[0] != self._marks_seen[0]:
                self._obey()
                self.deliver_kept = True
            self._marks_seen = marks
            self.delivery.hurry()
            self.transfer.hurry()

    def _obey(self) -> None:
        """Takes over what the sync that woke this process was told: to which lab and project what was kept goes."""
        told = read_json(self.session.path / "wake") or {}
        with contextlib.suppress(TypeError):
            self.redirect = Redirect(**told.get("redirect", {}))
        for writer, changes in told.get("aim", {}).items():
            if (stream := self.streams.get(writer)) is not None and changes.keys() <= {"url", "profile", "lab_id"}:
                stream.change(**changes)
                self._save(stream)

    def _marks(self) -> tuple[int, int]:
        """Change when somebody wants all that is here sent, also what was kept; and when somebody waits for what is to
        be sent anyway.
        """
        return tuple(_changed_at(self.session.path / name) for name in ("wake", "hurry"))  # type: ignore[return-value]

    def _read_synced(self) -> None:
        """What a sync on another machine brought to the lab from this session's journal."""
        for writer, told in courier.read_synced(self.session).items():
            stream = self.streams.get(writer)
            if stream is None:
                continue
            if stream.info.run is None and told.run is not None:
                stream.change(run=told.run)
                self._save(stream)
            stream.synced = max(stream.synced, told.acked)
            if not self.is_sendable(stream):  # else the send thread does
                stream.take_synced()

    def is_out_of_reach(self, stream: Stream) -> bool:
        """Whether its queue is in the memory of another machine, or was when that was last heard of."""
        info = stream.info
        if stream.consumer is not None or info.done or info.drained or info.closed or info.owner.is_here():
            return False
        return info.owner.host not in self.hosts_gone

    def queued_bytes(self, stream: Stream) -> int:
        """What is in its queue; or was, at the last sign of life of the machine that it is in."""
        if stream.consumer is not None:
            return stream.consumer.backlog
        if stream.info.done or stream.info.drained or stream.info.closed or stream.info.owner.is_here():
            return 0
        return int(self._told_before.get(stream.id, {}).get("queued_bytes", 0))

    def _failing(self) -> str:
        """What of this process's own work fails, with the error; "" where all goes on."""
        loops = (self.delivery.loop, self.transfer.loop, self.system.loop, self._end_watch.loop)
        found = [f"{one.name}: {one.error}" for one in (loop.failing for loop in loops) if one is not None]
        return "; ".join(found)

    def _write_status(self) -> None:
        for stream in self.streams.values():
            if stream.backlog <= 0:
                stream.behind_since = None
            elif stream.behind_since is None:
                stream.behind_since = self._told_before.get(stream.id, {}).get("behind_since") or time.time()
        status = {
            "pid": os.getpid(),
            "trouble": self.delivery.trouble() or self.transfer.trouble() or self._failing(),
            "fails": self.delivery.fails() + self.transfer.fails(),
            "files": self.transfer.status(),
            "writers": {
                s.id: {
                    "journaled": s.journaled,
                    "sent": s.sent,
                    "acked": s.acked,
                    "lost": dict(s.lost),
                    "stopped": s.stopped,
                    "queued_bytes": self.queued_bytes(s),
                    "behind_since": s.behind_since,
                }
                for s in self.streams.values()
            },
        }
        if status != self._status:
            with contextlib.suppress(OSError):
                write_json(self.session.path / "status.json", status)
                self._status = status

    # Life -------------------------------------------------------------------------------------------------------

    def run(self, *, linger_s: float = settings.LINGER_MAX_S) -> None:
        """Works until there is nothing left to do, at most `linger_s`. Blocks; call it once."""
        self.delivery.start()
        try:
            while True:
                now = time.monotonic()
                took = self.turn(now)
                if now - self._looked_at >= settings.ALIVE_INTERVAL_S:
                    self._looked_at = now
                    self._look_around()
                    if not self.session.path.exists():
                        return
                    if self._given_way:
                        self.log("another process has taken the session's lease: leaving the work to it")
                        return
                    if now - self._started > linger_s:
                        self.log("giving up; `hectiqlab sync` sends what is left")
                        return
                    if self.until_drained and (self.delivery.has_failed() or self.transfer.has_failed()):
                        return
                if not self.has_work():
                    self._write_status()  # with what the lab acknowledged, by which it is asked
                    if self.until_drained or not self.delivery.asks_at_the_end():  # a sync has asked already
                        return
                time.sleep(settings.POLL_INTERVAL_S if took or self.left() else settings.IDLE_POLL_INTERVAL_S / 2)
        except KeyboardInterrupt:  # a sync by hand: what was under way is sent again the next time
            self.transfer.stop(timeout=0)
            self.delivery.stop(timeout=0)
            raise
        finally:
            self._end_watch.stop()
            self.transfer.stop()
            self.delivery.stop()
            self._publish(self.streams.values())
            self._write_status()
            with contextlib.suppress(OSError):
                self.journal.close()

    def give_way(self) -> None:
        """Another process took over: `run` returns soon. From any thread."""
        self._given_way = True

    def log(self, text: str) -> None:
        self.session.log(text)


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _key(process: Any) -> tuple[int, float]:
    return process.pid, process.start
