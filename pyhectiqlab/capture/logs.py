"""Log capture: make log events of a run from messages of loggers and from printed text.

Handlers are attached only to the loggers that the user names, so the root logger stays as the user configured it.
They take no lock, because a message may come from a signal handler or from a forked child. A record that passes several
recorded loggers (`torch.nn`, then `torch`) is one event. An error of ours is printed once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from ..base.stderr import write_stderr
from ..errors import RunClosedError
from ..protocol import logs as protocol
from .console import Tee, unrecorded
from .ending import Ending
from .interactive import ipython, is_interactive

DEFAULT_CHANNEL = "default"
CRITICAL = ("CRITICAL", logging.CRITICAL)


class LogOutbox(Protocol):
    """The part of an outbox that a recorder uses."""

    @property
    def at_end(self) -> list[Callable[[Ending], None]]: ...

    def event(self, kind: str, fields: dict[str, Any], at: float | None = None) -> None: ...

    def record_descriptors(self, wanted: bool) -> None: ...

    def check_console(self) -> None: ...


class Recorder:
    """Everything that is recorded for one outbox. `of` returns the outbox's recorder.

    Args:
        complain: called with a line about an error of ours.
    """

    def __init__(self, outbox: LogOutbox, complain: Callable[[str], None]) -> None:
        self._outbox, self._complain = outbox, complain
        self._loggers: dict[logging.Logger, RecordHandler] = {}
        self._tees: list[Tee] = []
        self._showed_end = False
        self._name = f"hectiqlab.run-{os.urandom(4).hex()}"  # of the default logger, for this run alone
        outbox.at_end.append(self._end)

    @classmethod
    def of(cls, outbox: LogOutbox, complain: Callable[[str], None]) -> Recorder:
        """Return the recorder of an outbox, and make it if there is none. Two Run objects of the same run share an
        outbox, so nothing is recorded twice when a cell of a notebook runs again.
        """
        recorder = cls.existing(outbox)
        return recorder if recorder is not None else cls(outbox, complain)

    @classmethod
    def existing(cls, outbox: LogOutbox) -> Recorder | None:
        owners = (getattr(hook, "__self__", None) for hook in outbox.at_end)
        return next((owner for owner in owners if isinstance(owner, cls)), None)

    # Loggers ----------------------------------------------------------------------------------------------------

    def start(self, channel: str | None) -> logging.Logger:
        """Record a logger, and show on stderr what no other handler shows. Return the logger, with a method
        `stop_recording_logs`. Safe twice.
        """
        logger = logging.getLogger(self._name if channel is None else channel)
        logger.stop_recording_logs = lambda: self.stop(logger)  # type: ignore[attr-defined]
        if logger not in self._loggers:
            self._loggers[logger] = RecordHandler(self, logger, DEFAULT_CHANNEL if channel is None else channel)
            if channel is None:
                logger.propagate = False
                logger.setLevel(logging.DEBUG)
            elif logger is not logging.getLogger():
                _open_up(logger)
        logger.disabled = False  # logging.config disables loggers that it does not know, and removes handlers
        logger.addHandler(self._loggers[logger])
        if not any(isinstance(h, EchoHandler) for h in logger.handlers):
            logger.addHandler(EchoHandler())
        return logger

    def stop(self, logger: logging.Logger) -> None:
        """Stop recording a logger. With the default logger, the console is no longer recorded either. Safe twice."""
        if logger.name == self._name:
            self._stop_console()
        handler = self._loggers.pop(logger, None)
        if handler is None:
            return
        logger.removeHandler(handler)
        if not any(isinstance(h, RecordHandler) for h in logger.handlers):
            for echo in [h for h in logger.handlers if isinstance(h, EchoHandler)]:
                logger.removeHandler(echo)
            _close_down(logger)

    def stop_channel(self, channel: str | None) -> None:
        """Stop recording a channel; None: all channels, and the console."""
        if channel is not None:
            self.stop(logging.getLogger(channel))
            return
        self._stop_console()
        for logger in list(self._loggers):
            self.stop(logger)

    # The console ------------------------------------------------------------------------------------------------

    def capture_console(self, descriptors: bool) -> None:
        """Record what Python prints to stdout and stderr. In a script, also record what C libraries and child processes
        print. Safe twice.
        """
        if not self._tees:
            self._tee()
        if descriptors and not is_interactive():
            self._outbox.record_descriptors(True)

    def _tee(self) -> None:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None:  # a process without a console
                continue
            try:
                self._tees.append(Tee(stream, lambda text, name=name: self._printed(name, text)))  # type: ignore[misc]
            except (AttributeError, TypeError):
                self._complain(f"sys.{name} is a {type(stream).__name__}, whose output cannot be recorded")

        shell = ipython()
        if shell is not None and self._tees:
            shell.events.register("pre_run_cell", self._renew_console)
            if hasattr(shell, "kernel"):  # IPython's terminal prints what a cell raised to stdout
                shell.events.register("post_run_cell", self._cell_ended)

    def _renew_console(self, *_: object) -> None:
        for tee in self._tees:
            tee.renew()

    def _cell_ended(self, result: Any) -> None:
        """Record what a cell raised, which a notebook shows without writing it to a stream."""
        error = result.error_in_exec or result.error_before_exec
        if error is not None and self._tees:
            for tee in self._tees:
                tee.drain()
            self.put(_of_the_cell(error), "stderr", ("ERROR", logging.ERROR), time.time())

    def _stop_console(self) -> None:
        tees, self._tees = self._tees, []
        if tees:
            self._outbox.record_descriptors(False)
        shell = ipython()
        if shell is not None and tees:
            with contextlib.suppress(ValueError):
                shell.events.unregister("pre_run_cell", self._renew_console)
                shell.events.unregister("post_run_cell", self._cell_ended)  # ValueError where it was not registered
        for tee in tees:
            tee.stop()

    def _printed(self, channel: str, text: str) -> None:
        self._outbox.check_console()
        ends = channel == "stderr" and _shows_the_end()
        self._showed_end = self._showed_end or ends
        self.put(text, channel, CRITICAL if ends else None, time.time())

    # Events -----------------------------------------------------------------------------------------------------

    def takes(self, record: logging.LogRecord, at: logging.Logger) -> bool:
        """Return whether `at` is the recorded logger that records this record: the first one on the record's way up."""
        way = list(_way_up(record))
        return at not in way or next(logger for logger in way if logger in self._loggers) is at

    def record(self, record: logging.LogRecord, text: str, channel: str) -> None:
        for tee in self._tees:
            tee.drain()
        self.put(text, channel, (record.levelname, record.levelno), record.created)

    def put(self, text: str, channel: str, level: tuple[Any, Any] | None, at: Any) -> None:
        """Put a text as log events. Never raises. Ends the recording if the run was closed. `level` and `at` may be
        anything, as code of others puts them into a record.
        """
        try:
            fields: dict[str, Any] = {"level": None, "channel": channel[: protocol.TEXT_CHARS_MAX]}
            if level is not None:
                fields |= protocol.level_fields(*level)
            for piece in protocol.pieces(text):
                self._outbox.event("log", {"text": piece, **fields}, at)
        except RunClosedError:
            self.stop_channel(None)
        except Exception as e:
            self._complain(f"a log message was not recorded: {type(e).__name__}: {e}")

    def _end(self, ending: Ending) -> None:
        """Record the traceback that ends the run, unless the interpreter printed it to a recorded stderr."""
        raised = ending.state == "failed" and ending.detail and not ending.cause.startswith("sys.exit(")
        if (self._loggers or self._tees) and raised and not self._showed_end:
            self.put(protocol.ended(ending.detail.rstrip("\n")), DEFAULT_CHANNEL, CRITICAL, time.time())
        self.stop_channel(None)


class RecordHandler(logging.Handler):
    """Hands the records of one logger and of its children to a recorder."""

    def __init__(self, recorder: Recorder, logger: logging.Logger, channel: str) -> None:
        super().__init__()
        self._recorder, self._logger, self._channel = recorder, logger, channel

    def handle(self, record: logging.LogRecord) -> bool:
        """Record without the lock of logging.Handler: there is nothing to guard."""
        passed: Any = self.filter(record)
        if passed and self._recorder.takes(record, self._logger):
            record = passed if isinstance(passed, logging.LogRecord) else record
            self._recorder.record(record, protocol.ended(_text_of(self, record)), self._channel)
        return bool(passed)


class EchoHandler(logging.Handler):
    """Writes to stderr the records that no other handler shows, in the form in which `hectiqlab logs` will show
    them.
    """

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            if not _shown_elsewhere(record):
                with unrecorded():
                    write_stderr(protocol.ended(_text_of(self, record)))


def _text_of(handler: logging.Handler, record: logging.LogRecord) -> str:
    """Return the message and its traceback. If the arguments do not fit the format, return both as they are."""
    try:
        return handler.format(record)
    except Exception:  # the caller's format string is wrong: logging itself reports it, and never raises
        return f"{_repr(record.msg)} {_repr(record.args)}\n{_trace_of(record)}".rstrip("\n")


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as e:
        return f"<unreadable: {type(e).__name__}>"


def _trace_of(record: logging.LogRecord) -> str:
    try:
        return "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
    except Exception as e:
        return f"<unreadable: {type(e).__name__}>"


def _shown_elsewhere(record: logging.LogRecord) -> bool:
    quiet = (RecordHandler, EchoHandler, logging.FileHandler, logging.NullHandler)
    level = protocol.level_fields(record.levelname, record.levelno)["severity"]
    return any(not isinstance(h, quiet) and level >= h.level for logger in _way_up(record) for h in logger.handlers)


def _way_up(record: logging.LogRecord) -> Iterator[logging.Logger]:
    """Yield the loggers whose handlers see a record."""
    named = logging.Logger.manager.loggerDict.get(record.name) if isinstance(record.name, str) else None
    logger = named if isinstance(named, logging.Logger) else logging.getLogger()
    while True:
        yield logger
        if logger.parent is None or not logger.propagate:
            return
        logger = logger.parent


def _shows_the_end() -> bool:
    """Return whether the text that is written now is the traceback of the exception that nobody caught. The interpreter
    calls its excepthook to write it, with nothing else on the stack. The exit hooks that follow may write, too.
    """
    if getattr(sys, "last_value", None) is None or is_interactive():
        return False
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
    hook: Any = sys.excepthook  # Python's own hook has no frame: then ours is the first frame
    codes = [getattr(of, "__code__", None) for of in (hook, getattr(hook, "__func__", None), type(hook).__call__)]
    return frame.f_globals.get("__name__") == Tee.__module__ or frame.f_code in codes


def _of_the_cell(error: BaseException) -> str:
    """Return the traceback without the frames of IPython that ran the cell."""
    at = error.__traceback__
    while at is not None and at.tb_frame.f_globals.get("__name__", "").startswith("IPython."):
        at = at.tb_next
    return "".join(traceback.format_exception(type(error), error, at or error.__traceback__))


@dataclass
class _Level:
    before: int
    ours: int = logging.INFO


_levels: dict[logging.Logger, _Level] = {}


def _open_up(logger: logging.Logger) -> None:
    """Let INFO through a logger. Libraries leave their loggers at WARNING, but a user who records a logger wants its
    `info`, too.
    """
    if logger.getEffectiveLevel() > logging.INFO and logger not in _levels:
        _levels[logger] = _Level(logger.level)
        logger.setLevel(logging.INFO)


def _close_down(logger: logging.Logger) -> None:
    """Put the level back, unless somebody else has changed it since."""
    level = _levels.pop(logger, None)
    if level is not None and logger.level == level.ours:
        logger.setLevel(level.before)
