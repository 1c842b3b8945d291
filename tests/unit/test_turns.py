"""The bookkeeping of who may how much of a busy lab: turns, queues, bytes, rates, costs."""

from __future__ import annotations

import asyncio

import pytest

from pyhectiqlab.server.turns.fair import FairQueue
from pyhectiqlab.server.turns.shares import Bytes, Costs, OverShareError, Rate, Turns


def test_callers_take_turns() -> None:
    async def main() -> list[str]:
        turns, order = Turns(2, 1, 100, 50), []

        async def work(who: str) -> None:
            await turns.take(who)
            order.append(who)
            await asyncio.sleep(0)
            turns.give_back(who)

        await asyncio.gather(*[work("many") for _ in range(20)], *[work("one") for _ in range(2)], work("another"))
        assert turns.waiting == 0
        return order

    order = asyncio.run(main())
    assert set(order[:5]) == {"many", "one", "another"}, order
    assert order.count("many") == 20


def test_who_puts_very_much_into_the_queue_waits_behind_their_own() -> None:
    queue: FairQueue[str] = FairQueue()
    for i in range(100):
        queue.put("many", f"many{i}")
    queue.put("one", "one0")
    queue.put("one", "one1")
    taken = [queue.take() for _ in range(len(queue) - 1)]
    assert taken[:5] == ["many0", "one0", "many1", "one1", "many2"]
    assert queue.next() == "many99" and len(queue) == 1
    queue.put("one", "one2")
    assert [queue.take() for _ in range(len(queue))] == ["many99", "one2"]


def test_too_many_who_wait_are_refused_and_who_leaves_gives_their_place_back() -> None:
    async def main() -> None:
        turns = Turns(1, 1, 3, 2)
        await turns.take("a")
        waiting = [asyncio.ensure_future(turns.take(who)) for who in ("a", "a", "b")]
        await asyncio.sleep(0)
        for who in ("a", "c"):
            with pytest.raises(OverShareError):
                await turns.take(who)
        waiting[0].cancel()
        await asyncio.sleep(0)
        turns.give_back("a")
        await asyncio.sleep(0)
        assert turns.waiting == 1 and sum(w.done() for w in waiting) == 2
        turns.give_back("b" if waiting[2].done() else "a")
        await asyncio.gather(*waiting[1:])
        assert turns.waiting == 0

    asyncio.run(main())


def test_some_callers_have_fewer_turns_together() -> None:
    async def main() -> None:
        turns = Turns(8, 3, 10, 10, is_heavy=lambda who: who in {"a", "b"}, of_heavy=2)
        waiting = [asyncio.ensure_future(turns.take(who)) for who in ["a"] * 3 + ["b"] + ["other"] * 4]
        await asyncio.sleep(0)
        assert [w.done() for w in waiting] == [True, True, False, False, True, True, True, False]
        turns.give_back("a")
        turns.give_back("other")
        await asyncio.sleep(0)
        assert [w.done() for w in waiting[2:4]] == [True, False]
        turns.give_back("a")
        await asyncio.gather(*waiting)

    asyncio.run(main())


def test_bytes_are_those_of_one_and_those_of_all() -> None:
    held = Bytes(100)
    held.take("a", 60, 60)
    with pytest.raises(OverShareError):
        held.take("a", 1, 60)
    with pytest.raises(OverShareError):
        held.take("b", 41, 60)
    held.take("b", 40, 60)
    held.give_back("a", 60)
    held.take("b", 20, 60)


def test_a_rate_is_kept_and_says_when_to_come_again() -> None:
    now = [0.0]
    rate = Rate(10, 5, lambda: now[0])
    for _ in range(5):
        rate.take("a")
    with pytest.raises(OverShareError) as refused:
        rate.take("a")
    assert refused.value.retry_s == pytest.approx(0.1)
    rate.take("b")
    now[0] = 0.11
    rate.take("a")


def test_who_takes_most_of_a_busy_lab_waits_while_others_want_some() -> None:
    now = [0.0]
    costs = Costs(0.5, 4.0, lambda: now[0])
    for _ in range(100):
        now[0] += 0.1
        costs.charge("alone", 0.09)
    costs.check("alone")
    assert not costs.wanted("alone")
    costs.charge("other", 0.1)
    assert costs.wanted("alone") and costs.wanted("other")
    with pytest.raises(OverShareError):
        costs.check("alone")
    costs.check("other")
    now[0] += 4.0
    costs.charge("other", 0.1)
    costs.check("alone")
    for _ in range(10):
        costs.late(0.1)
    with pytest.raises(OverShareError):
        costs.check("alone")
    costs.check("alone", held_up=True)
    costs.check("other")


def test_what_somebody_read_is_time_that_others_want_and_not_what_they_are_refused_for() -> None:
    costs = Costs(0.5, 4.0, lambda: 0.0)
    costs.charge("a", 2.5)
    costs.charge_read("a", 9.0)
    costs.check("a")
    costs.charge_read("b", 0.1)
    with pytest.raises(OverShareError):
        costs.check("a")
    costs.charge_read("b", 9.0)
    costs.check("a")
    costs.check("b")
