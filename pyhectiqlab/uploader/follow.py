"""Follow: `hectiqlab sync --watch`. It delivers sessions as they appear and grow, until somebody stops it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..base.texts import counted
from ..spool import SessionDir
from .aim import RefusedError, aim
from .lease import Lease
from .living import wake
from .relay import Relay
from .sync import Order, SyncResult, chosen, has_unsent, sync_one

LOOK_INTERVAL_S = 2.0
AGAIN_S = 30.0  # a session that failed is tried again after this long


@dataclass
class _Followed:
    """What is known of one session.

    Attributes:
        mark: how its folder looked when it was last delivered.
        said: the last error that was reported.
    """

    relay: Relay | None = None
    mark: tuple[object, ...] = ()
    again_at: float = 0.0
    said: str = ""
    woken: bool = False
    totals: SyncResult = field(default_factory=SyncResult)


class Follower:
    """Delivers sessions again and again.

    Args:
        names: as of `sync_sessions`; a session of that name need not be there yet.
        order: as of `sync_sessions`.
    """

    def __init__(self, names: list[str] | None, order: Order) -> None:
        self._names, self._order, self._report = names, order, order.report
        self._followed: dict[str, _Followed] = {}

    def turn(self, now: float) -> bool:
        """Look at every session once. Return whether something was brought to the lab. Blocks while it sends. A bad
        session does not stop the others: its error is reported once, and it is tried again later.
        """
        busy = False
        for session in chosen(None, True):
            if self._names is None or any(session.name.startswith(name) for name in self._names):
                busy |= self._look_at(session, self._followed.setdefault(session.name, _Followed()), now)
        return busy

    def _look_at(self, session: SessionDir, its: _Followed, now: float) -> bool:
        lease = Lease(session.path)
        holder = lease.holder() if lease.is_held() else None
        if holder is not None and not holder.is_here():
            return self._beside(session, its, now)
        self._drop_relay(its)
        if holder is not None:  # an uploader of this machine: it sends by itself, except what was kept
            if not its.woken and any(w.mode != "online" for w in session.writers()):
                its.woken = True
                try:
                    changes, problems = aim(session, self._order.wishes, self._report)
                    wake(session, changes, self._order.wishes.redirect)
                except RefusedError as e:
                    problems = [str(e)]
                self._say(session, its, "; ".join(problems))
            return False
        mark = _mark(session)
        if mark == its.mark or now < its.again_at:
            return False
        outcome = sync_one(session, self._order)
        its.totals.sent_events += outcome.sent
        its.totals.left_events = outcome.left
        its.mark = _mark(session)
        its.again_at = now + AGAIN_S if outcome.error else 0.0
        if outcome.error and outcome.left:
            its.mark = ()
        self._say(session, its, outcome.error)
        if outcome.sent:
            done = "" if has_unsent(session) else "; nothing is left of it here"
            self._report(f"session {session.name}: {counted(outcome.sent, 'event')} sent{done}")
        return outcome.sent > 0

    def _beside(self, session: SessionDir, its: _Followed, now: float) -> bool:
        if now < its.again_at:
            return False
        try:
            if its.relay is None:
                if problem := session.problem():
                    raise PermissionError(errno.EPERM, problem)
                changes, problems = aim(session, self._order.wishes, self._report)
                self._say(session, its, "; ".join(problems))
                its.relay = Relay(session, session.log, changes, self._order.wishes.redirect)
            if not its.relay.take():
                return False
            before = its.relay.sent
            its.relay.turn()
        except (OSError, RefusedError) as e:
            its.again_at = now + AGAIN_S
            self._say(session, its, f"{getattr(e, 'strerror', None) or e}")
            return False
        if not before and its.relay.sent:
            self._report(f"session {session.name}: followed while it goes on")
        its.totals.sent_events += its.relay.sent - before
        its.totals.left_events = its.relay.left()
        self._say(session, its, its.relay.trouble())
        return its.relay.sent > before

    def _say(self, session: SessionDir, its: _Followed, error: str) -> None:
        if error and error != its.said:
            self._report(f"session {session.name}: {error}")
        its.said = error

    @staticmethod
    def _drop_relay(its: _Followed) -> None:
        if its.relay is not None:
            its.relay.close()
            its.relay = None

    def run(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Blocks until `stopped`, or an exception such as KeyboardInterrupt."""
        try:
            while not stopped():
                if not self.turn(time.monotonic()):
                    time.sleep(LOOK_INTERVAL_S)
        finally:
            for its in self._followed.values():
                self._drop_relay(its)

    def result(self) -> SyncResult:
        """Return what was sent so far, and what is wrong now."""
        result = SyncResult()
        for name, its in self._followed.items():
            result.sent_events += its.totals.sent_events
            result.left_events += its.totals.left_events
            if its.said:
                result.errors.append(f"session {name}: {its.said}")
        return result


def _mark(session: SessionDir) -> tuple[object, ...]:
    """Return how the session's folder looks: the value differs once there may be something new to deliver."""
    seen: list[object] = []
    for name in ("journal", "writers", "files", "queues", "spill", "ends"):
        try:
            with os.scandir(session.path / name) as entries:
                seen.append(sorted((e.name, e.stat().st_size) for e in entries if not e.name.startswith(".")))
        except OSError:
            seen.append(name)
    return tuple(map(str, seen))
