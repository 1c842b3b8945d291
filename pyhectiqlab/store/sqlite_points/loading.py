"""Loading: the recent points are read from the table `arrived` when a store is opened, in a thread of its own.

A lab may have to read twenty thousand batches, which takes seconds. The store takes new batches meanwhile: it reads the
cursors of all writers at once, before anything else, and keeps what arrives in order behind what is being read. It
flushes nothing until it has read everything, so it removes no row that is still to be read.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from ...base.loops import Loop
from ...errors import StoreError
from .arrivals import Arrival, unpack
from .recent import Recent

log = logging.getLogger("hectiqlab.store")

ROWS_AT_ONCE = 200
_ROWS = """SELECT a.id, run.name, w.name, w.id, a.last, a.data, a.run, run.dropped FROM arrived a
    CROSS JOIN run ON run.id = a.run CROSS JOIN writer w ON w.id = a.writer
    WHERE a.id > ? AND a.id <= ? ORDER BY a.id LIMIT ?"""


class Loader:
    """Reads the batches that a store finds when it is opened.

    Args:
        recent: what is read goes there.
        reader: gives a reading connection.
        writing: the lock that whoever writes into the store holds, and whoever calls `again`.

    Attributes:
        damaged: batches that cannot be read, and what is wrong with them. They stay in the table and are left out.
    """

    def __init__(
        self,
        recent: Recent,
        reader: Callable[[], AbstractContextManager[sqlite3.Connection]],
        writing: AbstractContextManager[object],
    ) -> None:
        self._recent, self._reader, self._writing = recent, reader, writing
        self._lock = threading.Lock()  # held by whoever reads the rows
        self.damaged: dict[int, str] = {}
        self._unsure = False  # memory may differ from the disk, and nothing is known of what is there
        self._loop = Loop("loading", self.load, log.error, log.warning)

    def begin(self) -> None:
        """Find out what there is to read, and how far each writer is. Then read it, in a thread if it is much."""
        if self._look() > ROWS_AT_ONCE:
            self._loop.start()
        else:
            self.load()

    def stop(self) -> None:
        """End the thread, and the wait of whoever waits for points. Blocks while the thread reads a page of rows."""
        self._loop.stop()
        self._recent.give_up()

    def again(self) -> None:
        """Read all of them again, because memory and disk may differ. Blocks until then. If it fails, a thread tries
        again.
        """
        self._unsure = True
        self._loop.stop(0.0)  # do not wait for the thread: it may wait for the lock that the caller holds
        self._loop = Loop("loading", self._anew, log.error, log.warning)
        try:
            self._anew()
        except BaseException:
            self._loop.start()
            raise

    def make_sure(self) -> None:
        """Find out what is on the disk, if memory may differ from it. Call it before a write, and before a cursor is
        answered. Raises what reading raises.
        """
        if self._unsure:
            with self._writing, self._lock:
                if self._unsure:
                    self._look()
            self._loop.hurry()

    def _anew(self) -> None:
        with self._writing, self._lock:  # so each append comes before the look, or behind what is read
            self._look()
        self.load()

    def load(self) -> None:
        """Read what is still to be read. Blocks until that is done, or until the thread is told to end."""
        with self._lock:
            if self._recent.is_loaded:
                return
            loaded, up_to = Recent(), self._recent.newest_unread
            self.damaged.clear()
            flushed: dict[int, dict[tuple[str, int, int], int]] = {}
            last = 0
            while not self._loop.stopping:
                with self._reader() as connection:
                    rows = connection.execute(_ROWS, (last, up_to, ROWS_AT_ONCE)).fetchall()
                    arrivals = [self._arrival(connection, flushed, *row) for row in rows]
                loaded.add(arrivals)
                if len(rows) < ROWS_AT_ONCE:
                    loaded.batches -= len(self.damaged)  # which stay in the table
                    self._recent.take_over(loaded)
                    return
                last = rows[-1][0]

    def _look(self) -> int:
        with self._reader() as connection:
            newest, flushes = connection.execute("SELECT newest, flushes FROM arrival").fetchone()
            writers = connection.execute(
                """SELECT w.name, r.name, max(a.id), max(a.last), count(*) FROM arrived a
                    JOIN writer w ON w.id = a.writer JOIN run r ON r.id = a.run GROUP BY a.writer, a.run"""
            ).fetchall()
        self._recent.begin(newest, flushes, [row[:4] for row in writers])
        self._unsure = False
        return sum(row[4] for row in writers)

    def _arrival(
        self,
        connection: sqlite3.Connection,
        flushed: dict[int, dict[tuple[str, int, int], int]],
        number: int,
        run: str,
        writer_name: str,
        writer: int,
        last: int,
        data: bytes,
        run_id: int,
        dropped: int,
    ) -> Arrival:
        """Return a batch of the table, without what is in chunks or purged already."""
        try:
            arrival = unpack(number, run, writer_name, writer, data)
        except StoreError as e:
            self.damaged[number] = str(e)
            log.error("%s", e)
            return Arrival(number, run, 0, 0, writer_name, writer, 0, last, [])
        if number <= dropped:
            return arrival._replace(columns=[])
        if run_id not in flushed:  # what is flushed does not change meanwhile
            its = connection.execute(
                "SELECT key, rank, attempt, flushed FROM series WHERE run = ? AND flushed >= ?", (run_id, number)
            )
            flushed[run_id] = {(key, rank, attempt): up_to for key, rank, attempt, up_to in its}
        if done := flushed[run_id]:
            place = arrival.rank, arrival.attempt
            left = [column for column in arrival.columns if done.get((column.key, *place), 0) < number]
            return arrival._replace(columns=left)
        return arrival
