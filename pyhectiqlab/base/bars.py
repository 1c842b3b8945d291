"""Bars on stderr: how far files are on their way.

They are drawn in a terminal or notebook; elsewhere a line is printed now and then.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from .stderr import write_stderr
from .texts import clean, counted, size_text

TERMINAL, NOTEBOOK, LINES = "terminal", "notebook", "lines"
LINE_EVERY_S = 30.0


def place() -> str:
    """Return where stderr leads: TERMINAL, NOTEBOOK, or LINES for a file, a pipe or nothing."""
    stream = sys.stderr
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if stream.isatty():
            return TERMINAL
    return NOTEBOOK if type(stream).__module__.startswith("ipykernel.") else LINES


@functools.cache
def _bar_class() -> Any:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        # tqdm's own monitor is a thread, which a process that is ending can no longer start. tqdm's own lock is one of
        # multiprocessing, for which Python 3.14 starts a process.
        monitor_interval = 0
        _lock = threading.RLock()

    return Bar


def _drawn(description: str, size: int, **style: Any) -> Any:
    return _bar_class()(
        desc=clean(description)[:40], total=size, unit="B", unit_scale=True, unit_divisor=1000, file=sys.stderr, **style
    )


@contextlib.contextmanager
def bar(description: str, size: int) -> Iterator[Callable[[int], object]]:
    """Show a bar for one transfer that the caller waits for. Yields a function that takes the bytes so far."""
    if place() == LINES:
        yield lambda done: None
        return
    with _drawn(description, size) as shown:
        yield lambda done: shown.update(done - shown.n)


class FileBars:
    """A bar for the file under way and one for all; where stderr is not a terminal or notebook, now and then a line.

    A context manager. Raises nothing for a stderr that is closed or broken. A notebook can redraw only its last line,
    so it has only the bar for all.
    """

    def __init__(self, where: str | None = None, *, every_s: float = LINE_EVERY_S) -> None:
        self._where = place() if where is None else where
        self._every_s = every_s
        self._said = time.monotonic()
        self._sizes: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._one: Any = None
        self._all: Any = None
        self._ident = ""

    def __enter__(self) -> FileBars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bars away. Safe twice."""
        with contextlib.suppress(OSError, ValueError):
            for shown in (self._one, self._all):
                if shown is not None:
                    shown.close()
        self._one = self._all = None

    def say(self, line: str) -> None:
        """Print a line, above the bars."""
        if self._all is None:
            write_stderr(f"{line}\n")
        else:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                self._all.write(line, file=sys.stderr)

    def update(self, ident: str, name: str, size: int, sent: int) -> None:
        """Note that `sent` bytes of the file are at the lab. 0 announces the file, which then counts in the bar for
        all.
        """
        moved = sent > self._sent.get(ident, 0)
        self._sizes[ident], self._sent[ident] = size, sent
        if self._where == LINES:
            self._tell()
        elif moved or self._all is not None:
            self._draw(ident if moved else "", name)

    def show(self) -> None:
        """Draw the bar for all, even if nothing has moved yet."""
        if self._where != LINES:
            self._draw("", "")

    def _draw(self, ident: str, name: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._redraw(ident, name)

    def _redraw(self, ident: str, name: str) -> None:
        if self._all is None:
            self._all = _drawn(
                "all files", sum(self._sizes.values()), position=int(self._where == TERMINAL), leave=False
            )
        if self._where == TERMINAL and ident and ident != self._ident:
            if self._one is not None:
                self._one.close()
            self._one = _drawn(name, self._sizes[ident], position=0, leave=False)
            self._ident = ident
        self._all.total = sum(self._sizes.values())
        shown = [(self._all, sum(self._sent.values()))]
        if self._one is not None:
            shown.insert(0, (self._one, self._sent[self._ident]))
        for drawn, n in shown:
            drawn.n = n
            drawn.update(0)  # redraws, but not more often than the eye can follow

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._said < self._every_s:
            return
        self._said = now
        there = sum(self._sent[ident] >= size for ident, size in self._sizes.items())
        sent, size = sum(self._sent.values()), sum(self._sizes.values())
        files, of_size = f"{there:,} of {counted(len(self._sizes), 'file')}", f"{size_text(sent)} of {size_text(size)}"
        self.say(f"hectiqlab: {files} at the lab, {of_size}")
