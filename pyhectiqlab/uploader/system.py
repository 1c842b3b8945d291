"""System metrics: the uploader samples the machine and logs the values to the runs of the session's owner.

It does so like a process of the job: by a queue of its own for each run, which is drained, sent and put away like any
other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from .. import settings
from ..base.loops import Loop
from ..capture.process import Process
from ..capture.values import PLAIN_TYPES
from ..errors import ConfigurationError
from ..ring import layout, mapping
from ..ring.producer import make_puts
from ..spool import SessionDir, Writer

if TYPE_CHECKING:
    from ..capture.load import Load
    from .stream import Stream


class _Outlet:
    """One run's queue of system metrics. Its owner is the run's process, with which it ends. Raises OSError."""

    def __init__(self, session: SessionDir, info: Writer, writer: str) -> None:
        (session.path / "queues").mkdir(mode=0o700, exist_ok=True)
        made = mapping.create(f"{writer}.q", session.path / "queues", capacity=settings.QUEUE_BYTES_MIN)
        self._made = made
        self.points = make_puts(made, self._overflow, PLAIN_TYPES).points
        more = {
            "writer": writer,
            "queue": str(made.path),
            "ends_run": False,
            "system": True,
            "cache": [],
            "closed": False,
        }
        session.save_writer(info.changed(created=time.time(), **more))

    def _overflow(self, tail: int, record: bytes) -> None:
        self._made.words[layout.LOST] += 1

    def close(self) -> None:
        self._made.words[layout.FLUSH] += 1
        self._made.words[layout.CLOSED] = layout.LET_GO
        self._made.close()


class SystemMetrics:
    """Samples in a thread of its own, as a driver or a disk may hang. `aim` is for the uploader's main thread."""

    def __init__(self, session: SessionDir, owner: Process | None, log: Callable[[str], None]) -> None:
        self._session, self._owner, self._log = session, owner, log
        self._aims: dict[str, Writer] = {}
        self._outlets: dict[str, _Outlet] = {}
        self._own: set[str] = set()  # writers of this incarnation
        try:
            self.every_s: float = settings.get("system_metrics")
        except ConfigurationError as e:
            log(f"no system metrics: {e}")
            self.every_s = 0.0
        self._load: Load | None = None
        self.loop = Loop("system metrics", self._turn, log)

    def start(self) -> None:
        if self.every_s > 0 and self._owner is not None and self._owner.is_here():
            self.loop.start()

    def aim(self, streams: Iterable[Stream], is_over: Callable[[Stream], bool]) -> None:
        """Note which runs the owner has open. End the queues that an earlier uploader left."""
        streams = list(streams)
        mine = (
            s
            for s in streams
            if s.info.owner == self._owner and not (s.info.system or s.info.console) and not _is_beside(s.info)
        )
        self._aims = {_run_of(s.info): s.info for s in mine if not s.info.done and not is_over(s)}
        for stream in streams:
            if stream.info.system and stream.id not in self._own and (words := stream.words()) is not None:
                words[layout.CLOSED] = 1

    def _turn(self) -> float:
        if self._load is None:
            from ..capture.load import Load

            assert self._owner is not None
            self._load = Load(self._owner.pid, self._session.path)
        else:
            self._sample(self._load)
        return self.every_s

    def _sample(self, load: Load) -> None:
        aims = self._aims
        for run in self._outlets.keys() - aims.keys():
            self._outlets.pop(run).close()
        if not aims:
            return
        values = load.sample()
        for run, info in aims.items():
            age_s = time.time() - info.created
            if age_s >= self.every_s:
                if run not in self._outlets:
                    writer = os.urandom(16).hex()
                    self._own.add(writer)
                    self._outlets[run] = _Outlet(self._session, info, writer)
                self._outlets[run].points(values, int(age_s))


def _is_beside(info: Writer) -> bool:
    """Return whether another process opened the run before: it samples the same machine."""
    return info.run is not None and info.run.get("sets_state") is False


def _run_of(info: Writer) -> str:
    """Return what identifies the run of a writer."""
    return str(info.run["run"]["id"] if info.run else (info.url, info.attach.get("project"), info.attach["name"]))
