"""The program below us: started with a console like ours, relayed and recorded, with signals passed on to it.

Its output is shown before it is recorded. A recorder that fails, or a terminal that is gone, changes nothing for the
program. If nobody reads our output any more, the program learns that as it would without us (SIGPIPE).
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType

from ..base.fds import wait_ready
from ..capture.oom import OomWatch
from ..capture.process import open_pidfd, pid_namespace, start_time
from . import terminal
from .witness import Witness

READ_BYTES = 64 << 10
KEYS_BYTES = 1 << 10  # that are handed on at once
HELD_S = 0.1  # a text is recorded after this time, or at HELD_CHARS_MAX
HELD_CHARS_MAX = 8 << 10
LINGER_S = 0.3  # how long to read on after the program ended, while processes that it left have its output open …
LINGER_MAX_S = 3.0  # … and print
PASSED_ON = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCONT", "SIGWINCH")

Record = Callable[[str, str], None]


class Channel:
    """One output of the program: what we read from, where we show it, and what is to be recorded of it."""

    def __init__(self, name: str, source: int, shown_at: int, record: Record) -> None:
        self.name, self.source = name, source
        self._shown_at, self._record = shown_at, record
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._since = 0.0

    def relay(self) -> bool:
        """Show and record what has come. Return False at the end of the output."""
        try:
            data = os.read(self.source, READ_BYTES)
        except OSError as e:
            if e.errno in (errno.EAGAIN, errno.EINTR):
                return True
            data = b""  # EIO: the last program has closed its pseudo-terminal
        if not data:
            return False
        wanted = self._show(data)
        self._hold(self._decoder.decode(data))
        return wanted

    def _show(self, data: bytes) -> bool:
        """Write all of it. Return False if the reader of a pipe is gone."""
        try:
            while data:
                data = data[os.write(self._shown_at, data) :]
        except OSError as e:
            return e.errno != errno.EPIPE  # a terminal that is gone: the program goes on, and is recorded
        return True

    def _hold(self, text: str) -> None:
        if not self._held:
            self._since = time.monotonic()
        self._held += text
        if len(self._held) > HELD_CHARS_MAX:
            self.hand_over()

    def hand_over(self, *, only_old: bool = False, last: bool = False) -> None:
        """Record what is held. A carriage return at its end waits: it may be the first half of a line break."""
        if last:
            self._held += self._decoder.decode(b"", final=True)
        if not self._held or (only_old and time.monotonic() - self._since < HELD_S):
            return
        text, rest = (self._held[:-1], "\r") if self._held.endswith("\r") and not last else (self._held, "")
        self._held = rest
        if text:
            with contextlib.suppress(Exception):  # recording what it prints must never end the program
                self._record(text.replace("\r\n", "\n"), self.name)


class Child:
    """A program that has been started. Raises OSError if it cannot be.

    Args:
        record: called with (text, "stdout" or "stderr").
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], record: Record) -> None:
        stdin, stdout, stderr = terminal.standard()
        self._interactive = os.isatty(stdin) and os.isatty(stdout) and terminal.in_foreground(stdin)
        self._keys = b""  # that were typed, on their way to the program
        self._signals = [n for name in PASSED_ON if (n := getattr(signal, name, None)) is not None]
        self._signals = [number for number in self._signals if signal.getsignal(number) is not signal.SIG_IGN]
        self._witness = None if self._interactive else Witness(self._signals, self._send)
        self._channels: list[Channel] = []
        theirs: dict[int, int] = {}
        try:
            theirs[stdout] = self._open("stdout", stdout, record)
            if terminal.same_file(stdout, stderr):  # one pipe for both keeps the order of what is printed
                theirs[stderr] = theirs[stdout]
            else:
                theirs[stderr] = self._open("stderr", stderr, record)
            self.process = subprocess.Popen(
                list(command),
                env=dict(env),
                stdin=theirs[stdout] if self._interactive else None,
                stdout=theirs[stdout],
                stderr=theirs[stderr],
                start_new_session=self._interactive,
                preexec_fn=terminal.take_terminal if self._interactive else None,
            )
        except BaseException:
            self._close()
            raise
        finally:
            for fd in set(theirs.values()):
                os.close(fd)
        self._oom = OomWatch(self.process.pid)
        self._started = start_time(self.process.pid) or 0.0

    def _open(self, name: str, shown_at: int, record: Record) -> int:
        """Make a channel. Return the program's end of it."""
        if os.isatty(shown_at):
            ours, theirs = terminal.open_like(shown_at, plain=not self._interactive)
        else:
            ours, theirs = os.pipe()
        self._channels.append(Channel(name, ours, shown_at, record))
        return theirs

    def out_of_memory(self) -> bool | None:
        """Return whether the kernel's out-of-memory killer ended it; None where that is not known."""
        return self._oom.struck(self._started, pid_namespace())

    def wait(self) -> int:
        """Relay until the program has ended. Return its wait status as subprocess does: -N after signal N."""
        with contextlib.ExitStack() as stack:
            if self._interactive:
                stack.enter_context(terminal.handing_keys_on(0))
            stack.enter_context(self._passing_signals_on())
            stack.callback(self._close)
            self._relay()
            return self.process.wait()

    # Signals ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _passing_signals_on(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._came) for number in self._signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _came(self, number: int, frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGWINCH", None):
            for channel in self._channels:
                if os.isatty(channel.source):
                    terminal.copy_size(1 if os.isatty(1) else 2, channel.source)
        if self._witness is not None and self._witness.is_there and self._is_in_our_group():
            self._witness.came(number)
            return
        by_keyboard = number in (signal.SIGINT, signal.SIGQUIT) and any(map(terminal.in_foreground, (0, 1, 2)))
        if self._interactive or not by_keyboard:  # else the terminal has sent it to the program, too
            self._send(number)

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def _is_in_our_group(self) -> bool:
        try:
            return os.getpgid(self.process.pid) == os.getpgrp()
        except ProcessLookupError:
            return False

    # The console ------------------------------------------------------------------------------------------------

    def _relay(self) -> None:
        with selectors.DefaultSelector() as selector:
            for channel in self._channels:
                selector.register(channel.source, selectors.EVENT_READ, channel)
            if self._interactive:
                selector.register(0, selectors.EVENT_READ)
            end = open_pidfd(self.process.pid)
            if end >= 0:
                selector.register(end, selectors.EVENT_READ)
            try:
                self._relay_with(selector, end)
            finally:
                if end >= 0:
                    os.close(end)
        for channel in self._channels:
            channel.hand_over(last=True)

    def _relay_with(self, selector: selectors.BaseSelector, end: int) -> None:
        """Relay until the program has ended and its output, too, or for LINGER_S longer."""
        open_channels = set(self._channels)
        ended_at: float | None = None
        while True:
            ready = selector.select(HELD_S)
            read = False
            for key, _ in ready:
                if key.fd == end:
                    continue
                if key.data is None:
                    self._take_keys(selector)
                elif key.data.relay():
                    read = True
                else:
                    selector.unregister(key.fd)
                    open_channels.discard(key.data)
                    os.close(key.fd)
                    self._channels[self._channels.index(key.data)].source = -1
            self._hand_keys_on()
            if self._witness is not None:
                self._witness.look()
            for channel in self._channels:
                channel.hand_over(only_old=True)
            if self.process.poll() is None:
                self._oom.look()
            else:
                if ended_at is None:
                    ended_at = time.monotonic()
                    if end >= 0:
                        selector.unregister(end)
                late_s = time.monotonic() - ended_at
                if not open_channels or late_s > LINGER_MAX_S or (late_s > LINGER_S and not read):
                    return

    def _take_keys(self, selector: selectors.BaseSelector) -> None:
        """Read what was typed, once the program has room for it: else both would wait for each other."""
        if self._keys:
            return
        with contextlib.suppress(OSError):
            self._keys = os.read(0, READ_BYTES)
        if not self._keys:  # the terminal is gone
            selector.unregister(0)

    def _hand_keys_on(self) -> None:
        target = self._channels[0].source
        if self._keys and target >= 0 and wait_ready([target], 0.0, to_write=True):
            with contextlib.suppress(OSError):
                self._keys = self._keys[os.write(target, self._keys[:KEYS_BYTES]) :]

    def _close(self) -> None:
        if self._witness is not None:
            self._witness.close()
        for channel in self._channels:
            if channel.source >= 0:
                os.close(channel.source)
                channel.source = -1
