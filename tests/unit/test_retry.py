"""Backoff: delays that grow, stay bounded and obey the lab."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhectiqlab.transport.retry import RETRY_AFTER_MAX_S, Backoff


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def longest(low: float, high: float) -> float:
    return high


def test_delays_double_up_to_the_longest() -> None:
    backoff = Backoff(min_s=1, max_s=10, uniform=longest)
    assert [backoff.failed() for _ in range(6)] == [2, 4, 8, 10, 10, 10]


def test_a_success_starts_from_the_shortest_again() -> None:
    backoff = Backoff(min_s=1, max_s=10, clock=Clock(), uniform=longest)
    backoff.failed()
    backoff.failed()
    backoff.succeeded()
    assert (backoff.failures, backoff.wait_s(), backoff.failed()) == (0, 0.0, 2)


def test_the_wait_runs_down_with_the_clock() -> None:
    clock = Clock()
    backoff = Backoff(min_s=1, max_s=10, clock=clock, uniform=longest)
    assert backoff.wait_s() == 0.0
    backoff.failed()
    clock.now += 0.5
    assert backoff.wait_s() == 1.5
    clock.now += 60
    assert backoff.wait_s() == 0.0


def test_somebody_in_a_hurry_does_not_wait() -> None:
    backoff = Backoff(min_s=1, max_s=10, clock=Clock(), uniform=longest)
    backoff.failed()
    backoff.hurry()
    assert backoff.wait_s() == 0.0
    assert backoff.failed() == 4


def test_nobodys_hurry_is_before_the_time_that_the_lab_named() -> None:
    clock = Clock()
    backoff = Backoff(min_s=1, max_s=30, clock=clock, uniform=longest)
    for _ in range(4):
        backoff.failed()
    backoff.failed(retry_after_s=5)
    assert backoff.wait_s() == 30
    backoff.hurry()
    assert backoff.wait_s() == 5
    clock.now += 5
    assert backoff.wait_s() == 0
    backoff.failed(at_least_s=20)
    assert backoff.wait_s() == 30
    backoff.hurry()
    assert backoff.wait_s() == 0


def test_the_lab_is_obeyed_within_reason() -> None:
    backoff = Backoff(min_s=1, max_s=10)
    assert backoff.failed(retry_after_s=120) == 120
    assert backoff.failed(retry_after_s=1e9) == RETRY_AFTER_MAX_S
    assert backoff.failed(retry_after_s=0) >= 1


@given(failures=st.integers(1, 2000))
def test_every_delay_is_within_bounds(failures: int) -> None:
    backoff = Backoff(min_s=0.25, max_s=30)
    backoff.failures = failures
    assert 0.25 <= backoff.failed() <= 30


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (2, 1)])
def test_bounds_that_make_no_sense_are_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError):
        Backoff(min_s=low, max_s=high)
