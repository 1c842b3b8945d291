"""A bit that flips anywhere in a lab's data changes nothing that anybody reads, or the check says so."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.backups import backup
from pyhectiqlab.store.backups.restoring import restore
from pyhectiqlab.store.embedded import EmbeddedStorage
from pyhectiqlab.store.points import Column, PointBatch
from pyhectiqlab.store.sql.meta_store import SqlMetaStore
from pyhectiqlab.store.sqlite_files import damage, wal
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.store.sqlite_points.trees import Sizes

from ..labs import ForkedLab
from .api import Api, batch, events_batch, new_id
from .test_uploads import keep

DATABASES = ("lab.db", "points.db")
FLIPS = 150
SIZES = Sizes(chunk_points=256, chunk_nodes=32, node_points=64, head_points=512, scattered_chunks=3, cold_s=0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the data of a stopped lab with a bit of everything: points in batches, in a head, in chunks with nodes;
    events; files.
    """
    folder = tmp_path_factory.mktemp("lab")
    lab = ForkedLab(folder / "data", folder / "home").start()
    api = Api.of(lab)
    for i in range(3):
        run = api.attach(f"run-{i}")["run"]["id"]
        api.ingest(batch(run, new_id(), 1, 300))
        events: list[tuple[str, dict[str, Any]]] = [
            ("config", {"values": {"lr": 0.1 * i, "name": "a model of many words"}}),
            ("note", {"text": "what it is about " * 20}),
            ("log", {"level": "INFO", "message": "a line of its log", "logger": "root"}),
        ]
        assert [result["status"] for result in api.ingest(events_batch(run, new_id(), 1, events))] == [200]
        content = os.urandom(20_000)
        artifact = {"id": new_id(), "name": "weights.bin", "digest": keep(api, content), "bytes": len(content)}
        api.call("POST", f"/runs/{run}/artifacts", 201, json=artifact)
    lab.stop()
    store, first, rng = SqlitePointStore(folder / "data" / "points.db", SIZES), 1, np.random.default_rng(0)
    while first < 4000:
        store.append([points_of(first, 600, rng)])
        first += 600
        store.compact()
    store.flush()
    while store.compact():
        pass
    store.append([points_of(first, 600, rng)])  # stays in the head
    store.append([points_of(first + 600, 30, rng)])  # stays as it came
    store.close()
    with closing(sqlite3.connect(folder / "data" / "points.db")) as db:
        for table in ("arrived", "head", "chunk", "node_data"):
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone()[0], table
    return folder / "data"


def points_of(first: int, n: int, rng: np.random.Generator) -> PointBatch:
    seq = np.arange(first, first + n)
    return PointBatch(
        "run", 0, 1, "w", first, first + n - 1, [Column("loss", seq, seq, rng.normal(size=n), 1000 * seq)]
    )


def everything(folder: Path) -> dict[str, Any]:
    """Return all that the folder holds, as whoever opens it reads it. A place that cannot be read has its error."""
    contents: dict[str, Any] = {}
    for name in DATABASES:
        with closing(sqlite3.connect(f"{(folder / name).as_uri()}?mode=ro", uri=True)) as db:
            try:
                tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
                for table in tables:
                    contents[f"{name}/{table}"] = db.execute(f'SELECT * FROM "{table}"').fetchall()
                contents[name] = sorted(map(str, db.execute("SELECT * FROM sqlite_schema").fetchall()))
                contents[f"{name}/version"] = db.execute("PRAGMA user_version").fetchall()
            except (sqlite3.Error, UnicodeDecodeError) as e:
                contents[name] = e
    for path in sorted(folder.glob("blobs/??/??/*")):
        contents[path.name] = path.read_bytes()
    return contents


def flip(path: Path, at: int, bit: int) -> None:
    """Flip a bit as a disk does it: the file keeps its time."""
    path.chmod(0o600)
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flips(folder: Path, random: Random, n: int) -> Iterator[tuple[Path, int, int]]:
    """Return places to flip: half of them anywhere in the folder, half in a file that is drawn first, because some are
    small.
    """
    sizes = {p.relative_to(folder): p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}
    sizes = {name: size for name, size in sizes.items() if size and name.name not in ("ballast", "reserve")}
    names = list(sizes)
    for i in range(n):
        (name,) = random.choices(names, list(sizes.values())) if i % 2 else [random.choice(names)]
        yield name, random.randrange(sizes[name]), random.randrange(8)


def test_whoever_only_reads_what_a_killed_lab_left_keeps_the_checksums_right(tmp_path: Path) -> None:
    (tmp_path / "killed").mkdir()
    path, killed = tmp_path / "lab.db", tmp_path / "killed" / "lab.db"
    for text in ("first", "second"):
        store = SqlMetaStore(path)
        with store.writing() as tx:
            tx.set_lab_value("large", text * 5000)
        if text == "second":  # its log is not in the file yet
            for name in ("lab.db", "lab.db-wal", "lab.db-sums"):
                shutil.copy2(tmp_path / name, killed.with_name(name))
        store.close()
    SqlMetaStore(killed).close()
    assert not killed.with_name("lab.db-wal").exists()
    of_time = int.from_bytes(killed.with_name("lab.db-sums").read_bytes()[16:24], "little")
    assert of_time == killed.stat().st_mtime_ns, "else no page is checked"
    assert damage.look(killed) == []


def test_a_bit_that_flips_anywhere_in_the_data_changes_nothing_or_is_told(
    data: Path, tmp_path: Path, rng_that_stays: Random
) -> None:
    assert backup.check(data) == []
    sound, detections = everything(data), 0
    for name, at, bit in flips(data, rng_that_stays, FLIPS):
        folder = shutil.copytree(data, tmp_path / "data")
        flip(folder / name, at, bit)
        wrong = backup.check(folder)
        detections += bool(wrong)
        if not wrong:
            assert everything(folder) == sound, f"bit {bit} of byte {at} of {name}"
        shutil.rmtree(folder)
    assert detections > FLIPS // 3


def test_each_page_of_both_databases_is_checked(data: Path, tmp_path: Path, rng_that_stays: Random) -> None:
    """This holds also for numbers, texts and free pages, where no reader and no check of SQLite would see it."""
    for name in DATABASES:
        folder = shutil.copytree(data, tmp_path / name)
        pages = (folder / name).stat().st_size // 4096
        for page in rng_that_stays.sample(range(pages), 10):
            at = 4096 * page + 100 + rng_that_stays.randrange(3996)
            flip(folder / name, at, 3)
            assert any(f"page {page + 1} holds other bytes" in line for line in backup.check(folder))
            flip(folder / name, at, 3)
        assert backup.check(folder) == []


def test_a_backup_and_a_lab_that_starts_say_what_is_damaged(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(data, tmp_path / "data")
    flip(folder / "lab.db", (folder / "lab.db").read_bytes().index(b"what it is about"), 1)  # a note
    taken = backup.backup(folder, tmp_path / "backups")
    assert "lab.db: page" in taken.wrong[0]
    assert any("as this was taken" in line for line in backup.check(Path(taken.path)))
    EmbeddedStorage(folder).close()
    assert "The lab's data are damaged: lab.db: page" in caplog.text


def test_what_sqlite_cannot_say_in_utf_8_is_told_all_the_same(data: Path, tmp_path: Path) -> None:
    """Python cannot make an error of such a sentence: it names an index by damaged bytes."""
    for name in DATABASES:
        folder = shutil.copytree(data, tmp_path / name)
        flip(folder / name, (folder / name).read_bytes().index(b"CREATE INDEX ") + 2, 7)
        assert any("malformed database schema" in line for line in backup.check(folder))
        with pytest.raises(StoreError, match="malformed database schema"), closing(EmbeddedStorage(folder)) as storage:
            storage.points.cursor("w")
        with pytest.raises(StoreError, match="malformed database schema"):
            backup.backup(folder, tmp_path / f"backups of {name}")


def test_a_log_that_is_damaged_in_the_middle_is_told_and_kept(
    data: Path, tmp_path: Path, rng_that_stays: Random, caplog: pytest.LogCaptureFixture
) -> None:
    """The lab was killed, so its newest changes are only in the logs."""
    running = shutil.copytree(data, tmp_path / "running")
    store = SqlitePointStore(running / "points.db")
    for i in range(60):
        (result,) = store.append([points_of(store.cursor("w") + 1, 10, np.random.default_rng(i))])
        assert result.status == "ok"
    killed = shutil.copytree(running, tmp_path / "killed")
    store.close()
    assert backup.check(shutil.copytree(killed, tmp_path / "whole")) == []
    size = (killed / "points.db-wal").stat().st_size
    for i in range(30):
        folder = shutil.copytree(killed, tmp_path / f"{i}")
        flip(folder / "points.db-wal", rng_that_stays.randrange(int(0.8 * size)), rng_that_stays.randrange(8))
        assert wal.damage(folder / "points.db")
        if i % 2:
            EmbeddedStorage(folder).points.close()  # takes the log away
            assert "of its log is damaged" in caplog.text
            assert not (folder / "points.db-wal").exists()
        assert any("log" in line for line in backup.check(folder))
        shutil.rmtree(folder)
    cut = shutil.copytree(killed, tmp_path / "cut")  # as a power failure does
    os.truncate(cut / "points.db-wal", size - 1000)
    assert backup.check(cut) == []


def test_a_bit_that_flips_anywhere_in_a_snapshot_changes_nothing_or_is_told(
    data: Path, tmp_path: Path, rng_that_stays: Random
) -> None:
    snapshot = Path(backup.backup(data, tmp_path / "backups").path)
    assert backup.check(snapshot) == []
    sound, its = restored(snapshot, tmp_path), backup.described_by(snapshot)
    detections = 0
    for name, at, bit in flips(snapshot, rng_that_stays, FLIPS // 2):
        flip(snapshot / name, at, bit)
        if backup.check(snapshot):
            detections += 1
        else:
            where = f"bit {bit} of byte {at} of {name}"
            assert restored(snapshot, tmp_path) == sound and backup.described_by(snapshot) == its, where
        flip(snapshot / name, at, bit)
    assert detections > FLIPS // 3


def restored(snapshot: Path, tmp_path: Path) -> dict[str, Any]:
    """Return all that it holds, but for what each restoration makes anew."""
    folder = tmp_path / "again"
    restore(snapshot, folder)
    contents = everything(folder)
    shutil.rmtree(folder)
    del contents["lab.db/lab"]
    return contents
