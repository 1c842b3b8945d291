"""The captured console, as log events.

The uploader follows both files and logs new output to the runs that asked for it. It does so like a process of the job:
by a queue of its own for each run, which is drained, sent and put away like any other.

Bytes count as recorded once their event is in the queue. What is about to be put is written down first, with the
queue's end at that time, which only that put moves. So the next uploader notices a kill in between.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.storage import file_bytes_max
from ..capture.values import PLAIN_TYPES
from ..protocol import records
from ..ring import layout, mapping
from ..ring.producer import make_puts
from ..ring.spill import SpillWriter, punch
from ..spool import SessionDir, Writer, consolefiles
from ..spool.consolefiles import STREAMS, ConsoleDir, Words
from .show import Show

if TYPE_CHECKING:
    from .stream import Stream

QUEUE_BYTES = 1 << 20
READ_BYTES = 32 << 10  # of one event: its text, at worst three times as long, is to fit a quarter of the queue
READ_INTERVAL_S = 0.1
PUNCH_BYTES = 4 << 20
FREE_BYTES_MIN = 8 << 20  # with less room on the disk, the script must take its descriptors back
FILE_BYTES_MAX = 1 << 30  # … also with more than this, where read blocks cannot be freed
END_WAIT_S = 10.0  # how long the end of a run waits at most for what was printed before it


class _NoRoomError(Exception):
    """The queue is full: read the output again later, from the file."""


class Recording:
    """The console as one run records it. Raises OSError where its files cannot be opened."""

    def __init__(self, session: SessionDir, writer: str, main: Writer, path: Path) -> None:
        self._session, self.writer, self.main = session, writer, main
        self.words = Words(path)
        self.is_done = False
        self.is_over = False  # done, and all of it is at the lab: its files are closed
        self._queue: mapping.Mapping | None = None
        self._spill = SpillWriter(session.spill(writer))
        self._put: Callable[[bytes], None] = lambda data: None
        self._untold = b""  # of a loss
        self._on_the_way: deque[tuple[int, int, tuple[int, int]]] = deque()  # (ring end, spill end, recorded)

    def resume(self, info: Writer | None) -> None:
        """Go on with the queue that an earlier uploader made."""
        if info is None:
            return
        if info.done:
            self.is_done = True
            return
        self._open(mapping.open_existing(Path(info.queue)))
        stream, recorded, end = (self.words[consolefiles.INTENT + i] for i in range(3))
        if recorded and self._end() > end:
            self.words[consolefiles.RECORDED + stream] = max(self.words[consolefiles.RECORDED + stream], recorded)
        self._on_the_way.append((*self._ends(), self.words.pair(consolefiles.RECORDED)))

    def _open(self, queue: mapping.Mapping) -> None:
        self._queue = queue
        self._put = make_puts(queue, self._overflow, PLAIN_TYPES).record

    def _make(self) -> None:
        (self._session.path / "queues").mkdir(mode=0o700, exist_ok=True)
        folder = self._session.path / "queues"
        self._open(mapping.create(f"{os.urandom(16).hex()}.q", folder, capacity=QUEUE_BYTES))
        assert self._queue is not None
        more = {"writer": self.writer, "queue": str(self._queue.path), "ends_run": False, "console": True, "cache": []}
        try:
            self._session.save_writer(
                self.main.changed(created=time.time(), done=False, drained=False, closed=False, **more)
            )
        except OSError:
            self._queue.path.unlink(missing_ok=True)
            self._queue = None
            raise

    def _overflow(self, tail: int, record: bytes) -> None:
        if self._queue is not None and self._queue.capacity:
            raise _NoRoomError
        self._spill.append(tail, record)  # nothing may be mapped here

    def _ends(self) -> tuple[int, int]:
        assert self._queue is not None
        return int(self._queue.words[layout.TAIL]), self._spill.size()

    def _end(self) -> int:
        return sum(self._ends())

    def until(self, stream: int, size: int) -> int:
        """Return the byte at which the recording ends, as far as that is known."""
        end = self.words[consolefiles.UNTIL + stream]
        return min(size, end - 1) if end else size

    def is_stopped(self) -> bool:
        return self.words[consolefiles.UNTIL] > 0

    def read(self, stream: int, file: int, size: int, *, final: bool) -> bool:
        """Put what is new of one stream. Return whether there was anything. `final`: nothing to record comes behind
        `size`, so a character that is cut off there stays so. Raises OSError.
        """
        took = False
        end = self.until(stream, size)
        while (start := self.words[consolefiles.RECORDED + stream]) < end:
            data = os.pread(file, min(READ_BYTES, end - start), start)
            whole = len(data) if final else whole_characters(data)
            if not whole:
                break
            if not self._event(stream, data[:whole], start + whole):
                break
            took = True
        return took

    def _event(self, stream: int, data: bytes, recorded: int) -> bool:
        if self._queue is None:
            self._make()
        text = data.decode(errors="replace")
        event = records.event("log", time.time(), {"text": text, "level": None, "channel": STREAMS[stream]})
        self.words.store(consolefiles.INTENT, (stream, recorded, self._end()))
        try:
            self._put(event)
        except _NoRoomError:
            return False
        self.words[consolefiles.RECORDED + stream] = recorded
        self._on_the_way.append((*self._ends(), self.words.pair(consolefiles.RECORDED)))
        return True

    def lose(self, why: str) -> None:
        """Note that something is missing. `tell_loss` reports it."""
        self._untold = records.event("loss", time.time(), {"reason": "console_full", "count": 1, "detail": why})

    def tell_loss(self) -> bool:
        """Report a loss that was noted. Return False where the queue has no room: then call again. Raises OSError."""
        if not self._untold:
            return True
        if self._queue is None:
            self._make()
        with contextlib.suppress(_NoRoomError):
            self._put(self._untold)
            self._untold = b""
        return not self._untold

    def publish(self) -> None:
        """Tell the script how far things are. Close the files once all is at the lab."""
        if self.is_over:
            return
        if self._queue is not None:
            self._publish(self._queue)
        if self.is_done and not self._on_the_way:
            self._give_back()

    def _publish(self, queue: mapping.Mapping) -> None:
        words = queue.words
        for what, at in ((consolefiles.JOURNALED, layout.HEAD), (consolefiles.ACKED, layout.ACKED_RING)):
            ring, spill = words[at], words[layout.SPILL if at == layout.HEAD else layout.ACKED_SPILL]
            there = [recorded for r, s, recorded in self._on_the_way if r <= ring and s <= spill]
            if there and there[-1] != self.words.pair(what):
                self.words.store(what, there[-1])
        while self._on_the_way and self._on_the_way[0][2] <= self.words.pair(consolefiles.ACKED):
            self._on_the_way.popleft()

    def _give_back(self) -> None:
        self.is_over = True
        self.words.close()
        self._spill.close()
        self._put = lambda data: None
        if self._queue is not None:
            self._queue.close()
            self._queue = None

    def hurry(self) -> None:
        if self._queue is not None:
            self._queue.words[layout.FLUSH] += 1

    def finish(self) -> None:
        """Close the queue: nothing more will come."""
        self.is_done = True
        if self._queue is not None:
            self._queue.words[layout.CLOSED] = 1
            self.hurry()


class Consoles:
    """All recordings of a session, and the show. For the uploader's main thread, except `holds_end`.

    Args:
        channel: a socket by which the script hands over its terminal, or -1: nothing is shown.
    """

    def __init__(self, session: SessionDir, channel: int, has_ended: Callable[[], bool], log: Callable[[str], None]):
        self._session, self._log, self._has_ended = session, log, has_ended
        self._folder = ConsoleDir(session.path)
        self._show = Show(self._folder, channel, has_ended, log) if channel >= 0 else None
        self._recordings: dict[str, Recording] = {}
        self._files: list[int] = []
        self._read_at = 0.0
        self._looked_at = 0.0
        self._wishes = 0
        self._punched = [0, 0]
        self._ended_at: float | None = None
        self._ended_with: tuple[int, int] | None = None
        self._complained = ""

    def turn(self, now: float, streams: dict[str, Stream]) -> bool:
        """Record what is new. Return whether there was anything. Never raises for a disk."""
        try:
            took = self._turn(now, streams)
            self._complained = ""
            return took
        except (OSError, ValueError) as e:
            if str(e) != self._complained:
                self._log(f"the console is not recorded: {e}")
            self._complained = str(e)
            return False

    def _turn(self, now: float, streams: dict[str, Stream]) -> bool:
        ended = self._has_ended()  # ask before looking at the files
        if ended and self._ended_at is None:
            self._ended_at = now  # before anything that may fail: the end of a run waits from here on
        if now - self._looked_at > READ_INTERVAL_S or ended:
            self._looked_at = now
            self._look(streams)
        if not self._files:
            return False
        wishes = sum(int(s.words()[layout.FLUSH]) for s in streams.values() if not s.info.console and s.words())
        wished, self._wishes = wishes != self._wishes, wishes
        if not (wished or ended) and now - self._read_at < READ_INTERVAL_S:
            return False
        self._read_at = now
        # Ask before looking at the sizes, too: what is printed in between would be left out.
        closing = ended and not self._may_grow()
        final = {name for name, r in self._recordings.items() if not r.is_done and (closing or r.is_stopped())}
        sizes = tuple(os.fstat(fd).st_size for fd in self._files)
        if ended and self._ended_with is None:
            self._ended_with = sizes[0], sizes[1]
        took = False
        for name, recording in self._recordings.items():
            if not recording.is_done:
                took |= self._record(recording, sizes, name in final, wished)
            recording.publish()
        self._tidy(sizes)
        return took

    def _look(self, streams: dict[str, Stream]) -> None:
        if not self._folder.exists():
            return
        if not self._files:
            self._files = [os.open(self._folder.file(name), os.O_RDONLY | os.O_CLOEXEC) for name in STREAMS]
        if self._show is not None:
            self._show.start()
        for writer, run, path in self._folder.asked():
            if writer not in self._recordings and run in streams:
                self._recordings[writer] = self._open(writer, run, path, streams)

    def _open(self, writer: str, run: str, path: Path, streams: dict[str, Stream]) -> Recording:
        recording = Recording(self._session, writer, streams[run].info, path)
        known = streams.get(writer)
        try:
            recording.resume(known.info if known is not None else None)
        except FileNotFoundError:  # the machine was restarted, and the queue is gone: a new writer goes on
            writer = os.urandom(16).hex()
            path.rename(self._folder.path / f"{writer}-{run}")
            recording = Recording(self._session, writer, streams[run].info, self._folder.path / f"{writer}-{run}")
        return recording

    def _record(self, recording: Recording, sizes: tuple[int, ...], final: bool, wished: bool) -> bool:
        """Record what is new of both streams. `final`: the sizes are of after the recording's end. Raises OSError."""
        took = False
        for stream, file in enumerate(self._files):
            took |= recording.read(stream, file, sizes[stream], final=final)
        if wished:
            recording.hurry()
        recorded = recording.words.pair(consolefiles.RECORDED)
        whole = all(recorded[s] >= recording.until(s, sizes[s]) for s in (0, 1))
        if recording.tell_loss() and whole and final:
            recording.finish()
        return took

    def _may_grow(self) -> bool:
        """Return whether a process that outlives the script may print."""
        return self._show is not None and self._show.written_by_others

    def _tidy(self, sizes: tuple[int, ...]) -> None:
        """Free the blocks of what is shown and recorded. Ask the script to stop where there is no room."""
        shown = self._folder.shown()
        try:
            for stream, name in enumerate(STREAMS):
                done = [r.words[consolefiles.RECORDED + stream] for r in self._recordings.values() if not r.is_done]
                behind = min([shown[consolefiles.SHOWN + stream], *done]) & ~4095
                if behind - self._punched[stream] >= PUNCH_BYTES:
                    fd = os.open(self._folder.file(name), os.O_WRONLY | os.O_CLOEXEC)
                    try:
                        if punch(fd, self._punched[stream], behind):
                            self._punched[stream] = behind
                    finally:
                        os.close(fd)
            disk = os.statvfs(self._folder.path)
            large = any(size - before > FILE_BYTES_MAX for size, before in zip(sizes, self._punched, strict=True))
            large |= max(sizes) > file_bytes_max() // 2  # at the limit, a child process that prints is killed
            if shown[consolefiles.FULL] or shown[consolefiles.ENDED]:
                return
            if disk.f_bavail * disk.f_frsize < FREE_BYTES_MIN or large:
                shown[consolefiles.FULL] = 1
                self._log("no room for what C libraries and child processes print: some of it may be missing")
                for recording in self._recordings.values():
                    if not recording.is_done:
                        recording.lose("no room for what C libraries and child processes print")
        finally:
            shown.close()

    # What the uploader asks -------------------------------------------------------------------------------------

    def feeds(self, stream: Stream) -> bool:
        """Return whether more output may come for this stream, although its owner has ended."""
        recording = self._recordings.get(stream.id)
        return stream.info.console and recording is not None and not recording.is_done

    def holds_end(self, stream: Stream, streams: dict[str, Stream]) -> bool:
        """Return whether to wait with the end of this run: what was printed before it is still on its way.

        Call it only once the stream's process has ended: a console that is not there then will never be.
        """
        if self._ended_at is not None and time.monotonic() - self._ended_at > END_WAIT_S:
            return False
        if not self._files and not self._folder.exists():  # the main thread may not have looked since it was made
            return False
        if self._ended_at is None or self._ended_with is None:
            return True
        for recording in tuple(self._recordings.values()):
            if recording.main.writer == stream.id and not recording.is_over:
                try:
                    journaled = recording.words.pair(consolefiles.JOURNALED)
                except OSError:  # it became over just now, in the main thread
                    continue
                carrier = streams.get(recording.writer)
                if any(journaled[s] < recording.until(s, self._ended_with[s]) for s in (0, 1)):
                    return True
                if carrier is not None and carrier.backlog > 0 and not carrier.stopped:
                    return True
        return False

    def has_work(self) -> bool:
        """Return whether something is still to be shown or recorded after the script."""
        if not self._files or not self._has_ended():
            return False
        shows = self._show is not None and not self._show.is_over()
        return shows or (not self._complained and any(not r.is_done for r in self._recordings.values()))


def whole_characters(data: bytes) -> int:
    """Return how many bytes of `data` come before a character of UTF-8 that is cut off at its end; all where there is
    none.

    >>> whole_characters("aé".encode()[:2])
    1
    """
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        needs = 1 if byte > 0xF4 else 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return len(data) - back if needs > back else len(data)
    return len(data)
