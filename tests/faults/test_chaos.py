"""A short part of `scripts/chaos`, always of the same seed: real trainers, uploaders and labs under faults."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from .chaos import Schedule, run_chaos
from .fleet_kinds import fleet_kinds
from .fleet_world import needs_engines
from .kinds import FLAVOURS, HARMLESS, flavours, kinds

SEED = 20261123
FAULTS = 16

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its faults are Linux's")


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_is_lost_or_doubled_whatever_strikes() -> None:
    if missing := set(FLAVOURS) - set(flavours()):
        print(f"!!! not possible here, and left out: {', '.join(sorted(missing))}")
    result = run_chaos(0, SEED, episodes=[0], deck=Schedule(SEED).deck(0)[:FAULTS])
    assert not result.problems, "\n".join(result.problems)
    assert (result.lost, result.doubled) == (0, 0)
    assert result.events > 1000 and sum(result.faults.values()) >= FAULTS // 2


def test_a_schedule_is_the_seeds_alone_and_every_kind_comes_as_often() -> None:
    schedule = Schedule(1)
    episodes = 60
    drawn = [name for i in range(episodes) for name in schedule.deck(i)]
    assert drawn == [name for i in range(episodes) for name in Schedule(1).deck(i)]
    assert drawn != [name for i in range(episodes) for name in Schedule(2).deck(i)]
    counts = [drawn.count(name) for name in schedule.names]
    assert max(counts) - min(counts) <= 1
    assert set(drawn) == {*kinds(), *flavours()} - HARMLESS


def test_kinds_that_struck_least_come_next() -> None:
    schedule = Schedule(1)
    struck: Counter[str] = Counter()
    for episode in range(60):
        deck = schedule.deck(episode, struck)
        assert deck == Schedule(1).deck(episode, struck) and len(set(deck)) == len(deck)
        struck.update(name for name in deck if name != "dns" or episode % 2)  # this one often finds nobody
    assert max(struck.values()) - min(struck.values()) <= 2


@pytest.mark.slow  # some two minutes; tests/fleet keeps the promises one by one
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_fleet_loses_and_doubles_nothing_whatever_strikes() -> None:
    needs_engines()
    own = [name for name in fleet_kinds() if name not in kinds()]
    result = run_chaos(0, SEED, episodes=[0], deck=own, fleet=True, lanes=1)
    assert not result.problems, "\n".join(result.problems)
    assert (result.lost, result.doubled) == (0, 0)
    assert result.events > 1000 and sum(result.faults.values()) >= len(own) // 2
