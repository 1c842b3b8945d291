"""Sync: `hectiqlab sync` delivers by hand what earlier sessions left.

That includes sessions of other machines whose spool is on a shared disk. What an uploader delivers of other sessions by
itself is in adopt.py.

What a sync does with a session depends on its lease and its owner:

* Nobody holds the lease: this process does the work of an uploader. It cannot know whether a process on another machine
  lives. So it sends the journal and leaves the rest, until the writers say that they were drained or somebody says that
  the machine is gone.
* An uploader of this machine holds it: the sync wakes it and waits for it. If its script lives and sends by itself, the
  sync waits only for what was logged before it began, and only for some seconds.
* An uploader of another machine holds it: a relay reads the journal beside it (relay.py).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from .. import settings
from ..base.texts import counted
from ..capture import ownership
from ..capture.process import Process
from ..errors import ConfigurationError
from ..spool import FileRequest, SessionDir
from . import living, quarantine, refill
from .aim import AS_THEY_ARE, Changes, RefusedError, Wishes, aim, apply
from .lease import Lease
from .recover import LAB_RESTORED
from .relay import Relay
from .report import session_report
from .stream import Stream
from .streams import Streams
from .uploader import Uploader

OnFile = Callable[[FileRequest, int], None]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one session: events brought to the lab, events left here, why ("" where nothing is wrong)."""

    sent: int
    left: int
    error: str = ""


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


def _say_nothing(line: str) -> None:
    return None


@dataclass(frozen=True)
class Order:
    """What a sync does with each session, and whom it tells.

    Attributes:
        hosts_gone: machines that will not come back: what was in their memory is given up.
        wishes: the lab, project and name for what no lab takes as it is.
        report: called with a line about each session.
        on_file: called with how many bytes of a file are at the lab; from another thread.
    """

    hosts_gone: Collection[str] = ()
    wishes: Wishes = AS_THEY_ARE
    report: Report = _say_nothing
    on_file: OnFile = _no_bar


PLAIN = Order()


def sync_sessions(sessions: list[str] | None, order: Order = PLAIN, *, all: bool = False) -> SyncResult:
    """Send what the sessions hold, also what was kept in dry or offline mode. Send again what was delivered within a
    day if the lab was restored from a backup and lacks it. Blocks until all is at the lab or the lab fails.

    Args:
        sessions: names (or beginnings of names). None: every session whose owner has ended, or may have ended on
            another machine. With `all`, also those whose owners live. Without it, the call waits some seconds for what
            living scripts had logged until now, and counts it.

    A bad session does not stop the others. Raises ConfigurationError for a name that no session has, and for a machine
    that no session is of.
    """
    result = SyncResult()
    its = chosen(sessions, all)
    check_hosts(order.hosts_gone, order.report)
    for session in its:
        files = set(session.file_ids())
        outcome = sync_one(session, order)
        result.sent_events += outcome.sent
        result.left_events += outcome.left
        if outcome.error:
            result.errors.append(f"session {session.name}: {outcome.error}")
        left_files, refused = set(session.file_ids()), files & set(session.file_ids("failed.json"))
        result.left_files += len(left_files)
        result.sent_files += len(files - left_files - refused)
        for request in filter(None, (session.file_request(ident, "failed.json") for ident in refused)):
            result.errors.append(f"session {session.name}: the file {request.name!r} is not stored: {request.detail}")
    if sessions is None and not all:
        _count_living({s.name for s in its}, order, result)
    return result


def _count_living(done: set[str], order: Order, result: SyncResult) -> None:
    """Count what scripts that go on and send by themselves had logged until now, and whether it gets to the lab."""
    watched = []
    for session in SessionDir.everywhere():
        if session.name in done or not has_unsent(session) or session.problem():
            continue
        report = session_report(session)
        if not report["backlog"] and not report["files_left"]:
            continue
        error = report["trouble"]
        if report["uploader_pid"] is None:
            error = "its script goes on, and starts another uploader soon"
        elif report["here"]:
            waiting = counted(report["backlog"], "event")
            order.report(f"session {session.name}: its script goes on, and sends its {waiting} by itself")
            watched.append((session, living.Watched(session, partial(living.hurry, session))))
            continue
        else:
            order.report(f"session {session.name}: goes on at {report['host']}, and is sent from there")
        if error:
            result.left_events += report["backlog"]
            result.errors.append(f"session {session.name}: {error}")
    for session, one in watched:
        outcome = one.wait(living.BESIDE_TIMEOUT_S)
        result.sent_events += outcome.sent
        result.left_events += outcome.left
        result.left_files += len(session.file_ids())
        if outcome.error:
            result.errors.append(f"session {session.name}: {outcome.error}")


def check_hosts(hosts_gone: Collection[str], report: Report) -> None:
    """Check the names of machines. Report those of which nothing is given up. Raises ConfigurationError for a machine
    that no session here is of.
    """
    known: dict[str, int] = {}
    here = set()
    for session in SessionDir.everywhere():
        owners = [w.owner for w in session.writers() if not w.done]
        owners += [owner for owner in [session.owner()] if owner is not None and not owners]
        here |= {owner.host for owner in owners if owner.is_here()}
        for name in {owner.host for owner in owners}:
            known[name] = known.get(name, 0) + any(not w.done for w in session.writers())
    for name in hosts_gone:
        if name not in known:
            there = ", ".join(f"{host} ({count} with something left)" for host, count in sorted(known.items()))
            raise ConfigurationError(
                f"No session here is of a machine named {name!r}; there are sessions of: {there or 'none'}."
            )
        if name in here:
            report(f"{name} is this machine: what is in its memory is here, and sent")
        elif not known[name]:
            report(f"nothing that is of {name} is left here")


def chosen(names: list[str] | None, all: bool) -> list[SessionDir]:
    """Return the sessions that are meant, oldest first. Raises ConfigurationError."""
    everywhere = SessionDir.everywhere()
    if names is None:
        return [
            s
            for s in everywhere
            if (has_unsent(s) and (all or _is_ours_to_send(s))) or _may_lack(s) or ownership.folder_problem(s.path)
        ]
    matching = []
    for name in names:
        matches = [s for s in everywhere if s.name.startswith(name)]
        if len(matches) != 1:
            raise ConfigurationError(
                f"{counted(len(matches), 'session')} here are named {name!r}: see `hectiqlab status`."
            )
        matching += matches
    return matching


def _is_ours_to_send(session: SessionDir) -> bool:
    owner = session.owner()
    if owner is None or owner.has_ended() or any(w.mode != "online" for w in session.writers()):
        return True
    return not owner.is_here() and not Lease(session.path).is_held()


def _may_lack(session: SessionDir) -> bool:
    """Return whether the lab may lack something that was delivered. False for a training that goes on: its uploader
    learns that from the lab, and waiting for it would be in vain.
    """
    return refill.may_lack(session) and not Lease(session.path).is_held()


def has_unsent(session: SessionDir) -> bool:
    return any(not w.done for w in session.writers())


def sync_one(session: SessionDir, order: Order) -> Outcome:
    """Deliver one session. Never raises: a broken session must not stop the others."""
    if problem := session.problem():
        return Outcome(0, 0, f"nothing of it is sent, as somebody else may have written it: {problem}")
    sent = 0
    report = order.report
    try:
        lease = Lease(session.path)
        while not lease.acquire():
            changes, problems = aim(session, order.wishes, report)
            holder = lease.holder()
            if holder is not None and not holder.is_here():
                return _beside(session, holder, changes, order)
            report(f"session {session.name}: its uploader is at work; waiting for it")
            rouse = partial(living.wake, session, changes, order.wishes.redirect)
            waited = living.Watched(session, rouse).wait(living.LIVE_TIMEOUT_S)
            if not waited.ended:
                error = "; ".join(problems) if problems and waited.left else waited.error
                return Outcome(waited.sent, waited.left, error)
            sent += waited.sent  # this process sends what the uploader left
        problems = _aim_here(session, lease, order)
        behind = refill.reopen(session, report)
        if not has_unsent(session):
            lease.release()
            return Outcome(sent, 0)
        outcome = work_as_uploader(session, lease, order, deliver_kept=True, behind=behind)
        error = "; ".join(problems) if problems and outcome.left else outcome.error
        return replace(outcome, sent=sent + outcome.sent, error=error)
    except RefusedError as e:
        return Outcome(0, session_report(session)["backlog"], str(e))
    except Exception as e:
        return Outcome(0, 0, f"{type(e).__name__}: {e}")


def _aim_here(session: SessionDir, lease: Lease, order: Order) -> list[str]:
    """Aim the session (aim.py). Return what could not be aimed, a line each. Raises OSError; then the lease is
    released.
    """
    try:
        changes, problems = aim(session, order.wishes, order.report)
        apply(session, changes)
    except BaseException:
        lease.release()
        raise
    return problems


def work_as_uploader(
    session: SessionDir,
    lease: Lease,
    order: Order = PLAIN,
    *,
    deliver_kept: bool,
    behind: dict[str, refill.Behind] | None = None,
) -> Outcome:
    """Do the work of an uploader in this process, which holds the lease. Release the lease.

    Args:
        behind: writers that go back, as the lab was restored from a backup.
    """
    try:
        uploader = Uploader(
            session,
            deliver_kept=deliver_kept,
            until_drained=True,
            hosts_gone=order.hosts_gone,
            redirect=order.wishes.redirect,
        )
    except BaseException:
        lease.release()
        raise
    before = {s.id: s.acked for s in uploader.streams}
    ended = {s.id for s in uploader.streams if s.stopped}
    for writer, back in (behind or {}).items():
        if (stream := uploader.streams.get(writer)) is not None:
            stream.rewind_to = before[writer] = back.cursor
            stream.journaled = max(stream.journaled, back.acked)  # what is kept nowhere any more becomes a loss
    with lease.renewed(uploader.give_way, uploader.log):
        _announce(uploader, order.report, order.on_file)
        if order.hosts_gone:
            _give_up_memory(uploader)
        uploader.run()
    streams = list(uploader.streams)
    lost = sum(s.lost.get(LAB_RESTORED, 0) for s in streams if s.id in (behind or {}))
    if lost:
        gone = f"{counted(lost, 'event')} that the lab had, kept nowhere any more"
        order.report(f"session {session.name}: {gone}: reported as lost")
    sent = sum(max(0, s.acked - before.get(s.id, 0)) for s in streams) - lost
    left = sum(s.backlog for s in streams if not s.stopped)
    files = len(session.file_ids())
    stopped = [_put_aside(session, s) for s in streams if s.stopped and s.id not in ended]
    refused = dict.fromkeys(s.refused for s in streams if s.refused and not s.info.done)
    trouble = uploader.events.failure() or uploader.files.trouble() if left or files or has_unsent(session) else ""
    stuck = "; ".join((*refused, *stopped, *uploader.streams.unopened.values()))
    return Outcome(sent, left, trouble or stuck or _in_memory(uploader.streams))


def _put_aside(session: SessionDir, stream: Stream) -> str:
    """Return where the rest of a writer is that the lab has just stopped, and what can be done."""
    n = stream.backlog
    count = f"{counted(n, 'event')} of it {'is' if n == 1 else 'are'}" if n else "what is left of it is"
    return f"{stream.why_stopped()} ({count} in {quarantine.folder_of(session)})"


def _announce(uploader: Uploader, report: Report, on_file: OnFile) -> None:
    events, files = uploader.streams.backlog(), uploader.requests.left()
    for request, _ in files:  # so that the total is known before the first file is sent
        on_file(request, 0)
    uploader.files.listener = on_file
    if events or files:
        size = sum(request.size for request, _ in files)
        also = f" and {counted(len(files), 'file')} ({size / 1e6:,.1f} MB)" if files else ""
        report(f"session {uploader.session.name}: {counted(events, 'event')}{also} to send")


def _give_up_memory(uploader: Uploader) -> None:
    """Report what was in the memory of a machine that is gone, as far as it is known: it becomes a loss that the run
    shows.
    """
    for stream in uploader.streams:
        is_gone = stream.info.owner.host in uploader.owners.hosts_gone
        size = uploader.streams.queued_bytes(stream) if is_gone else 0
        if size and uploader.drain.tell_loss(stream, {"reason": "host_gone", "count": 1, "bytes": size}):
            stream.lose("host_gone", 1)


def _in_memory(streams: Streams) -> str:
    """Return what this machine cannot reach, in a line; "" where it reaches everything."""
    away = [s for s in streams if streams.is_out_of_reach(s)]
    if not away:
        return ""
    host, size = away[0].info.owner.host, sum(map(streams.queued_bytes, away))
    seen = f"{counted(size, 'byte')} of events" if size else "no events"
    return (
        f"what is still in the memory of {host} can only be read there ({seen} at its last sign of life): run "
        f"`hectiqlab sync` on {host}, or, where that machine or its job is gone for good, "
        f"`hectiqlab sync --host-gone {host}`"
    )


def _beside(session: SessionDir, holder: Process, changes: Changes, order: Order) -> Outcome:
    report = order.report
    relay = Relay(session, session.log, changes, order.wishes.redirect)
    try:
        if not relay.take():
            report(f"session {session.name}: another sync follows it")
            return Outcome(0, 0)
        report(f"session {session.name}: goes on at {holder.host}; sending what it has journaled")
        busy = relay.turn()
        goal = relay.journaled()
        while relay.is_behind(goal) and not relay.has_failed():
            if not busy:
                time.sleep(settings.POLL_INTERVAL_S)
            busy = relay.turn()
        return Outcome(relay.sent, relay.left(), relay.trouble())
    finally:
        relay.close()


def drop(session: SessionDir) -> None:
    """Delete a session with all that is left of it. Raises ConfigurationError where somebody works on it; OSError."""
    lease = Lease(session.path)
    if living.lives(session) or not lease.acquire():
        raise ConfigurationError(f"The session {session.name} is at work: its script or its uploader still runs.")
    try:
        for info in session.writers():
            Path(info.queue).unlink(missing_ok=True)
        shutil.rmtree(session.path)
    finally:
        lease.release()
