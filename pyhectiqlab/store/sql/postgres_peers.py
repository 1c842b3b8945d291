"""The Peers of a lab on PostgreSQL: a connection that hears what others tell (LISTEN) and holds the lab's duties.

It leads past any pooler. Duties are advisory locks of its session: when the connection ends, the lab loses its duties,
and another lab takes them.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.engine import URL

from ...base.fds import wait_ready
from ...base.loops import Loop
from ...errors import ConfigurationError, StoreError
from ..notes import Notes
from ..peers import Hearer
from .engine_postgresql import connect_directly
from .engines import one_line

log = logging.getLogger("hectiqlab.server")

CHANNEL = "hectiqlab"
DUTIES = ("watch", "tidier", "notifier")
LOOK_EVERY_S = 1.0  # between two looks for duties that nobody has, and whether the data are still the same
TELL_EVERY_S = 0.05  # at least between two notifications, each of which makes the others' commits wait for a moment
BELIEVED_S = 10.0  # a lab believes so long that it has a duty without a sign of the server
RETRY_MAX_S = 2.0
CHANGED = "permissions"  # the payload of a change mark

# For a server that vanished, and a lab that did: its duties are free after half a minute at most.
_SETTINGS = (
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;"
    " SET statement_timeout = '10s'"
)
_LIFE = "SELECT value, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) FROM lab WHERE key = 'generation'"
_LIFE_PLAINLY = "SELECT value, '' FROM lab WHERE key = 'generation'"


def lock_of(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"hectiqlab {name}".encode()).digest()[:8], "big", signed=True)


class PostgresPeers:
    """Args:
    url: an address at which a session stays the same.
    generation: of the data that this lab opened.
    changed: called when permissions may have been changed elsewhere.
    """

    several = True

    def __init__(self, url: URL, notes: Notes, generation: str, changed: Callable[[], None]) -> None:
        self.notes = notes
        self._url, self._generation, self._changed = url, generation, changed
        self._hearer: Hearer | None = None
        self._conn: Any = None  # psycopg.Connection
        self._held: frozenset[str] = frozenset()
        self._seen = float("-inf")  # monotonic: the last sign of the server
        self._look_at = self._told_at = 0.0
        self._hurried, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._to_tell = False
        self.life = ""
        self.loop: Loop | None = Loop("peers", self._turn, log.error, log.warning, RETRY_MAX_S)
        with as_store_error():
            self._connect()

    def start(self, hearer: Hearer) -> None:
        self._hearer = hearer
        assert self.loop is not None
        self.loop.start()

    def stop(self) -> None:
        assert self.loop is not None
        if self.loop.started:
            self._wake()
            self.loop.stop()
        self._close()
        for fd in (self._hurried, self._woken):
            with contextlib.suppress(OSError):
                os.close(fd)
        self._hurried = self._woken = -1

    def hurry(self) -> None:
        if not self._to_tell:
            self._to_tell = True
            self._wake()

    def has(self, duty: str) -> bool:
        return duty in self._held and time.monotonic() - self._seen < BELIEVED_S

    @property
    def hears(self) -> bool:
        """Whether what others tell arrives here."""
        return self._conn is not None

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it wakes up anyway
            os.write(self._woken, b"!")

    def _turn(self) -> float:
        assert self._hearer is not None
        with as_store_error():
            try:
                if self._conn is None:
                    self._connect()
                    self._changed()
                    self._hearer.missed()
                if time.monotonic() >= self._look_at:
                    self._look()
                self._tell()
                self._hear()
            except BaseException:
                self._close()
                raise
        return 0.0

    def _connect(self) -> None:
        conn = connect_directly(self._url, application_name=f"hectiqlab peers {os.getpid()}")
        try:
            if is_pooled(conn):
                raise ConfigurationError(
                    "The address of the database leads to a pooler of connections: name one that leads to PostgreSQL "
                    "itself with --database-direct."
                )
            conn.execute(_SETTINGS)
            conn.add_notify_handler(self._heard)
            conn.execute(f"LISTEN {CHANNEL}")
            self.life = self._life(conn)
        except BaseException:
            conn.close()
            raise
        self._conn, self._seen, self._look_at = conn, time.monotonic(), 0.0

    def _close(self) -> None:
        conn, self._conn, self._held = self._conn, None, frozenset()
        if conn is not None:
            conn.close()

    def _life(self, conn: Any) -> str:
        """Return a text that changes when the database may have lost commits. It has the generation, which is new in a
        restored backup, and PostgreSQL's timeline, which is new when a standby has taken over.
        """
        try:
            row = conn.execute(_LIFE).fetchone()
        except Exception as e:
            if getattr(e, "sqlstate", None) not in {"42501", "42883", "55000", "0A000"}:  # not for us, or not there
                raise
            row = conn.execute(_LIFE_PLAINLY).fetchone()
        generation, timeline = row or ("", "")
        if generation != self._generation and self._hearer is not None:
            self._hearer.replaced("The database is another life of the lab, such as a restored backup")
        return hashlib.sha256(f"{generation} {timeline}".encode()).hexdigest()[:8]

    def _look(self) -> None:
        self.life = self._life(self._conn)
        free = [duty for duty in DUTIES if duty not in self._held]
        for duty in free:
            (mine,) = self._conn.execute("SELECT pg_try_advisory_lock(%s)", [lock_of(duty)]).fetchone()
            if mine:
                self._held |= {duty}
                log.info("this lab is the %s now", duty)
        self._seen = time.monotonic()
        self._look_at = self._seen + LOOK_EVERY_S

    def _tell(self) -> None:
        if not self._to_tell or time.monotonic() < self._told_at + TELL_EVERY_S:
            return
        assert self._hearer is not None
        self._to_tell = False
        payloads = self._hearer.outgoing()
        try:
            if payloads:
                self._conn.execute("SELECT pg_notify(%s, p) FROM unnest(%s::text[]) AS p", [CHANNEL, list(payloads)])
        except BaseException:
            self._hearer.lost()
            raise
        self._told_at = time.monotonic()

    def _hear(self) -> None:
        """Wait until something is to be done, and take what others told."""
        at = min(self._look_at, self._told_at + TELL_EVERY_S) if self._to_tell else self._look_at
        its = self._conn.fileno()
        ready = wait_ready((its, self._hurried), at - time.monotonic())
        if self._hurried in ready:
            with contextlib.suppress(OSError):
                os.read(self._hurried, 4096)
        if its in ready:
            self._conn.pgconn.consume_input()
            while (notice := self._conn.pgconn.notifies()) is not None:
                self._take(notice.be_pid, notice.extra.decode())

    def _heard(self, notice: Any) -> None:
        self._take(notice.pid, notice.payload)

    def _take(self, pid: int, payload: str) -> None:
        if self._hearer is None or (self._conn is not None and pid == self._conn.info.backend_pid):
            return
        if payload == CHANGED:
            self._changed()
        else:
            self._hearer.heard(payload)


def is_pooled(conn: Any) -> bool:
    """Return whether a connection leads to a pooler, which answers for a process of its own."""
    (pid,) = conn.execute("SELECT pg_backend_pid()").fetchone()
    return bool(pid != conn.info.backend_pid)


@contextlib.contextmanager
def as_store_error() -> Iterator[None]:
    """Raise errors of a connection by `connect_directly` as StoreError."""
    import psycopg

    try:
        yield
    except psycopg.Error as e:
        raise StoreError(f"The lab's database failed: {one_line(e)}.") from e
