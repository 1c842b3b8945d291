"""News of commits, as labs tell it to each other: whole, and small enough for PostgreSQL."""

from __future__ import annotations

import json

from pyhectiqlab.server.live.news import Arrived, News
from pyhectiqlab.store.peers import PAYLOAD_BYTES_MAX


def heard(news: News) -> News:
    """Return what another lab hears of it, in however many pieces."""
    whole = News()
    for payload in news.payloads():
        assert payload.isascii() and len(payload) <= PAYLOAD_BYTES_MAX
        piece = News.heard(json.loads(payload))
        whole.arrived |= piece.arrived
        whole.states |= piece.states
        for name in ("logged", "projects", "runs"):
            setattr(whole, name, {**getattr(whole, name), **getattr(piece, name)})
    return whole


def test_it_arrives_as_it_was() -> None:
    news = News(
        {"r1": Arrived(7, {"loss": None, "é\n": None}), "r2": Arrived(0, {})},
        {"r1": None},
        {"r1": "failed"},
        {"p": None},
        {"r1": None, "r3": None},
    )
    assert heard(news) == news
    assert heard(News()) == News() and News().payloads() == []


def test_much_is_told_in_pieces_and_too_many_long_keys_are_not_named() -> None:
    news = News(runs={f"{i:032x}": None for i in range(2_000)})
    assert heard(news) == news and len(news.payloads()) > 5
    long = News({"r": Arrived(3, {f"{i}{'é' * 200}": None for i in range(60)})})
    assert heard(long).arrived == {"r": Arrived(3, None)}


def test_points_of_several_commits_are_told_together() -> None:
    arrived = Arrived()
    arrived.add(["a", "b"], 2)
    arrived.add(["b", "c"], 3)
    assert arrived == Arrived(5, {"a": None, "b": None, "c": None})
    arrived.add([f"k{i}" for i in range(100)], 1)
    assert arrived.keys is not None and len(arrived.keys) == 64
    arrived.add(None, 1)
    assert arrived == Arrived(7, None)


def test_what_a_newer_lab_says_beyond_that_is_passed_over() -> None:
    assert News.heard({"runs": ["r"], "tomorrow": [1]}) == News(runs={"r": None})
