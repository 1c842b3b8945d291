"""Sync: delivering what earlier sessions on this machine left, by hand (`hectiqlab sync`) or by the next uploader
(adoption).
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .. import settings
from ..errors import ConfigurationError
from ..spool import SessionDir, read_json
from .lease import Lease
from .uploader import Uploader

ADOPT_AGAIN_S = 60.0
LIVE_TIMEOUT_S = 60.0  # how long a sync waits for a live uploader that makes no progress


@dataclass
class SyncResult:
    """`sent_events`: brought to the lab by this call. `left_events`: still here. `errors`: one line a session that
    failed.
    """

    sent_events: int = 0
    left_events: int = 0
    errors: list[str] = field(default_factory=list)


def sync_sessions(
    sessions: list[str] | None, *, all: bool = False, report: Callable[[str], None] = lambda line: None
) -> SyncResult:
    """Sends what the sessions hold, also what was kept in dry or offline mode. Blocks until it is at the lab or the
    lab fails.

    Args:
        sessions: names (or beginnings of names); None: every session whose owner has ended, and with `all` those of
            living ones.

    A bad session does not stop the others. Raises ConfigurationError for a name that no session has.
    """
    result = SyncResult()
    for session in _chosen(sessions, all):
        try:
            sent, left, error = _sync_one(session, report)
        except Exception as e:  # one broken session must not keep the others here
            sent, left, error = 0, 0, f"{type(e).__name__}: {e}"
        result.sent_events += sent
        result.left_events += left
        if error:
            result.errors.append(f"session {session.name}: {error}")
    return result


def _chosen(names: list[str] | None, all: bool) -> list[SessionDir]:
    found = SessionDir.all(settings.spool_dir())
    if names is None:
        return [s for s in found if has_unsent(s) and (all or _owner_ended(s) or not _is_all_online(s))]
    chosen = []
    for name in names:
        matches = [s for s in found if s.name.startswith(name)]
        if len(matches) != 1:
            raise ConfigurationError(
                f"{len(matches) or 'No'} sessions are named {name!r} in {settings.spool_dir()}: see `hectiqlab status`."
            )
        chosen += matches
    return chosen


def _owner_ended(session: SessionDir) -> bool:
    owner = session.owner()
    return owner is None or owner.has_ended()


def _is_all_online(session: SessionDir) -> bool:
    return all(w.mode == "online" for w in session.writers())


def has_unsent(session: SessionDir) -> bool:
    return any(not w.done for w in session.writers())


def _acked(session: SessionDir) -> tuple[int, int, str]:
    """(acked, journaled but not acked, trouble) of a session, as its uploader last wrote it down."""
    status = read_json(session.path / "status.json") or {}
    writers = status.get("writers", {}).values()
    return (
        sum(w["acked"] for w in writers),
        sum(w["journaled"] - w["acked"] for w in writers),
        status.get("trouble", ""),
    )


def _sync_one(session: SessionDir, report: Callable[[str], None]) -> tuple[int, int, str]:
    lease = Lease(session.path)
    if lease.acquire():
        try:
            return deliver(session, deliver_kept=True, report=report)
        finally:
            lease.release()
    report(f"session {session.name}: its uploader is at work; waiting for it")
    return _wait_for_live(session)


def deliver(
    session: SessionDir, *, deliver_kept: bool, report: Callable[[str], None] = lambda line: None
) -> tuple[int, int, str]:
    """Does the work of an uploader in this process, whose lease the caller holds: (events sent, events left, error
    or "").
    """
    uploader = Uploader(session, deliver_kept=deliver_kept, until_drained=True)
    before = {s.id: s.acked for s in uploader.streams.values()}
    started = sum(s.backlog for s in uploader.sendable())
    if started:
        report(f"session {session.name}: {started:,} events to send")
    uploader.run()
    streams = uploader.streams.values()
    sent = sum(s.acked - before.get(s.id, 0) for s in streams)
    left = sum(s.backlog for s in streams if not s.stopped)
    stopped = [f"writer {s.id} was {s.stopped} at the lab; its data stays here" for s in streams if s.stopped]
    trouble = uploader.delivery.trouble() if left or has_unsent(session) else ""
    return sent, left, trouble or "; ".join(stopped)


def _wait_for_live(session: SessionDir) -> tuple[int, int, str]:
    """Wakes the session's uploader, also for what was kept, and waits while it makes progress."""
    start, _, _ = _acked(session)
    (session.path / "wake").touch()
    time.sleep(2 * settings.ALIVE_INTERVAL_S + settings.CUT_INTERVAL_S)
    acked, deadline = start, time.monotonic() + LIVE_TIMEOUT_S
    while True:
        now_acked, left, trouble = _acked(session)
        if not left:
            return now_acked - start, 0, ""
        if now_acked > acked:
            acked, deadline = now_acked, time.monotonic() + LIVE_TIMEOUT_S
        if time.monotonic() > deadline or (trouble and now_acked == start):
            return now_acked - start, left, trouble or f"no progress for {LIVE_TIMEOUT_S:.0f} s"
        time.sleep(settings.ALIVE_INTERVAL_S)


def adopt_orphans(own: SessionDir) -> None:
    """Delivers, one after another, what sessions left whose owner and uploader are gone; again every minute while the
    lab fails.

    Runs in a thread of a live uploader. Kept sessions wait for a sync by hand.
    """
    while True:
        again = False
        for session in SessionDir.all(own.path.parent):
            if session.name == own.name or not _owner_ended(session):
                continue
            if not any(not w.done and w.mode == "online" for w in session.writers()):
                remove_if_old(session)
                continue
            lease = Lease(session.path)
            with contextlib.suppress(OSError):
                if lease.acquire():
                    try:
                        _, left, error = deliver(session, deliver_kept=False)
                        again |= bool(left or error)
                    finally:
                        lease.release()
        if not again:
            return
        time.sleep(ADOPT_AGAIN_S)


def remove_if_old(session: SessionDir) -> None:
    """Removes a session that was delivered whole a day ago; until then its journal could refill a lab restored from
    a backup.
    """
    if has_unsent(session) or (session.path / "rejected").exists():
        return
    with contextlib.suppress(OSError):
        newest = max(p.stat().st_mtime for p in (session.path, *Path(session.path).iterdir()))
        if time.time() - newest > settings.JOURNAL_KEEP_S and not Lease(session.path).is_held():
            shutil.rmtree(session.path)
