"""A lab moves out of its folder to PostgreSQL, ClickHouse and a bucket, and back, and is the same."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pyhectiqlab.errors import LabError, StoreError
from pyhectiqlab.store.fleet import Addresses
from pyhectiqlab.store.moving import move as moving
from pyhectiqlab.store.moving import points
from pyhectiqlab.store.opening import open_beside, open_place
from pyhectiqlab.store.points import Column, PointBatch
from pyhectiqlab.transport.file_upload import register, upload_file
from pyhectiqlab.transport.http import LabClient

from ..labs import ForkedLab
from ..nursery import Nursery
from ..server.api import Api, batch, events_batch, new_id
from .move_places import empty_place, everything
from .move_victim import place_of


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> ForkedLab:
    """Make a lab with some of everything, and stop it."""
    folder = tmp_path_factory.mktemp("old")
    lab = ForkedLab(folder / "data", folder / "home")
    with lab:
        fill(lab, folder)
    return lab


def fill(lab: ForkedLab, folder: Path) -> None:
    api = Api.of(lab)
    for n in range(3):
        run = api.attach(f"run {n}")["run"]["id"]
        ranks = [(rank, new_id()) for rank in (0, 0, 1)]  # two forks of one rank
        for start in range(1, 200, 50):
            for rank, writer in ranks:
                api.ingest(batch(run, writer, start, start + 49, rank=rank))
        logger = new_id()
        api.ingest(events_batch(run, logger, 1, [("log", {"text": "a line\n"}), ("tag", {"tag": "kept"})]))
        path = folder / f"file{n}.bin"
        path.write_bytes(os.urandom(100_000 * n + 10))
        with LabClient(lab.url, lab.api_key) as client:
            sent = upload_file(client, path)
            body = {"id": secrets.token_hex(16), "name": path.name, "digest": sent.digest, "bytes": sent.bytes}
            register(client, body, run=run)
    api.call("POST", "/users", 201, json={"username": "ada", "password": "correct horse 7"})
    api.call("DELETE", f"/runs/{run}")


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[tuple[Addresses, Path]]:
    """Return an empty place for several labs, and a file that names it."""
    with empty_place(tmp_path) as place:
        yield place


@pytest.mark.parametrize("step", ["files", "rows", "points", "compare"])
def test_a_move_that_was_interrupted_goes_on(
    old: ForkedLab, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The move is from folder to folder, which takes the same steps."""
    monkeypatch.setattr(points, "POINTS_AT_ONCE", 500)
    target = tmp_path / "there"
    starts = {
        "files": "file 2",
        "rows": "rows of events",
        "points": "points of 3 runs: ",
        "compare": "comparing points",
    }

    def broken(what: str) -> None:
        if what.startswith(starts[step]):
            raise StoreError("interrupted")

    with closing(open_beside(old.data_dir)) as source:
        with pytest.raises(StoreError, match="interrupted"):
            moving.move(source, lambda: open_place(target), broken)
        with pytest.raises(LabError, match="is not whole: call `hectiqlab admin move`"):
            ForkedLab(target, tmp_path / "home").start()
        moved = moving.move(source, lambda: open_place(target), lambda what: None)
        assert (moved.whole, moved.runs, moved.points, moved.files) == (True, 3, 1800, 3)
        moving.forget(source)
    with closing(open_place(target)) as there:
        moving.refuse_moved(there)
        run = moving._runs_of(there)[0]
        assert np.isclose(there.points.summaries("loss", [run])[run].last, 200 / 7)


@pytest.fixture(scope="module")
def victims() -> Iterator[Nursery]:
    nursery = Nursery("tests.fleet.move_victim")
    yield nursery
    nursery.close()


THERE = ("move.files", "move.rows", "points.noted", "points.inserted", "points.settled", "move.points", "move.compared")
BACK = ("move.files", "move.rows", "move.points", "move.compared")
FEW = (("points.inserted", "move.points"), ("move.points",))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("there, back_again", [FEW, pytest.param(THERE, BACK, marks=pytest.mark.slow)])
def test_a_move_that_is_killed_at_each_step_goes_on_and_ends_with_the_same(
    old: ForkedLab,
    fleet: tuple[Addresses, Path],
    tmp_path: Path,
    victims: Nursery,
    there: tuple[str, ...],
    back_again: tuple[str, ...],
) -> None:
    """There and back, a process for each step, which goes on with what the ones before left."""
    _, config = fleet
    source, back = tmp_path / "source", tmp_path / "back"
    shutil.copytree(old.data_dir, source)
    untold = answered_and_not_told(source)
    for start, end, steps in ((source, config, there), (config, back, back_again)):
        for n, at in enumerate(steps):
            # If a group of points is there already, only `move.points` is passed.
            nth = 2 if at == "move.points" else 1
            order = {"source": str(start), "target": str(end), "at": at, "nth": nth, "env": {}}
            marker, output = tmp_path / f"{end.name}{n}", tmp_path / "output"
            pid = victims.fork({**order, "marker": str(marker), "output": str(output)})
            status = victims.wait(pid, 120)
            assert status is not None and status & 127 == signal.SIGKILL, (at, output.read_text())
        with closing(open_beside(place_of(str(start)))) as one:
            moved = moving.move(one, lambda end=end: open_place(place_of(str(end))), lambda what: None)
            assert (moved.whole, moved.runs, moved.points, moved.files) == (True, 3, 1810, 3)
        assert everything(place_of(str(end))) == everything(place_of(str(start)))
    with closing(open_beside(back)) as moved_back, moved_back.meta.reading() as view:
        (writer,) = view.writers([untold.writer]).values()
        assert writer.cursor == moved_back.points.cursor(untold.writer) == untold.last


def answered_and_not_told(data: Path) -> PointBatch:
    """Bring a batch of points to the PointStore alone: a lab that is killed then has answered it."""
    with closing(open_beside(data)) as storage:
        with storage.meta.reading() as view:
            writer = max(view.writers_of(moving._runs_of(storage)[0], 10), key=lambda w: w.cursor)
        first = writer.cursor + 1
        seq = np.arange(first, first + 10)
        batch = PointBatch(
            *(writer.run, writer.rank, writer.attempt, writer.writer, first, first + 9),
            [Column("late", seq, seq, seq * 0.5, 1_700_000_000_000_000 + seq)],
        )
        (result,) = storage.points.append([batch])
        assert result.status == "ok"
        return batch


def test_a_place_with_another_lab_is_refused(old: ForkedLab, tmp_path: Path) -> None:
    with ForkedLab(tmp_path / "other", tmp_path / "home"):
        pass
    with closing(open_beside(old.data_dir)) as source, pytest.raises(LabError, match="has a lab already: name a place"):
        moving.move(source, lambda: open_place(tmp_path / "other"), lambda what: None)
