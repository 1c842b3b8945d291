"""Data of an earlier version: what a start does with them, what commands do not, and the way back.

tests/compat/lab-17 has the dumps of both databases of a real lab of schemas 17 and 2, with one file: the run "kept" of
the project "old", with 200 points each of loss and acc, a config, a tag and an artifact.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pyhectiqlab._version import __version__
from pyhectiqlab.errors import LabError, NewerSchemaError, StoreError
from pyhectiqlab.store import upgrading
from pyhectiqlab.store.backups import backup
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.store.sql.meta_store import SqlMetaStore
from pyhectiqlab.store.upgrading import CURRENT, Schemas
from pyhectiqlab.transport.http import LabClient

from ..faults.test_lab_full import disk
from ..faults.world import can_mount
from ..labs import ForkedLab
from .conftest import Hectiqlab, error_line, output

__all__ = ["disk"]
OLD = Path(__file__).parents[1] / "compat" / "lab-17"
RUN, FILE, DIGEST = "865a88836fbb", "notes.txt", "78051faade059d70866df6a3fb83ef348721fd74a87e93ef95c493f87d0d236b"
# A later version. It has one more step, which an earlier version could not live with.
LATER = """
import sys
from pathlib import Path
from sqlalchemy import text
from pyhectiqlab import _version
_version.__version__ = "9.9.9"
from pyhectiqlab.store.sql import meta_migrations
step = lambda conn: conn.execute(text("ALTER TABLE runs RENAME COLUMN note TO remark"))
meta_migrations.MIGRATIONS += (("of the future", step),)
from pyhectiqlab.store.opening import open_storage
open_storage(Path(sys.argv[1])).close()
"""


def make_old(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("lab", "points"):
        with closing(sqlite3.connect(folder / f"{name}.db")) as db:
            db.executescript((OLD / f"{name}.sql").read_text())
    blob = folder / "blobs" / DIGEST[:2] / DIGEST[2:4] / DIGEST
    blob.parent.mkdir(parents=True)
    blob.write_text("kept\n")
    return folder


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return make_old(tmp_path / "data")


@pytest.fixture
def lab(old: Path, tmp_path: Path) -> Iterator[ForkedLab]:
    made = ForkedLab(old, tmp_path / "labs home")
    try:
        yield made
    finally:
        made.kill()


def content(folder: Path) -> list[str]:
    """Return all that the databases hold, but for what a restore notes: another generation, and muted notices."""
    lines = []
    for name in ("lab.db", "points.db"):
        with closing(sqlite3.connect(folder / name)) as db:
            lines += [line for line in db.iterdump() if not re.search("'(generation|notices muted)'", line)]
    return lines


def files(folder: Path) -> dict[str, str]:
    """Return the digest of each file."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def is_as_it_was(lab: ForkedLab) -> None:
    with LabClient(lab.url, lab.api_key) as client:
        run = client.get(f"/runs/{RUN}")
        assert (run["name"], run["points"], run["state"]) == ("kept", 400, "completed")
        (loss,) = list(client.points(RUN, "loss"))
        assert list(loss.step) == list(range(200))
        assert client.config(RUN) == {"lr": 0.1, "model": {"layers": 2}}
        (artifact,) = client.get(f"/runs/{RUN}/artifacts")["items"]
        assert (artifact["name"], artifact["digest"]) == (FILE, DIGEST)


def test_a_start_upgrades_and_keeps_the_databases_as_they_were(lab: ForkedLab, old: Path) -> None:
    before = content(old)
    lab.start()
    is_as_it_was(lab)
    (snapshot,) = upgrading.snapshots(old)
    assert (snapshot.before, snapshot.after) == (Schemas(17, 2), CURRENT)
    assert content(snapshot.path) == before
    assert str(snapshot.path) in lab.log() and "kept for 30 days" in lab.log()
    lab.restart()
    is_as_it_was(lab)
    assert upgrading.snapshots(old) == [snapshot]
    lab.stop()
    assert upgrading.schemas_of(old) == CURRENT


@pytest.mark.parametrize(
    "command",
    [
        "admin status", "admin user list", "admin user add zoe", "admin quota", "admin retention", "admin audit",
        "admin notify list", "admin backup {elsewhere}", "login-link",
    ],
)  # fmt: skip
def test_a_command_upgrades_nothing_and_says_how(hectiqlab: Hectiqlab, old: Path, tmp_path: Path, command: str) -> None:
    before = files(old)
    arguments = command.format(elsewhere=tmp_path / "elsewhere").split()
    refused = error_line(hectiqlab(*arguments, "--data", str(old)))
    assert "schemas 17 of lab.db and 2 of points.db" in refused
    assert f"hectiqlab admin upgrade --data {old}" in refused and "hectiqlab server" in refused
    assert files(old) == before


def test_a_check_upgrades_nothing_and_says_how(hectiqlab: Hectiqlab, old: Path) -> None:
    before = files(old)
    assert "hectiqlab admin upgrade" in error_line(hectiqlab("admin", "check", str(old)))
    assert files(old) == before


def test_a_command_upgrades_where_it_is_told_to(hectiqlab: Hectiqlab, old: Path, lab: ForkedLab) -> None:
    data = ("--data", str(old))
    done = hectiqlab("admin", "upgrade", *data)
    assert done.returncode == 0 and "was upgraded from schemas 17 of lab.db" in done.stdout, done
    (snapshot,) = upgrading.snapshots(old)
    assert str(snapshot.path) in done.stdout
    assert str(snapshot.path) in output(hectiqlab("admin", "upgrade", "--list", *data))
    assert "is current" in output(hectiqlab("admin", "upgrade", *data))
    assert "is whole" in output(hectiqlab("admin", "check", str(old)))
    lab.start()
    is_as_it_was(lab)
    assert "is in use by the lab" in error_line(hectiqlab("admin", "downgrade", "--yes", *data))


def test_going_back_gives_the_databases_as_they_were(hectiqlab: Hectiqlab, old: Path, lab: ForkedLab) -> None:
    before = content(old)
    with lab, LabClient(lab.url, lab.api_key) as client:
        generation = client.handshake().generation
        client.post("/projects", {"name": "since"})
    assert hectiqlab("admin", "downgrade", "--data", str(old)).returncode == 1, "nobody said yes"
    back = output(hectiqlab("admin", "downgrade", "--yes", "--data", str(old)))
    assert "Install the earlier version" in back
    assert content(old) == before and upgrading.schemas_of(old) == Schemas(17, 2)
    (aside,) = (old / "before-upgrade").glob("*gone-back-from*")
    assert any("'since'" in line for line in content(aside)) and str(aside) in back
    assert not list(old.glob("*-wal")), "it would be taken for that of another database"
    assert "no snapshot" in error_line(hectiqlab("admin", "downgrade", "--yes", "--data", str(old)))
    with lab, LabClient(lab.url, lab.api_key) as client:  # this upgrades again
        is_as_it_was(lab)
        assert client.handshake().generation != generation
        assert [project["name"] for project in client.pages("/projects")] == ["old"]


def test_an_earlier_version_names_the_one_that_is_needed_and_the_way_back(
    hectiqlab: Hectiqlab, old: Path, lab: ForkedLab
) -> None:
    with lab:
        is_as_it_was(lab)
    before = content(old)
    done = subprocess.run([sys.executable, "-c", LATER, str(old)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    (snapshot,) = (s for s in upgrading.snapshots(old) if s.after.version == "9.9.9")
    assert snapshot.before == CURRENT and f"from-{__version__}-to-9.9.9" in snapshot.path.name
    files_of_later = content(old)
    with pytest.raises(LabError) as failed:
        lab.start()
    for message in (str(failed.value), error_line(hectiqlab("admin", "status", "--data", str(old)))):
        assert "upgraded by pyhectiqlab 9.9.9" in message and f"this is {__version__}" in message
        assert str(snapshot.path) in message and "hectiqlab admin downgrade" in message and "pip install" in message
    assert content(old) == files_of_later
    output(hectiqlab("admin", "downgrade", "--yes", "--data", str(old)))
    assert content(old) == before
    lab.start()
    is_as_it_was(lab)


def test_newer_data_without_a_snapshot_are_told_from_where_to_go_on(old: Path) -> None:
    open_storage(old, snapshot=False).close()
    with closing(sqlite3.connect(old / "lab.db")) as db, db:
        db.execute("INSERT INTO migrations VALUES (999, 'of the future', 0)")
    with pytest.raises(NewerSchemaError, match="There is no snapshot"):
        open_storage(old)


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small disk: run as root")
def test_without_room_for_a_snapshot_nothing_is_upgraded_unasked(
    disk: Path, tmp_path: Path, hectiqlab: Hectiqlab
) -> None:
    data = make_old(disk / "data")
    before = files(data)
    lab = ForkedLab(data, tmp_path / "labs home")
    with pytest.raises(LabError, match="--without-snapshot"):
        lab.start()
    assert "has no room for a snapshot" in hectiqlab("admin", "upgrade", "--data", str(data)).stderr
    assert {name: digest for name, digest in files(data).items() if name in before} == before
    lab.arguments = ("--without-snapshot",)
    with lab:
        is_as_it_was(lab)
    assert upgrading.snapshots(data) == []


@pytest.mark.parametrize("point", ["upkeep.snapshot", "upkeep.migrated"])
def test_killed_in_an_upgrade(lab: ForkedLab, old: Path, tmp_path: Path, point: str) -> None:
    before = content(old)
    lab.env["HECTIQLAB_CRASH_AT"] = f"{point}:1:{tmp_path / 'died'}"
    with pytest.raises(LabError):
        lab.start()
    assert (tmp_path / "died").exists() and content(old) == before
    lab.start()
    is_as_it_was(lab)
    (snapshot,) = upgrading.snapshots(old)
    assert content(snapshot.path) == before
    assert len(list((old / "before-upgrade").iterdir())) == 1


def test_killed_between_the_databases_keeps_the_snapshot_of_before(old: Path) -> None:
    before = content(old)
    first = upgrading.prepare(old)
    SqlMetaStore(old / "lab.db").close()
    assert upgrading.schemas_of(old) == Schemas(CURRENT.meta, 2, __version__)
    storage = open_storage(old)
    assert storage.upgraded == first and storage.points
    storage.close()
    (snapshot,) = upgrading.snapshots(old)
    assert content(snapshot.path) == before


def test_killed_while_going_back(old: Path, tmp_path: Path, hectiqlab: Hectiqlab, environment: dict[str, str]) -> None:
    before = content(old)
    well_upgraded = hectiqlab("admin", "upgrade", "--data", str(old))
    assert well_upgraded.returncode == 0
    command = [sys.executable, "-m", "pyhectiqlab", "admin", "downgrade", "--yes", "--data", str(old)]
    environment["HECTIQLAB_CRASH_AT"] = f"upkeep.going_back:1:{tmp_path / 'died'}"
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, timeout=60)
    assert done.returncode == -9 and (tmp_path / "died").exists()
    assert upgrading.schemas_of(old) == Schemas(17, CURRENT.points)
    output(hectiqlab("admin", "downgrade", "--yes", "--data", str(old)))
    assert content(old) == before


def test_a_snapshot_goes_after_its_time(old: Path, lab: ForkedLab) -> None:
    with lab:
        pass
    (snapshot,) = upgrading.snapshots(old)
    storage = open_storage(old)
    storage.remove_old_snapshots(time.time() + upgrading.KEPT_S - 60)
    assert upgrading.snapshots(old) == [snapshot]
    storage.remove_old_snapshots(time.time() + upgrading.KEPT_S + 60)
    storage.close()
    assert upgrading.snapshots(old) == [] and not snapshot.path.exists()


def test_restoring_a_backup_of_an_earlier_version_upgrades_nothing(
    old: Path, tmp_path: Path, hectiqlab: Hectiqlab
) -> None:
    taken = backup.backup(old, tmp_path / "backups")
    output(hectiqlab("admin", "restore", taken.path, "--data", str(tmp_path / "restored")))
    assert upgrading.schemas_of(tmp_path / "restored") == Schemas(17, 2)
    assert content(tmp_path / "restored") == content(old)
    assert "is whole" in output(hectiqlab("admin", "check", taken.path))
    with ForkedLab(tmp_path / "restored", tmp_path / "labs home") as lab:
        is_as_it_was(lab)


def test_what_is_no_snapshot_is_not_taken_for_one(old: Path) -> None:
    odd = old / "before-upgrade" / "odd"
    odd.mkdir(parents=True)
    for text in ("", "[]", json.dumps({"taken": 0, "before": {}, "after": 3})):
        (odd / "upgrade.json").write_text(text)
        assert upgrading.snapshots(old) == []
    with pytest.raises(StoreError, match="no snapshot"):
        upgrading.chosen(old)
