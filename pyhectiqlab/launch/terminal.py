"""Terminals for a program that runs below us: what was a terminal stays one, as a pseudo-terminal of the same size."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from typing import Any


def same_file(one: int, other: int) -> bool:
    """Return whether two descriptors lead to the same open file, pipe or terminal."""
    a, b = os.fstat(one), os.fstat(other)
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


def in_foreground(fd: int) -> bool:
    """Return whether this process may read from the terminal: a job in the background would be stopped."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # not the terminal that this process belongs to
        return False


def open_like(terminal: int, *, plain: bool) -> tuple[int, int]:
    """Return (our end, the program's end) of a new pseudo-terminal with the settings and size of `terminal`. `plain`:
    it changes no line breaks, as `terminal` does that. Raises OSError.
    """
    ours, theirs = os.openpty()
    with contextlib.suppress(OSError, termios.error):
        settings = termios.tcgetattr(terminal)
        if plain:
            settings[1] &= ~termios.OPOST
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
    copy_size(terminal, ours)
    return ours, theirs


def copy_size(source: int, target: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.ioctl(target, termios.TIOCSWINSZ, fcntl.ioctl(source, termios.TIOCGWINSZ, b"\0" * 8))


def take_terminal() -> None:
    """Make descriptor 0 the terminal of this new session, so that Ctrl-C reaches it. Called before the program."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def handing_keys_on(fd: int) -> Iterator[None]:
    """Hand on keys as they are pressed, Ctrl-C too, while the block runs. The terminal is as before afterwards."""
    before: Any = None
    try:
        before = termios.tcgetattr(fd)
        tty.setraw(fd)
    except (OSError, termios.error):
        pass  # no terminal: keys come a line at a time, or not at all
    try:
        yield
    finally:
        if before is not None:
            with contextlib.suppress(OSError, termios.error), _not_stopped():
                termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _not_stopped() -> Iterator[None]:
    """Let a process of the background set the terminal."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTTOU, before)


def standard() -> tuple[int, int, int]:
    """Flush what Python holds, and return the descriptors that a program inherits."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    return 0, 1, 2
