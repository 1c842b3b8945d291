"""Who reads much works in pieces, one at a time, and rests while others are at work; nobody else waits for anything."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from pyhectiqlab import settings
from pyhectiqlab.errors import StoreError
from pyhectiqlab.server.turns.pace import DEBT_MAX_S, HEAVY_S, OTHERS_S, Pace, Work, begin, in_pieces
from pyhectiqlab.store.pauses import may_pause
from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from .api import Api, batch, events_batch, new_id, wait_until
from .conftest import user_of

SMALL_S, PIECE_S = settings.LAB_READ_SMALL_S, settings.LAB_READ_PIECE_S


class Scripted:
    """A pace in a time that goes by as the test says: by work of this thread, and by rests."""

    def __init__(self) -> None:
        self.now = self.cpu = self.rested = self.charged = 0.0
        self.pace = Pace(self._charge, lambda: self.now, lambda: self.cpu, self._sleep)

    def _charge(self, who: str, seconds: float) -> None:
        self.charged += seconds

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.rested += seconds

    def spend(self, seconds: float, at_once: float = 0.0005) -> None:
        """Work for that long, with a place to pause after each piece."""
        for _ in range(round(seconds / at_once)):
            self.now += at_once
            self.cpu += at_once
            may_pause()


@pytest.fixture
def lab_time() -> Scripted:
    return Scripted()


def test_small_requests_never_wait(lab_time: Scripted) -> None:
    for _ in range(1000):
        lab_time.pace.arrived("other")
        with lab_time.pace.work("me"):
            lab_time.spend(SMALL_S)
        lab_time.now += SMALL_S / settings.LAB_READ_SMALL_SHARE
    assert lab_time.rested == 0
    assert lab_time.charged == pytest.approx(1000 * SMALL_S)


def test_who_reads_much_rests_as_long_as_each_piece_took_while_others_are_at_work(lab_time: Scripted) -> None:
    lab_time.pace.arrived("other")
    with lab_time.pace.work("me"):
        for _ in range(10):
            lab_time.pace.arrived("other")
            lab_time.spend(0.1)
    free = SMALL_S + HEAVY_S * settings.LAB_READ_LONG_SHARE
    assert lab_time.rested == pytest.approx(settings.LAB_READ_REST * (1.0 - free), rel=0.1)
    assert lab_time.charged == pytest.approx(1.0), "and its work counts, not its rests"
    assert lab_time.pace.waited_s == pytest.approx(lab_time.rested)


def test_a_piece_that_could_not_be_interrupted_is_followed_by_a_longer_rest(lab_time: Scripted) -> None:
    with lab_time.pace.work("me"):
        lab_time.spend(1.0)
        lab_time.pace.arrived("other")
        lab_time.spend(PIECE_S, PIECE_S)  # takes the turn
        before = lab_time.rested
        lab_time.spend(0.1, 0.1)
        assert lab_time.rested - before == pytest.approx(0.1 * settings.LAB_READ_REST)


def test_alone_nobody_rests(lab_time: Scripted) -> None:
    lab_time.pace.arrived("me")
    with lab_time.pace.work("me"):
        lab_time.spend(1.0)
    lab_time.pace.arrived("other")
    lab_time.now += OTHERS_S
    with lab_time.pace.work("me"):
        lab_time.spend(1.0)
    assert lab_time.rested == 0


def test_who_reads_much_is_not_waited_for_by_another_who_does_but_for_ingest(lab_time: Scripted) -> None:
    for who in ("a", "b"):
        with lab_time.pace.work(who):
            lab_time.spend(1.0)
        lab_time.pace.arrived(who)
    with lab_time.pace.work("a"):
        lab_time.spend(1.0)
    assert lab_time.rested == 0
    lab_time.pace.arrived("b", counts=True)
    with lab_time.pace.work("a"):
        lab_time.spend(0.1)
    assert lab_time.rested > 0


def test_who_has_made_up_for_it_is_as_everybody(lab_time: Scripted) -> None:
    with lab_time.pace.work("me"):
        lab_time.spend(60.0, 0.1)
    lab_time.pace.arrived("other")
    assert lab_time.pace.must_wait("me") and lab_time.pace.holds_up_others("other")
    assert not lab_time.pace.holds_up_others("me")
    lab_time.now += DEBT_MAX_S
    lab_time.pace.arrived("other")
    assert not lab_time.pace.must_wait("me") and not lab_time.pace.holds_up_others("other")


def test_very_many_small_requests_are_as_long_ones(lab_time: Scripted) -> None:
    for _ in range(1000):
        lab_time.pace.arrived("other")
        with lab_time.pace.work("me"):
            lab_time.spend(0.004)
    assert lab_time.rested > 0.8 * 4.0 * settings.LAB_READ_REST


def test_who_reads_much_and_is_held_to_little_stays_so_while_it_goes_on(lab_time: Scripted) -> None:
    for callers in (1, 4):  # four, who take turns, have an eighth of a processor each
        for _ in range(100):
            lab_time.pace.arrived("other")
            for i in range(callers):
                with lab_time.pace.work(f"{callers} {i}"):
                    lab_time.spend(0.025)
        assert all(lab_time.pace.must_wait(f"{callers} {i}") for i in range(callers))


# Turns


def heavy(pace: Pace, *callers: str) -> None:
    for who in callers:
        pace.note(who, 0.0, 10.0)
    pace.arrived("other", counts=True)


def waiting(pace: Pace) -> int:
    return sum(map(len, pace._waiting.values()))


def test_callers_take_turns_whatever_number_of_requests_they_have() -> None:
    pace = Pace(lambda who, seconds: None, clock=lambda: 0.0)
    heavy(pace, "a", "b", "holder")
    holder = pace.work("holder")
    pace.take(holder)
    order: list[str] = []

    def reads(who: str) -> None:
        work = pace.work(who)
        pace.take(work)
        for _ in range(2):
            order.append(who)
            pace.give_back(work, 0.0, again=True)
        pace.give_back(work, 0.0)

    with ThreadPoolExecutor(4) as pool:
        for i, who in enumerate(("a", "a", "a", "b")):
            pool.submit(reads, who)
            wait_until(lambda n=i: waiting(pace) == n + 1)
        pace.give_back(holder, 0.0)
    assert order[:4] == ["a", "b", "a", "b"]
    assert Counter(order) == {"a": 6, "b": 2}


def test_one_at_a_time_of_all_who_read_much() -> None:
    pace = Pace(lambda who, seconds: None)
    heavy(pace, "a", "b", "c")
    in_turn: list[Work] = []
    most = [0]

    def reads(who: str) -> None:
        work = pace.work(who)
        for _ in range(30):
            pace.arrived("other", counts=True)
            pace.take(work)
            in_turn.append(work)
            most[0] = max(most[0], len(in_turn))
            in_turn.remove(work)
            pace.give_back(work, 0.0001)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(reads, "aabbcc"))
    assert most == [1] and not in_turn


def test_a_lab_that_stops_ends_who_reads_much_and_nobody_else() -> None:
    pace = Pace(lambda who, seconds: None)
    heavy(pace, "a", "b")
    ended: list[str] = []

    def reads(who: str) -> None:
        try:
            with pace.work(who):
                while True:
                    pace.arrived("other", counts=True)
                    may_pause()
        except StoreError:
            ended.append(who)

    threads = [threading.Thread(target=reads, args=(who,)) for who in "aab"]
    for thread in threads:
        thread.start()
    wait_until(lambda: pace.waited_s > 0)
    pace.stop()
    for thread in threads:
        thread.join(10)
    assert sorted(ended) == ["a", "a", "b"]
    with pytest.raises(StoreError), pace.work("a"):
        pass
    with pace.work("c"):
        may_pause()
    pace.stop()


def test_an_error_gives_the_turn_back() -> None:
    pace = Pace(lambda who, seconds: None)
    heavy(pace, "a", "b")
    with pytest.raises(ValueError, match="mine"), pace.work("a"):
        raise ValueError("mine")
    with pace.work("b"):
        pass


# Where it pauses


def test_a_route_pauses_only_as_part_of_a_request_that_reads() -> None:
    seen: list[bool] = []

    def route(a: int, b: str = "x") -> str:
        """Said."""
        pace = Pace(lambda who, seconds: None)
        heavy(pace, "me")
        seen.append(pace.waited_s == 0)
        return f"{a}{b}"

    paced = in_pieces(route)
    assert paced(1) == "1x" and paced(1, b="y") == "1y"
    assert (paced.__name__, paced.__doc__) == ("route", "Said.")

    charged: list[float] = []
    pace = Pace(lambda who, seconds: charged.append(seconds))
    begun = threading.Thread(target=lambda: (begin(pace.work("me")), paced(2)))
    begun.start()
    begun.join()
    assert len(charged) == 1 and seen == [True] * 3


# Over HTTP


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    """Start a lab for this module alone, which reads much from it."""
    folder = tmp_path_factory.mktemp("lab")
    with ForkedLab(folder / "data", folder / "home") as real:
        yield real


@pytest.fixture(scope="module")
def api(lab: RealLab) -> Api:
    return Api.of(lab)


@pytest.fixture(scope="module")
def reader(lab: RealLab, api: Api) -> Api:
    return user_of(lab, api, "vera", "viewer")


def logged(api: Api, n: int, characters: int) -> str:
    run = str(api.attach()["run"]["id"])
    for start in range(0, n, 8):
        lines = [("log", {"text": f"line {i} " + "x" * characters}) for i in range(start, min(n, start + 8))]
        assert api.statuses(events_batch(run, new_id(), 1, lines)) == [200]
    return run


def waited_s(api: Api) -> float:
    lines = api.raw("GET", "/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("hectiqlab_read_waited_seconds_total"))


def searched(api: Api, run: str, q: str) -> list[str]:
    lines: list[str] = []
    after: dict[str, Any] = {}
    while True:
        page = api.get(f"/runs/{run}/logs", q=q, limit=5000, **after)
        lines += [item["text"].partition(" x")[0] for item in page["items"]]
        if page["next"] is None:
            return lines
        after = {"after": page["next"]}


def test_long_searches_beside_somebody_at_work_rest_and_find_what_they_found(api: Api, reader: Api) -> None:
    run = logged(api, 96, 1 << 19)
    alone = searched(reader, run, "LINE 5")
    assert alone == ["line 5", *(f"line {i}" for i in range(50, 60))]
    its_run, writer, done = str(api.attach()["run"]["id"]), new_id(), threading.Event()

    def work() -> int:
        sent = 0
        while not done.is_set():
            assert api.statuses(batch(its_run, writer, sent + 1, sent + 10)) == [200]
            sent += 10
        return sent

    before = waited_s(api)
    readers = [Api(reader.url, "") for _ in range(3)]
    for one in readers:
        one.http.headers.update(reader.http.headers)
    with ThreadPoolExecutor(4) as pool:
        sent = pool.submit(work)
        try:
            items = list(pool.map(lambda one: [searched(one, run, "LINE 5") for _ in range(3)], readers))
        finally:
            done.set()
    assert items == [[alone] * 3] * 3
    assert waited_s(api) > before
    assert len(api.points(its_run)) == sent.result() > 0


def test_large_events_come_whole(api: Api, reader: Api) -> None:
    run = str(api.attach()["run"]["id"])
    nested = {"a": [{"b": [None, True, 1.5]}] * 3000}
    odd = [float("nan"), "é" * 1000, '"\\\n' * 100_000, [1] * 5000, nested, b"\0" * 999]
    assert api.statuses(events_batch(run, new_id(), 1, [("log", {"text": "t", "odd": odd})] * 3)) == [200]
    expected = ["NaN", *odd[1:-1], "A" * 1332]
    assert [event["fields"]["odd"] for event in reader.get(f"/runs/{run}/events")["items"]] == [expected] * 3


def test_a_lab_that_is_told_to_stop_does_not_wait_for_long_reads(tmp_path: Path) -> None:
    with ForkedLab(tmp_path / "data", tmp_path / "home") as lab:
        api = Api.of(lab)
        run, reader, stopped = logged(api, 64, 1 << 19), user_of(lab, api, "vera", "viewer"), threading.Event()

        def reads() -> None:
            with contextlib.suppress(requests.RequestException):
                while not stopped.is_set():
                    answer = requests.get(
                        f"{lab.url}/api/v1/runs/{run}/logs?q=nothing&limit=5000",
                        headers=reader.http.headers,
                        timeout=60,
                    )
                    assert answer.status_code in {200, 503}

        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(reads) for _ in range(4)]
            wait_until(lambda: waited_s(api) > 0, 30)
            began = time.monotonic()
            assert lab.stop() == 0
            stopped.set()
            for one in done:
                one.result()
        assert time.monotonic() - began < 10
