"""Loops: the threads of lab and uploader. Each goes on whatever its work raises, and reports the error.

Nothing else of ours starts a thread (the checks refuse a bare `Thread`). A thread that dies unseen stops its work,
while everything around it looks well.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

from ..errors import LabError
from .lazyclass import dataclass

PAUSE_MIN_S = 1.0  # after a failure; doubles with each failure that follows
PAUSE_MAX_S = 60.0
REPORT_AGAIN_S = 3600.0  # the same failure is reported once in this time

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Failing:
    """A failure that goes on. `since`: when the first failure in a row was, in seconds since 1970."""

    name: str
    since: float
    failures: int
    error: str


class Trouble:
    """Whether a piece of work that is tried again and again fails. It reports when the failing begins, changes, goes
    on, ends.

    Args:
        name: name of the work in messages, such as "notifier".
        tell: takes a text of one or more lines, for a log.
        tell_better: likewise, that it works again. None: `tell`.
        pause_max_s: the longest wait before the next try.

    Attributes:
        failures: in all, since the start.
    """

    def __init__(
        self, name: str, tell: Tell, tell_better: Tell | None = None, pause_max_s: float = PAUSE_MAX_S
    ) -> None:
        self.name, self._tell, self._tell_better = name, tell, tell_better or tell
        self._pause_max_s = pause_max_s
        self.failures = 0
        self._in_a_row = 0
        self._failing: Failing | None = None
        self._reported: tuple[str, float] = ("", 0.0)

    @property
    def failing(self) -> Failing | None:
        return self._failing

    @property
    def pause_s(self) -> float:
        """How long to wait before the next try."""
        return min(PAUSE_MIN_S * 2.0 ** max(0, self._in_a_row - 1), self._pause_max_s)

    def failed(self, error: BaseException) -> None:
        """Note a failure. Never raises. A LabError explains itself; for other errors the stack is reported."""
        self.failures += 1
        self._in_a_row += 1
        what = f"{type(error).__name__}: {error}"
        since = self._failing.since if self._failing else time.time()
        self._failing = Failing(self.name, since, self._in_a_row, what[:500])
        now = time.monotonic()
        if self._reported[0] == what and now - self._reported[1] < REPORT_AGAIN_S:
            return
        self._reported = what, now
        if not isinstance(error, LabError):
            what = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self._say(f"{self.name} failed, and is tried again: {what}")

    def worked(self) -> None:
        if self._failing is None:
            return
        self._in_a_row, self._failing, self._reported = 0, None, ("", 0.0)
        self._say(f"{self.name} works again", self._tell_better)

    def _say(self, text: str, tell: Tell | None = None) -> None:
        try:
            (tell or self._tell)(text)
        except Exception:  # a log on a full disk: `failing` still knows the error
            self._reported = ("", 0.0)


class Loop:
    """A thread between `start` and `stop` that calls `turn` again and again.

    Args:
        turn: returns how many seconds to wait before it is called again, or None to end the thread. Whatever it
            raises, SystemExit included, is reported, and it is called again after a pause.

        tell, tell_better, pause_max_s: see Trouble.

    Attributes:
        trouble: whether it fails.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], float | None],
        tell: Tell,
        tell_better: Tell | None = None,
        pause_max_s: float = PAUSE_MAX_S,
    ) -> None:
        self._turn = turn
        self.trouble = Trouble(name, tell, tell_better, pause_max_s)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread. Safe twice. Raises RuntimeError where the system gives no thread."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=f"hectiqlab-{self.trouble.name}", daemon=True)
            thread.start()
            self._thread = thread

    def hurry(self) -> None:
        """End a wait, also one after a failure. Call it from any thread."""
        self._wake.set()

    def stop(self, timeout_s: float | None = None) -> None:
        """Begin no further turn. Blocks until the turn under way has ended, at most `timeout_s`. Safe twice."""
        self._stopping.set()
        self.hurry()
        self.join(timeout_s)

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until the thread has ended by itself, at most `timeout_s`."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called; for a turn that takes long."""
        return self._stopping.is_set()

    @property
    def started(self) -> bool:
        return self._thread is not None

    @property
    def ended(self) -> bool:
        """Whether its work is done or it was stopped."""
        return self._ended

    @property
    def failing(self) -> Failing | None:
        """Why it does not do its work now; None where it does its work, or has none."""
        if self._thread is not None and not self._thread.is_alive() and not self._ended:
            return Failing(self.trouble.name, time.time(), 1, "its thread is gone")
        return self.trouble.failing

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                wait_s = self._turn()
            except BaseException as e:
                self.trouble.failed(e)
                wait_s = self.trouble.pause_s
            else:
                self.trouble.worked()
                if wait_s is None:
                    break
            if wait_s > 0:
                self._wake.wait(wait_s)
        self._ended = True


def aside(name: str, work: Callable[[], object]) -> threading.Thread:
    """Start a thread for one call that may take too long, and return it. `work` itself must report how it went. Raises
    RuntimeError where the system gives no thread.
    """
    thread = threading.Thread(target=work, name=f"hectiqlab-{name}", daemon=True)
    thread.start()
    return thread


def once(name: str, work: Callable[[], object], tell: Tell) -> Loop:
    """Start a loop that does a piece of work, again after a failure, and return it. Raises RuntimeError as `start`
    does.
    """

    def turn() -> None:
        work()

    loop = Loop(name, turn, tell)
    loop.start()
    return loop
