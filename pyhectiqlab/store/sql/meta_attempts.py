"""Attempts: to which attempt of its job an attaching process belongs, and whether it sets the run's state.

An attempt is one life of a script. It begins when the run is opened while nobody has it open. It is over when the
process that opened it has closed it or has ended, or when one of its processes failed. These share an attempt:

* the ranks of a job. A rank that starts only after another one has ended belongs to that one's attempt where both
  name the same job, and its launcher has not started them again;
* a process that opens the run beside a living one, such as a helper that sets a tag. It sets no state: its end changes
  nothing, and nobody can join an attempt of which only such a helper lives;
* the processes of one script, which multiprocessing or a fork started. Each sets states, like a rank of its own, until
  the script's own process opens the run: then that one speaks for all of them. A child that ended well does not end the
  attempt, because the script goes on;
* all processes below one `hectiqlab run`, in whatever order the lab hears of them, until a launcher among them restarts
  its job. The command speaks for those of its own rank.

A pure function over rows of `sessions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...protocol import states
from ..meta import AttachRequest

HELD_BY_MAX = 16
_WELL = frozenset({states.COMPLETED, states.ENDED, states.STOPPED})  # a pool stops its workers
_BAD = frozenset({states.FAILED, states.KILLED})


@dataclass(frozen=True)
class Membership:
    """Where a process belongs. `speaks_for_script`: the other sessions of its script, rank and attempt no longer set
    states. `held_by`: the sessions on its machine that keep it from setting states.
    """

    attempt: int
    sets_state: bool
    speaks_for_script: bool = False
    held_by: tuple[str, ...] = ()


def membership(request: AttachRequest, known: Sequence[Any], live: Collection[Any]) -> Membership:
    """Return the attempt and the rights of a process that attaches.

    Args:
        known: the run's sessions.
        live: those of them that have not ended and gave a sign of life lately.
    """
    live = frozenset(live)  # looked up for each of thousands of rows
    own = _own(request, known, live)
    if own is not None:
        return Membership(own.attempt, own.sets_state, held_by=() if own.sets_state else _here(request, own, live))
    attempt = _of_launch(request, known) or _attempt(request, known, live)
    speakers = [s for s in known if s.sets_state and (s.attempt, s.rank) == (attempt, request.rank)]
    living = [s for s in speakers if s in live and not _was_closed(request, s)]
    sets_state = all(_same_script(request, s) for s in living) and (request.main or not any(s.main for s in speakers))
    is_spoken_for = not request.main and any(s.main and _same_launch(request, s) for s in speakers)
    if is_spoken_for or (not sets_state and living):
        return Membership(attempt, False, held_by=_here(request, living[0], live) if living else ())
    return Membership(attempt, True, sets_state and request.main and bool(speakers))


def _here(request: AttachRequest, among: Any, live: Collection[Any]) -> tuple[str, ...]:
    """Return the living sessions on the machine of the request that set the state of the same rank and attempt as
    `among`. The process that attaches can check whether their processes live: if an uploader was killed with its
    process, nobody else reports that to the lab.
    """
    place = (among.attempt, among.rank)
    held = sorted(s.session for s in live if s.sets_state and (s.attempt, s.rank) == place and s.host == request.host)
    return tuple(held[:HELD_BY_MAX]) if request.host else ()


def _own(request: AttachRequest, known: Iterable[Any], live: Collection[Any]) -> Any | None:
    """Return the session's row if it has attached before: a process that slept, or that attaches again after the lab
    went back.
    """
    mine = [s for s in known if s.session == request.session and s.rank == request.rank]
    if request.opening is None:
        mine = [s for s in mine if s in live and _same_life(request, s)]
    else:
        mine = [s for s in mine if s.opening == request.opening]
    return max(mine, key=lambda s: s.attempt, default=None)


def _attempt(request: AttachRequest, known: Sequence[Any], live: Collection[Any]) -> int:
    """Return the attempt that a launcher names. A launcher that restarts a job counts up. Its ranks attach again while
    the ranks of the attempt before still look alive: the first rank opens the new attempt, and the others join it.
    """
    speakers = [s for s in known if s.sets_state]
    living = [s for s in speakers if s in live and _same_life(request, s) and not _was_closed(request, s)]

    def of_rank(attempt: int) -> list[Any]:
        return [s for s in speakers if (s.attempt, s.rank) == (attempt, request.rank)]

    joined = max((s.attempt for s in living if s.rank == request.rank), default=0)
    if joined and not any(s.ended is not None and s.state in _BAD for s in of_rank(joined)):
        return joined
    newest = max((s.attempt for s in known), default=0)
    there = of_rank(newest)
    if there and all(_goes_on(request, s) for s in there):
        return newest
    peers = any(s.attempt == newest and (s in living or _same_job(request, s)) for s in speakers)
    return newest if peers and not there else newest + 1


def _of_launch(request: AttachRequest, known: Sequence[Any]) -> int:
    """Return the attempt of a process below `hectiqlab run`, or of that command. 0: it is the first of them, or no such
    process. The counts of a launcher below tell its restarts apart; the command may have the count of another launcher.
    A further program, which counts anew, belongs to the newest attempt, so that its points are shown.
    """
    mates = [s for s in known if _same_launch(request, s)]
    if not mates or request.main:
        return min((s.attempt for s in mates), default=0)
    below = [s for s in mates if not s.main]
    same_life = [int(s.attempt) for s in below if s.restart == request.restart]
    if not same_life and request.restart is not None and any(s.restart is not None for s in below):
        return 1 + max(int(s.attempt) for s in known)
    is_next = any((s.rank, s.restart) == (request.rank, request.restart) for s in below)  # of several programs
    return max(int(s.attempt) for s in mates) if is_next or not same_life else max(same_life)


def _same_launch(request: AttachRequest, s: Any) -> bool:
    return request.script.startswith(states.LAUNCH) and s.script == request.script


def _goes_on(request: AttachRequest, s: Any) -> bool:
    """Return whether this session was a child of the script that opens the run now, and ended well."""
    return (
        _same_script(request, s)
        and not s.main
        and s.session != request.session
        and s.ended is not None
        and s.state in _WELL
    )


def _same_life(request: AttachRequest, s: Any) -> bool:
    return request.restart is None or s.restart is None or s.restart == request.restart


def _same_job(request: AttachRequest, s: Any) -> bool:
    """Return whether this session is a rank of the same job, which its launcher started together with the request's. It
    may have ended already.
    """
    return bool(request.job) and s.job == request.job and request.world_size > 1 and _same_life(request, s)


def _same_script(request: AttachRequest, s: Any) -> bool:
    return bool(request.script) and s.script == request.script


def _was_closed(request: AttachRequest, s: Any) -> bool:
    """Return whether the process that attaches has closed the opening of this row. The report of that may still be on
    its way.
    """
    return request.opening is not None and s.session == request.session and s.opening != request.opening
