"""Each crash point is passed, kills who passes it, and costs nothing: what was accepted is in the lab exactly once.

All of them at once, each in a home of its own; the lab's own points each with a lab of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.base import crashpoints
from pyhectiqlab.base.crashpoints import POINTS

from ..nursery import Nursery
from .audit import Audit
from .kinds import OF_UPLOADER
from .ledger import DISK, FILES
from .trainer import ENDINGS
from .world import Trainer, World, start_nurseries, until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="trainers are forked"),
    pytest.mark.timeout(600),
    # Connections that the proxy breaks on purpose are collected while still open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# These need many sessions that send: tests/server/test_deferred.py has them.
OF_CROWD = {"lab.deferred", "lab.catching_up"}
OF_LAB = [p for p in POINTS if p.startswith("lab.") and p not in OF_CROWD]


@pytest.fixture(scope="module")
def nurseries() -> Iterator[tuple[Nursery, Nursery]]:
    pair = start_nurseries()
    yield pair
    for nursery in pair:
        nursery.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, nurseries: tuple[Nursery, Nursery]) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("crashes")
    folder.chmod(0o755)
    world = World(folder / "world", 1, nurseries=nurseries)
    yield world
    world.close()


@pytest.fixture(scope="module")
def crashed(world: World) -> dict[str, tuple[Trainer, Path]]:
    """Run trainers to each crash point. Return them after their end, with the mark that the death left."""
    trainers: dict[str, tuple[Trainer, Path]] = {}
    for point in OF_UPLOADER:
        marker = world.folder / f"{point}.crashed"
        name = f"at-{point.replace('.', '-')}"
        world.prepare(name)
        away = point == "send.attached"  # the run is made by a sync
        if away:
            world.lab.kill()
        # More than the budget holds: acked segments make room.
        flavour = "budget" if point == "journal.released" else "plain"
        trainer = world.start(name, flavour, len(trainers), crash=f"{point}:1:{marker}")
        if away:
            until(lambda trainer=trainer: trainer.opened, 20)
            world.start_lab()
        trainers[point] = trainer, marker
    full, _ = trainers["drain.direct"]  # no room for the journal: batches go straight from the queue
    full.met.add("disk")
    until(lambda: full.opened, 20)
    full.ledger.words[DISK] = 1
    until(lambda: all(t.ledger.get(0, FILES) for t, _ in trainers.values() if t is not full), 30)
    until(lambda: all(trainers[point][1].exists() for point in ("drain.direct", "journal.released")), 30)
    full.ledger.words[DISK] = 0
    for trainer, _ in trainers.values():
        world.tell_to_end(trainer, ENDINGS.index("exit"))
    until(lambda: not world.alive(), 60)
    return trainers


def deliver(world: World, trainer: Trainer, *, crash: bool = False) -> None:
    deadline = time.monotonic() + 60
    while not trainer.is_done() and time.monotonic() < deadline:
        until(lambda: trainer.is_done() or trainer.uploader() is None, 2)
        if not trainer.is_done():
            world.sync(trainer, crash=crash)
    assert trainer.is_done(), trainer.logs()


@pytest.mark.slow
@pytest.mark.parametrize("point", OF_UPLOADER)
def test_an_uploader_that_dies_there_loses_and_doubles_nothing(
    world: World, crashed: dict[str, tuple[Trainer, Path]], point: str
) -> None:
    trainer, marker = crashed[point]
    deliver(world, trainer, crash=True)
    assert marker.exists(), f"nobody came by {point}: {trainer.logs()}"
    with world.client() as lab:
        audit = Audit(lab, trainer)
    assert not audit.problems, "\n".join(audit.problems)
    assert audit.events > 0


@pytest.mark.slow
@pytest.mark.parametrize("point", OF_LAB)
def test_a_lab_that_dies_there_loses_and_doubles_nothing(
    tmp_path: Path, nurseries: tuple[Nursery, Nursery], point: str
) -> None:
    tmp_path.chmod(0o755)
    marker = tmp_path / "crashed"
    crash = {"HECTIQLAB_CRASH_AT": f"{point}:2:{marker}"}
    world = World(tmp_path / "world", 1, lab_env=crash, nurseries=nurseries)
    try:
        trainer = world.start("trainer", "plain", 1)
        assert until(lambda: not world.lab.running, 20), f"the lab did not come by {point}"
        assert marker.exists()
        world.lab.kill()
        world.start_lab()
        world.tell_to_end(trainer, ENDINGS.index("exit"))
        until(lambda: not world.alive(), 30)
        deliver(world, trainer)
        with world.client() as lab:
            audit = Audit(lab, trainer)
        assert not audit.problems, "\n".join(audit.problems)
        assert audit.events > 0
    finally:
        world.close()


def test_without_the_variable_a_crash_point_is_an_empty_function() -> None:
    printed = subprocess.run(
        [sys.executable, "-c", "from pyhectiqlab.base import crashpoints as c; print(c.passing is c._nothing)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert printed.stdout == "True\n"


@pytest.mark.parametrize("wish", ["nowhere:1:/tmp/x", "drain.taken", "drain.taken:often:/tmp/x"])
def test_a_wish_that_is_not_understood_is_an_error(wish: str) -> None:
    with pytest.raises(ValueError):
        crashpoints.armed(wish)


def test_every_crash_point_is_in_the_code_and_every_one_in_the_code_is_listed() -> None:
    import re

    import pyhectiqlab

    folder = Path(pyhectiqlab.__file__).parent
    passed: dict[str, Any] = {}
    for path in folder.rglob("*.py"):
        for name in re.findall(r"crashpoints\.passing\(\"([a-z0-9._]+)\"\)", path.read_text()):
            assert name not in passed, f"{name} is in {path} and {passed[name]}"
            passed[name] = path
    assert set(passed) == set(POINTS)
