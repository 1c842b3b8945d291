"""A session: what all runs of a process and of the processes it forks share. One folder, one uploader, one console.

Which session is this process's, and what hooks its end, is in sessions.py.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Protocol

from .. import settings
from ..base.fds import fill_standard
from ..capture.process import kill_process, this_process
from ..errors import ConfigurationError
from ..spool import SessionDir
from .console import Channel, Console
from .saying import say_once

START_AGAIN_S = 5.0


class Feeder(Protocol):
    """What a session asks of the outboxes that feed its uploader (queue_outbox.py)."""

    def alive_at(self) -> float:
        """Return when the uploader last gave a sign of life, by this machine's monotonic clock."""


class Session:
    """What all runs of a process share. Get one from `sessions.current()`."""

    def __init__(self, folder: SessionDir) -> None:
        fill_standard()
        self.dir = folder
        self.process = this_process()
        self.is_owner = True
        self.outboxes: set[Feeder] = set()  # those that are open
        self.openings: dict[tuple[str, int], int] = {}  # name and rank → how often that run was opened and closed
        self.has_ended = False
        self._starts = 0
        self._started_at = -START_AGAIN_S
        self._looking = False
        self._channel = Channel()
        self.console = Console(folder.path, self._channel.send, say_once)

    def complain(self, text: str) -> None:
        say_once(text)

    def start_uploader(self) -> None:
        """Start an uploader if none is at work. Return without waiting for it."""
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

    def has_uploader(self) -> bool:
        """Return whether an uploader holds the session's lease. One that is stuck may hold it, too."""
        from ..uploader.lease import Lease

        return Lease(self.dir.path).is_held()

    def look_after_uploader(self) -> None:
        """Replace an uploader that is dead or stuck. Called by a put, flush or close that saw no sign of life; returns
        at once.
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

    def after_fork_in_child(self) -> None:
        """Leave the session to the parent. The child may start an uploader for it at once."""
        self.is_owner = False
        self._started_at = -START_AGAIN_S
