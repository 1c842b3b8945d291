"""The uploader as an object: the streams of one session, drained by the main thread and sent by two others (README.md).

It ends when every process that feeds the session is gone and everything is at the lab; when the session's folder
vanished; or after LINGER_MAX_S.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection

from .. import settings
from ..base import crashpoints
from ..base.storage import file_bytes_max
from ..errors import ConfigurationError
from ..journal import Journal
from ..spool import SessionDir, places
from . import recover
from .console import Consoles
from .drain import Drain
from .event_thread import EventThread
from .file_requests import FileRequests
from .file_thread import FileThread
from .finish import Finish, publish
from .owners import Owners
from .redirect import NOWHERE_ELSE, Redirect
from .signals import Signals
from .status_file import StatusFile
from .stream import Stream
from .streams import Streams
from .system import SystemMetrics

SEGMENTS_OF_BUDGET_MIN = 8


class Uploader:
    """Empties one session. `run` blocks until there is nothing left to do for it.

    Args:
        owner_fd: a pidfd of the session's owner, opened while it surely lived, or -1.
        channel: a socket by which the owner hands over its terminal, or -1.
        deliver_kept: also send what was kept in dry or offline mode (a sync).
        until_drained: do not wait for living owners; return once all there is was sent, or the lab failed (a sync).
        hosts_gone: machines of which somebody said that they are gone, with all that was in their memory.
        redirect: where to send what the lab does not take as it is.
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
        self.until_drained = until_drained
        self._given_way = False
        self._looked_at = 0.0
        self._halted: dict[str, str] = {}  # writers of which nothing is sent → why
        self._started = time.monotonic()
        self._budget = _spool_budget(session, self.log)
        # Only whole segments are removed: with few large ones, a small budget would stay used up for ever.
        share = min(self._budget // SEGMENTS_OF_BUDGET_MIN, file_bytes_max())
        self._journal = Journal(session.path / "journal", segment_bytes_max=share)
        known = recover.read_journal(self._journal, self.log)
        crashpoints.passing("recover.read")
        self.drain = Drain(self._journal, self._budget, self.log)
        self.owners = Owners(session, owner_fd, hosts_gone, self.log)
        self._signals = Signals(session)
        self.system = SystemMetrics(session, self.owners.session_owner, self.log)
        self._consoles = Consoles(session, channel, self.owners.has_session_ended, self.log)
        self.streams = Streams(
            session, self.owners, self._consoles, known, self.log, deliver_kept=deliver_kept, redirect=redirect
        )
        self.requests = FileRequests(self.streams, self.drain.tell_loss, self.log)
        self.files = FileThread(self.streams, self.requests, self.log)
        self.events = EventThread(self.streams, self.files.hurry, self.log)
        self._finish = Finish(
            self.streams,
            self.events,
            self.requests,
            scan_files=lambda: self._scan_files(now=True),
            sync_journal=lambda: self._sync_journal(force=True),
        )
        self._status = StatusFile(self.streams)
        self.streams.scan()
        self.streams.read_synced()
        self.requests.tidy()
        self._scan_files()

    # The main thread's turn -------------------------------------------------------------------------------------

    def turn(self, now: float) -> bool:
        """Drain what is due. Return whether there was anything."""
        self.streams.scan()
        self._go_back()
        self.drain.cut_interval_s = settings.CUT_INTERVAL_S if self._can_send() else settings.CUT_INTERVAL_AWAY_S
        took = self.owners.are_seen() and self._consoles.turn(now, self.streams.by_writer)
        for stream in self.streams:
            if stream.info.done:
                continue
            if stream.rewind_to is not None:
                recover.rewind(self._journal, stream, stream.rewind_to, self.log)
            # Ask whether it ended, and only then look at the queue: so what a process put before its end is seen.
            closing = self.streams.has_ended(stream) or stream.is_closed()
            took |= self.drain.turn(stream, now, closing=closing)
        self._scan_files()
        self.requests.tell_losses()
        if took:
            self.events.wake()
        self._sync_journal()
        halted = {s.id: s.refused or s.stopped for s in self.streams if s.refused or s.stopped}
        if halted != self._halted:  # whoever reads in the queue that it waits in vain looks for the reason there
            self._halted = halted
            self._write_status()
        self._publish()
        for stream in self.streams:
            if not stream.info.done:
                self._finish.turn(stream)
        return took

    def _can_send(self) -> bool:
        """Return whether what is cut now may go out soon: the lab answers, and this is not an offline session."""
        return not self.events.failure() and bool(self.streams.sendable())

    def _go_back(self) -> None:
        """Open again what was delivered to a lab that was put back since."""
        while self.events.behind:
            writer, behind = self.events.behind.popleft()
            info = next((w for w in self.session.writers() if w.writer == writer), None)
            if (stream := self.streams.get(writer)) is not None and info is not None:
                self.events.go_back(stream, behind, info)

    def _scan_files(self, *, now: bool = False) -> None:
        if self.requests.scan(now=now):
            self.files.start()

    def _sync_journal(self, force: bool = False) -> bool:
        try:
            self._journal.sync(force)
        except OSError as e:
            self.log(f"fsync of the journal failed: {e}")
            return False
        return True

    def _publish(self) -> None:
        for stream in self.streams:
            publish(stream)

    def _look_around(self) -> None:
        """Do what is not needed at every turn."""
        self.streams.take_in()
        self.system.aim(self.streams, lambda s: self.streams.has_ended(s) or s.is_closed())
        self._journal.release(self._budget)
        self._write_status()
        self.streams.read_synced()
        signal = self._signals.look()
        if signal is not None:
            if signal.order is not None:
                self.streams.obey(signal.order)
            self.events.hurry()
            self.files.hurry()

    def _write_status(self) -> None:
        self._status.write(
            trouble=self.events.trouble() or self.files.trouble() or self._failing(),
            fails=self.events.fails() + self.files.fails(),
            files=self.requests.status(),
        )

    def _failing(self) -> str:
        """Return which of this process's own loops fail, with their errors; "" where none does."""
        loops = (self.events.loop, self.files.loop, self.system.loop, self.owners.loop)
        failing = [f"{one.name}: {one.error}" for one in (loop.failing for loop in loops) if one is not None]
        return "; ".join(failing)

    # Whether it is done -----------------------------------------------------------------------------------------

    def has_work(self) -> bool:
        """Return whether this process has, or may get, something to do."""
        if any(self._has_work(stream) for stream in self.streams if not stream.info.done):
            return True
        if self._consoles.has_work() or (self.streams.unopened and not self.until_drained):
            return True
        if self.events.asks() and not self.until_drained:  # a sync has asked already
            return True
        return not self.until_drained and not self.owners.has_session_ended()

    def _has_work(self, stream: Stream) -> bool:
        ended = self.streams.has_ended(stream)
        if ended and not stream.is_closed() and self.streams.end_of(stream) is None:
            return True
        sendable = self.streams.is_sendable(stream)
        # The lab takes nothing of it now, so it stays here. While its script lives, the lab is asked again.
        stays = bool(stream.refused) and (self.until_drained or ended)
        if self.requests.any_of(stream.id) and (stream.stopped or sendable) and not stays:
            return True
        end_untold = ended and stream.info.ends_run and not self.events.told_end(stream)
        waits = not stays and sendable and (stream.backlog > 0 or end_untold)
        return not (ended or self.until_drained) or not stream.is_empty() or waits

    # Life -------------------------------------------------------------------------------------------------------

    def run(self, *, linger_s: float = settings.LINGER_MAX_S) -> None:
        """Work until there is nothing left to do, at most `linger_s`. Blocks; call it once."""
        self.events.start()
        had_work = True
        try:
            while True:
                now = time.monotonic()
                took = self.turn(now)
                if now - self._looked_at >= settings.ALIVE_INTERVAL_S:
                    self._looked_at = now
                    self._look_around()
                    if self._must_end(now - self._started > linger_s):
                        return
                if not self.has_work():
                    if had_work:  # the last of it may have got to the lab since this turn: another one puts it away
                        had_work = False
                        continue
                    self._write_status()  # with the lab's acks: refill.py reads them
                    if self.until_drained or not self.events.asks_at_the_end():  # a sync has asked already
                        return
                had_work = True
                busy = took or self.streams.backlog() > 0
                time.sleep(settings.POLL_INTERVAL_S if busy else settings.IDLE_POLL_INTERVAL_S / 2)
        except KeyboardInterrupt:  # a sync by hand: the next one sends again what was under way
            self.files.stop(timeout=0)
            self.events.stop(timeout=0)
            raise
        finally:
            self.owners.stop()
            self.files.stop()
            self.events.stop()
            self._publish()
            self._write_status()
            with contextlib.suppress(OSError):
                self._journal.close()

    def _must_end(self, is_late: bool) -> bool:
        """Return whether to end although something is left."""
        if not self.session.path.exists():
            return True
        if self._given_way:
            self.log("another process has taken the session's lease: leaving the work to it")
            return True
        if is_late:
            self.log("giving up; `hectiqlab sync` sends what is left")
            return True
        return self.until_drained and (self.events.has_failed() or self.files.has_failed())

    def give_way(self) -> None:
        """Another process took over: `run` returns soon. From any thread."""
        self._given_way = True

    def log(self, text: str) -> None:
        self.session.log(text)


def _spool_budget(session: SessionDir, log: Callable[[str], None]) -> int:
    """Return bytes that the session's folder may take."""
    try:
        budget: int = settings.get("spool_max_bytes")
    except ConfigurationError as e:  # no reason to deliver nothing
        log(f"{e} The default is taken.")
        setting = settings.TABLE["spool_max_bytes"]
        budget = setting.parse(str(setting.default))
    return places.budget(session.path, budget)
