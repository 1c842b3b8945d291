"""GET /runs/{id}/logs: forwards, backwards, filtered, followed; and told to whoever watches the run."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from pyhectiqlab.protocol.limits import ANSWER_BYTES_MAX
from pyhectiqlab.server.routes import logs

from .api import Api, events_batch, new_id


def line(text: str, level: str | None = "INFO", channel: str = "default") -> tuple[str, dict[str, Any]]:
    return "log", {"text": text, "level": level, "channel": channel}


def logged(api: Api, *events: tuple[str, dict[str, Any]], run: str | None = None, **more: Any) -> str:
    run = run or api.attach(session="0a")["run"]["id"]
    assert api.statuses(events_batch(run, new_id(), 1, list(events), **more), session="0a") == [200]
    return run


def texts(page: Any) -> list[str]:
    return [item["text"] for item in page["items"]]


def test_logs_come_in_order_of_arrival_and_page_by_page(api: Api) -> None:
    run = logged(api, *(line(f"{i}\n") for i in range(25)), ("state", {"state": "training"}))
    seen: list[str] = []
    after: dict[str, Any] = {}
    while True:
        page = api.get(f"/runs/{run}/logs", limit=10, **after)
        seen += texts(page)
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen == [f"{i}\n" for i in range(25)]
    exact = api.get(f"/runs/{run}/logs", limit=25)
    assert len(exact["items"]) == 25 and exact["next"] is None


def test_the_newest_come_first_when_asked_and_earlier_ones_before_them(api: Api) -> None:
    run = logged(api, *(line(f"{i}\n") for i in range(25)))
    page = api.get(f"/runs/{run}/logs", limit=10, newest=True)
    assert texts(page) == [f"{i}\n" for i in range(15, 25)]
    page = api.get(f"/runs/{run}/logs", limit=10, before=page["previous"])
    assert texts(page) == [f"{i}\n" for i in range(5, 15)]
    page = api.get(f"/runs/{run}/logs", limit=10, before=page["previous"])
    assert texts(page) == [f"{i}\n" for i in range(5)]
    assert page["previous"] is None


def test_who_follows_gets_each_later_line_once(api: Api) -> None:
    run = api.attach(session="0a")["run"]["id"]
    end = api.get(f"/runs/{run}/logs", newest=True)["end"]
    assert end is None
    logged(api, line("one\n"), line("two\n"), run=run)
    page = api.get(f"/runs/{run}/logs", newest=True, limit=1)
    assert texts(page) == ["two\n"]
    assert api.get(f"/runs/{run}/logs", after=page["end"]) == {
        "items": [],
        "next": None,
        "previous": None,
        "end": page["end"],
    }
    logged(api, line("three\n"), run=run)
    assert texts(api.get(f"/runs/{run}/logs", after=page["end"])) == ["three\n"]


def test_filters_by_channel_level_rank_and_text(api: Api) -> None:
    run = logged(
        api,
        line("a debug\n", "DEBUG"),
        line("from torch\n", "WARNING", "torch"),
        line("custom\n", "Level 35"),
        line("printed\n", None, "stdout"),
        line("Straße\n", "ERROR"),
    )
    logged(api, line("other rank\n", "CRITICAL"), run=run, rank=1)
    path = f"/runs/{run}/logs"
    assert texts(api.get(path, channel="torch")) == ["from torch\n"]
    assert texts(api.get(path, level="warning")) == ["from torch\n", "custom\n", "Straße\n", "other rank\n"]
    assert "printed\n" in texts(api.get(path, level="INFO")) and "a debug\n" not in texts(api.get(path, level="INFO"))
    assert texts(api.get(path, rank=1)) == ["other rank\n"]
    assert texts(api.get(path, q="STRASSE")) == ["Straße\n"]
    assert texts(api.get(path, newest=True, limit=1, level="WARNING", rank=0)) == ["Straße\n"]


def test_a_page_of_long_lines_ends_early_and_goes_on(api: Api) -> None:
    run = logged(api, *(line("x" * (ANSWER_BYTES_MAX // 3 + 1)) for _ in range(5)))
    page = api.get(f"/runs/{run}/logs")
    assert len(page["items"]) == 3 and page["next"]
    rest = api.get(f"/runs/{run}/logs", after=page["next"])
    assert len(rest["items"]) == 2 and rest["next"] is None


@pytest.mark.parametrize("wrong", [{"after": "x"}, {"after": "WzFd", "newest": True}, {"limit": 0}, {"limit": 5001}])
def test_a_wrong_question_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    run = logged(api, line("one\n"))
    api.get(f"/runs/{run}/logs", 422, **wrong)


def test_fields_of_odd_types_are_shown_as_text(api: Api) -> None:
    run = logged(api, ("log", {"text": 5, "level": 7, "channel": None}), ("log", {}))
    items = api.get(f"/runs/{run}/logs")["items"]
    assert [(i["text"], i["level"], i["channel"]) for i in items] == [("5", "7", ""), ("", None, "")]


def test_new_lines_are_told_to_whoever_watches(api: Api) -> None:
    run = logged(api, line("before\n"))
    with api.raw("GET", "/stream", params={"run": run}, stream=True) as stream:
        lines = stream.iter_lines(decode_unicode=True)
        assert next(lines) == ": connected"
        logged(api, line("news\n"), run=run)
        deadline = time.monotonic() + 20
        while next(lines) != "event: logs":
            assert time.monotonic() < deadline
        printed = json.loads(next(lines).removeprefix("data: "))
        assert printed == {"run": run, "project": api.run(run)["project"]["id"]}


def test_a_long_text_is_searched_in_parts_as_it_is_at_once(monkeypatch: pytest.MonkeyPatch, rng: random.Random) -> None:
    monkeypatch.setattr(logs, "FOLDED_CHARS", 3)
    letters = "sSßﬁfiKkİıΣςx"  # which fold to one or several
    for _ in range(1000):
        text = "".join(rng.choices(letters, k=rng.randrange(12)))
        needle = "".join(rng.choices(letters, k=rng.randrange(4))).casefold()
        assert logs._has(text, needle) == (needle in text.casefold()), (text, needle)


def test_a_text_that_is_none_is_shown_where_it_is_small(api: Api) -> None:
    run = logged(api, ("log", {"text": [1, "Two"]}), ("log", {}), ("log", {"text": ["three"] * 100_000}))
    assert texts(api.get(f"/runs/{run}/logs")) == ["[1, 'Two']", "", ""]
    assert texts(api.get(f"/runs/{run}/logs", q="two")) == ["[1, 'Two']"]
