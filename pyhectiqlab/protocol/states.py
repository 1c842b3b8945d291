"""Run states, who may say them, and how the state of a run follows from those of its ranks.

A script sets the states of SCRIPT_STATES, as often and in any order it likes (existing scripts call `completed()` and
then `failed()`). A script never sets the others: they are what the uploader or the lab knows of a process.

    pending ─ running ─ training           the job is alive
    completed  failed  stopped             the script said so, or it ended that way
    killed                                 ended by a signal that it did not handle
    ended                                  ended, cause unknown
    lost                                   no sign of life for some heartbeats; a later sign revives it
    preempted                              of an earlier attempt: the batch system took it, and started the job again

A rank is one process of a job that reports to the run, and whose end counts; `state_of_run` has the rules.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any

from ..base.lazyclass import dataclass
from . import limits

PENDING = "pending"
RUNNING = "running"
TRAINING = "training"
COMPLETED = "completed"
FAILED = "failed"
STOPPED = "stopped"
KILLED = "killed"
ENDED = "ended"
LOST = "lost"
PREEMPTED = "preempted"

_LIVE = (PENDING, RUNNING, TRAINING)  # from the beginning onwards
LIVE_STATES = frozenset(_LIVE)
FINAL_STATES = frozenset({COMPLETED, FAILED, STOPPED, KILLED, ENDED})
SCRIPT_STATES = frozenset({PENDING, RUNNING, TRAINING, COMPLETED, FAILED, STOPPED})
ALL_STATES = LIVE_STATES | FINAL_STATES | {LOST}  # of a run; the newest attempt is never preempted

_BAD = frozenset({FAILED, KILLED})
_REQUESTS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})  # to end: launchers send them to the others
_SAID_BY = {"state": SCRIPT_STATES, "end": FINAL_STATES}  # kind of an event → the states that it may say
SAID_SO = "the script said so"
LAUNCH = "launch/"  # begins the name of a script that is all of what runs below one `hectiqlab run`
_QUIET = (ENDED, STOPPED, COMPLETED)  # ends that are not bad, the one that counts most first


def tells_state(kind: str, fields: Mapping[str, Any]) -> bool:
    """Return whether an event says a state of its rank."""
    state = fields.get("state")
    return isinstance(state, str) and state in _SAID_BY.get(kind, ())


def state_after_end(state: str, ended_as: str) -> str:
    """Return the state of a rank in `state`, once its process has ended as `ended_as`.

    If the script itself set a final state, that state stays unless the end was worse: if the process died or failed
    afterwards, that counts.
    """
    if ended_as in (COMPLETED, ENDED) and state in FINAL_STATES:
        return state
    return ended_as


@dataclass(frozen=True)
class RankFacts:
    """What is known of one rank of an attempt. Times in seconds since 1970, by the lab's clock.

    Attributes:
        said, said_at: the state that its script last set, and when; "running" at its beginning.
        ended_as, ended_at: how its process ended, and when; None while it lives, or while nobody has reported its end.
        lost, seen: whether it has been silent for too long, and when it last gave a sign of life.
        cause, final: of that end: its cause in words, and whether an uploader reported it, after the process.
        signal: the number of the signal that caused that end; None where none did.
    """

    rank: int
    said: str = RUNNING
    said_at: float = 0.0
    ended_as: str | None = None
    ended_at: float = 0.0
    lost: bool = False
    seen: float = 0.0
    cause: str = ""
    final: bool = False
    signal: int | None = None

    @property
    def state(self) -> str:
        if self.ended_as is not None:
            return state_after_end(self.said, self.ended_as)
        return LOST if self.lost and self.said in LIVE_STATES else self.said

    @property
    def ended(self) -> float | None:
        """When it came to this state; None while it lives."""
        if self.state in LIVE_STATES:
            return None
        if self.ended_as is not None:
            return self.ended_at
        return self.seen if self.state == LOST else self.said_at

    @property
    def known(self) -> tuple[str, str]:
        """(who reported this end, why it ended); ("", "") where the rank lives or is lost."""
        if self.ended_as is not None and self.state == self.ended_as:
            return "uploader" if self.final else "process", self.cause
        return ("script", SAID_SO) if self.state in FINAL_STATES else ("", "")


@dataclass(frozen=True)
class RunState:
    """The state of a run. `rank`: the rank whose state this is, or whose failure was the first; None where all have it.
    `ended`: None while the run is live. `who`, `why`: who reported that rank's end, and why it ended; "" where nothing
    has ended.
    """

    state: str
    rank: int | None = None
    ended: float | None = None
    who: str = ""
    why: str = ""


def _outranks_s(rank: RankFacts) -> float:
    """Return how long after a rank's failure the end of this one may still be its cause, in seconds."""
    if rank.signal is None:
        return -1.0
    return limits.REQUEST_OUTRANKS_S if rank.signal in _REQUESTS else limits.KILL_OUTRANKS_S


def state_of_run(ranks: Sequence[RankFacts]) -> RunState:
    """Return the state of a run, from the ranks of its newest attempt; pending where there are none.

    The first rule that holds:

    1. A rank failed or was killed: the run has the state of the first such rank. What the others do then (the launcher
    kills them, or they wait for ever in a collective) is a consequence. A rank that a signal killed counts as the first
    up to KILL_OUTRANKS_S after one that failed: its peers fail within a millisecond, as their connections to it break,
    and their end may be reported before. After a signal by which launchers end the others, that is REQUEST_OUTRANKS_S.
    2. A rank lives: the run lives, and is as far along as the furthest living
    rank, even if others ended or are lost. 3. A rank is lost: the run is lost. 4. All ended: in cause unknown if one of
    them did, else stopped if one of them was, else completed.
    """
    if not ranks:
        return RunState(PENDING)

    several = len({r.rank for r in ranks}) > 1

    def whose(state: str, rank: RankFacts) -> int | None:
        return None if not several or all(r.state == state for r in ranks) else rank.rank

    def at(rank: RankFacts) -> tuple[float, int]:
        return rank.ended or 0.0, rank.rank

    bad = [r for r in ranks if r.state in _BAD]
    if bad:
        first = min(bad, key=at)
        since = at(first)[0]
        first = min((r for r in bad if r.state == KILLED and at(r)[0] <= since + _outranks_s(r)), key=at, default=first)
        return RunState(first.state, first.rank if several else None, first.ended, *first.known)
    live = [r.state for r in ranks if r.state in LIVE_STATES]
    if live:
        return RunState(max(live, key=_LIVE.index))
    lost = [r for r in ranks if r.state == LOST]
    if lost:
        return RunState(LOST, whose(LOST, min(lost, key=lambda r: r.rank)), max(r.seen for r in lost))
    ended = max(r.ended or 0.0 for r in ranks)
    state = min((r.state for r in ranks), key=_QUIET.index)
    of_them = [r for r in ranks if r.state == state]
    rank = whose(state, min(of_them, key=lambda r: r.rank))
    last = max((r for r in of_them if rank is None or r.rank == rank), key=at)
    return RunState(state, rank, ended, *last.known)
