"""Databases of earlier versions, which could not shrink, are written anew.

Small ones at a start, large ones by a command. Nothing is lost where it is killed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store import shrinking
from pyhectiqlab.testing.lab import RealLab

from .api import Api, batch, events_batch, new_id
from .test_backup import lab_of
from .test_killed_upkeep import killed_at
from .test_purge import admin

__all__ = ["lab_of"]


@pytest.fixture
def old(lab_of: Any) -> tuple[RealLab, str]:
    """Make a stopped lab with a run, whose databases are as earlier versions made them; half of its pages are free."""
    lab = lab_of("data")
    api = Api.of(lab)
    run: str = api.attach()["run"]["id"]
    writer = new_id()
    for i in range(3):
        lines = [("log", {"text": os.urandom(4000).hex(), "level": 20, "logger": "x"}) for _ in range(250)]
        api.ingest(events_batch(run, writer, 1 + i * 250, lines))
    api.ingest(batch(run, new_id(), 1, 50_000))
    lab.stop()
    for name in ("lab.db", "points.db"):
        with database(lab, name) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA auto_vacuum = NONE")
            connection.execute("VACUUM")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE junk (x)")
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO junk VALUES (randomblob(4000))", [()] * 5000)
            connection.execute("COMMIT")
            connection.execute("DROP TABLE junk")
            assert connection.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    return lab, run


@contextlib.contextmanager
def database(lab: RealLab, name: str) -> Any:
    with contextlib.closing(sqlite3.connect(lab.data_dir / name, isolation_level=None)) as connection:
        yield connection


def mode(lab: RealLab, name: str) -> int:
    with database(lab, name) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(connection.execute("PRAGMA auto_vacuum").fetchone()[0])


def check(lab: RealLab, run: str) -> None:
    api = Api.of(lab)
    assert api.steps(run) == list(range(1, 50_001))
    assert api.get(f"/runs/{run}/events", kind="log")["items"]


def test_small_databases_are_written_anew_at_a_start(old: tuple[RealLab, str]) -> None:
    lab, run = old
    sizes = {name: (lab.data_dir / name).stat().st_size for name in ("lab.db", "points.db")}
    lab.start()
    check(lab, run)
    for name, size in sizes.items():
        assert mode(lab, name) == 2 and (lab.data_dir / name).stat().st_size < size - 15_000_000, name
    assert lab.log().count("shrinks by itself") == 2


def test_a_lab_killed_while_it_does_so_starts_with_all_of_it(old: tuple[RealLab, str], tmp_path: Path) -> None:
    lab, run = old
    killed_at(lab, "upkeep.shrinking", 1, tmp_path / "died")
    assert mode(lab, "lab.db") == 0, "nothing of it was committed"
    lab.start()
    check(lab, run)
    assert {mode(lab, name) for name in ("lab.db", "points.db")} == {2}
    assert {path.name for path in lab.data_dir.iterdir() if "etilqs" in path.name} == set(), "no temporary files"


def test_large_ones_are_left_to_the_command(
    old: tuple[RealLab, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, run = old
    large = "import sys; from pyhectiqlab.store import shrinking; shrinking.AT_START_BYTES = 0; "
    large += "from pyhectiqlab.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", large, "admin", "shrink", "--data", str(lab.data_dir)]
    env = {**os.environ, "HECTIQLAB_CRASH_AT": f"upkeep.shrinking:1:{tmp_path / 'died'}"}
    assert subprocess.run(command, env=env, capture_output=True).returncode == -9 and (tmp_path / "died").exists()
    assert {mode(lab, name) for name in ("lab.db", "points.db")} == {0}
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "lab.db 2" in done.stdout and " → " in done.stdout, done
    assert {mode(lab, name) for name in ("lab.db", "points.db")} == {2}
    lab.start()
    check(lab, run)


def test_a_lab_that_runs_is_not_written_anew(lab_of: Any) -> None:
    lab = lab_of("data")
    done = admin(lab, "shrink")
    assert done.returncode == 1 and "The lab runs: stop it first" in done.stderr


def test_a_disk_without_room_is_told_and_nothing_changes(
    old: tuple[RealLab, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, _ = old
    monkeypatch.setattr(shrinking, "SPARE_BYTES", 1 << 60)
    with pytest.raises(StoreError, match="make room first"):
        shrinking.shrink(lab.data_dir / "lab.db")
    shrinking.shrink_at_start(lab.data_dir / "lab.db")
    assert mode(lab, "lab.db") == 0
