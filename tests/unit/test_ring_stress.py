"""The ring under everything at once: threads, signal handlers, exceptions from them, finalizers, forks, kills."""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pyhectiqlab.protocol import records
from pyhectiqlab.ring import producer
from pyhectiqlab.ring.producer import ForkedError

from .rings import Item, Reader, Ring


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    ring = Ring(tmp_path, 1 << 16)
    yield ring
    ring.close()


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Stop the garbage collector: it may run somebody's finalizer in the middle of a put, and what is raised there is
    swallowed.
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def eager_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@contextlib.contextmanager
def signals_every(pause_s: float, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have another process send SIGUSR1. A timer is not free: pytest-timeout has it."""
    depth = 0

    def bounded(number: int, frame: FrameType | None) -> None:
        nonlocal depth
        if depth > 5:  # signals come faster than they are handled
            return
        depth += 1
        try:
            handler(number, frame)
        finally:
            depth -= 1

    before = signal.signal(signal.SIGUSR1, bounded)
    script = (
        f"import os, time\nwhile True:\n    os.kill({os.getpid()}, {int(signal.SIGUSR1)})\n    time.sleep({pause_s})"
    )
    sender = subprocess.Popen([sys.executable, "-S", "-c", script])
    try:
        yield
    finally:
        sender.kill()
        sender.wait()
        signal.signal(signal.SIGUSR1, before)


def steps(items: list[Item], key: str) -> list[int]:
    return [item[2] for item in items if item[0] == "point" and item[1] == key]


@pytest.mark.usefixtures("eager_switches")
def test_threads_lose_nothing_and_each_keeps_its_order(ring: Ring) -> None:
    n, threads = 15_000, 4
    done = threading.Event()
    items: list[Item] = []

    def put(key: str) -> None:
        for i in range(n):
            if i % 3:
                ring.puts.point(key, i, 0.0)
            else:
                ring.puts.points({key: 0.0, "other": 1.0}, i)

    def consume() -> None:
        while not done.is_set():
            items.extend(ring.reader.read(1 << 14))

    consumer = threading.Thread(target=consume)
    producers = [threading.Thread(target=put, args=(f"k{t}",)) for t in range(threads)]
    for thread in [consumer, *producers]:
        thread.start()
    for thread in producers:
        thread.join()
    done.set()
    consumer.join()
    items += ring.reader.read_all()
    for t in range(threads):
        assert steps(items, f"k{t}") == list(range(n))
    assert len(steps(items, "other")) == threads * len(range(0, n, 3))


def test_a_handler_that_logs_in_the_middle_of_puts_loses_and_doubles_nothing(ring: Ring) -> None:
    n, handled = 100_000, 0

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal handled
        mine, handled = handled, handled + 1  # a handler may interrupt a handler
        ring.puts.point("handler", mine, 0.0)

    items: list[Item] = []
    with signals_every(2e-5, handler):
        for i in range(n):
            ring.puts.point("main", i, 0.0)
            if i % 500 == 0:
                items += ring.reader.read()
    items += ring.reader.read_all()
    assert handled > 100
    assert steps(items, "main") == list(range(n))
    assert sorted(steps(items, "handler")) == list(range(handled))


class Interrupt(BaseException):
    pass


@pytest.mark.usefixtures("no_collection")
def test_an_exception_raised_inside_a_put_leaves_it_whole_or_not_at_all(ring: Ring) -> None:
    """As Ctrl-C does, at whatever bytecode of a put the signal finds. One at a time: CPython 3.10 looks for signals at
    the first bytecode of a `finally` too, so a second exception that comes while the first is on its way out can keep
    it from letting go of the flag; puts then go to the spill file.
    """
    raised = 0

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        if isinstance(sys.exc_info()[1], Interrupt):
            return
        seen = frame
        while seen is not None:
            if seen.f_code.co_filename == producer.__file__:
                raised += 1
                raise Interrupt
            seen = seen.f_back

    items: list[Item] = []
    returned, interrupted = set(), set()
    step = 0
    deadline = time.monotonic() + 30
    with signals_every(1e-5, handler):
        while raised < 300 and time.monotonic() < deadline:
            step += 1
            try:
                if step % 2:
                    ring.puts.point(f"k{step % 50}" if step % 10 else f"new{step}", step, 0.0)
                else:
                    ring.puts.points({"a": 0.0} if step % 20 else {f"new{step}": 0.0}, step)
            except Interrupt:
                interrupted.add(step)
            else:
                returned.add(step)
            if step % 200 == 0:
                items += ring.reader.read()
    items += ring.reader.read_all()
    assert raised >= 300 and len(interrupted) == raised
    got = [item[2] for item in items]
    assert got == sorted(set(got)), "doubled, or out of order"
    assert returned <= set(got) <= returned | interrupted
    size = ring.spill.size()
    for i in range(100):  # no flag was left behind: nothing of this is turned away
        ring.puts.point("after", i, 0.0)
    assert steps(ring.reader.read_all(), "after") == list(range(100))
    assert ring.spill.size() == size


def test_finalizers_that_log_lose_nothing(ring: Ring) -> None:
    gone = 0

    class Logs:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            nonlocal gone
            ring.puts.point("gone", gone, 0.0)
            gone += 1

    thresholds = gc.get_threshold()
    gc.set_threshold(2)
    items: list[Item] = []
    try:
        for i in range(3000):
            Logs()
            ring.puts.points({"main": 0.0, f"k{i % 100}": 1.0}, i)
            if i % 100 == 0:
                items += ring.reader.read_all()
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    items += ring.reader.read_all()
    assert gone == 3000
    assert steps(items, "gone") == list(range(gone))
    assert steps(items, "main") == list(range(3000))


def forked(work: Callable[[], int]) -> int:
    """Run `work` in a forked child, whose exit status is what it returns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: a fork with threads, which is what is tried here
        child = os.fork()
    if child:
        return child
    status = 70
    try:
        status = work()
    finally:
        os._exit(status)


def test_forks_at_any_moment_leave_the_parents_stream_alone(ring: Ring) -> None:
    stop = threading.Event()
    count = 0

    def put() -> None:
        nonlocal count
        while not stop.is_set():
            ring.puts.point("k", count, 0.0)
            count += 1
            if count % 100 == 0:
                time.sleep(1e-4)

    def child() -> int:
        ring.puts.disown()
        try:
            ring.puts.point("k", -1, 0.0)
        except ForkedError:
            return 0
        return 1

    thread = threading.Thread(target=put)
    thread.start()
    items: list[Item] = []
    try:
        for _ in range(40):
            ring.puts.wait_idle(0.1)
            pid = forked(child)
            items += ring.reader.read()
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
        thread.join()
    items += ring.reader.read_all()
    assert steps(items, "k") == list(range(count))


def test_a_fork_from_a_handler_inside_a_put_leaves_the_parents_stream_alone(ring: Ring) -> None:
    """The child goes on with the very put that the handler interrupted."""
    state: dict[str, Any] = {"forks": 0, "child": False}

    def handler(number: int, frame: FrameType | None) -> None:
        code = frame.f_code.co_filename if frame else ""
        if code != producer.__file__ or state["child"] or state["forks"] >= 25:
            return
        state["forks"] += 1
        pid = os.fork()
        if pid == 0:
            state["child"] = True
            ring.puts.disown()
        else:
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    items: list[Item] = []
    step = 0
    deadline = time.monotonic() + 30
    with signals_every(1e-4, handler):
        while state["forks"] < 25 and time.monotonic() < deadline:
            try:
                ring.puts.point(f"k{step % 200}", step, 0.0)
            except ForkedError:
                os._exit(0)
            if state["child"]:
                os._exit(0)
            step += 1
            if step % 500 == 0:
                items += ring.reader.read()
    items += ring.reader.read_all()
    assert state["forks"] == 25
    assert [item[2] for item in items] == list(range(step))


def test_a_producer_killed_at_any_moment_has_published_whatever_it_returned(
    tmp_path: Path, rng_that_stays: random.Random
) -> None:
    for i in range(25):
        folder = tmp_path / str(i)
        folder.mkdir()
        ring = Ring(folder, 1 << 15)
        shared = mmap.mmap(-1, 16)
        returned = memoryview(shared).cast("Q")

        def child(ring: Ring = ring, returned: Any = returned) -> int:
            step = 0
            while True:
                if step % 5:
                    ring.puts.point("k", step, float(step))
                else:
                    ring.puts.points({"k": float(step)}, step)
                step += 1
                returned[0] = step

        pid = forked(child)
        while returned[0] == 0:
            time.sleep(0)
        time.sleep(rng_that_stays.uniform(0, 0.01))  # the moment of the kill
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        reader = Reader.open(folder)
        items = reader.read_all(final=True)
        assert [item[1:] for item in items] == [("k", s, float(s)) for s in range(len(items))]
        assert returned[0] <= len(items) <= returned[0] + 1
        reader.consumer.close()
        ring.close()


def test_a_reader_never_sees_half_of_what_is_being_written(ring: Ring) -> None:
    """Another process reads and frees all the while, on laps that are over in a millisecond."""
    shared = memoryview(mmap.mmap(-1, 16)).cast("Q")  # total, once it is known

    def child() -> int:
        reader, seen = Reader.open(ring.path.parent), 0
        while not shared[0] or seen < shared[0]:
            for item in reader.read():
                if item[2] != seen or item[3] != seen * 0.5:
                    return 1
                seen += 1
        return 0

    pid = forked(child)
    step, deadline = 0, time.monotonic() + 2
    while time.monotonic() < deadline:
        for _ in range(100):
            ring.puts.point(("a", "b", "long" * 20)[step % 3], step, step * 0.5)
            step += 1
        while ring.mapping.words[16] - ring.mapping.words[32] > 1 << 15 and time.monotonic() < deadline:
            time.sleep(0)
    shared[0] = step
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert step > 50_000


def test_records_of_many_sizes_from_threads_and_handlers(ring: Ring) -> None:
    """Generic records, from 16 bytes to a quarter of the ring, while a handler puts as well."""
    handled = 0

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal handled
        mine, handled = handled, handled + 1
        ring.puts.record(records.event("log", 0.0, {"from": "handler", "n": mine}))

    def put(name: str, seed: int) -> None:
        rng = random.Random(seed)
        for i in range(1500):
            ring.puts.record(records.event("log", 0.0, {"from": name, "n": i, "text": "x" * rng.randrange(1 << 12)}))

    threads = [threading.Thread(target=put, args=(f"t{i}", i)) for i in range(2)]
    items: list[Item] = []
    with signals_every(1e-3, handler):
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            items += ring.reader.read(1 << 14)
            time.sleep(0.001)
    items += ring.reader.read_all()
    by_name: dict[str, list[int]] = {}
    for _, _, fields in items:
        by_name.setdefault(fields["from"], []).append(fields["n"])
    assert by_name["t0"] == by_name["t1"] == list(range(1500))
    assert sorted(by_name.get("handler", [])) == list(range(handled))
