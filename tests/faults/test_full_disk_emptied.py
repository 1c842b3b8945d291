"""An administrator whose disk is full looks, deletes and purges, while the lab runs and while it is stopped.

The room that the lab kept for that is used, and is kept again afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyhectiqlab.store.reserve import RESERVE_BYTES
from pyhectiqlab.testing.lab import RealLab

from ..commands import run_command
from ..labs import ForkedLab
from ..server.api import Api, batch, column, new_id, wait_until
from .test_disk_full_start import health, refuse
from .test_lab_full import fill
from .world import can_mount, small_disk

DISK_BYTES = 64 << 20
POINTS, BATCH = 400_000, 40_000  # of the run that is deleted: 9 bytes each, as its values are noise
pytestmark = pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small disk: run as root")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", DISK_BYTES) as path:
        yield path


class Administrator:
    def __init__(self, lab: RealLab, data: Path) -> None:
        self._env, self._data = lab.env, data

    def __call__(self, *args: str) -> str:
        done = run_command("admin", *args, "--data", str(self._data), env=self._env)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.mark.parametrize("runs", [True, False], ids=["running", "stopped"])
def test_an_administrator_makes_room_on_a_full_disk(disk: Path, tmp_path: Path, runs: bool) -> None:
    with ForkedLab(disk / "data", tmp_path / "home", "--warn-free", "1kB") as lab:
        api, admin, reserve = Api.of(lab), Administrator(lab, disk / "data"), disk / "data" / "reserve"
        large, kept, other = (api.attach(name)["run"]["id"] for name in ("large", "kept", "other"))
        writers = {run: new_id() for run in (large, kept)}
        for first in range(1, POINTS, BATCH):
            assert api.statuses(noise(large, writers[large], first)) == [200]
        assert api.statuses(batch(kept, writers[kept], 1, 2000)) == [200]
        assert reserve.stat().st_size == RESERVE_BYTES

        fill(disk / "filler")
        refuse(api, other)
        fill(disk / "more")  # what the filler's blocks had left
        before = taken(disk / "data")
        me = api.get("/me")["user"]["username"]
        assert [user["username"] for user in json.loads(admin("user", "list", "--json"))] == [me]
        assert "Disk: " in admin("status") and "files are refused below" in admin("status")
        invite = run_command("admin", "user", "invite", "--data", str(disk / "data"), env=lab.env)
        assert invite.returncode == 1 and "disk is full. Make room: `hectiqlab delete` runs" in invite.stderr
        api.call("DELETE", f"/runs/{large}")
        assert health(lab, "readyz")[0] == 503, "the room is not for points"
        assert api.statuses(batch(kept, new_id(), 1, 10)) == [503]
        if not runs:
            lab.stop()
        said = admin("purge", "large", "--yes")
        # Of a running lab the logs of the databases count, too, which have grown meanwhile.
        assert "came back" in said and (runs or " 0 B came back" not in said), said
        assert taken(disk / "data") < before - (2 << 20)
        if not runs:
            lab.start()
        (disk / "filler").unlink()
        wait_until(lambda: health(lab, "readyz")[0] == 200, 30)
        assert reserve.stat().st_size == RESERVE_BYTES, "and so it is for the next time"
        assert api.statuses(batch(kept, writers[kept], 2001, 2100)) == [200]
        assert api.steps(kept) == list(range(1, 2101))
        assert lab.log().count("Traceback") == 0, lab.log()


def noise(run: str, writer: str, first: int) -> dict[str, Any]:
    """Return a batch of points that no codec can shrink."""
    numbers = np.arange(BATCH)
    values = np.random.default_rng(first).random(BATCH)
    return batch(run, writer, first, first + BATCH - 1, series=[column("noise", numbers, values, numbers + first)])


def taken(folder: Path) -> int:
    """Return the bytes of the databases, whose logs shrink in steps of their own."""
    return sum((folder / name).stat().st_size for name in ("lab.db", "points.db"))
