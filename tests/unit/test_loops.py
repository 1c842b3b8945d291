"""Threads that go on whatever their work raises, and tell of it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from pyhectiqlab.base import loops
from pyhectiqlab.base.loops import Loop, once
from pyhectiqlab.errors import StoreError

ERRORS = [KeyError("x"), OSError(28, "No space left on device"), SystemExit(3), KeyboardInterrupt(), MemoryError()]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "PAUSE_MIN_S", 0.001)


class Work:
    """Raises what it is given, then works; `reached` tells when it was called so often."""

    def __init__(self, errors: list[BaseException], after: float | None = 0.0) -> None:
        self.errors, self.after = list(errors), after
        self.calls = 0
        self._called = threading.Condition()

    def __call__(self) -> float | None:
        with self._called:
            self.calls += 1
            self._called.notify_all()
            error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return self.after

    def reached(self, calls: int) -> None:
        with self._called:
            assert self._called.wait_for(lambda: self.calls >= calls, 10)


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_whatever_a_turn_raises_the_next_one_comes(error: BaseException) -> None:
    messages: list[str] = []
    work = Work([error, error], after=30.0)
    loop = Loop("work", work, messages.append)
    loop.start()
    work.reached(3)
    loop.stop(10)
    assert loop.ended and loop.failing is None and loop.trouble.failures == 2
    assert len(messages) == 2, "the same failure is told once, and that it is over"
    assert type(error).__name__ in messages[0] and "Traceback" in messages[0] and messages[1] == "work works again"


def test_that_it_works_again_may_be_told_elsewhere() -> None:
    worse: list[str] = []
    better: list[str] = []
    work = Work([ValueError("no")], after=30.0)
    loop = Loop("work", work, worse.append, better.append)
    loop.start()
    work.reached(2)
    loop.stop(10)
    assert len(worse) == 1 and better == ["work works again"]


def test_what_fails_now_can_be_asked_for() -> None:
    seen = threading.Event()

    def tell(text: str) -> None:
        seen.set()
        raise OSError(28, "a log on a full disk")

    loop = Loop("work", Work([StoreError("The disk is full.")] * 1000), tell)
    loop.start()
    assert seen.wait(10)
    failing = loop.failing
    loop.stop(10)
    assert failing is not None and failing.name == "work" and failing.error == "StoreError: The disk is full."


def test_pauses_double_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "PAUSE_MIN_S", 1.0)
    trouble = loops.Trouble("work", lambda text: None)
    pauses = []
    for _ in range(9):
        trouble.failed(KeyError())
        pauses.append(trouble.pause_s)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    trouble.worked()
    trouble.failed(KeyError())
    assert trouble.pause_s == 1


@pytest.mark.parametrize("fails", [False, True])
def test_hurry_and_stop_end_a_wait_at_once(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "PAUSE_MIN_S", 60.0)
    work = Work([KeyError()] * 9 if fails else [], after=60.0)
    loop = Loop("work", work, lambda text: None)
    loop.start()
    work.reached(1)
    loop.hurry()
    work.reached(2)
    loop.stop(10)
    assert loop.ended


def test_a_piece_of_work_that_failed_is_done_again_and_then_no_more() -> None:
    work = Work([KeyError(), KeyError()], after=None)
    loop = once("work", work, lambda text: None)
    loop.join(10)
    assert loop.ended and work.calls == 3


def test_a_thread_that_is_gone_counts_as_failing() -> None:
    loop = Loop("work", Work([]), lambda text: None)
    assert loop.failing is None, "it was not started yet"
    loop._thread = threading.Thread(target=lambda: None)
    loop._thread.start()
    loop._thread.join()
    assert loop.failing is not None


def _tell_nothing(text: str) -> None:
    return None


@pytest.mark.parametrize("turn", [lambda: None, lambda: 60.0])
def test_stop_is_safe_twice_and_before_the_start(turn: Callable[[], float | None]) -> None:
    loop = Loop("work", turn, _tell_nothing)
    loop.stop()
    loop.start()
    loop.stop(10)
    loop.stop(10)
    assert loop.ended
