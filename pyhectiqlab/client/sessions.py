"""The sessions of this process: its own and those that it joined, and what hooks its end and its forks for them.

Only the process that made a session ends its runs. In a forked child the exit hook, the signal files and the reporting
of states are off.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import time
from pathlib import Path

from ..base.lazyclass import make_all
from ..capture import ending
from ..capture.process import this_process
from ..spool import SessionDir, write_json
from .end_wait import wait_at_end
from .queue_outbox import QueueOutbox, outboxes_of
from .saying import say, say_once
from .session import Session

FORK_WAIT_S = 0.1

_current: Session | None = None
_others: dict[Path, Session] = {}  # joined beside the current one, by Runs that were pickled into this process
_hooked = False


def current() -> Session:
    """Return this process's own session, made at the first call. A session that it inherited by a fork, or joined, is
    another process's. Raises OSError if the spool cannot be written.
    """
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
        _current = Session(folder)
        with contextlib.suppress(OSError):
            ending.watch_signals(_current.dir.crash_path(os.getpid()))
        ending.watch_exit_code()
        _hook_process()
        _hook_multiprocessing()
    return _current


def joined(path: Path) -> Session:
    """Return the session of another process of this machine, for a Run that was pickled into this one. Raises OSError
    if it is gone.
    """
    global _current
    if _current is not None and _current.dir.path == path:
        return _current
    if path in _others:
        return _others[path]
    folder = SessionDir(path)
    owner = folder.owner()
    if owner is None or not owner.is_here():  # on a shared disk, perhaps: its uploader does not see our memory
        raise FileNotFoundError(f"session {path.name} is not of this machine")
    session = Session(folder)
    session.is_owner = False
    if _current is None:
        _current = session
    else:
        _others[path] = session
    _hook_process()
    return session


def borrowed() -> list[QueueOutbox]:
    """Return the open outboxes of runs that other processes opened: the parent of a fork, or one that pickled a Run."""
    return [o for s in _sessions() if not s.is_owner for o in outboxes_of(s) if not o.closed]


def _sessions() -> list[Session]:
    return [*([_current] if _current is not None else []), *_others.values()]


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
    """Hook the end of processes that multiprocessing started. They end without exit hooks but run finalizers; an
    exception that their work raised is under way then, and nobody sees it later.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, _at_exit, exitpriority=-100)  # after those of the script


def _at_exit() -> None:
    """Say how this process ends, and wait for what it logged, within bounds."""
    session = _current
    if session is None or not session.is_owner or session.process.pid != os.getpid() or session.has_ended:
        return
    session.has_ended = True
    ended = ending.this_ending()
    fields = {
        "state": ended.state,
        "cause": ended.cause,
        "exit_code": ended.exit_code,
        "signal": None,
        "detail": ended.detail,
        "time": time.time(),
    }
    with contextlib.suppress(OSError):
        write_json(session.dir.end_path(session.process), fields)
    outboxes = [o for o in outboxes_of(session) if not o.closed]
    for outbox in outboxes:
        for hook in outbox.at_end:
            hook(ended)
        if outbox.binding.ends_run:
            outbox.note_end(ended)
            with contextlib.suppress(Exception):  # the uploader reads it from the file
                outbox.event("end", fields)
    try:
        session.console.settle()
        wait_at_end(session, outboxes)
    except KeyboardInterrupt:
        say("not waiting any longer; the uploader goes on, and `hectiqlab sync` sends what is left.")
    except OSError as e:  # this process can open no more files, say
        why = f"how far the uploader is cannot be seen ({e.strerror})"
        say(f"{why}; it goes on, and `hectiqlab sync` sends what is left.")


def _before_fork() -> None:
    for session in _sessions():
        for outbox in outboxes_of(session):
            outbox.before_fork(FORK_WAIT_S)


def _after_fork_in_child() -> None:
    ending.unwatch_signals()
    ending.forget_exit()
    for session in _sessions():
        session.after_fork_in_child()
        for outbox in outboxes_of(session):
            outbox.after_fork_in_child()
