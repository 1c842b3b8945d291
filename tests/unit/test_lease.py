"""The lease: one uploader a session, on file systems with locks and without."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyhectiqlab.capture.process import this_process
from pyhectiqlab.spool import write_json
from pyhectiqlab.uploader.lease import Lease

HOLD = (
    "import sys; from pathlib import Path; from pyhectiqlab.uploader.lease import Lease\n"
    "lease = Lease(Path(sys.argv[1])); print(lease.acquire(), flush=True); sys.stdin.read()"
)


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline().strip() == "True"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_one_at_a_time_holds_it(tmp_path: Path) -> None:
    one, other = Lease(tmp_path), Lease(tmp_path)
    assert not one.is_held()
    assert one.acquire() and not other.acquire() and other.is_held()
    assert other.holder() == this_process()
    one.release()
    one.release()
    assert not other.is_held() and other.acquire()


def test_it_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    process = holder(tmp_path)
    lease = Lease(tmp_path)
    owner = lease.holder()
    assert lease.is_held() and not lease.acquire() and owner is not None and owner.pid == process.pid
    end(process)
    assert not lease.is_held() and lease.acquire()
    lease.release()


def test_who_only_asks_takes_it_from_nobody(tmp_path: Path) -> None:
    asked, quit = threading.Event(), threading.Event()

    def ask() -> None:
        while not quit.is_set():
            Lease(tmp_path).is_held()
            asked.set()

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    asked.wait(10)
    try:
        for _ in range(50):
            lease = Lease(tmp_path)
            assert lease.acquire()
            lease.release()
    finally:
        quit.set()
        for asker in askers:
            asker.join()


def test_a_folder_that_is_gone_is_an_error_to_acquire_and_not_held(tmp_path: Path) -> None:
    lease = Lease(tmp_path / "gone")
    assert not lease.is_held() and lease.holder() is None
    with pytest.raises(OSError):
        lease.acquire()


def test_garbage_where_the_holder_stands_is_nobody(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"pid": 1}', '{"pid": "x", "start": 0, "host": "", "boot_id": "", "pid_ns": 0}'):
        (tmp_path / "lease.json").write_text(text)
        assert Lease(tmp_path).holder() is None


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("pyhectiqlab.uploader.lease.fcntl.flock", flock)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_live_holder_with_a_pulse_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Lease(tmp_path), Lease(tmp_path)
    assert one.acquire() and other.is_held() and not other.acquire()
    old = time.time() - 1000
    os.utime(tmp_path / "lease.json", (old, old))
    assert not other.is_held()
    one.renew()
    assert other.is_held()
    os.utime(tmp_path / "lease.json", (old, old))
    assert other.acquire()


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_holder_that_ended_loses_it_at_once(tmp_path: Path) -> None:
    process = holder(tmp_path)
    owner = Lease(tmp_path).holder()
    end(process)
    assert owner is not None and owner.has_ended()
    assert not Lease(tmp_path).is_held() and Lease(tmp_path).acquire()


def test_a_lock_that_is_somebody_elses_is_no_reason_to_look_at_the_pulse(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        write_json(tmp_path / "lease.json", {**this_process().as_dict(), "pid": 1 << 22, "start": 1.0})
        assert Lease(tmp_path).is_held() and not Lease(tmp_path).acquire()
    finally:
        end(process)


def elsewhere(folder: Path, *, silent_s: float) -> None:
    """Make it look as if a process of another machine had taken the lease and last renewed it so long ago."""
    me = this_process().as_dict()
    write_json(folder / "lease.json", {**me, "host": "node7", "boot_id": "another", "token": "theirs"})
    (folder / "lease").touch()
    then = time.time() - silent_s
    os.utime(folder / "lease.json", (then, then))


@pytest.mark.parametrize("locks", ["locks that mean nothing between machines", "no locks"])
def test_a_lease_of_another_machine_is_free_once_it_is_silent(
    tmp_path: Path, locks: str, request: pytest.FixtureRequest
) -> None:
    if locks == "no locks":
        request.getfixturevalue("no_locks")
    elsewhere(tmp_path, silent_s=10)
    lease = Lease(tmp_path)
    assert lease.is_held() and not lease.acquire()
    owner = lease.holder()
    assert owner is not None and owner.host == "node7"
    elsewhere(tmp_path, silent_s=1000)
    assert not lease.is_held() and lease.acquire() and lease.holder() == this_process()
    lease.release()
    assert lease.holder() is None and not list(tmp_path.glob(".*"))


def test_how_long_it_was_silent_is_told_by_the_clock_of_the_files_and_not_by_this_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(tmp_path, silent_s=0)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    assert Lease(tmp_path).is_held()


def test_who_was_silent_for_too_long_learns_that_it_was_taken(tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    assert lease.acquire() and lease.renew()
    elsewhere(tmp_path, silent_s=0)
    assert not lease.renew()
    lease.release()
    owner = Lease(tmp_path).holder()
    assert owner is not None and owner.host == "node7"


@pytest.mark.usefixtures("no_locks")
def test_of_many_that_want_it_one_gets_it(tmp_path: Path) -> None:
    elsewhere(tmp_path, silent_s=1000)
    wanting = [Lease(tmp_path) for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(Lease.acquire, wanting)) == 1


@pytest.mark.usefixtures("no_locks")
def test_who_saw_a_dead_holder_takes_nothing_from_who_was_faster(tmp_path: Path) -> None:
    elsewhere(tmp_path, silent_s=1000)
    slow, fast = Lease(tmp_path), Lease(tmp_path)
    seen = slow._read()
    assert fast.acquire()
    slow._token = "slow"
    slow._put_aside(seen)
    assert fast.renew() and not slow.acquire()


@pytest.mark.usefixtures("no_locks")
def test_who_died_while_it_took_over_keeps_nobody_from_it(tmp_path: Path) -> None:
    elsewhere(tmp_path, silent_s=1000)
    lease = Lease(tmp_path)
    right = tmp_path / f".lease.json.{lease._read()['token']}.right"
    right.touch()
    assert not lease.acquire()
    os.utime(right, (time.time() - 1000,) * 2)
    assert lease.acquire()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_who_lost_it_may_have_it_again_once_it_is_free(tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    assert lease.acquire()
    elsewhere(tmp_path, silent_s=0)
    assert not lease.renew() and not lease.acquire()
    elsewhere(tmp_path, silent_s=1000)
    assert lease.acquire() and lease.renew()
    lease.release()


def test_what_cannot_be_read_at_this_moment_was_not_taken(tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    assert lease.acquire()
    kept = (tmp_path / "lease.json").rename(tmp_path / "kept")
    (tmp_path / "lease.json").mkdir()  # an error of the disk, for whoever runs the tests as root too
    with pytest.raises(OSError):
        lease.renew()
    (tmp_path / "lease.json").rmdir()
    kept.rename(tmp_path / "lease.json")
    assert lease.renew()
    lease.release()
