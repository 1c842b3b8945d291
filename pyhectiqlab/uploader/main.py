"""Entry of the uploader process: take the session's lease, work, and end.

If another process has the lease, end at once.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import traceback
from functools import partial
from pathlib import Path

from ..base.fds import open_descriptors, open_null
from ..base.loops import once
from ..spool import SessionDir
from .adopt import adopt_orphans
from .lease import Lease
from .uploader import Uploader

SWITCH_INTERVAL_S = 0.0005


def _main(session_path: Path, owner_fd: int, channel: int, adopt: bool) -> None:
    session = SessionDir(session_path)
    if problem := session.problem():
        session.log(f"not started: {problem}")
        return
    lease = Lease(session_path)
    if not lease.acquire():
        return
    # The event thread decodes for milliseconds at a time. A drain that waits that long for the GIL lets the queues fill
    # up.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    uploader = Uploader(session, owner_fd=owner_fd, channel=channel)
    with lease.renewed(uploader.give_way, uploader.log):
        uploader.system.start()
        if adopt:
            once("adoption", partial(adopt_orphans, session), uploader.log)
        try:
            uploader.run()
        except Exception:
            uploader.log("internal error: " + traceback.format_exc())
            raise


def run_spawned(session: str, owner_fd: int, adopt: bool, channel: int) -> None:
    """Run in a fresh interpreter. Return when the work is done."""
    _reset_signals()
    os.umask(0o077)
    _main(Path(session), owner_fd, channel, adopt)


def run_forked(session: Path, owner_fd: int, channel: int, adopt: bool) -> None:
    """Run in a forked child. It closes all that it has of the parent, except the memory, which it leaves untouched.
    Never returns.
    """
    try:
        gc.disable()
        gc.freeze()  # a collection would write to every object, which copies the parent's pages
        gc.callbacks.clear()  # they are the user's
        gc.enable()  # collects our own objects alone: a failed request leaves a cycle that holds its body
        _reset_signals()
        logging.disable(logging.CRITICAL)  # the user's handlers hold locks and files
        null = open_null()
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        keep = {0, 1, 2, owner_fd, channel}
        for fd in open_descriptors():
            if fd not in keep:
                with contextlib.suppress(OSError):
                    os.close(fd)
        os.chdir("/")
        os.umask(0o077)
        _main(session, owner_fd, channel, adopt)
        os._exit(0)
    finally:
        os._exit(70)


def _reset_signals() -> None:
    """Reset the signals in a forked child: the parent's Python handlers are not ours."""
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError, TypeError):
            if signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN, None):
                signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGIO):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with contextlib.suppress(AttributeError):
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
