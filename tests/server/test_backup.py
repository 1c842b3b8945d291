"""A backup of a running lab is a lab: whole, of one moment, and what came later can be sent again."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.backups import backup as backups
from pyhectiqlab.store.backups.restoring import restore
from pyhectiqlab.testing.lab import RealLab

from ..commands import run_command
from ..labs import ForkedLab
from .api import Api, batch, new_id, wait_until
from .test_uploads import keep

WRITERS = 50
POINTS = 200


@pytest.fixture
def lab_of(tmp_path: Path) -> Any:
    """Starts a lab on the data folder of that name."""
    started: list[RealLab] = []

    def start(name: str) -> RealLab:
        started.append(ForkedLab(tmp_path / name, tmp_path / "home"))
        return started[-1].start()

    yield start
    for lab in started:
        lab.kill()


def admin(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command("admin", *arguments, timeout=120)


class Trainer:
    """Sends batches until told to stop; knows how far the lab acked."""

    def __init__(self, api: Api, number: int) -> None:
        self.api, self.writer = api, new_id()
        self.run: str = api.attach(f"run-{number}")["run"]["id"]
        self.acked = 0

    def send(self, first: int, last: int) -> dict[str, Any]:
        (result,) = self.api.ingest(batch(self.run, self.writer, first, last))
        return result

    def train(self, stop: threading.Event) -> None:
        while not stop.is_set():
            result = self.send(self.acked + 1, self.acked + POINTS)
            assert result["status"] == 200, result
            self.acked = result["cursor"]


def test_a_backup_taken_while_fifty_runs_write_restores_to_a_lab_that_verifies(lab_of: Any, tmp_path: Path) -> None:
    lab = lab_of("data")
    content = os.urandom(3_000_000)
    digest = keep(Api.of(lab), content)
    trainers = [Trainer(Api.of(lab), i) for i in range(WRITERS)]
    artifact = {"id": new_id(), "name": "weights.bin", "digest": digest, "bytes": len(content)}
    trainers[0].api.call("POST", f"/runs/{trainers[0].run}/artifacts", 201, json=artifact)
    stop = threading.Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        going = [pool.submit(t.train, stop) for t in trainers]
        try:
            wait_until(lambda: all(t.acked >= 2 * POINTS for t in trainers), 60)
            before = [t.acked for t in trainers]
            done = admin("backup", str(tmp_path / "backups"), "--data", str(tmp_path / "data"), "--json")
            assert done.returncode == 0, done.stderr
            after = [t.acked for t in trainers]
            wait_until(lambda: all(t.acked > n for t, n in zip(trainers, after, strict=True)), 60)
        finally:
            stop.set()
        for each in going:
            each.result()
    lab.kill()
    snapshot = json.loads(done.stdout)["path"]
    assert admin("check", snapshot).stdout.endswith("is whole.\n")
    restored = admin("restore", snapshot, "--data", str(tmp_path / "again"))
    assert restored.returncode == 0 and str(WRITERS) in restored.stdout, restored
    assert admin("check", str(tmp_path / "again")).returncode == 0

    again = lab_of("again")
    api = Api.of(again)
    for trainer, sent_before in zip(trainers, before, strict=True):
        trainer.api = api
        steps = api.steps(trainer.run)
        assert len(steps) >= sent_before, "it has all that was acked before the backup began"
        assert steps == list(range(1, len(steps) + 1))
        refused = trainer.send(trainer.acked + 1, trainer.acked + POINTS)
        # The copy of points.db is later: it may have batches that lab.db does not know yet.
        assert refused["status"] == 409 and sent_before <= refused["cursor"] <= len(steps), "the lab says where it is"
        for first in range(refused["cursor"] + 1, trainer.acked + 1, POINTS):  # each as it was cut
            assert trainer.send(first, first + POINTS - 1)["status"] == 200
        assert api.steps(trainer.run) == list(range(1, trainer.acked + 1))
    (kept,) = api.get(f"/runs/{trainers[0].run}/artifacts")["items"]
    got = api.raw("GET", f"/artifacts/{kept['uuid']}/content").content
    assert hashlib.sha256(got).hexdigest() == digest


def test_a_restored_lab_has_another_generation_so_that_clients_notice(lab_of: Any, tmp_path: Path) -> None:
    lab = lab_of("data")
    before = Api.of(lab).get("/handshake")
    taken = backups.backup(tmp_path / "data", tmp_path / "backups")
    restore(Path(taken.path), tmp_path / "again")
    lab.stop()
    after = Api.of(lab_of("again")).get("/handshake")
    assert after["generation"] != before["generation"]
    assert after["lab_id"] == before["lab_id"], "it is the same lab"


def test_a_second_snapshot_copies_only_the_files_that_are_new(lab_of: Any, tmp_path: Path) -> None:
    api = Api.of(lab_of("data"))
    run = api.attach()["run"]["id"]

    def add(name: str) -> None:
        content = os.urandom(2_000_000)
        artifact = {"id": new_id(), "name": name, "digest": keep(api, content), "bytes": len(content)}
        api.call("POST", f"/runs/{run}/artifacts", 201, json=artifact)

    add("one")
    first = backups.backup(tmp_path / "data", tmp_path / "backups")
    add("two")
    second = take_next(tmp_path)
    assert second.files == 2 and second.copied < 2 * 2_000_000 < second.bytes
    assert backups.prune(tmp_path / "backups", keep=1) == [Path(first.path)]
    assert backups.check(Path(second.path)) == [], "it needs nothing of the one before"


def take_next(tmp_path: Path) -> backups.Snapshot:
    """Take a backup in another second than the last one: snapshots are named by the second."""

    def taken() -> backups.Snapshot | None:
        try:
            return backups.backup(tmp_path / "data", tmp_path / "backups")
        except StoreError as e:
            assert "wait a second" in str(e)
            return None

    snapshot: backups.Snapshot = wait_until(taken)
    return snapshot


def test_a_backup_killed_half_way_leaves_nothing_that_looks_whole(lab_of: Any, tmp_path: Path) -> None:
    api = Api.of(lab_of("data"))
    run = api.attach()["run"]["id"]
    content = os.urandom(40_000_000)
    artifact = {"id": new_id(), "name": "large", "digest": keep(api, content), "bytes": len(content)}
    api.call("POST", f"/runs/{run}/artifacts", 201, json=artifact)
    target = tmp_path / "backups"
    command = [sys.executable, "-m", "pyhectiqlab", "admin", "backup", str(target), "--data", str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(lambda: list(target.glob("*.partial/points.db.parts")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert backups.snapshots(target) == []
    whole = backups.backup(tmp_path / "data", target)
    assert [p.name for p in target.iterdir()] == [Path(whole.path).name]
    assert backups.check(Path(whole.path)) == []


def test_a_check_finds_what_is_wrong(lab_of: Any, tmp_path: Path) -> None:
    api = Api.of(lab_of("data"))
    run = api.attach()["run"]["id"]
    digest = keep(api, b"x" * 100_000)
    artifact = {"id": new_id(), "name": "file", "digest": digest, "bytes": 100_000}
    api.call("POST", f"/runs/{run}/artifacts", 201, json=artifact)
    snapshot = Path(backups.backup(tmp_path / "data", tmp_path / "backups").path)
    (blob,) = snapshot.glob("blobs/*/*/*")
    blob.chmod(0o600)
    blob.write_bytes(b"y" * 100_000)
    done = admin("check", str(snapshot))
    assert done.returncode == 1 and f"file {digest}: other bytes" in done.stdout
    blob.unlink()
    assert "No such file" in admin("check", str(snapshot)).stdout
    refused = admin("restore", str(snapshot), "--data", str(tmp_path / "again"))
    assert refused.returncode == 1 and "is damaged" in refused.stderr and digest in refused.stderr
    assert not (tmp_path / "again").exists(), "nothing is made of it"
    taken = admin("restore", str(snapshot), "--data", str(tmp_path / "again"), "--despite-damage")
    assert taken.returncode == 0, taken.stderr
    assert f"file {digest}: No such file" in taken.stdout, "what the new lab lacks is told"
    assert Api.of(lab_of("again")).get(f"/runs/{run}")["id"] == run


@pytest.mark.parametrize(
    "name",
    [
        "lab.db.parts/000/000000",
        "points.db.parts/000/000000",
        "lab.db.parts/list.json",
        "points.db.parts/list.json",
        "backup.json",
        "blob",
    ],
)
def test_a_flipped_bit_anywhere_in_a_snapshot_is_told_and_not_restored(lab_of: Any, tmp_path: Path, name: str) -> None:
    api = Api.of(lab_of("data"))
    run = api.attach()["run"]["id"]
    api.ingest(batch(run, new_id(), 1, 5000))
    artifact = {"id": new_id(), "name": "file", "digest": keep(api, os.urandom(100_000)), "bytes": 100_000}
    api.call("POST", f"/runs/{run}/artifacts", 201, json=artifact)
    snapshot = Path(backups.backup(tmp_path / "data", tmp_path / "backups").path)
    assert backups.check(snapshot) == []
    random = Random(name)
    path = next(snapshot.glob("blobs/*/*/*")) if name == "blob" else snapshot / name
    path.chmod(0o600)
    whole = path.read_bytes()
    for _ in range(40):
        content = bytearray(whole)
        at = random.randrange(len(content))
        content[at] ^= 1 << random.randrange(7)
        if name == "backup.json" and content.split() == whole.split():  # a space became another one
            continue
        path.write_bytes(content)
        assert backups.check(snapshot), at
        with pytest.raises(StoreError):
            restore(snapshot, tmp_path / "again")
        assert not (tmp_path / "again").exists()
    path.write_bytes(whole)
    assert backups.check(snapshot) == []


def test_a_damaged_file_of_a_snapshot_is_not_taken_into_the_next(lab_of: Any, tmp_path: Path) -> None:
    api = Api.of(lab_of("data"))
    run = api.attach()["run"]["id"]
    content = os.urandom(100_000)
    artifact = {"id": new_id(), "name": "file", "digest": keep(api, content), "bytes": len(content)}
    api.call("POST", f"/runs/{run}/artifacts", 201, json=artifact)
    first = Path(backups.backup(tmp_path / "data", tmp_path / "backups").path)
    (blob,) = first.glob("blobs/*/*/*")
    blob.chmod(0o600)
    blob.write_bytes(b"y" * len(content))
    second = take_next(tmp_path)
    assert backups.check(Path(second.path)) == [] and backups.check(first) != []
    assert next(Path(second.path).glob("blobs/*/*/*")).read_bytes() == content
    assert second.damaged == [] and second.copied >= len(content)


def test_a_damaged_file_of_the_lab_is_told_and_a_good_copy_of_it_kept(lab_of: Any, tmp_path: Path) -> None:
    api = Api.of(lab_of("data"))
    run = api.attach()["run"]["id"]
    digest = keep(api, os.urandom(100_000))
    artifact = {"id": new_id(), "name": "file", "digest": digest, "bytes": 100_000}
    api.call("POST", f"/runs/{run}/artifacts", 201, json=artifact)
    (blob,) = (tmp_path / "data").glob("blobs/*/*/*")
    whole = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(b"y" * 100_000)
    done = admin("backup", str(tmp_path / "bad"), "--data", str(tmp_path / "data"), "--keep", "1")
    assert done.returncode == 1 and f"file {digest}: the lab does not have it" in done.stderr
    assert api.get("/admin/status")["backup"] is None, "it is not a good one"
    blob.write_bytes(whole)
    good = admin("backup", str(tmp_path / "backups"), "--data", str(tmp_path / "data"), "--check")
    assert good.returncode == 0, good.stderr
    assert api.get("/admin/status")["backup"]["path"] == good.stdout.splitlines()[0]
    blob.write_bytes(b"y" * 100_000)
    again = next_by_command(tmp_path)
    assert again.returncode == 1 and "is whole. Files of the lab are damaged" in again.stderr
    (damage,) = api.get("/admin/status")["damage"]
    assert damage.startswith(f"File {digest[:12]}… has other bytes than those that were stored")
    (copy_back,) = (line for line in again.stderr.splitlines() if line.startswith("    cp "))
    subprocess.run(shlex.split(copy_back), check=True)
    assert blob.read_bytes() == whole
    assert next_by_command(tmp_path).returncode == 0 and api.get("/admin/status")["damage"] == []


def next_by_command(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Take a backup by command, in another second than the last one: snapshots are named by the second."""
    while True:
        done = admin("backup", str(tmp_path / "backups"), "--data", str(tmp_path / "data"))
        if "wait a second" not in done.stderr:
            return done


def test_a_backup_into_the_lab_s_own_folder_is_refused(lab_of: Any, tmp_path: Path) -> None:
    lab_of("data")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "data" / "backups")
    for target in (tmp_path / "data", tmp_path / "data" / "backups", tmp_path / "elsewhere"):
        done = admin("backup", str(target), "--data", str(tmp_path / "data"))
        assert done.returncode == 1 and "in the lab's own folder" in done.stderr
    assert not (tmp_path / "data" / "backups").exists()


def test_it_says_what_cannot_be_backed_up_or_restored(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a lab's data"):
        backups.backup(tmp_path / "nothing", tmp_path / "backups")
    with pytest.raises(StoreError, match="is not a whole snapshot"):
        restore(tmp_path, tmp_path / "data")
    with pytest.raises(StoreError, match="holds no lab"):
        backups.check(tmp_path)


def test_a_lab_is_never_restored_over_another(lab_of: Any, tmp_path: Path) -> None:
    lab_of("data")
    taken = backups.backup(tmp_path / "data", tmp_path / "backups")
    done = admin("restore", taken.path, "--data", str(tmp_path / "data"))
    assert done.returncode == 1 and "is not empty" in done.stderr
