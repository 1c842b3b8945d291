"""The session: what all runs of this process and of the processes it forks share. One folder, one uploader, one end.

Only the process that made the session ends its runs. In a forked child the exit hook, the signal files and the
reporting of states are off.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from .. import settings
from ..base.fds import fill_standard
from ..base.lazyclass import make_all
from ..capture import ending
from ..capture.process import kill_process, this_process
from ..errors import ConfigurationError
from ..spool import SessionDir, write_json
from .console import Channel, Console
from .queue_outbox import QueueOutbox

FORK_WAIT_S = 0.1
START_AGAIN_S = 5.0

_current: Session | None = None
_others: dict[Path, Session] = {}  # joined beside the current one, by Runs that were pickled into this process
_hooked = False
_said: set[str] = set()


def say(text: str) -> None:
    """One line to stderr, where all our output goes. Never raises: stderr may be closed."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"hectiqlab: {text}\n")  # at once: another thread may have something to say, too
        sys.stderr.flush()


def say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        say(text)


class Session:
    """Use `Session.current()`. Raises OSError where the spool cannot be written."""

    def __init__(self, folder: SessionDir) -> None:
        fill_standard()
        self.dir = folder
        self.process = this_process()
        self.is_owner = True
        self.outboxes: set[QueueOutbox] = set()
        self.openings: dict[tuple[str, int], int] = {}  # name and rank → how often that run was opened and closed
        self._has_ended = False
        self._starts = 0
        self._started_at = -START_AGAIN_S
        self._looking = False
        self._channel = Channel()
        self.console = Console(folder.path, self._channel.send, say_once)

    @classmethod
    def current(cls) -> Session:
        """This process's own session, made at the first call. What it inherited by a fork, or joined, is another's."""
        global _current
        if _current is not None and not _current.is_owner:
            _others[_current.dir.path] = _current
            _current = None
        if _current is None or not _current.dir.path.exists():
            if _current is not None:  # its folder was removed under it
                _current.outboxes.clear()
            folder, why = SessionDir.create_somewhere(this_process(), time.time())
            if why:
                kept = folder.path.parent.parent
                say_once(
                    f"{why}: what is not at the lab yet is in {kept}, and would be lost with this machine; set "
                    "HECTIQLAB_HOME to a folder that can be written."
                )
            _current = cls(folder)
            with contextlib.suppress(OSError):
                ending.watch_signals(_current.dir.crash_path(os.getpid()))
            ending.watch_exit_code()
            _hook_process()
            _hook_multiprocessing()
        return _current

    @staticmethod
    def borrowed() -> list[QueueOutbox]:
        """The open outboxes of runs that other processes opened: the parent of a fork, or who pickled a Run."""
        return [o for s in _sessions() if not s.is_owner for o in tuple(s.outboxes) if not o.closed]

    @classmethod
    def joined(cls, path: Path) -> Session:
        """The session of another process of this machine, for a Run that was pickled into this one. Raises OSError
        where it is gone.
        """
        global _current
        if _current is not None and _current.dir.path == path:
            return _current
        if path in _others:
            return _others[path]
        folder = SessionDir(path)
        owner = folder.owner()
        if owner is None or not owner.is_here():  # on a shared disk perhaps; but its uploader sees no memory of ours
            raise FileNotFoundError(f"session {path.name} is not of this machine")
        session = cls(folder)
        session.is_owner = False
        if _current is None:
            _current = session
        else:
            _others[path] = session
        _hook_process()
        return session

    def complain(self, text: str) -> None:
        say_once(text)

    # The uploader -----------------------------------------------------------------------------------------------

    def start_uploader(self) -> None:
        """Starts one if none is at work. Returns without waiting for it."""
        from ..uploader.start import start_uploader

        self._starts += 1
        self._started_at = time.monotonic()
        channel = -1
        try:
            channel = self._channel.renew()
            start_uploader(self.dir.path, is_owner=self.is_owner, channel=channel)
        except (OSError, ConfigurationError) as e:
            self.console.give_back()
            say_once(f"the uploader cannot be started ({e}); what is logged stays here for `hectiqlab sync`")
        finally:
            if channel >= 0:
                os.close(channel)
        self.console.hand_over()

    def look_after_uploader(self) -> None:
        """Replaces an uploader that is dead or stuck. Called by a put, flush or close that saw no sign of life;
        returns at once.
        """
        now = time.monotonic()
        if self._looking or now - self._started_at < START_AGAIN_S:
            return
        if self._starts >= settings.UPLOADER_RESTARTS_MAX:
            self.console.give_back()
            say_once("the uploader keeps ending; what is logged stays here for `hectiqlab sync`")
            return
        self._looking = True  # a put inside what follows must not come back here
        try:
            from ..uploader.lease import Lease

            lease = Lease(self.dir.path)
            if lease.is_held():
                silent_s = now - max((o.alive_at() for o in self.outboxes), default=now)
                holder = lease.holder()
                if silent_s < settings.STUCK_AFTER_S or holder is None or not holder.is_here():
                    return  # one of another machine is at work on the journal; its lease expires if it is not
                kill_process(holder, signal.SIGKILL)
            self.start_uploader()
        finally:
            self._looking = False

    # The end ----------------------------------------------------------------------------------------------------

    def at_exit(self) -> None:
        """The exit hook of the owner: says how the process ends, waits for what it logged, within bounds."""
        if not self.is_owner or self.process.pid != os.getpid() or self._has_ended:
            return
        self._has_ended = True
        from .end_wait import wait_at_end  # loaded with Run; it needs this module

        found = ending.this_ending()
        told = {
            "state": found.state,
            "cause": found.cause,
            "exit_code": found.exit_code,
            "signal": None,
            "detail": found.detail,
            "time": time.time(),
        }
        with contextlib.suppress(OSError):
            write_json(self.dir.end_path(self.process), told)
        outboxes = [o for o in self.outboxes if not o.closed]
        for outbox in outboxes:
            for hook in outbox.at_end:
                hook(found)
            if outbox.binding.ends_run:
                outbox.note_end(found)
                with contextlib.suppress(Exception):  # the uploader tells it from the file
                    outbox.event("end", told)
        try:
            self.console.settle()
            wait_at_end(self, outboxes)
        except KeyboardInterrupt:
            say("not waiting any longer; the uploader goes on, and `hectiqlab sync` sends what is left.")


# Hooks of the process, set once; at-fork hooks cannot be taken back, so they look at what is current.


def _hook_process() -> None:
    global _hooked
    if _hooked:
        return
    _hooked = True
    make_all()
    atexit.register(_at_exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)


def _hook_multiprocessing() -> None:
    """What multiprocessing started ends without exit hooks, but runs its finalizers; an exception that its work raised
    is under way then, and nobody sees it later.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, _at_exit, exitpriority=-100)  # after those of the script


def _at_exit() -> None:
    if _current is not None:
        _current.at_exit()


def _sessions() -> list[Session]:
    return [*([_current] if _current is not None else []), *_others.values()]


def _before_fork() -> None:
    for session in _sessions():
        for outbox in tuple(session.outboxes):
            outbox.before_fork(FORK_WAIT_S)


def _after_fork_in_child() -> None:
    ending.unwatch_signals()
    ending.forget_exit()
    for session in _sessions():
        session.is_owner = False
        session._started_at = -START_AGAIN_S
        for outbox in tuple(session.outboxes):
            outbox.after_fork_in_child()
