"""Two transactions at the same time, in two stores on the same data, as two labs have them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pyhectiqlab.store.meta import Changes, MetaStore, MetaTransaction

from ...stores import MetaPlace

Work = Callable[[MetaTransaction], Any]
TIMEOUT_S = 30.0
LOOK_EVERY_S = 0.002


@dataclass
class Outcome:
    """What became of a transaction: what it returned or raised, and what it changed."""

    value: Any = None
    error: BaseException | None = None
    waited: bool = False  # whether it waited for the other one to end
    changes: Changes = field(default_factory=Changes)


class _Undone(Exception):
    pass


def meet(place: MetaPlace, first: Work, second: Work, *, undo: bool = False) -> tuple[Outcome, Outcome]:
    """Run two transactions: the second one begins when the first has done its work. The first commits when the second
    has done its own, or waits for the first to end. `undo`: the first is undone instead.
    """
    worked, go, begins, done = (threading.Event() for _ in range(4))
    outcomes = Outcome(), Outcome()

    def do_first(store: MetaStore) -> None:
        try:
            with store.writing() as tx:
                outcomes[0].value = first(tx)
                outcomes[0].changes = tx.changes
                worked.set()
                assert go.wait(TIMEOUT_S)
                if undo:
                    raise _Undone
        except _Undone:
            pass
        except Exception as e:
            outcomes[0].error = e
        finally:
            worked.set()

    def do_second(store: MetaStore) -> None:
        begins.set()
        try:
            with store.writing() as tx:
                outcomes[1].value = second(tx)
                outcomes[1].changes = tx.changes
                done.set()
        except Exception as e:
            outcomes[1].error = e
        finally:
            done.set()

    stores = place.open(), place.open()
    try:
        with ThreadPoolExecutor(2) as threads:
            futures = [threads.submit(do_first, stores[0])]
            assert worked.wait(TIMEOUT_S)
            futures.append(threads.submit(do_second, stores[1]))
            assert begins.wait(TIMEOUT_S)
            deadline = time.monotonic() + TIMEOUT_S
            while not done.wait(LOOK_EVERY_S):  # nothing reports when somebody begins to wait for a lock
                if place.is_waiting():
                    outcomes[1].waited = True
                    break
                assert time.monotonic() < deadline
            go.set()
            for future in futures:
                future.result(TIMEOUT_S)
    finally:
        go.set()
        for store in stores:
            store.close()
    return outcomes


def refused(outcomes: tuple[Outcome, Outcome], error: type[Exception]) -> None:
    """Assert that the second transaction was refused with this error, and the first was not."""
    assert outcomes[0].error is None
    assert isinstance(outcomes[1].error, error), outcomes[1]


def fine(outcomes: tuple[Outcome, Outcome]) -> None:
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
