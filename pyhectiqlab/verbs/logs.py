"""Run's verbs for logs: recording loggers and the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..client.saying import say_once
from ..errors import RunClosedError
from .guard import never_breaks

if TYPE_CHECKING:
    import logging

    from ..client.outbox import Outbox


class LogVerbs:
    """Mixed into Run."""

    _outbox: Outbox
    _closed: bool

    @never_breaks
    def start_recording_logs(
        self, channel: str | None = None, *, capture_console: bool | str = False, logger_name: str | None = None
    ) -> logging.Logger:
        """Record what goes through a logger, and return that logger. Never waits for the network. Safe twice.

            logger = run.start_recording_logs()  # a logger of this run's own
            logger.info("Epoch %d", epoch)
            run.start_recording_logs("torch")  # records what torch and its parts log
            logger.stop_recording_logs()

        Messages also appear on stderr, if no other handler shows them. A message that ends in a carriage return gets no
        line break, so the next one continues the line. While a named channel is recorded, it lets INFO and above
        through. The traceback of an exception that ends the run is recorded as CRITICAL.

        Args:
            channel: name of a logger; its children are recorded with it. None: the run's own.
            capture_console: also record what is printed to stdout and stderr. True: what Python prints and, in scripts,
                what C libraries and child processes print, too; these then have no terminal (see docs/console.md).
                "python": only what Python prints.
            logger_name: another name of `channel`.

        Raises:
            TypeError: a channel that is no text, or both `channel` and `logger_name`.
            ValueError: another `capture_console`.
            RunClosedError: after `close`.
        """
        if logger_name is not None:
            if channel is not None:
                raise TypeError("start_recording_logs takes a channel or a logger_name, which mean the same, not both")
            channel = logger_name
        logger: logging.Logger | None = self._start_recording(channel, capture_console)
        if logger is None:  # the guard has printed why; the script goes on logging, but it is not recorded
            import logging

            logger = logging.getLogger(channel or "hectiqlab")
        return logger

    @never_breaks
    def _start_recording(self, channel: str | None, capture_console: bool | str) -> logging.Logger:
        from ..capture.logs import Recorder

        if channel is not None and not isinstance(channel, str):
            raise TypeError(f"a channel is the name of a logger, not {type(channel).__name__}")
        if self._closed:
            raise RunClosedError("this run is closed: create a new Run to log more")
        if not isinstance(capture_console, bool) and capture_console != "python":
            raise ValueError(f'capture_console is True, False or "python", not {capture_console!r}')
        recorder = Recorder.of(self._outbox, say_once)
        if capture_console:
            recorder.capture_console(descriptors=capture_console is True)
        return recorder.start(channel)

    @never_breaks
    def stop_recording_logs(self, channel: str | None = None) -> None:
        """Stop recording this channel. None: all channels and the console. Never waits. Safe to call twice.

        What was recorded so far reaches the lab.
        """
        from ..capture.logs import Recorder

        recorder = Recorder.existing(self._outbox)
        if recorder is not None:
            recorder.stop_channel(channel)
