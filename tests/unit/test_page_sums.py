"""Checksums of the pages of a database: they are right at any moment, and stand back where they cannot be."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from pyhectiqlab.store.sqlite_files import checkpoints, damage, wal
from pyhectiqlab.store.sqlite_files.checkpoints import Checkpoints
from pyhectiqlab.store.sqlite_files.sums import Held, Sums, sums_of

FRAMES = 40


class Database:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None)
        execute = self.connection.execute
        for pragma in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "wal_autocheckpoint = 0"):
            execute(f"PRAGMA {pragma}")
        self.checkpoints = Checkpoints(path, FRAMES)
        execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, data BLOB)")

    def change(self, random: Random) -> None:
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        for _ in range(random.randint(1, 20)):
            execute("INSERT OR REPLACE INTO t VALUES (?, ?)", (random.randint(1, 500), random.randbytes(700)))
        if random.random() < 0.2:
            execute("DELETE FROM t WHERE id > ?", (random.randint(1, 500),))
            execute("PRAGMA incremental_vacuum(20)").fetchall()
        execute("ROLLBACK" if random.random() < 0.1 else "COMMIT")
        self.checkpoints.after_commit(self.connection)

    def close(self) -> None:
        self.checkpoints.before_close(self.connection)
        self.connection.close()
        self.checkpoints.close()


def known(path: Path) -> int:
    """Return for how many pages the sum is known."""
    with closing(Sums(path)) as sums, sums.held() as held:
        pages = held.some_from(1)
        return len(pages) - len(held.without_sum(pages))


def flip(path: Path, at: int) -> None:
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_sums_are_right_whenever_the_process_is_killed(tmp_path: Path, rng: Random) -> None:
    path, kills = tmp_path / "lab" / "a.db", 0
    path.parent.mkdir()
    database = Database(path)
    for i in range(150):
        database.change(rng)
        if rng.random() < 0.2:
            with closing(sqlite3.connect(path)) as reader:  # keeps the log from being begun anew
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM t").fetchone()
                for _ in range(3):
                    database.change(rng)
        if rng.random() < 0.2:
            there = shutil.copytree(path.parent, tmp_path / f"killed {i}")
            assert damage.look(there / "a.db", complete=False) == []
            again = Database(there / "a.db")
            again.change(rng)
            again.close()
            assert damage.look(there / "a.db", complete=False) == []
            assert known(there / "a.db") > 0
            kills += 1
    database.close()
    assert kills > 10
    assert not wal.log_of(path).exists()
    assert damage.look(path) == [] and known(path) == path.stat().st_size // 4096, "each page is known"
    for page in range(1, known(path) + 1):
        flip(path, 4096 * page - 1)
        (line,) = damage.look(path)
        assert f"page {page} holds other bytes" in line
        flip(path, 4096 * page - 1)


def test_a_kill_between_the_checkpoint_and_its_sums_makes_no_false_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: Random
) -> None:
    path = tmp_path / "a.db"
    database = Database(path)
    for _ in range(20):
        database.change(rng)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    before = known(path)
    monkeypatch.setattr(Held, "note", killed)
    with pytest.raises(Killed):
        database.checkpoints.make(database.connection)
    monkeypatch.undo()
    assert damage.look(path, complete=False) == [] and known(path) < before
    database.close()


def test_what_another_program_writes_is_no_damage(tmp_path: Path, rng: Random) -> None:
    path = tmp_path / "a.db"
    database = Database(path)
    for _ in range(20):
        database.change(rng)
    database.close()
    assert known(path) > 10
    with closing(sqlite3.connect(path)) as other:
        other.execute("DELETE FROM t WHERE id % 2")
        other.commit()
    assert damage.look(path) == [], "the sums count no more, and are made anew"
    assert known(path) == path.stat().st_size // 4096
    flip(path, 5000)
    assert len(damage.look(path)) == 1


def test_a_flipped_bit_of_the_sums_themselves_is_no_damage_of_the_database(tmp_path: Path, rng: Random) -> None:
    path = tmp_path / "a.db"
    database = Database(path)
    for _ in range(20):
        database.change(rng)
    database.close()
    at = 0
    while at < sums_of(path).stat().st_size:  # it may become shorter where it is made anew
        flip(sums_of(path), at)
        assert damage.look(path) == []
        at += 5


def test_a_disk_that_takes_no_sums_keeps_no_log_from_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: Random
) -> None:
    path = tmp_path / "a.db"
    database = Database(path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    database.change(rng)
    monkeypatch.setattr(Held, "forget", full)
    for _ in range(40):
        database.change(rng)
    monkeypatch.setattr(checkpoints, "sums_of", lambda _: tmp_path / "none")
    monkeypatch.setattr(Sums, "held", full)
    for _ in range(40):
        database.change(rng)
    monkeypatch.undo()
    assert wal.log_of(path).stat().st_size < 4096 * 10 * FRAMES
    assert damage.look(path, complete=False) == []
    database.close()


def test_a_log_is_told_to_be_damaged_only_where_transactions_behind_it_were_durable(
    tmp_path: Path, rng: Random
) -> None:
    path = tmp_path / "a.db"
    database = Database(path)
    database.checkpoints = Checkpoints(path, 1 << 30)
    for _ in range(12):
        database.change(rng)
    log, copy = wal.log_of(path).read_bytes(), tmp_path / "b.db"
    assert wal.frames(path) * 4120 + 32 == len(log)
    for _ in range(100):
        cut = rng.randrange(len(log))  # a power failure: the end was not written, or one page of the last transaction
        wal.log_of(copy).write_bytes(log[:cut])
        assert wal.damage(copy) is None
        wal.log_of(copy).write_bytes(log[:cut] + bytes(len(log) - cut))
        assert wal.damage(copy) is None
    for _ in range(100):
        at = rng.randrange(len(log) // 3)
        wal.log_of(copy).write_bytes(log[:at] + bytes([log[at] ^ 1 << rng.randrange(8)]) + log[at + 1 :])
        assert wal.damage(copy)
    database.close()
