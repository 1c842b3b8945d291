"""Kill -9 at random moments, of each part of the path.

Whatever call had returned is in the lab afterwards, exactly once and in order.

HECTIQLAB_TEST_KILLS says how many kills of trainers and of uploaders (without it 16, in CI 8). Of the lab it is an
eighth.
"""

from __future__ import annotations

import mmap
import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

from pyhectiqlab.testing.lab import RealLab

from ..seeds import examples
from .conftest import Site, eventually
from .test_ends import unique

KILLS = int(os.environ.get("HECTIQLAB_TEST_KILLS") or examples(16))
LAB_KILLS = max(1, KILLS // 8)

# Each trainer is a fork of one process that has imported everything, so it starts in milliseconds. It counts the calls
# that returned in memory that it shares with the test.
TRAINERS = """
import mmap, os, sys, time
from pyhectiqlab import Run
import pyhectiqlab.transport.http, requests, msgpack, pyhectiqlab.uploader.main
memory = mmap.mmap(os.open(sys.argv[2], os.O_RDWR), 0)
count = memoryview(memory).cast("Q")
for line in sys.stdin:
    i = int(line)
    child = os.fork()
    if not child:
        run = Run(f"{sys.argv[1]}-{i}")
        os.write(1, f"{os.getpid()}\\n".encode())
        add, n = run.add_metrics, 0
        while True:
            if n % 3:
                add("loss", float(n), n)
            else:
                add({"loss": float(n)}, n)
            n += 1
            count[i] = n
    os.waitpid(child, 0)
    os.write(1, b"reaped\\n")
"""


class Counts:
    """Numbers that a trainer stores and the test reads, whatever happens to the trainer."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(8 * 4096))
        with path.open("r+b") as f:
            self._memory = mmap.mmap(f.fileno(), 0)
        self._words = memoryview(self._memory).cast("Q")

    def __getitem__(self, i: int) -> int:
        return self._words[i]


def assert_exactly_once_in_order(site: Site, name: str, returned: int, uncounted: int = 1) -> int:
    """Assert that the lab's points of `name` are 0, 1, 2, …: at least those of the calls that returned, and at most one
    more (the call that was cut off).
    """

    def complete() -> bool:
        with site.client() as client:
            return bool(client.get("/runs/resolve", {"ref": name})["points"] >= returned)

    eventually(complete, 60, f"{returned} points of {name}; {site.logs()}")
    points = site.points(name, "loss")
    assert [step for step, _, _ in points] == list(range(len(points)))
    assert all(step == value for step, value, _ in points)
    assert returned <= len(points) <= returned + uncounted
    return len(points)


@pytest.mark.timeout(300)
def test_kills_of_the_trainer_lose_and_double_nothing(site: Site, tmp_path: Path, rng_that_stays: Random) -> None:
    name, counts = unique("kill"), Counts(tmp_path / "counts")
    process = site.start(TRAINERS, name, str(tmp_path / "counts"), HECTIQLAB_START_METHOD="fork")
    assert process.stdin is not None and process.stdout is not None
    for i in range(KILLS):
        process.stdin.write(f"{i}\n")
        process.stdin.flush()
        pid = int(process.stdout.readline())
        if i % 8:  # one in eight dies before or in its very first calls
            eventually(lambda i=i: counts[i] > 0)
            time.sleep(rng_that_stays.random() * 0.03)
        os.kill(pid, signal.SIGKILL)
        assert process.stdout.readline() == "reaped\n"
    process.communicate()
    total = sum(assert_exactly_once_in_order(site, f"{name}-{i}", counts[i]) for i in range(KILLS))
    eventually(lambda: not site.uploaders(), 60)
    assert {site.state(f"{name}-{i}") for i in range(KILLS)} == {"killed"}
    print(f"{KILLS} kills, {total} points")


UNCOUNTED = 200 + 1  # STEADY counts every 200 calls; one more may have been cut off

STEADY = """
import mmap, os, sys, time
from pyhectiqlab import Run
memory = mmap.mmap(os.open(sys.argv[2], os.O_RDWR), 0)
count = memoryview(memory).cast("Q")
run = Run(sys.argv[1])
print(os.getpid(), flush=True)
n = 0
while not count[1]:
    for _ in range(200):
        run.add_metrics("loss", float(n), n)
        n += 1
    count[0] = n
    time.sleep(0.001)
sys.exit(0 if run.flush(60) else 1)
"""


@pytest.mark.timeout(300)
def test_kills_of_the_uploader_lose_and_double_nothing(
    own_site: Site, tmp_path: Path, rng_that_stays: Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, name, counts = own_site, unique("uploaderkill"), Counts(tmp_path / "counts")
    process = site.start(STEADY, name, str(tmp_path / "counts"))
    assert process.stdin is not None and process.stdout is not None
    process.stdout.readline()
    killed = 0
    while killed < KILLS:
        time.sleep(rng_that_stays.random() * 0.1)
        for pid in site.uploaders():
            os.kill(pid, signal.SIGKILL)
            killed += 1
        # A put would notice within seconds; here another part is always quicker.
        start_another(site)
    counts._words[1] = 1
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err + site.logs()
    total = assert_exactly_once_in_order(site, name, counts[0])
    assert site.ended(name)["state"] == "completed"
    print(f"{killed} kills, {total} points")


def start_another(site: Site) -> None:
    from pyhectiqlab.uploader.start import start_uploader

    environ = dict(os.environ)
    try:
        os.environ.update(site.env)
        for session in site.sessions():
            start_uploader(session, is_owner=False, method="spawn", adopt=False)
    finally:
        os.environ.clear()
        os.environ.update(environ)


@pytest.mark.timeout(300)
def test_kills_of_the_lab_lose_and_double_nothing(own_site: Site, tmp_path: Path, rng_that_stays: Random) -> None:
    site, name, counts = own_site, unique("labkill"), Counts(tmp_path / "counts")
    lab: RealLab = site.lab
    process = site.start(STEADY, name, str(tmp_path / "counts"))
    assert process.stdout is not None
    process.stdout.readline()
    for _ in range(LAB_KILLS):
        time.sleep(rng_that_stays.random() * 0.5)
        lab.kill()
        lab.start()
    counts._words[1] = 1
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err + site.logs()
    total = assert_exactly_once_in_order(site, name, counts[0])
    assert site.ended(name)["state"] == "completed"
    print(f"{LAB_KILLS} kills, {total} points")


def test_the_death_of_the_uploader_is_noticed_by_a_put_and_it_is_replaced(site: Site) -> None:
    name = unique("replaced")
    script = """
    import os, signal, sys, time
    import pyhectiqlab.settings as settings
    import pyhectiqlab.ring.producer as producer
    producer.LOOK_AFTER_S = 1.0
    from pyhectiqlab import Run
    run = Run(sys.argv[1])
    run.add_metrics("loss", 0.0, 0)
    assert run.flush(20)
    first = run.status().uploader_pid
    os.kill(first, signal.SIGKILL)
    step = 0
    deadline = time.monotonic() + 30
    while run.status().uploader_pid == first and time.monotonic() < deadline:
        step += 1
        run.add_metrics("loss", float(step), step)
        time.sleep(0.01)
    print(run.status().uploader_pid != first, step)
    """
    done = site.run(script, name)
    replaced, steps = done.stdout.split()
    assert replaced == "True", done.stderr
    site.ended(name)
    assert [s for s, _, _ in site.points(name, "loss")] == list(range(int(steps) + 1))


def test_a_stopped_uploader_is_killed_and_replaced_by_a_flush(site: Site) -> None:
    name = unique("stuck")
    script = """
    import os, signal, sys, time
    import pyhectiqlab.settings as settings
    settings.STUCK_AFTER_S = 2.0
    from pyhectiqlab import Run
    run = Run(sys.argv[1])
    run.add_metrics("loss", 0.0, 0)
    assert run.flush(20)
    first = run.status().uploader_pid
    os.kill(first, signal.SIGSTOP)
    run.add_metrics("loss", 1.0, 1)
    deadline = time.monotonic() + 30
    while run.status().uploader_pid == first and time.monotonic() < deadline:
        run.flush(0.1)
    settings.STUCK_AFTER_S = 60.0  # the next one may take long to start
    assert run.flush(30), run.status()
    assert run.status().uploader_pid != first
    from pyhectiqlab.capture.process import start_time
    print("gone" if start_time(first) is None else "it still lives")  # a zombie is gone: nobody may have reaped it yet
    """
    done = site.run(script, name)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "gone\n"
    assert [s for s, _, _ in site.points(name, "loss")] == [0, 1]


def test_trainer_and_uploader_and_lab_killed_at_once_and_a_sync_brings_it_all(own_site: Site, tmp_path: Path) -> None:
    site, name, counts = own_site, unique("all"), Counts(tmp_path / "counts")
    process = site.start(STEADY, name, str(tmp_path / "counts"))
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    eventually(lambda: counts[0] > 5000 and site.uploaders())
    for victim in [pid, *site.uploaders(), site.lab.pid]:
        os.kill(victim, signal.SIGKILL)
    process.communicate()
    site.lab.kill()
    site.lab.start()
    done = site.cli("sync")
    assert done.returncode == 0, done.stderr
    assert_exactly_once_in_order(site, name, counts[0], UNCOUNTED)
    assert site.ended(name)["state"] in ("killed", "ended")  # nobody saw it end


def test_a_new_run_adopts_the_sessions_whose_owner_is_gone(own_site: Site, tmp_path: Path) -> None:
    site, name, counts = own_site, unique("orphan"), Counts(tmp_path / "counts")
    process = site.start(STEADY, name, str(tmp_path / "counts"))
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    eventually(lambda: counts[0] > 1000 and site.uploaders())
    for victim in [pid, *site.uploaders()]:
        os.kill(victim, signal.SIGKILL)
    process.communicate()
    assert site.run("from pyhectiqlab import Run; Run('next').add_metrics('a', 1, 1)").returncode == 0
    assert_exactly_once_in_order(site, name, counts[0], UNCOUNTED)
