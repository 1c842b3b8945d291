"""The wait at the end of a script: until what it logged is on disk, then until it is at the lab, within bounds.

It shows progress, and says what stays behind.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time

from .. import settings
from ..base.bars import LINE_EVERY_S, LINES, TERMINAL, FileBars, place
from ..base.texts import counted
from ..capture.launcher import dies_with_job
from ..errors import ConfigurationError
from .outbox import RunStatus
from .queue_outbox import QueueOutbox
from .saying import say
from .session import Session
from .waiting import wait_until

JOB_TIMEOUT_S = 600.0  # where helpers die with the job: as long as acks progress
JOB_STALL_S = 30.0
QUIET_S = 1.0  # an end that is shorter shows nothing
REDRAW_S = 0.2
NAMED_MAX = 3


def exit_timeout() -> tuple[float, float]:
    """Return (seconds that an end waits in all, seconds without progress after which it gives up)."""
    try:
        timeout: float = settings.get("exit_timeout")
    except ConfigurationError as e:
        say(str(e))
        timeout = 10.0
    if os.environ.get("HECTIQLAB_EXIT_TIMEOUT") or not dies_with_job():
        return timeout, timeout
    return JOB_TIMEOUT_S, JOB_STALL_S


def wait_at_end(session: Session, outboxes: list[QueueOutbox], timeout: float | None = None) -> bool:
    """Wait until what the outboxes took is journaled, then until it is at the lab. Say what stays behind. Return
    whether nothing does.
    """
    if not outboxes:
        return True
    places = [(o, o.request_flush()) for o in outboxes]
    online = [(o, place, o.files_left()) for o, place in places if o.binding.mode == "online"]
    total, stall = (timeout, timeout) if timeout is not None else exit_timeout()
    started = time.monotonic()
    first = min(settings.EXIT_JOURNAL_TIMEOUT_S, timeout) if timeout is not None else settings.EXIT_JOURNAL_TIMEOUT_S
    journaled = wait_until(lambda: all(o.is_journaled(place) for o, place in places), first, session, outboxes)
    if not online:
        return journaled
    progress = _Progress([o for o, _, _ in online])

    def is_there() -> bool:
        return all(o.is_acked(place) and not o.uploads.any_left(files) for o, place, files in online)

    acked = False
    left = total - (time.monotonic() - started)
    while left > 0 and not acked:
        before = progress.moved()
        acked = wait_until(lambda: is_there() or progress.show(), min(stall, left), session, outboxes)
        left = total - (time.monotonic() - started)
        if progress.moved() == before or all(o.is_stopped() for o in outboxes):
            break
    progress.clear()
    _say_what_found_no_room(session, [o for o, _, _ in online])
    _say_what_was_given_up([o for o, _, _ in online])
    if acked:
        return True
    if _say_what_stays([o for o, _, _ in online]):
        return False
    there = is_there()  # just now; else nothing is known of it
    if not there:
        say("it is not known whether the lab has everything; `hectiqlab status` shows what is left.")
    return there


def _say_what_stays(outboxes: list[QueueOutbox]) -> bool:
    """Say what is not at the lab, why, and what becomes of it. Return whether there is anything."""
    stays = False
    for outbox in [o for o in outboxes if o.is_deleted()]:
        left = _amount([outbox.status()])
        stays |= bool(left)
        if left:
            name, run = outbox.binding.attach["name"], (outbox.binding.run or {})["run"]["id"]
            say(
                f"{left} are not at the lab: the run {name!r} was deleted there. They are put aside: with `hectiqlab "
                f"restore {run}`, `hectiqlab quarantine restore` and `hectiqlab sync` they get into it."
            )
    rest = [o for o in outboxes if not o.is_deleted()]
    status = [o.status() for o in rest]
    left = _amount(status)
    if not left:
        return stays
    why = next((f" ({s.trouble.rstrip('.')})" for s in status if s.trouble), "")
    alive = any(time.monotonic() - o.alive_at() < settings.LOOK_AFTER_S for o in rest)
    if all(o.is_stopped() for o in rest) or not alive or dies_with_job():
        how = "they are kept here"
    else:
        how = "the uploader goes on in the background"
    say(f"{left} are not at the lab yet{why}; {how}, and `hectiqlab sync` sends what is left.")
    return True


def _say_what_found_no_room(session: Session, outboxes: list[QueueOutbox]) -> None:
    """Say which files a quota refused: people can make room once they know."""
    writers = {o.writer for o in outboxes}
    failed = [session.dir.file_request(ident, "failed.json") for ident in session.dir.file_ids("failed.json")]
    refused = [r for r in failed if r is not None and r.writer in writers and r.reason == "quota_exceeded"]
    if refused:
        names = ", ".join(repr(r.name) for r in refused[:NAMED_MAX]) + (", …" if len(refused) > NAMED_MAX else "")
        say(f"{counted(len(refused), 'file')} not stored, quota_exceeded ({names}): {refused[0].detail}")


def _say_what_was_given_up(outboxes: list[QueueOutbox]) -> None:
    """Say how many events found no room in memory or on the disk, so that people know why curves have gaps."""
    lost = sum(o.status().losses.get(reason, 0) for o in outboxes for reason in ("queue_full", "spool_full"))
    if lost:
        say(
            f"{counted(lost, 'event')} found no room in memory or on the disk and {'is' if lost == 1 else 'are'} lost; "
            "the run shows how many. The bounds are the disk, HECTIQLAB_SPOOL_MAX_BYTES and `ulimit -f`."
        )


def _amount(status: list[RunStatus]) -> str:
    """Return what is left, such as "120 events and 2 files (310.0 MB)"; "" if nothing is."""
    printed = sum(s.printed_bytes_left for s in status)
    events = sum(s.backlog for s in status)
    files, size = sum(s.files_left for s in status), sum(s.file_bytes_left for s in status)
    parts = [counted(events, "event")] if events > 0 else []
    if files:
        parts.append(f"{counted(files, 'file')} ({size / 1e6:.1f} MB)")
    if printed:
        parts.append(counted(printed, "printed byte"))
    return " and ".join(parts)


class _Progress:
    """Shows on stderr what is left, once an end takes more than a second: in a terminal or notebook, bars for files and
    a line for events; elsewhere a line now and then.
    """

    def __init__(self, outboxes: list[QueueOutbox]) -> None:
        self._outboxes = outboxes
        self._where = place()
        self._next = time.monotonic() + QUIET_S
        self._line = False
        self._bars: FileBars | None = None
        self._files: dict[str, tuple[str, int]] = {}  # id → name and bytes, of all that were left at some look

    def moved(self) -> tuple[int, int, int]:
        """Return a number that changes as long as something gets to the lab."""
        status = self._status()
        return (
            sum(s.acked for s in status),
            sum(s.files_left for s in status),
            sum(f["hashed"] + f["sent"] for s in status for f in s.files) - sum(s.printed_bytes_left for s in status),
        )

    def show(self) -> bool:
        """Update what is shown. Return False, so that a wait can use it as a condition."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + (LINE_EVERY_S if self._where == LINES else REDRAW_S)
            status = self._status()
            if self._where != LINES and any(s.files_left for s in status):
                self._draw_files(status)
            else:
                self._draw_line(status)
        return False

    def clear(self) -> None:
        if self._bars is not None:
            self._bars.close()
            self._bars = None
        if self._line and self._where != LINES:
            self._write("\r\033[K" if self._where == TERMINAL else "\n")
            self._line = False

    def _status(self) -> list[RunStatus]:
        return [o.status() for o in self._outboxes]

    def _draw_files(self, status: list[RunStatus]) -> None:
        if self._bars is None:
            self.clear()
            self._bars = FileBars(self._where)
        now = {f["id"]: f for s in status for f in s.files}
        self._files |= {ident: (f["name"], f["bytes"]) for ident, f in now.items()}
        for ident, (name, size) in self._files.items():
            self._bars.update(ident, name, size, now[ident]["sent"] if ident in now else size)
        self._bars.show()

    def _draw_line(self, status: list[RunStatus]) -> None:
        if self._bars is not None:
            self.clear()
        size = sum(s.backlog_bytes for s in status)
        line = f"hectiqlab: sending what is left: {_amount(status) or '0 events'}, {size / 1e6:.1f} MB in the queue"
        start, end = {TERMINAL: ("\r\033[K", ""), LINES: ("", "\n")}.get(self._where, ("\r", ""))
        self._line = True
        self._write(f"{start}{line}{end}")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)
            sys.stderr.flush()
