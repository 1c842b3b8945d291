"""A lab on a disk that fills up, for real: what it answered as done is there, after a restart with room again too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient

from ..labs import ForkedLab
from ..server.api import Api, batch, new_id, wait_until
from .clerk import Clerk
from .world import can_mount, small_disk

DISK_BYTES = 24 << 20
ROUNDS = 3
POINTS = 2000

pytestmark = pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small disk: run as root")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", DISK_BYTES) as path:
        yield path


def fill(path: Path) -> None:
    """Take all the room on the disk."""
    with open(path, "wb", buffering=0) as f:
        for block in (1 << 20, 4096):
            try:
                while True:
                    f.write(bytes(block))
            except OSError:
                pass


class Logger:
    """Writers of one run, whose cursors are the lab's word."""

    def __init__(self, lab: RealLab) -> None:
        self.api = Api.of(lab)
        self.run = self.api.attach(f"run-{new_id(4)}")["run"]["id"]
        self.cursors = dict.fromkeys((new_id() for _ in range(4)), 0)
        self.refused = 0

    def log(self) -> None:
        batches = [batch(self.run, w, c + 1, c + POINTS, key=w) for w, c in self.cursors.items()]
        answer = self.api.ingest(*batches)
        for result in answer:
            if result["status"] == 200:
                self.cursors[result["writer"]] = result["cursor"]
            else:
                assert result["status"] == 503
                self.refused += 1

    def check(self) -> None:
        for writer, cursor in self.cursors.items():
            assert self.api.steps(self.run, writer)[:cursor] == list(range(1, cursor + 1))
        by_name = {w["writer"]: w["cursor"] for w in self.api.get(f"/runs/{self.run}/writers")["items"]}
        assert all(by_name.get(w, 0) >= c for w, c in self.cursors.items())


def test_what_a_lab_on_a_full_disk_answers_as_done_is_done(disk: Path, tmp_path: Path) -> None:
    with ForkedLab(disk / "data", tmp_path / "home") as lab:
        logger = Logger(lab)
        clerk = Clerk(lambda: LabClient(lab.url, lab.api_key), 1)
        try:
            for _ in range(ROUNDS):
                filler = disk / "filler"
                fill(filler)
                refused = logger.refused
                wait_until(lambda logger=logger, refused=refused: logger.log() or logger.refused > refused, 60)  # type: ignore[misc]
                known = clerk.refused
                wait_until(lambda clerk=clerk, known=known: clerk.refused > known + 5, 60)  # type: ignore[misc]
                filler.unlink()
                done = clerk.acknowledged
                wait_until(lambda clerk=clerk, done=done: clerk.acknowledged > done, 60)  # type: ignore[misc]
                logger.log()
        finally:
            clerk.stop()
        logger.check()
        assert clerk.audit() == []
        lab.kill()
        lab.start()
        logger.check()
        assert clerk.audit() == []
        assert lab.log().count("Traceback") == 0, lab.log()
