"""The lab's clock: one that leapt is not believed for a day, and nothing is removed by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhectiqlab.server.lab import KEEP_DELETED_S, Lab
from pyhectiqlab.server.tending.clock import Clock, Sight
from pyhectiqlab.store.meta import MetaStore
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.store.retention import DAY_S

from ..stores import new_store
from .ageing import NOW, World


@pytest.fixture
def world(meta: MetaStore) -> World:
    return World(meta)


@pytest.fixture
def idle_lab(tmp_path: Path) -> Iterator[Lab]:
    """Start all parts of a lab but its watch, which goes by the clock on the wall."""
    (tmp_path / "data").mkdir()
    new_store(tmp_path / "data").close()
    lab = Lab(open_storage(tmp_path / "data"))
    lab.writer.start()
    yield lab
    lab.stop()


def test_a_clock_that_leapt_is_believed_after_a_day() -> None:
    sight = Sight(NOW)
    for hours in (8, 24, 47.9):
        sight = sight.next(NOW + hours * 3600)
    assert sight.steady_from == 0.0, "nights of a laptop are no leaps"
    later = NOW + 3650 * DAY_S
    sight = sight.next(later)
    assert sight.steady_from == later + DAY_S
    assert sight.next(later + DAY_S).steady_from == later + DAY_S, "it went on"
    back = sight.next(NOW + 3 * DAY_S)
    assert back.steady_from == NOW + 4 * DAY_S, "it was set right: that is a leap too"


def test_the_lab_remembers_where_it_saw_its_clock(world: World) -> None:
    def seen(*days: float) -> bool:
        """Return whether a lab that starts, and looks then and then, believes its clock in the end."""
        clock = Clock(world.meta, world.write)
        for at in days:
            steady = clock.look(NOW + at * DAY_S)
            clock.note()
        return steady

    assert seen(0), "an empty lab has nothing to lose"
    assert seen(0.9)
    assert not seen(99, 99.9)
    assert not seen(99.95), "a restart is no way around it"
    assert seen(100.1)


def test_a_lab_that_never_looked_goes_by_the_last_sign_of_its_runs(world: World) -> None:
    world.run("r", days=3)
    clock = Clock(world.meta, world.write)
    assert not clock.look(NOW) and not clock.look(NOW + DAY_S / 2) and clock.look(NOW + DAY_S)


def test_a_lab_removes_nothing_by_a_clock_that_leapt(idle_lab: Lab) -> None:
    world = World(idle_lab.meta)
    run, deleted = world.run("a", days=0.5), world.run("b", days=0.5)
    world.write(lambda tx: tx.delete_run(deleted, NOW))
    world.set(runs_days=30)

    def turn(days: float) -> tuple[bool, bool]:
        """Return whether the one is deleted then, and the other gone for good."""
        now = NOW + days * DAY_S
        idle_lab.watch_once(now, now, idle_lab.clock.look(now))
        with world.meta.reading() as view:
            one, other = view.some_runs([run, deleted])
        return one.deleted is not None, other.purged is not None

    assert turn(0) == turn(400) == turn(400.9) == (False, False)
    assert turn(401) == (True, True), "a day went by"
    assert turn(401 + KEEP_DELETED_S / DAY_S + 0.1) == (True, True)
