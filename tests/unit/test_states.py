"""The state of a run from those of its ranks, as a table."""

from __future__ import annotations

import itertools
import signal

import pytest

from pyhectiqlab.protocol import states
from pyhectiqlab.protocol.states import RankFacts, RunState, state_of_run

from ..cases import cases


def rank(
    number: int, said: str = "running", ended_as: str | None = None, at: float = 0.0, lost: bool = False
) -> RankFacts:
    """Return the rank of an end: why it was is `ended_as` and the rank's number."""
    number_of_signal = signal.SIGTERM if ended_as == "killed" else None
    return RankFacts(
        number, said, at, ended_as, at, lost, seen=at, cause=f"{ended_as} {number}", signal=number_of_signal
    )


@pytest.mark.parametrize(
    "ranks, state",
    [
        ([], RunState("pending")),
        # one rank: the run has its state
        ([rank(0)], RunState("running")),
        ([rank(0, "training")], RunState("training")),
        ([rank(0, "pending")], RunState("pending")),
        ([rank(0, "completed", at=5.0)], RunState("completed", None, 5.0)),
        ([rank(0, "training", "completed", 5.0)], RunState("completed", None, 5.0)),
        ([rank(0, "completed", "killed", 5.0)], RunState("killed", None, 5.0)),
        ([rank(0, "stopped", "completed", 5.0)], RunState("stopped", None, 5.0)),
        ([rank(0, "failed", "ended", 5.0)], RunState("failed", None, 5.0)),
        ([rank(0, "training", lost=True, at=4.0)], RunState("lost", None, 4.0)),
        ([rank(0, "completed", lost=True, at=4.0)], RunState("completed", None, 4.0)),
        # one failed: the run failed, whatever the others do; with several, the first one counts
        ([rank(0), rank(1, ended_as="failed", at=3.0)], RunState("failed", 1, 3.0)),
        ([rank(0, "failed", at=2.0), rank(1)], RunState("failed", 0, 2.0)),
        ([rank(0, ended_as="failed", at=4.0), rank(1, ended_as="killed", at=3.0)], RunState("killed", 1, 3.0)),
        ([rank(0, ended_as="failed", at=3.0), rank(1, ended_as="failed", at=3.5)], RunState("failed", 0, 3.0)),
        ([rank(0, ended_as="completed", at=9.0), rank(1, ended_as="killed", at=3.0)], RunState("killed", 1, 3.0)),
        ([rank(0, ended_as="stopped", at=1.0), rank(1, ended_as="failed", at=3.0)], RunState("failed", 1, 3.0)),
        # a kill, whose peers failed because their connections broke, reported a moment later; and a kill that came
        # after a failure
        ([rank(0, ended_as="failed", at=3.0), rank(1, ended_as="killed", at=3.09)], RunState("killed", 1, 3.09)),
        ([rank(0, "failed", at=3.0), rank(1, ended_as="killed", at=3.09)], RunState("killed", 1, 3.09)),
        ([rank(0, ended_as="failed", at=3.0), rank(1, ended_as="killed", at=3.2)], RunState("failed", 0, 3.0)),
        ([rank(0, "failed", at=3.0), rank(1, "", "killed", 3.2), rank(2, "failed", at=3.1)],
         RunState("failed", 0, 3.0)),
        ([rank(0, "failed", at=3), rank(1, "", "killed", 3.08), rank(2, "", "killed", 3.05)],
         RunState("killed", 2, 3.05)),
        # several processes of one rank: they belong to one script
        ([rank(0, ended_as="completed", at=1.0), rank(0)], RunState("running")),
        ([rank(0, ended_as="completed", at=1.0), rank(0, ended_as="failed", at=3.0)], RunState("failed", None, 3.0)),
        ([rank(0, ended_as="completed", at=1.0), rank(0, ended_as="ended", at=3.0)], RunState("ended", None, 3.0)),
        # one is alive: the run is alive, and in the state of the furthest rank
        ([rank(0, "training"), rank(1, "pending"), rank(2)], RunState("training")),
        ([rank(0, ended_as="completed", at=1.0), rank(1)], RunState("running")),
        ([rank(0, "completed", at=1.0), rank(1)], RunState("running")),
        ([rank(0, lost=True, at=1.0), rank(1)], RunState("running")),
        ([rank(0, ended_as="stopped", at=1.0), rank(1, "training")], RunState("training")),
        # none is alive, and some are lost
        ([rank(0, lost=True, at=1.0), rank(1, lost=True, at=2.0)], RunState("lost", None, 2.0)),
        ([rank(0, ended_as="completed", at=9.0), rank(1, lost=True, at=2.0)], RunState("lost", 1, 2.0)),
        # all ended
        ([rank(0, ended_as="completed", at=1.0), rank(1, ended_as="completed", at=2.0)], RunState("completed", None, 2.0)),  # noqa: E501
        ([rank(0, ended_as="completed", at=1.0), rank(1, ended_as="stopped", at=2.0)], RunState("stopped", 1, 2.0)),
        ([rank(0, ended_as="stopped", at=3.0), rank(1, ended_as="ended", at=2.0)], RunState("ended", 1, 3.0)),
        ([rank(0, "completed", "ended", 3.0), rank(1, "completed", at=2.0)], RunState("completed", None, 3.0)),
    ],
)  # fmt: skip
def test_the_state_of_a_run_follows_from_its_ranks(ranks: list[RankFacts], state: RunState) -> None:
    for facts in (ranks, ranks[::-1]):  # in any order of reports
        run = state_of_run(facts)
        assert (run.state, run.rank, run.ended) == (state.state, state.rank, state.ended)
        of_it = [r for r in ranks if run.rank in (None, r.rank) and r.state == run.state and r.known[0]]
        assert (run.who, run.why) in ([r.known for r in of_it] or [("", "")]), "the why is that of the state's rank"


@pytest.mark.parametrize(
    ("number", "later", "first"),
    [
        (signal.SIGKILL, 0.9, "killed"),  # on a machine that is out of memory, an uploader sees it late
        (signal.SIGSEGV, 0.9, "killed"),
        (signal.SIGKILL, 1.1, "failed"),
        (signal.SIGTERM, 0.05, "killed"),
        (signal.SIGTERM, 0.2, "failed"),  # as a launcher ends the other ranks
    ],
)
def test_a_kill_is_the_cause_of_a_failure_that_is_told_a_little_before(number: int, later: float, first: str) -> None:
    failed = rank(0, ended_as="failed", at=3.0)
    killed = RankFacts(1, ended_as="killed", ended_at=3.0 + later, cause="a signal", signal=number)
    assert state_of_run([failed, killed]).state == state_of_run([killed, failed]).state == first


def test_a_process_that_ended_itself_outranks_no_failure() -> None:
    failed = rank(0, ended_as="failed", at=3.0)
    gone = RankFacts(1, ended_as="killed", ended_at=3.01, cause="os._exit(1)")
    assert state_of_run([failed, gone]).why == "failed 0"


def test_whatever_is_known_of_two_ranks_the_run_has_a_state_that_can_be_shown() -> None:
    said, ended_as = sorted(states.SCRIPT_STATES), [None, *sorted(states.FINAL_STATES)]
    facts = [RankFacts(r, s, 1.0, f, 2.0, lost, 3.0) for r in (0, 1) for s in said for f in ended_as for lost in (0, 1)]
    for some in itertools.product(facts[: len(facts) // 2], facts[len(facts) // 2 :]):
        run = state_of_run(some)
        assert run.state in states.ALL_STATES and (run.ended is None) == (run.state in states.LIVE_STATES)


def test_the_states_are_those_that_the_pages_know() -> None:
    known = cases("states")
    assert {name for name, state in known.items() if state["live"]} == states.LIVE_STATES
    assert {name for name, state in known.items() if state["final"]} == states.FINAL_STATES
    assert {name for name, state in known.items() if state["of_a_run"]} == states.ALL_STATES
    assert known.keys() - states.ALL_STATES == {states.PREEMPTED}
