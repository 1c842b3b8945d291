"""The ring and its spill file beside a deque: any puts and takes, of any sizes, on a ring too small for them."""

from __future__ import annotations

import tempfile
from collections import deque
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhectiqlab.protocol import records

from ..seeds import examples
from ..unit.rings import Item, Reader, Ring

operations = st.lists(
    st.one_of(
        st.tuples(st.just("point"), st.sampled_from(["a", "b", "long" * 60]), st.integers(1, 40)),
        st.tuples(st.just("points"), st.integers(0, 30), st.integers(1, 5)),
        st.tuples(st.just("record"), st.integers(0, 3000), st.just(1)),
        st.tuples(st.just("tiny"), st.integers(0, 7), st.integers(1, 3)),
        st.tuples(st.just("take"), st.integers(1, 5000), st.just(1)),
        st.tuples(st.just("take again"), st.integers(1, 5000), st.just(1)),
        st.tuples(st.just("new consumer"), st.just(0), st.just(1)),
    ),
    max_size=60,
)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(capacity=st.sampled_from([512, 1024, 4096]), operations=operations)
def test_a_ring_of_any_size_is_a_queue(capacity: int, operations: list[tuple[str, int | str, int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ring = Ring(folder, capacity)
        reader, model, step = ring.reader, deque[Item](), 0

        def check(items: list[Item]) -> None:
            for item in items:
                assert item == model.popleft()

        for what, argument, times in operations:
            for _ in range(times):
                step += 1
                if what == "point":
                    ring.puts.point(str(argument), step, float(step))
                    model.append(("point", argument, step, float(step)))
                elif what == "points":
                    values = {f"k{i}": float(i) for i in range(int(argument))}
                    ring.puts.points(values, step)
                    model.extend(("point", key, step, value) for key, value in values.items())
                elif what == "record":
                    fields = {"n": step, "text": "x" * int(argument)}
                    ring.puts.record(records.event("log", 0.0, fields))
                    model.append(("event", "log", fields))
                elif what == "tiny":  # sizes that leave one to three bytes before the wrap
                    payload = bytes(int(argument))
                    ring.puts.record(records.record(99, payload))
                    model.append(("event", "unknown", {"tag": 99, "payload": payload}))
                elif what == "take":
                    check(reader.read(int(argument)))
                elif what == "take again":  # as after a crash before the advance
                    reader.consumer.take(int(argument))
                else:
                    ring_at, spill_at = reader.consumer.ring_at, reader.consumer.spill_at
                    if reader is not ring.reader:
                        reader.consumer.close()
                    reader = Reader.open(folder)
                    reader.consumer.skip_to(ring_at, spill_at)
        check(reader.read_all(1 << 20))
        assert not model
        if reader is not ring.reader:
            reader.consumer.close()
        ring.close()
