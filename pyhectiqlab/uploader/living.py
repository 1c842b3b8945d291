"""Living: sessions whose own uploader, on this machine, is at work. A sync has it try at once, waits for what was
logged until then, and counts what does not get to the lab.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from .. import settings
from ..spool import SessionDir, read_json, write_json
from .aim import Changes
from .lease import Lease
from .redirect import Redirect
from .report import session_report

LIVE_TIMEOUT_S = 60.0  # how long a sync waits for an uploader that makes no progress
BESIDE_TIMEOUT_S = 10.0  # … and for one that sends by itself, and was not to be waited for


@dataclass(frozen=True)
class Waited:
    """What came of it: events brought to the lab, events that are left, why ("" where nothing is wrong). `ended`: the
    uploader is gone; it may have been on its way out, and not have seen that it was roused.
    """

    sent: int
    left: int
    error: str = ""
    ended: bool = False


class Watched:
    """One session, from what it holds now on. `rouse` has its uploader try at once."""

    def __init__(self, session: SessionDir, rouse: Callable[[], object]) -> None:
        self._session = session
        self._lease = Lease(session.path)
        told = session_report(session)["writers"]
        self._start = {w["writer"]: w["acked"] for w in told}
        self._goal = {w["writer"]: w["produced"] for w in told}
        self._files = set(session.file_ids())
        self._failed = _told(session)[1]
        rouse()
        self._seen_at = time.monotonic() + 2 * settings.ALIVE_INTERVAL_S + settings.CUT_INTERVAL_S

    def wait(self, timeout_s: float) -> Waited:
        """Until all of it is at the lab; for as long as there is progress, `timeout_s` without."""
        session = self._session
        moved: tuple[int, ...] = (0, 0, len(self._files))
        deadline = time.monotonic() + timeout_s
        while True:
            ended = not self._lease.is_held()
            report = session_report(session)
            sent, left = self._counted(report["writers"])
            self._files &= set(session.file_ids())
            now, nothing = time.monotonic(), not left and not self._files
            seen = now > self._seen_at
            # Of a script that has ended, that is not all: its end is still to be told, and the session to be put away.
            if ended or (seen and nothing and (lives(session) or not _has_unsent(session))):
                return Waited(sent, left, ended=ended)
            bytes_moved, fails = _told(session)
            if (progress := (sent, bytes_moved, len(self._files))) != moved:
                moved, deadline = progress, max(self._seen_at, now) + timeout_s
            trouble = report["trouble"]
            if now > deadline or (seen and trouble and fails > self._failed and not sent):  # tried once more, in vain
                return Waited(sent, left, "" if nothing else trouble or f"no progress for {timeout_s:.0f} s")
            time.sleep(settings.ALIVE_INTERVAL_S)

    def _counted(self, writers: list[dict[str, object]]) -> tuple[int, int]:
        acked = {str(w["writer"]): int(str(w["acked"])) for w in writers}
        stopped = {w["writer"] for w in writers if w["stopped"]}
        sent = sum(max(0, acked.get(writer, 0) - at) for writer, at in self._start.items())
        goal = {writer: at for writer, at in self._goal.items() if writer not in stopped}
        return sent, sum(max(0, at - acked.get(writer, 0)) for writer, at in goal.items())


def wake(session: SessionDir, changes: Changes, redirect: Redirect) -> None:
    """Have the session's uploader send at once, and also what was kept; to where it is told. Raises OSError."""
    write_json(session.path / "wake", {"aim": changes, "redirect": asdict(redirect)})


def hurry(session: SessionDir) -> None:
    """Have it send at once what it sends anyway. Raises OSError."""
    (session.path / "hurry").touch()


def lives(session: SessionDir) -> bool:
    owner = session.owner()
    return owner is not None and not owner.has_ended()


def _has_unsent(session: SessionDir) -> bool:
    return any(not w.done for w in session.writers())


def _told(session: SessionDir) -> tuple[int, int]:
    """Return (bytes of files that were hashed or sent, requests that failed), as its uploader last wrote it down."""
    status = read_json(session.path / "status.json") or {}
    return sum(f["hashed"] + f["sent"] for f in status.get("files", {}).values()), int(status.get("fails", 0))
