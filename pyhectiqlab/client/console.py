"""The producing side of a captured console: descriptors 1 and 2 lead into files that the uploader follows.

The uploader copies new output to the terminal, and records it. Without an uploader nothing is lost: at the end of the
script, this module copies what nobody has copied yet.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable
from pathlib import Path

from ..base.fds import lifted
from ..capture.descriptors import Diversion, can_divert
from ..spool import consolefiles
from ..spool.consolefiles import ConsoleDir, Words

SETTLE_TIMEOUT_S = 5.0  # how long the end of a script waits for a terminal that takes nothing
CHECK_INTERVAL_S = 0.2


class Channel:
    """Sends descriptors to the present uploader, by a socket that it was started with. Sending never waits, not even
    for the uploader to start.
    """

    def __init__(self) -> None:
        self._fd = -1

    def renew(self) -> int:
        """Make the channel of the next uploader. Return the uploader's end, to be closed once it has it. Raises
        OSError.
        """
        import socket

        ours, theirs = socket.socketpair()
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = lifted(ours.detach())
        return lifted(theirs.detach())

    def send(self, fds: list[int]) -> None:
        """Send descriptors. Never waits. If the uploader is gone, the next one gets them."""
        import socket

        if self._fd < 0:
            return
        channel = socket.socket(fileno=self._fd)
        try:
            with contextlib.suppress(OSError):
                socket.send_fds(channel, [b"c"], fds, socket.MSG_DONTWAIT)
        finally:
            channel.detach()


class Console:
    """The console of the process that owns a session. `hand_over` gives the present uploader the terminal's
    descriptors; it never waits.
    """

    def __init__(self, session: Path, hand_over: Callable[[list[int]], None], complain: Callable[[str], None]) -> None:
        self._dir = ConsoleDir(session)
        self._hand_over, self._complain = hand_over, complain
        self._pid = os.getpid()
        self._diversion: Diversion | None = None
        self._shown: Words | None = None
        self._recordings: dict[str, Words] = {}
        self._active: set[str] = set()
        self._checked_at = 0.0

    def start(self, writer: str) -> None:
        """Record for this writer's run from now on. Safe twice. If something is wrong, say so and leave the console as
        it is.
        """
        if self._pid != os.getpid() or writer in self._active or not can_divert():
            return
        try:
            if not self._active:
                self._divert()
            assert self._diversion is not None
            self._recordings[writer] = self._dir.ask(writer, self._diversion.sizes())
        except OSError as e:
            self.give_back()
            why = os.strerror(e.errno or 5)
            self._complain(f"what C libraries and child processes print is not recorded: {why}")
            return
        self._active.add(writer)

    def _divert(self) -> None:
        if self._diversion is not None:  # from before a stop
            self.settle(0)
            self._diversion.close()
            self._diversion = None
        self._dir.make()
        self._shown = self._shown or self._dir.shown()
        self._diversion = Diversion((self._dir.file("stdout"), self._dir.file("stderr")))
        self._shown[consolefiles.ENDED] = self._shown[consolefiles.FULL] = 0
        self.hand_over()

    def hand_over(self) -> None:
        """Give a new uploader the terminal's descriptors. Does nothing if nothing is captured."""
        if self._diversion is not None and self._shown is not None and not self._shown[consolefiles.ENDED]:
            self._hand_over(self._diversion.saved)

    def stop(self, writer: str) -> None:
        """Stop recording for this writer; the last one puts the descriptors back. Never waits; safe twice."""
        if self._pid != os.getpid() or writer not in self._active or self._diversion is None:
            return
        if len(self._active) == 1:
            self.give_back()
        else:
            self._finish(writer)

    def _finish(self, writer: str) -> None:
        assert self._diversion is not None
        out, err = self._diversion.sizes()
        self._recordings[writer].store(consolefiles.UNTIL, (out + 1, err + 1))
        self._active.discard(writer)

    def check(self) -> None:
        """Put the descriptors back if the uploader asked for it because the disk is full. Cheap; call it often."""
        now = time.monotonic()
        if not self._active or now - self._checked_at < CHECK_INTERVAL_S or self._pid != os.getpid():
            return
        self._checked_at = now
        if self._shown is not None and self._shown[consolefiles.FULL]:
            self._complain("no room for what C libraries and child processes print: it is no longer recorded")
            self.give_back()

    def give_back(self) -> None:
        """End the capture for all writers. Safe twice, and in any process."""
        if self._pid != os.getpid() or self._diversion is None:
            return
        self._diversion.end()
        for writer in tuple(self._active):
            self._finish(writer)
        if self._shown is not None:
            self._shown[consolefiles.ENDED] = 1

    def settle(self, timeout: float = SETTLE_TIMEOUT_S) -> None:
        """Copy to the terminal what the uploader has not copied yet. Block at most `timeout` seconds, or one write."""
        if self._pid != os.getpid() or self._diversion is None or self._shown is None:
            return
        deadline = time.monotonic() + timeout
        for stream, (name, terminal) in enumerate(zip(consolefiles.STREAMS, self._diversion.saved, strict=True)):
            with contextlib.suppress(OSError):  # the terminal is gone
                file = os.open(self._dir.file(name), os.O_RDONLY | os.O_CLOEXEC)
                try:
                    while self._copy(file, terminal, stream):
                        if time.monotonic() > deadline:
                            return
                finally:
                    os.close(file)

    def _copy(self, file: int, terminal: int, stream: int) -> bool:
        """Copy once. Return whether there may be more after a moment: the uploader is copying just now, or the terminal
        takes nothing yet.
        """
        assert self._shown is not None
        if os.fstat(file).st_size <= self._shown[consolefiles.SHOWN + stream]:
            return False
        poller = select.poll()
        poller.register(terminal, select.POLLOUT)
        if not poller.poll(50):
            return True
        with self._shown.copying() as mine:
            if mine:
                consolefiles.copy_some(file, terminal, self._shown, stream)
        if not mine:
            time.sleep(0.001)
        return True

    def forget(self, writer: str) -> None:
        """Release what a recording holds that has ended and is at the lab. Safe twice."""
        known = self._pid == os.getpid() and writer in self._recordings
        if known and writer not in self._active and not self.left(writer):
            self._recordings.pop(writer).close()

    # Waiting for the lab ----------------------------------------------------------------------------------------

    def place(self, writer: str) -> tuple[int, int]:
        """Return the position up to which everything printed so far lies, for `is_there`."""
        words = self._recordings.get(writer)
        if words is None or self._diversion is None or self._pid != os.getpid():
            return 0, 0
        out, err = words.pair(consolefiles.UNTIL)
        return (out - 1, err - 1) if out else self._diversion.sizes()

    def is_there(self, writer: str, place: tuple[int, int], *, acked: bool) -> bool:
        """Return whether everything before `place` is at the lab; or in the journal, with acked=False."""
        words = self._recordings.get(writer)
        if place == (0, 0) or words is None:  # None: forgotten, as it was all there
            return True
        positions = words.pair(consolefiles.ACKED if acked else consolefiles.JOURNALED)
        return positions[0] >= place[0] and positions[1] >= place[1]

    def left(self, writer: str) -> int:
        """Return how many printed bytes are not at the lab."""
        place = self.place(writer)
        if place == (0, 0):
            return 0
        acked = self._recordings[writer].pair(consolefiles.ACKED)
        return sum(max(0, end - at) for end, at in zip(place, acked, strict=True))
