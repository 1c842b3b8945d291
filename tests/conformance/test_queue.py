"""One suite for every queue of bytes between two processes.

What an implementation does not promise, it says in an attribute.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from pyhectiqlab.ring import SharedMemoryQueue
from pyhectiqlab.ring.producer import ForkedError
from pyhectiqlab.testing.queues import PipeQueue

from ..waiting import eventually

WAIT_S = 20.0


def consume(end: Any, n: int, report: Any) -> None:
    """Get n items in another process and send them back."""
    report.send([end.get(timeout=WAIT_S) for _ in range(n)])


class QueueSuite:
    """Subclasses make the queue and say what it promises beyond the interface."""

    survives_kill = True  # what was put is there although its producer was killed
    put_is_visible_at_once = True  # to get_nowait, empty and qsize
    is_bounded_in_bytes = True

    def make(self, context: Any = None) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def made(self) -> Iterator[Any]:
        made = self.make()
        yield made
        made.close()
        made.unlink()

    @pytest.mark.parametrize(
        "item", [b"", b"\0", b"x" * 15_000, bytes(range(256)), bytearray(b"ab"), memoryview(b"cd")]
    )
    def test_what_goes_in_comes_out(self, made: Any, item: bytes) -> None:
        made.put_nowait(item)
        got = made.get(timeout=WAIT_S)
        assert type(got) is bytes and got == bytes(item)

    @pytest.mark.parametrize("item", ["text", 1, None, [b"x"]])
    def test_anything_but_bytes_is_refused(self, made: Any, item: object) -> None:
        with pytest.raises(TypeError):
            made.put_nowait(item)

    def test_first_in_is_first_out(self, made: Any) -> None:
        items = [b"%d" % i * (i % 50) for i in range(500)]
        for item in items:
            made.put_nowait(item)
        assert [made.get(timeout=WAIT_S) for _ in items] == items

    def test_an_empty_queue_says_so(self, made: Any) -> None:
        assert made.empty() and made.qsize() == 0
        with pytest.raises(queue.Empty):
            made.get_nowait()
        with pytest.raises(queue.Empty):
            made.get(timeout=0.01)
        with pytest.raises(queue.Empty):
            made.get(block=False)

    def test_a_put_is_counted_and_a_get_too(self, made: Any) -> None:
        for i in range(7):
            made.put_nowait(b"%d" % i)
        if self.put_is_visible_at_once:
            assert made.qsize() == 7 and not made.empty()
        eventually(lambda: made.qsize() == 7 and not made.empty())
        for left in range(6, -1, -1):
            made.get(timeout=WAIT_S)
            assert made.qsize() == left
        assert made.empty()

    def test_a_full_queue_says_so_and_takes_more_once_there_is_room(self, made: Any) -> None:
        count = 0
        with pytest.raises(queue.Full):
            while True:
                made.put_nowait(b"x" * 1000)
                count += 1
        assert 0 < count <= 1100
        with pytest.raises(queue.Full):
            made.put(b"x" * 1000, timeout=0.01)
        with pytest.raises(queue.Full):
            made.put(b"x" * 1000, block=False)
        for _ in range(count):
            assert made.get(timeout=WAIT_S) == b"x" * 1000
        made.put_nowait(b"more")
        assert made.get(timeout=WAIT_S) == b"more"

    def test_an_item_that_can_never_fit_is_refused(self, made: Any) -> None:
        if self.is_bounded_in_bytes:
            with pytest.raises(ValueError):
                made.put_nowait(bytes(10 << 20))

    def test_a_put_waits_for_room(self, made: Any) -> None:
        total = 5000
        got: list[bytes] = []

        def get() -> None:
            got.extend(made.get(timeout=WAIT_S) for _ in range(total))

        consumer = threading.Thread(target=get)
        consumer.start()
        for i in range(total):
            made.put(b"%06d" % i * 20)
        consumer.join()
        assert got == [b"%06d" % i * 20 for i in range(total)]

    def test_threads_of_the_producer_lose_nothing_and_keep_their_order(self, made: Any) -> None:
        def put(name: int) -> None:
            for i in range(500):
                made.put(b"%d %d" % (name, i))

        threads = [threading.Thread(target=put, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        got = [made.get(timeout=WAIT_S).split() for _ in range(2000)]
        for thread in threads:
            thread.join()
        for name in range(4):
            assert [int(i) for n, i in got if int(n) == name] == list(range(500))

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_a_consumer_in_another_process_gets_it_all(self, method: str) -> None:
        context: Any = multiprocessing.get_context(method)
        made = self.make(context)
        ours, theirs = context.Pipe()
        consumer = context.Process(target=consume, args=(made, 1000, theirs))
        with warnings.catch_warnings():
            # Python 3.12 warns of a fork if other tests left threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            consumer.start()
        items = [b"%d" % i for i in range(1000)]
        for item in items:
            made.put(item, timeout=WAIT_S)
        assert ours.poll(WAIT_S) and ours.recv() == items
        consumer.join()
        eventually(made.empty)
        made.close()
        made.unlink()

    def test_a_closed_queue_takes_nothing(self, made: Any) -> None:
        made.close()
        with pytest.raises(ValueError):
            made.put_nowait(b"x")
        made.close()

    def test_what_was_put_survives_its_producer(self) -> None:
        if not self.survives_kill:
            return
        made = self.make_in_child_and_kill(b"%d", 200)
        assert [made.get_nowait() for _ in range(200)] == [b"%d" % i for i in range(200)]
        assert made.empty()
        made.close()
        made.unlink()

    def make_in_child_and_kill(self, item: bytes, n: int) -> Any:
        """Return the consumer's end of a queue whose producer put `item % i` n times and then killed itself."""
        raise NotImplementedError


class TestSharedMemoryQueue(QueueSuite):
    def make(self, context: Any = None) -> SharedMemoryQueue:
        return SharedMemoryQueue(1 << 16)

    def make_in_child_and_kill(self, item: bytes, n: int) -> SharedMemoryQueue:
        read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            made = self.make()
            for i in range(n):
                made.put_nowait(item % i)
            os.write(write, str(made.path).encode())
            os.kill(os.getpid(), signal.SIGKILL)
        os.close(write)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        path = os.read(read, 4096).decode()
        os.close(read)
        from pathlib import Path

        return SharedMemoryQueue(path=Path(path))

    def test_a_small_bound_is_raised_to_the_least_there_is(self) -> None:
        made = SharedMemoryQueue(1)
        made.put_nowait(b"x" * 10_000)
        assert made.get_nowait() == b"x" * 10_000
        made.close()
        made.unlink()

    def test_a_forked_child_may_consume_but_not_put(self, made: Any) -> None:
        made.put_nowait(b"1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                made.put_nowait(b"2")
            except ForkedError:
                os._exit(0 if made.get_nowait() == b"1" else 2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert made.empty()
        made.put_nowait(b"3")
        assert made.qsize() == 1

    def test_the_producers_end_may_ask_for_the_size_at_any_time(self, made: Any) -> None:
        other = SharedMemoryQueue(path=made.path)
        for i in range(3000):
            made.put_nowait(b"%d" % i)
            if i % 3:
                other.get_nowait()
                assert 0 <= made.qsize() <= 1001
        other.close()

    def test_the_file_goes_when_it_is_told_to(self) -> None:
        made = self.make()
        assert made.path.exists()
        made.close()
        assert made.path.exists(), "the consumer may still want it"
        made.unlink()
        made.unlink()
        assert not made.path.exists()

    def test_without_any_room_it_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pyhectiqlab.ring.mapping.private_dir", lambda path: False)
        with pytest.raises(OSError, match="room for a queue"):
            self.make()


class TestPipeQueue(QueueSuite):
    survives_kill = False
    put_is_visible_at_once = False
    is_bounded_in_bytes = False

    def make(self, context: Any = None) -> PipeQueue:
        return PipeQueue(1000, context=context)
