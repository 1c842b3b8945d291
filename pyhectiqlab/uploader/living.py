"""Living: sessions whose own uploader is at work on this machine.

A sync has it try at once, waits for what was logged until then, and counts what does not get to the lab.
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
BESIDE_TIMEOUT_S = 10.0  # … for the uploader of a script that goes on, which was not asked for


@dataclass(frozen=True)
class Waited:
    """What came of waiting: events brought to the lab, events that are left, why ("" where nothing is wrong). `ended`:
    the uploader is gone; it may have ended without seeing that it was roused.
    """

    sent: int
    left: int
    error: str = ""
    ended: bool = False


class Watched:
    """One session, and what it holds now. `rouse` has its uploader try at once."""

    def __init__(self, session: SessionDir, rouse: Callable[[], object]) -> None:
        self._session = session
        self._lease = Lease(session.path)
        writers = session_report(session)["writers"]
        self._start = {w["writer"]: w["acked"] for w in writers}
        self._goal = {w["writer"]: w["produced"] for w in writers}
        self._files = set(session.file_ids())
        self._failed = _progress(session)[1]
        rouse()
        self._seen_at = time.monotonic() + 2 * settings.ALIVE_INTERVAL_S + settings.CUT_INTERVAL_S

    def wait(self, timeout_s: float) -> Waited:
        """Wait until all that the session held is at the lab, or there is no progress for `timeout_s`."""
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
            # Where the script has ended, more is left: its end is to be told, and the session to be put away.
            if ended or (seen and nothing and (lives(session) or not _has_unsent(session))):
                return Waited(sent, left, ended=ended)
            bytes_moved, fails = _progress(session)
            if (progress := (sent, bytes_moved, len(self._files))) != moved:
                moved, deadline = progress, max(self._seen_at, now) + timeout_s
            trouble = report["trouble"]
            if now > deadline or (seen and trouble and fails > self._failed and not sent):  # it tried again, in vain
                return Waited(sent, left, "" if nothing else trouble or f"no progress for {timeout_s:.0f} s")
            time.sleep(settings.ALIVE_INTERVAL_S)

    def _counted(self, writers: list[dict[str, object]]) -> tuple[int, int]:
        acked = {str(w["writer"]): int(str(w["acked"])) for w in writers}
        stopped = {w["writer"] for w in writers if w["stopped"]}
        sent = sum(max(0, acked.get(writer, 0) - at) for writer, at in self._start.items())
        goal = {writer: at for writer, at in self._goal.items() if writer not in stopped}
        return sent, sum(max(0, at - acked.get(writer, 0)) for writer, at in goal.items())


def wake(session: SessionDir, changes: Changes, redirect: Redirect) -> None:
    """Have the session's uploader send at once, also what was kept, to the labs in `changes`. Raises OSError."""
    write_json(session.path / "wake", {"aim": changes, "redirect": asdict(redirect)})


def hurry(session: SessionDir) -> None:
    """Have the session's uploader send now what it sends anyway. Raises OSError."""
    (session.path / "hurry").touch()


def lives(session: SessionDir) -> bool:
    owner = session.owner()
    return owner is not None and not owner.has_ended()


def _has_unsent(session: SessionDir) -> bool:
    return any(not w.done for w in session.writers())


def _progress(session: SessionDir) -> tuple[int, int]:
    """Return (bytes of files that were hashed or sent, requests that failed), as its uploader last wrote it down."""
    status = read_json(session.path / "status.json") or {}
    return sum(f["hashed"] + f["sent"] for f in status.get("files", {}).values()), int(status.get("fails", 0))
