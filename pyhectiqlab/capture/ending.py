"""Find out how this process ends, as far as it can see that itself, without changing how it ends.

* an uncaught exception: the interpreter leaves it in `sys.last_exc` / `sys.last_value` before exit hooks run, so no
  excepthook is replaced (IPython sets it for every cell that failed; there it says nothing about the end)
* `sys.exit(n)`: a thin wrapper remembers n
** SIGTERM and crashes: faulthandler, in C, writes the stack of the thread that got SIGTERM, or of all threads at a
crash. Then the signal takes effect, so that a process stuck in a collective still dies at once. This holds only while
the user has not set these signals
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import traceback
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..base.fds import lifted
from ..base.lazyclass import dataclass, make_all

DETAIL_CHARS_MAX = 64 << 10
DEADLY = ("SIGSEGV", "SIGFPE", "SIGABRT", "SIGBUS", "SIGILL")  # what faulthandler.enable watches

_exit_code: Any = None
_exit_called = False
_crash_fd = -1
_watches: list[_Watch] = []
_handled = 0  # id of the exception that the parent was handling when this process began


@dataclass(frozen=True)
class Ending:
    state: str  # completed, failed or stopped; also killed, if `hectiqlab run` started the program
    cause: str
    exit_code: int | None
    detail: str = ""
    signal: int | None = None  # known only if `hectiqlab run` started the program


def watch_exit_code() -> None:
    """Wrap `sys.exit` once, to remember its argument."""
    make_all()
    global _handled
    _handled = id(sys.exc_info()[1])
    if getattr(sys.exit, "_hectiqlab", False):
        return
    original = sys.exit

    def exit(status: Any = None, /) -> Any:
        global _exit_code, _exit_called
        _exit_code, _exit_called = status, True
        original(status)

    exit._hectiqlab = True  # type: ignore[attr-defined]
    exit.__doc__ = original.__doc__
    sys.exit = exit


class _Sink:
    """The file that faulthandler writes to. Only faulthandler refers to this object, for as long as it writes here. If
    the script gives it another file, this object is gone.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def flush(self) -> None:
        return None


class _Watch:
    """Signals that faulthandler watches for us; `is_ours` as long as nobody has set anything else for them."""

    def __init__(self, sink: _Sink, signals: Sequence[str], stop: Callable[[], object]) -> None:
        self._sink = weakref.ref(sink)
        self._numbers = [int(getattr(signal, name)) for name in signals]
        self._set = _handlers(self._numbers)
        self.stop = stop

    def is_ours(self) -> bool:
        return self._sink() is not None and _handlers(self._numbers) == self._set


def _handlers(numbers: Sequence[int]) -> list[object]:
    """Return what the process does at each of these signals: what Python says, and the handler's address that the
    kernel knows. Python does not know a handler that a C library set.
    """
    return [(signal.getsignal(number), _address(number)) for number in numbers]


def _address(number: int) -> int:
    """Return the address of the C function that handles a signal; 0 where it cannot be read."""
    try:
        import ctypes

        action = ctypes.create_string_buffer(1024)  # a struct sigaction, of which the handler is the first member
        if ctypes.CDLL(None).sigaction(number, None, action):
            return 0
    except (OSError, AttributeError, ImportError):
        return 0
    return int.from_bytes(action.raw[: ctypes.sizeof(ctypes.c_void_p)], sys.byteorder)


def watch_signals(crash_path: Path) -> None:
    """Have faulthandler write stacks to `crash_path` at SIGTERM and at crashes, unless the user has asked it for
    something else.
    """
    global _crash_fd
    if _crash_fd >= 0:
        return
    want_crashes = not faulthandler.is_enabled()
    want_sigterm = hasattr(faulthandler, "register") and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not want_crashes and not want_sigterm:
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    _crash_fd = lifted(os.open(crash_path, flags, 0o600))  # stays open as long as the process lives
    if want_crashes:
        sink = _Sink(_crash_fd)
        faulthandler.enable(sink)
        _watches.append(_Watch(sink, DEADLY, faulthandler.disable))
    if want_sigterm:
        # Not the stacks of all threads: it would read them while these threads run. If a thread ended just then, as
        # workers of pools do, SIGTERM became a SIGSEGV: 21 times of 150.
        sink = _Sink(_crash_fd)
        faulthandler.register(signal.SIGTERM, file=sink, all_threads=False, chain=True)
        _watches.append(_Watch(sink, ["SIGTERM"], lambda: faulthandler.unregister(signal.SIGTERM)))


def unwatch_signals() -> None:
    """End the watch in a forked child, whose crash must not be written into its parent's file. What the script has set
    since for itself and its children stays.
    """
    global _crash_fd
    stays = False
    for watch in _watches:
        if watch.is_ours():
            watch.stop()
        else:
            stays = True
    _watches.clear()
    if _crash_fd >= 0:
        with contextlib.suppress(OSError):
            if stays:  # below a handler of the script, faulthandler may still write to this number
                null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
                os.dup2(null, _crash_fd, inheritable=False)
                os.close(null)
            else:
                os.close(_crash_fd)
        _crash_fd = -1


def forget_exit() -> None:
    """Forget, in a forked child, what its parent remembered."""
    global _exit_code, _exit_called
    _exit_code, _exit_called = None, False


def this_ending() -> Ending:
    """Return how the process ends. Call this from an exit hook."""
    under_way = sys.exc_info()[1]  # set in a process of multiprocessing, whose finalizers run during the exception
    if under_way is not None and id(under_way) != _handled:
        return ending_by(under_way)
    if getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)() is None:
        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if isinstance(error, BaseException):
            return ending_by(error)
    if _exit_called:
        code = exit_status(_exit_code)
        if code:
            detail = str(_exit_code) if not isinstance(_exit_code, int) else ""
            return Ending("failed", f"sys.exit({_exit_code!r})"[:200], code, detail[:DETAIL_CHARS_MAX])
    return Ending("completed", "exit", None)


def ending_by(error: BaseException) -> Ending:
    """Return how the run ends by an exception that nobody caught."""
    if isinstance(error, KeyboardInterrupt):
        return Ending("stopped", "KeyboardInterrupt", None)
    if isinstance(error, SystemExit):
        code = exit_status(error.code)
        return Ending("failed" if code else "completed", f"sys.exit({error.code!r})"[:200], code)
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    cause = f"{type(error).__name__}: {error}".splitlines()[0][:500]
    return Ending("failed", cause, 1, text[-DETAIL_CHARS_MAX:])


_STATES = ("completed", "failed", "stopped")
_CODE_KNOWN = 1 << 16


def as_word(ending: Ending) -> int:
    """Return an ending as a number for a queue's header, which can be written even if the disk is full. Never 0."""
    code = 0 if ending.exit_code is None else _CODE_KNOWN | (ending.exit_code & 0xFF) << 8
    return code | 1 + _STATES.index(ending.state if ending.state in _STATES else "failed")


def from_word(word: int) -> dict[str, Any] | None:
    """Return the ending that `as_word` made a number of, in the form that a file in `ends` has. None for 0, and for a
    number that a newer version made.
    """
    if not 0 < word & 0xFF <= len(_STATES):
        return None
    code = word >> 8 & 0xFF if word & _CODE_KNOWN else None
    cause = "exit" if code is None else f"exit status {code}"
    return {"state": _STATES[(word & 0xFF) - 1], "cause": cause, "exit_code": code}


def exit_status(code: Any) -> int:
    """Return the status that `sys.exit(code)` gives the process."""
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1
