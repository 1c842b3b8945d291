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
from ..spool import FileRequest, SessionDir, read_json
from .lease import Lease
from .uploader import Uploader

ADOPT_AGAIN_S = 60.0
LIVE_TIMEOUT_S = 60.0  # how long a sync waits for a live uploader that makes no progress

OnFile = Callable[[FileRequest, int], None]


@dataclass
class SyncResult:
    """`sent_…`: brought to the lab by this call. `left_…`: still here. `errors`: one line a session that failed."""

    sent_events: int = 0
    left_events: int = 0
    sent_files: int = 0
    left_files: int = 0
    errors: list[str] = field(default_factory=list)


def _no_bar(request: FileRequest, sent: int) -> None:
    return None


def sync_sessions(
    sessions: list[str] | None,
    *,
    all: bool = False,
    report: Callable[[str], None] = lambda line: None,
    on_file: OnFile = _no_bar,
) -> SyncResult:
    """Sends what the sessions hold, also what was kept in dry or offline mode. Blocks until it is at the lab or the
    lab fails.

    Args:
        sessions: names (or beginnings of names); None: every session whose owner has ended, and with `all` those of
            living ones.
        report: told of each session, in a line.
        on_file: told of each file how many of its bytes are at the lab, as they get there; in another thread.

    A bad session does not stop the others. Raises ConfigurationError for a name that no session has.
    """
    result = SyncResult()
    for session in _chosen(sessions, all):
        files = set(session.file_ids())
        try:
            sent, left, error = _sync_one(session, report, on_file)
        except Exception as e:  # one broken session must not keep the others here
            sent, left, error = 0, 0, f"{type(e).__name__}: {e}"
        result.sent_events += sent
        result.left_events += left
        if error:
            result.errors.append(f"session {session.name}: {error}")
        left_files, refused = set(session.file_ids()), files & set(session.file_ids("failed.json"))
        result.left_files += len(left_files)
        result.sent_files += len(files - left_files - refused)
        for request in filter(None, (session.file_request(ident, "failed.json") for ident in refused)):
            result.errors.append(f"session {session.name}: the file {request.name!r} is not stored: {request.detail}")
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


def _acked(session: SessionDir) -> tuple[int, int, int, str]:
    """(acked, journaled but not acked, bytes of files that moved, trouble) of a session, as its uploader last wrote it
    down.
    """
    status = read_json(session.path / "status.json") or {}
    writers = status.get("writers", {}).values()
    return (
        sum(w["acked"] for w in writers),
        sum(w["journaled"] - w["acked"] for w in writers),
        sum(f["hashed"] + f["sent"] for f in status.get("files", {}).values()),
        status.get("trouble", ""),
    )


def _sync_one(session: SessionDir, report: Callable[[str], None], on_file: OnFile) -> tuple[int, int, str]:
    lease = Lease(session.path)
    if lease.acquire():
        try:
            return deliver(session, deliver_kept=True, report=report, on_file=on_file)
        finally:
            lease.release()
    report(f"session {session.name}: its uploader is at work; waiting for it")
    return _wait_for_live(session)


def deliver(
    session: SessionDir,
    *,
    deliver_kept: bool,
    report: Callable[[str], None] = lambda line: None,
    on_file: OnFile = _no_bar,
) -> tuple[int, int, str]:
    """Does the work of an uploader in this process, whose lease the caller holds: (events sent, events left, error
    or "").
    """
    uploader = Uploader(session, deliver_kept=deliver_kept, until_drained=True)
    before = {s.id: s.acked for s in uploader.streams.values()}
    events, files = sum(s.backlog for s in uploader.sendable()), uploader.transfer.left()
    for request, _ in files:  # so that the whole is known before the first of them is sent
        on_file(request, 0)
    uploader.transfer.listener = on_file
    if events or files:
        size = sum(request.size for request, _ in files)
        also = f" and {len(files):,} files ({size / 1e6:,.1f} MB)" if files else ""
        report(f"session {session.name}: {events:,} events{also} to send")
    uploader.run()
    streams = uploader.streams.values()
    sent = sum(s.acked - before.get(s.id, 0) for s in streams)
    left = sum(s.backlog for s in streams if not s.stopped)
    stopped = [f"writer {s.id} was {s.stopped} at the lab; its data stays here" for s in streams if s.stopped]
    trouble = (uploader.delivery.trouble() or uploader.transfer.trouble()) if left or has_unsent(session) else ""
    return sent, left, trouble or "; ".join(stopped)


def _wait_for_live(session: SessionDir) -> tuple[int, int, str]:
    """Wakes the session's uploader, also for what was kept, and waits while it makes progress."""
    start, *_ = _acked(session)
    (session.path / "wake").touch()
    time.sleep(2 * settings.ALIVE_INTERVAL_S + settings.CUT_INTERVAL_S)
    moved, deadline = (start, 0, 0), time.monotonic() + LIVE_TIMEOUT_S
    while True:
        now_acked, left, file_bytes, trouble = _acked(session)
        files = len(session.file_ids())
        if not left and not files:
            return now_acked - start, 0, ""
        if (now_acked, file_bytes, files) != moved:
            moved, deadline = (now_acked, file_bytes, files), time.monotonic() + LIVE_TIMEOUT_S
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
