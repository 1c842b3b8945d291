"""Which piece of a search stands at the caret, whatever is typed so far."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhectiqlab.protocol.completing import ops_of, piece_at
from pyhectiqlab.protocol.search import parse


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("|", ("field", "", "", "")),
        ("sta|", ("field", "sta", "sta", "")),
        ("st|ate=failed", ("field", "state", "st", "")),
        ("state=|", ("value", "", "", "state")),
        ("state=fa|", ("value", "fa", "fa", "state")),
        ("state=fa|iled tag=a", ("value", "failed", "fa", "state")),
        ("state=failed,ki|", ("value", "ki", "ki", "state")),
        ("state = failed , ki|", ("value", "ki", "ki", "state")),
        ("state=failed |", ("field", "", "", "")),
        ("state=failed con|", ("field", "con", "con", "")),
        ('metric."a, b = c".min<0|', ("value", "0", "0", "metric.a, b = c.min")),
        ('config.name="two wo|', ("value", '"two wo', "two wo", "config.name")),
        ('config."my k|', ("field", 'config."my k', "config.my k", "")),
        ('name~"say \\"hi|', ("value", '"say \\"hi', 'say "hi', "name")),
        ("=|", ("field", "=", "=", "")),
    ],
)
def test_the_piece_at_the_caret(text: str, piece: tuple[str, str, str, str]) -> None:
    caret, whole = text.index("|"), text.replace("|", "")
    its = piece_at(whole, caret)
    assert (its.kind, whole[its.start : its.end], its.typed, its.field) == piece


@given(st.text('a=<,"\\ .~!', max_size=30), st.integers(-5, 40))
def test_a_piece_is_around_the_caret_whatever_is_typed(text: str, caret: int) -> None:
    piece = piece_at(text, caret)
    assert 0 <= piece.start <= max(0, min(caret, len(text))) <= piece.end <= len(text)


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [("config.a", "config", "1"), ("metric.a", "metric", "1"), ("created", "created", "-1d"), ("points", "points", "1")]
    + [(name, name, "x") for name in ("tag", "name", "note", "author", "id")],
)
def test_each_comparison_that_is_offered_can_be_searched_by(name: str, kind: str, value: str) -> None:
    for op in ops_of(kind):
        parse(f"{name}{op}{value}")
