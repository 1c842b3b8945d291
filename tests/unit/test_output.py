"""How commands print values, times and JSON."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhectiqlab.cli.output import clean, json_text, number, short, span, table


@given(st.floats())
def test_a_number_survives_json(value: float) -> None:
    def refuse(token: str) -> None:
        raise AssertionError(token)

    back = float(json.loads(json_text({"v": value}), parse_constant=refuse)["v"])
    assert back == value or (math.isnan(back) and math.isnan(value))


def test_numbers_that_json_lacks_are_named() -> None:
    assert [number(v) for v in (math.nan, math.inf, -math.inf, 1.5, None)] == [
        "NaN",
        "Infinity",
        "-Infinity",
        1.5,
        None,
    ]
    assert json_text([math.nan, {"a": (math.inf,)}]) == '["NaN", {"a": ["Infinity"]}]'


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.0, "0s"), (59.4, "59s"), (60, "1m 00s"), (3599, "59m 59s"), (7500, "2h 05m"), (90_000, "1d 01h")],
)
def test_a_duration_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


def test_a_value_in_a_table_is_short() -> None:
    assert [short(v) for v in (None, 0.1 + 0.2, 1e-9, math.nan)] == ["", "0.3", "1e-09", "NaN"]


def test_columns_are_aligned_and_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table(("id", "name"), [("1", "a\x1b[31m\nb"), ("22", "c")])
    assert capsys.readouterr().out == "ID  NAME\n1   a?[31m?b\n22  c\n"
    assert clean("naïve Ω") == "naïve Ω"
