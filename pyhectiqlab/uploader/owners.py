"""The processes that feed a session: whether they live, and how each of them ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection
from pathlib import Path

from ..base.loops import Loop
from ..capture import ending
from ..capture.process import Process
from ..ring import layout
from ..spool import SessionDir, Writer, write_json
from .stream import Stream
from .watch import End, EndWatch, Owner


class Owners:
    """The processes of a session. The main thread and the event thread ask it.

    Args:
        pidfd: a pidfd of the session's owner, opened while it surely lived, or -1.
        hosts_gone: machines of which somebody said that they are gone, with all that was in their memory.

    Attributes:
        session_owner: the process that made the session; None where that cannot be read.
    """

    def __init__(
        self, session: SessionDir, pidfd: int, hosts_gone: Collection[str], log: Callable[[str], None]
    ) -> None:
        self._session = session
        self.hosts_gone = hosts_gone
        self._owners: dict[tuple[int, float], Owner] = {}
        self._ends: dict[tuple[int, float], End] = {}
        self._watch = EndWatch(log)
        self.session_owner: Process | None = session.owner()
        if self.session_owner is not None:
            self._add(self.session_owner, Owner(self.session_owner, session, pidfd))

    @property
    def loop(self) -> Loop:
        """The thread that watches for ends."""
        return self._watch.loop

    def stop(self) -> None:
        self._watch.stop()

    def _add(self, process: Process, owner: Owner) -> None:
        self._owners[_key(process)] = owner
        self._watch.add(owner)

    def of(self, info: Writer) -> Owner:
        """Return the process that feeds this writer."""
        key = _key(info.owner)
        if key not in self._owners or (not self._owners[key].has_ended() and self._is_gone(info)):
            self._add(info.owner, Owner(info.owner, self._session, gone=self._is_gone(info)))
        return self._owners[key]

    def _is_gone(self, info: Writer) -> bool:
        """Return whether a process of another machine is known to have ended, and left nothing in that machine."""
        if info.owner.is_here():
            return False
        if info.drained or info.owner.host in self.hosts_gone:
            return True
        return self._session.end_path(info.owner).exists() and Path(info.queue).exists()  # a queue on the shared disk

    def has_session_ended(self) -> bool:
        """Return whether the process that made the session has ended."""
        return self.session_owner is None or self._owners[_key(self.session_owner)].has_ended()

    def are_seen(self) -> bool:
        """Return whether the session's processes run, or ran, on this machine, or on one that somebody said is gone."""
        owner = self.session_owner
        return owner is None or owner.is_here() or owner.host in self.hosts_gone

    def end_of(self, stream: Stream) -> End | None:
        """Return how the stream's process ended; None until that is known. From then on it is kept on disk, for a later
        sync.
        """
        key = _key(stream.info.owner)
        if key not in self._ends:
            words = stream.words()
            said = stream.said_end or (ending.from_word(words[layout.END]) if words is not None else None)
            end = self.of(stream.info).end(said)
            if end is None:
                return None
            self._ends[key] = end
            path = self._session.end_path(stream.info.owner)
            with contextlib.suppress(OSError):
                if not path.exists():
                    write_json(path, {**end.as_dict(), "time": self.ended_at(stream)})
        return self._ends[key]

    def ended_at(self, stream: Stream) -> float:
        """Return when the stream's process ended, in seconds since 1970; now, where nobody saw it end."""
        return self.of(stream.info).ended_at or time.time()


def _key(process: Process) -> tuple[int, float]:
    return process.pid, process.start
