"""What a terminal would have shown, the same whether a text comes whole or in pieces; and the ends of messages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhectiqlab.protocol.logs import TEXT_CHARS_MAX, ended, pieces, severity, severity_of
from pyhectiqlab.protocol.terminal import Line, Terminal, Terminals, shown

from ..cases import cases


@pytest.mark.parametrize("case", cases("terminal"), ids=lambda case: repr("".join(case["texts"])))
def test_it_shows_what_a_terminal_shows(case: dict[str, Any]) -> None:
    assert shown(case["texts"]) == case["shows"]


@given(st.lists(st.text(alphabet="ab \n\r\b\té", max_size=8), max_size=8))
def test_how_a_stream_is_cut_into_texts_makes_no_difference(texts: list[str]) -> None:
    assert shown(texts) == shown(["".join(texts)]) == shown(list("".join(texts)))


@given(st.text() | st.lists(st.sampled_from(["a", "é", "\r", "\b", "\n", "\x1b[K", "\x1b[1K", "\u200d"])).map("".join))
def test_nothing_that_moves_the_cursor_comes_out(text: str) -> None:
    assert not any(c != "\n" and c != "\t" and (ord(c) < 32 or 127 <= ord(c) < 160) for c in shown([text]))


def test_a_line_is_tagged_by_the_text_that_began_it_and_sources_do_not_mix() -> None:
    terminal: Terminal[str] = Terminal()
    assert list(terminal.feed("half", "first")) == []
    assert list(terminal.feed(" done\nnext", "second")) == [Line("half done", "first")]
    assert terminal.rest() == Line("next", "second")
    both: Terminals[int] = Terminals()
    assert list(both.feed("a", "from a ", 1)) == list(both.feed("b", "from b", 2)) == []
    assert list(both.feed("a", "still a\n", 3)) == [Line("from a still a", 1)]
    assert list(both.rest()) == [Line("from b", 2)]


@pytest.mark.parametrize(
    ("message", "text"),
    [("plain", "plain\n"), ("Progress \r", "Progress "), ("\r", ""), ("10%\r\r", "10%\r"), ("a\r\n", "a\r\n\n")],
)
def test_one_trailing_carriage_return_cancels_the_line_break(message: str, text: str) -> None:
    assert ended(message) == text


@given(st.text(max_size=50), st.integers(0, 3))
def test_pieces_hold_the_whole_text(text: str, times: int) -> None:
    long = text + "x" * (TEXT_CHARS_MAX * times)
    parts = list(pieces(long))
    assert all(len(part) <= TEXT_CHARS_MAX for part in parts)
    assert "".join(parts) == long


def test_what_utf8_has_not_is_written_out() -> None:
    assert list(pieces("é\ud800\n")) == ["é\\ud800\n"]


def test_severities() -> None:
    assert [severity_of(level) for level in ("debug", "WARNING", "Level 25", "SUCCESS")] == [10, 30, 25, 20]
    assert severity({"level": "SUCCESS", "severity": 25}) == 25
    assert severity({"level": "ERROR"}) == 40 and severity({"level": None}) == severity({}) == 20
