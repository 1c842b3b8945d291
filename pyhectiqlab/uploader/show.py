"""The show: a thread that copies what C libraries and child processes print to the terminal.

It is a thread of its own because a terminal may take nothing for ever (a pipe whose reader sleeps, a pressed Ctrl-S),
and nothing else must wait for that. It does not change flags of the descriptors: the script and its shell share them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import time
import traceback
from collections.abc import Callable

from ..base.loops import Loop
from ..spool import consolefiles
from ..spool.consolefiles import STREAMS, ConsoleDir

POLL_S = 0.02
LOOK_S = 0.25
TRIES_MAX = 4  # tries to show where that fails in an unforeseen way: the uploader must end some day
GIVE_UP_S = 60.0  # how long to try, after the script's end, while the terminal takes nothing
_GONE = {errno.EPIPE, errno.EIO, errno.EBADF, errno.ENXIO, errno.ECONNRESET}


class Show:
    """The thread and its files.

    Args:
        channel: a socket by which the script hands over its terminal. This object closes it.
        has_ended: returns whether the script's process has ended.
    """

    def __init__(self, folder: ConsoleDir, channel: int, has_ended: Callable[[], bool], log: Callable[[str], None]):
        self._folder, self._has_ended, self._log = folder, has_ended, log
        self._channel: socket.socket | None = socket.socket(fileno=channel)
        self._channel.setblocking(False)
        self._terminals: list[int] = []
        self._gone = [False, False]
        self._moved_at = time.monotonic()  # when the script last lived, or its terminal last took something
        self.written_by_others = True  # whether anybody may still print after the script
        self._looked_at = 0.0
        self.loop = Loop("console", self._turn, log)

    def start(self) -> None:
        """Safe twice. Raises OSError."""
        if not self.loop.started:
            self._files = [os.open(self._folder.file(name), os.O_RDONLY | os.O_CLOEXEC) for name in STREAMS]
            self._shown = self._folder.shown()
            self.loop.start()

    def is_over(self) -> bool:
        """Return whether nothing is to be shown any more."""
        return self.loop.ended

    def _turn(self) -> float | None:
        try:
            wait_s = self._show()
        except Exception:
            if self.loop.trouble.failures < TRIES_MAX:
                raise
            self._log("the console is no longer shown: " + traceback.format_exc())
            wait_s = None
        if wait_s is None:
            self._close()
            self.written_by_others = False
        return wait_s

    def _show(self) -> float | None:
        """Show what there is. Return how long to wait then; None: nothing more will come."""
        ended = self._has_ended()  # ask before looking at the files: so all that came before the end is seen
        self._receive()
        moved = sum(self._copy(stream) for stream in (0, 1)) > 0
        now = time.monotonic()
        if moved or not ended or not self._is_behind():
            self._moved_at = now
        if moved:
            return 0.0
        if now - self._looked_at > LOOK_S:
            self._looked_at = now
            if self._release(ended):
                return None
        return POLL_S

    def _receive(self) -> None:
        if self._channel is None:
            return
        try:
            data, fds, _, _ = socket.recv_fds(self._channel, 1, 2)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if len(fds) == 2:
            self._let_go()
            self._terminals, self._gone = list(fds), [False, False]
        if not data:
            self._channel.close()
            self._channel = None

    def _copy(self, stream: int) -> bool:
        """Copy what is new of one stream. Return whether anything was copied."""
        if not self._terminals:
            return False
        file, terminal = self._files[stream], self._terminals[stream]
        size = os.fstat(file).st_size
        if size <= self._shown[consolefiles.SHOWN + stream]:
            return False
        if self._gone[stream]:
            self._shown[consolefiles.SHOWN + stream] = size
            return False
        poller = select.poll()
        poller.register(terminal, select.POLLOUT)
        if not poller.poll(50):
            return False
        try:
            with self._shown.copying() as mine:
                return mine and consolefiles.copy_some(file, terminal, self._shown, stream) > 0
        except OSError as e:
            if e.errno in _GONE:
                self._gone[stream] = True
                self._log(f"the script's {STREAMS[stream]} is gone ({e.strerror}): what is printed is only recorded")
            return False

    def _release(self, ended: bool) -> bool:
        """Close the terminal once all is shown and nobody can print any more: a process that reads the script's output
        from a pipe waits for that. Return whether this thread is done.
        """
        if not ended and not self._shown[consolefiles.ENDED]:
            return False
        given_up = time.monotonic() - self._moved_at > GIVE_UP_S
        written = any(is_written(file) for file in self._files)  # ask first: the last writer's last line may come now
        if (written or (self._terminals and self._is_behind())) and not given_up:
            return False
        self._let_go()
        return ended

    def _is_behind(self) -> bool:
        return any(os.fstat(f).st_size > self._shown[consolefiles.SHOWN + s] for s, f in enumerate(self._files))

    def _let_go(self) -> None:
        for fd in self._terminals:
            os.close(fd)
        self._terminals = []

    def _close(self) -> None:
        self._let_go()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        for fd in self._files:
            os.close(fd)
        self._shown.close()


def is_written(fd: int) -> bool:
    """Return whether any process has the file open for writing: the kernel refuses a read lease then. SIGIO must be
    ignored: a process that opens the file in that moment breaks the lease.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except (OSError, AttributeError) as e:
        return getattr(e, "errno", None) == errno.EAGAIN
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
