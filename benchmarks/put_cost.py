"""What does one `run.add_metrics` cost the caller?

The floor F is what it takes to only encode such an event, in the same process. Blocks of 1,000 calls take turns, with
a rest after each, as a training step would give one, in which the uploader works off the queue; `flat out` is the same
without the rest.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

from _common import (
    BLOCK,
    Block,
    Number,
    arguments,
    floor_new_packer,
    floor_reused_packer,
    lab,
    medians,
    report,
    single_calls,
)

DICT_SIZE = 100


def calls_of(add: Callable[..., Any]) -> Block:
    def block() -> None:
        for step in range(BLOCK):
            add("train/loss", 0.5, step)

    return block


def dicts_of(add: Callable[..., Any]) -> Block:
    """BLOCK dicts."""
    scalars = {f"layer{i}/norm": i / 7 for i in range(DICT_SIZE)}

    def block() -> None:
        for step in range(BLOCK):
            add(scalars, step=step)

    return block


def puts_of(put: Callable[[Any], Any]) -> Block:
    """What people do instead: hand the event to another process."""

    def block() -> None:
        for step in range(BLOCK):
            put(("train/loss", 0.5, step))

    return block


def empty(get: Callable[[], Any]) -> None:
    while get() is not None:
        pass


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=101, help="blocks of each kind")
    parser.add_argument("--singles", type=int, default=100_000, help="calls timed one by one")
    args = parser.parse_args()

    fork = multiprocessing.get_context("fork")
    queue: Any = fork.Queue()
    simple: Any = fork.SimpleQueue()
    consumers = [fork.Process(target=empty, args=(q.get,), daemon=True) for q in (queue, simple)]
    for consumer in consumers:
        consumer.start()

    with lab():
        from pyhectiqlab import Run

        with Run("put-cost", project="benchmarks", should_create_project=True) as run:
            blocks = {
                "floor": floor_new_packer(),
                "floor, Packer reused": floor_reused_packer(),
                "put": calls_of(run.add_metrics),
                "dict": dicts_of(run.add_metrics),
            }
            medians(blocks, 3)  # warm up
            paced = medians(blocks, args.repeat, pause_s=0.02)
            flat_out = medians({name: blocks[name] for name in ("floor", "put")}, args.repeat)
            others = medians(
                {
                    "multiprocessing.Queue.put": puts_of(queue.put),
                    "multiprocessing.SimpleQueue.put": puts_of(simple.put),
                },
                args.repeat,
                pause_s=0.02,
            )
            singles = single_calls(lambda step: run.add_metrics("train/loss", 0.5, step), args.singles)
            run.flush(60)
            losses = run.status().losses
    for q in (queue, simple):
        q.put(None)
    for consumer in consumers:
        consumer.join(10)
    assert not losses, f"events were lost: {losses}"

    per_call = 1e9 / BLOCK
    floor, reused = paced["floor"], paced["floor, Packer reused"]
    median, p99 = singles[len(singles) // 2], singles[len(singles) * 99 // 100]
    report(
        __doc__,
        [
            Number("F: msgpack.Packer().pack([key, value, step, time.time()])", floor * per_call, "ns"),
            Number("the same with one Packer reused", reused * per_call, "ns"),
            Number("add_metrics(key, float, step)", paced["put"] * per_call, "ns"),
            Number("  over F", paced["put"] / floor, "× F", 2.2),
            Number("  over the floor with one Packer reused", paced["put"] / reused, "×"),
            Number("  flat out, over F", flat_out["put"] / flat_out["floor"], "× F"),
            Number("single calls: median", median, "ns"),
            Number("single calls: p99", p99, "ns"),
            Number("  over the median", p99 / max(median, 1), "×", 4.0),
            Number("single calls: slowest", singles[-1] / 1e3, "µs"),
            Number(f"dict of {DICT_SIZE} scalars, per scalar", paced["dict"] / DICT_SIZE * per_call, "ns"),
            Number("  over F", paced["dict"] / DICT_SIZE / floor, "× F", 0.25),
            Number("  over the floor with one Packer reused", paced["dict"] / DICT_SIZE / reused, "×"),
            *(Number(name, seconds * per_call, "ns") for name, seconds in others.items()),
        ],
        args.json,
    )


if __name__ == "__main__":
    main()
