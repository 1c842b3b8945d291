"""JSON that is written in pieces is the JSON that is written at once, whatever it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhectiqlab.server.http import jsontext
from pyhectiqlab.server.http.jsontext import encoded, encoded_in_pieces

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(max_size=20)
small = scalars | texts | st.binary(max_size=10).map(lambda b: b.decode("latin-1"))
values = st.recursive(
    small,
    lambda inner: (
        st.lists(inner, max_size=30)
        | st.lists(scalars, max_size=30).map(tuple)
        | st.dictionaries(texts | st.integers(), inner, max_size=30)
    ),
    max_leaves=200,
)


@pytest.fixture(autouse=True)
def tiny_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("PIECE_CHARS", 7), ("PIECE_ITEMS", 5), ("SMALL", 9), ("FEW", 3)):
        monkeypatch.setattr(jsontext, name, most)


@given(values)
def test_pieces_are_the_whole(value: Any) -> None:
    assert b"".join(encoded_in_pieces(value)) == encoded(value)


def test_what_json_has_not_is_written_as_it_is_at_once() -> None:
    odd = [float("nan"), float("inf"), -float("inf"), b"bytes", b"b" * 100, {1.5: [float("nan")] * 20, b"k": 0}]
    printed = json.loads(b"".join(encoded_in_pieces({"odd": odd, "more": [odd] * 20})))
    assert printed == json.loads(encoded({"odd": odd, "more": [odd] * 20}))
    assert printed["odd"][:3] == ["NaN", "Infinity", "-Infinity"]


def test_no_piece_is_large() -> None:
    parts = encoded_in_pieces(
        {"text": "t" * 1000, "numbers": list(range(1000)), "maps": [{"a": i} for i in range(1000)]}
    )
    assert max(map(len, parts)) < 100
