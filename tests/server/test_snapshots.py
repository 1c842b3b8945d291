"""Snapshots take over what did not change.

Parts of databases are stored once, free pages never. Each snapshot is whole by itself, whoever writes, is killed or
removes others meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.backups import backup as backups
from pyhectiqlab.store.backups import frozen as frozen_module
from pyhectiqlab.store.backups import parts
from pyhectiqlab.store.backups.frozen import as_of_now, frozen
from pyhectiqlab.store.backups.restoring import restore

from .api import Api, batch, events_batch, new_id, wait_until
from .test_backup import lab_of, take_next

__all__ = ["lab_of"]
PART = parts.PART_BYTES


def fill(api: Api, megabytes: int = 8) -> str:
    """Make a run with points, and a log of that size."""
    run: str = api.attach()["run"]["id"]
    writer = new_id()
    for i in range(megabytes):
        lines = [("log", {"text": os.urandom(4000).hex(), "level": 20, "logger": "x"}) for _ in range(125)]
        api.ingest(events_batch(run, writer, 1 + i * 125, lines))
    api.ingest(batch(run, new_id(), 1, 20_000))
    return run


def files_of(snapshot: str | Path) -> dict[Path, os.stat_result]:
    return {path: path.stat() for path in Path(snapshot).rglob("*") if path.is_file()}


def test_a_second_snapshot_of_a_lab_that_did_not_change_copies_almost_nothing(lab_of: Any, tmp_path: Path) -> None:
    lab = lab_of("data")
    fill(Api.of(lab))
    first = backups.backup(tmp_path / "data", tmp_path / "backups")
    assert first.copied == first.bytes > 8_000_000
    second = take_next(tmp_path)
    assert second.bytes >= first.bytes - PART and second.copied < 16 * PART
    shared = [stat for stat in files_of(second.path).values() if stat.st_nlink > 1]
    assert len(shared) >= second.bytes // PART - 20
    assert backups.check(Path(second.path)) == []


def test_each_snapshot_is_whole_without_the_others(lab_of: Any, tmp_path: Path) -> None:
    lab = lab_of("data")
    api = Api.of(lab)
    taken = []
    runs = []
    for _ in range(3):
        runs.append(fill(api, 2))
        taken.append(take_next(tmp_path))
    assert taken[2].copied < taken[2].bytes / 1.5
    middle, last = Path(taken[1].path), Path(taken[2].path)
    only_first = {s.st_ino for s in files_of(taken[0].path).values()}
    only_first -= {s.st_ino for snapshot in (middle, last) for s in files_of(snapshot).values()}
    assert backups.prune(tmp_path / "backups", keep=2) == [Path(taken[0].path)]
    assert not only_first & {s.st_ino for s in files_of(tmp_path / "backups").values()}
    for snapshot in (middle, last):
        assert backups.check(snapshot) == []
    shutil.rmtree(last)
    restore(middle, tmp_path / "again")
    assert backups.check(tmp_path / "again") == []
    lab.stop()
    again = Api.of(lab_of("again"))
    for run in runs[:2]:
        assert again.steps(run) == list(range(1, 20_001))
    assert again.get(f"/runs/{runs[2]}", 404)


def test_pages_that_are_free_are_not_copied(tmp_path: Path) -> None:
    lab = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    lab.executescript("PRAGMA journal_mode=WAL; PRAGMA secure_delete=OFF; CREATE TABLE t (x)")
    lab.executemany("INSERT INTO t VALUES (randomblob(4000))", [()] * 4000)
    lab.execute("DELETE FROM t WHERE rowid % 8 OR rowid > 2000")
    (tmp_path / "scratch").mkdir()
    with frozen(tmp_path / "a.db") as database:
        assert database.size > 16_000_000
        stored = parts.store(database.read, database.size, tmp_path / "parts", None)
    assert stored.bytes == stored.copied < 3_000_000
    taken = sum(path.stat().st_blocks * 512 for path in (tmp_path / "parts").glob("*/*"))
    assert taken < 4_000_000, "holes on the disk, too"
    assert parts.assemble(tmp_path / "parts", stored.digest, tmp_path / "b.db") == []
    with contextlib.closing(sqlite3.connect(tmp_path / "b.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = "SELECT rowid, x FROM t ORDER BY rowid"
        assert copy.execute(rows).fetchall() == lab.execute(rows).fetchall()
        copy.execute("INSERT INTO t SELECT randomblob(4000) FROM t")
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    lab.close()


def test_a_file_is_of_one_moment_whoever_writes_and_checkpoints_meanwhile(tmp_path: Path) -> None:
    """Money is moved between accounts all the time: each state has the same sum."""
    path = tmp_path / "bank.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as bank:
        bank.executescript("PRAGMA journal_mode=WAL; CREATE TABLE account (id INTEGER PRIMARY KEY, has, pad)")
        bank.executemany("INSERT INTO account VALUES (?, 100, randomblob(900))", [(i,) for i in range(4000)])
    stop = threading.Event()
    moved = [0]

    def move(seed: int) -> None:
        random = Random(seed)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as bank:
            bank.execute("PRAGMA wal_autocheckpoint=50")
            while not stop.is_set():
                bank.execute("BEGIN IMMEDIATE")
                for _ in range(20):
                    for change in (-1, 1):
                        of = random.randrange(4000)
                        bank.execute(
                            "UPDATE account SET has = has + ?, pad = randomblob(900) WHERE id = ?", (change, of)
                        )
                bank.execute("COMMIT")
                moved[0] += 1

    threads = [threading.Thread(target=move, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    try:
        for i in range(3):
            with frozen(path) as database:
                before = moved[0]

                def read(start: int, length: int, before: int = before, frozen: Any = database) -> bytes:
                    if start == 4 * PART:
                        wait_until(lambda: moved[0] > before + 5, 60)
                    return bytes(frozen.read(start, length))

                stored = parts.store(read, database.size, tmp_path / f"{i}", None)
            assert parts.assemble(tmp_path / f"{i}", stored.digest, tmp_path / f"{i}.db") == []
            with contextlib.closing(sqlite3.connect(tmp_path / f"{i}.db")) as copy:
                assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert copy.execute("SELECT sum(has), count(*) FROM account").fetchone() == (400_000, 4000)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_where_somebody_reads_an_earlier_state_all_the_time_a_copy_is_taken(
    lab_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frozen_module, "FREEZE_S", 0.2)
    api = Api.of(lab_of("data"))
    run = api.attach()["run"]["id"]
    reader = sqlite3.connect(tmp_path / "data" / "lab.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM runs").fetchone()
    other = api.attach()["run"]["id"]  # in the log, which cannot be brought into the file now
    taken = Path(backups.backup(tmp_path / "data", tmp_path / "backups").path)
    reader.close()
    assert backups.check(taken) == []
    assert {path.name for path in taken.iterdir()} == {"backup.json", "lab.db.parts", "points.db.parts"}
    with as_of_now(tmp_path / "data" / "lab.db", tmp_path) as database:
        assert {run, other} <= {row[0] for row in database.connection.execute("SELECT id FROM runs")}
    restore(taken, tmp_path / "again")
    assert Api.of(lab_of("again")).get(f"/runs/{other}")["id"] == other


def test_a_damaged_part_of_a_snapshot_is_not_taken_into_the_next(lab_of: Any, tmp_path: Path) -> None:
    fill(Api.of(lab_of("data")), 2)
    first = Path(backups.backup(tmp_path / "data", tmp_path / "backups").path)
    damaged = first / "lab.db.parts/000/000003"
    content = damaged.read_bytes()
    damaged.chmod(0o600)
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (first / "lab.db.parts/000/000004").unlink()
    assert [line.split(":")[:2] for line in backups.check(first)] == [["lab.db", " part 3"], ["lab.db", " part 4"]]
    second = Path(take_next(tmp_path).path)
    assert backups.check(second) == []
    (first / "lab.db.parts/list.json").write_text("{")
    assert backups.check(Path(take_next(tmp_path).path)) == []


@pytest.fixture
def old(lab_of: Any, tmp_path: Path) -> tuple[Path, str]:
    """Return a snapshot as earlier versions took them, with its databases as whole files, and its run."""
    api = Api.of(lab_of("data"))
    run = fill(api, 1)
    taken = Path(backups.backup(tmp_path / "data", tmp_path / "backups").path)
    printed = json.loads((taken / backups.DESCRIPTION).read_text())
    for name in ("lab.db", "points.db"):
        assert parts.assemble(taken / f"{name}.parts", None, taken / name) == []
        shutil.rmtree(taken / f"{name}.parts")
        printed["digests"][name] = hashlib.sha256((taken / name).read_bytes()).hexdigest()
    for later in ("sha256", "wrong"):
        del printed[later]
    (taken / backups.DESCRIPTION).write_text(json.dumps(printed))
    return taken, run


def test_a_snapshot_of_an_earlier_version_is_checked_restored_and_gone_on_from(
    old: tuple[Path, str], lab_of: Any, tmp_path: Path
) -> None:
    taken, run = old
    assert backups.check(taken) == []
    assert backups.check(Path(take_next(tmp_path).path)) == []
    restore(taken, tmp_path / "again")
    assert Api.of(lab_of("again")).steps(run) == list(range(1, 20_001))
    content = bytearray((taken / "points.db").read_bytes())
    content[len(content) // 2] ^= 1
    (taken / "points.db").write_bytes(content)
    assert backups.check(taken) == ["points.db: other bytes than those that were stored"]
    with pytest.raises(StoreError, match="is damaged"):
        restore(taken, tmp_path / "third")
    assert not list(tmp_path.glob("third*"))


@pytest.mark.parametrize("nth", [2, 20])
def test_a_backup_killed_between_two_parts_leaves_the_snapshots_before_as_they_are(
    lab_of: Any, tmp_path: Path, nth: int
) -> None:
    fill(Api.of(lab_of("data")), 6)
    target = tmp_path / "backups"
    first = Path(backups.backup(tmp_path / "data", target).path)
    command = [sys.executable, "-m", "pyhectiqlab", "admin", "backup", str(target), "--data", str(tmp_path / "data")]
    env = {**os.environ, "HECTIQLAB_CRASH_AT": f"upkeep.part_stored:{nth}:{tmp_path / 'died'}"}
    while b"wait a second" in (killed := subprocess.run(command, env=env, capture_output=True)).stderr:
        pass  # snapshots are named by the second
    assert killed.returncode == -9, killed.stderr
    assert (tmp_path / "died").exists() and len(list(target.glob("*.partial"))) == 1
    assert backups.snapshots(target) == [first] and backups.check(first) == []
    second = Path(take_next(tmp_path).path)
    assert backups.check(second) == [] and not list(target.glob("*.partial"))


def test_a_check_leaves_nothing_behind(lab_of: Any, tmp_path: Path) -> None:
    fill(Api.of(lab_of("data")), 1)
    taken = Path(backups.backup(tmp_path / "data", tmp_path / "backups").path)
    before = sorted(tmp_path.joinpath("backups").rglob("*"))
    assert backups.check(taken) == []
    assert sorted(tmp_path.joinpath("backups").rglob("*")) == before


def test_a_restored_folder_has_nothing_but_the_lab(lab_of: Any, tmp_path: Path) -> None:
    fill(Api.of(lab_of("data")), 1)
    taken = Path(backups.backup(tmp_path / "data", tmp_path / "backups").path)
    restore(taken, tmp_path / "again")
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == ["lab.db", "lab.db-sums", "points.db"]
