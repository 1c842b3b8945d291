"""Columns of points survive packing, and take the few bytes that chunks.py promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyhectiqlab.store.sqlite_points.chunks import (
    PLAIN_POINTS_MAX,
    PointColumns,
    concatenate,
    decode,
    decode_some,
    encode,
)
from pyhectiqlab.store.sqlite_points.chunks import encode_column as encode_batch_column

INT64 = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1), st.sampled_from([-(1 << 63), (1 << 63) - 1, 0]), st.integers(0, 300)
)
FLOATS = st.one_of(st.floats(), st.floats(width=32))
NAMES = ("seq", "step", "time", "arrival", "writer")


@st.composite
def points(draw: st.DrawFn) -> PointColumns:
    n = draw(st.integers(1, 80))
    integers = [draw(arrays(np.int64, n, elements=INT64)) for _ in NAMES]
    return PointColumns(*integers, value=draw(arrays(np.float64, n, elements=FLOATS)))


def assert_same(got: PointColumns, want: PointColumns) -> None:
    for name in NAMES:
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name))
        assert getattr(got, name).dtype == np.int64
    np.testing.assert_array_equal(got.value, want.value)
    np.testing.assert_array_equal(np.signbit(got.value), np.signbit(want.value))


@given(points())
@settings(deadline=None)
def test_any_points_survive_packing(columns: PointColumns) -> None:
    assert_same(decode(encode(columns)), columns)


@given(points(), st.integers(0, 1 << 62), st.integers(0, 1 << 40))
@settings(deadline=None)
def test_a_column_of_a_batch_survives_plain_or_packed(columns: PointColumns, arrival: int, writer: int) -> None:
    for repeats in (1, 1 + PLAIN_POINTS_MAX // len(columns)):
        c = concatenate([columns] * repeats)
        blob = encode_batch_column(c.seq, c.step, c.time, c.value, arrival, writer)
        assert (blob[0] == 0) == (len(c) <= PLAIN_POINTS_MAX)
        n = len(c)
        want = PointColumns(c.seq, c.step, c.time, np.full(n, arrival), np.full(n, writer), c.value)
        assert_same(decode(blob), want)
        step, value = decode_some(blob, ("step", "value"))
        np.testing.assert_array_equal(step, c.step)
        np.testing.assert_array_equal(value, c.value)


def test_a_steady_training_takes_few_bytes_a_point() -> None:
    n = 8192
    rng = np.random.default_rng(0)
    steady, one = np.arange(n), np.ones(n, np.int64)
    time = 1_700_000_000_000_000 + np.cumsum(rng.integers(900, 1100, n))
    half = rng.normal(size=n).astype(np.float32).astype(np.float64)
    assert len(encode(PointColumns(steady, 10 * steady, time, one, one, half))) / n < 5.1
    assert len(encode(PointColumns(steady, 10 * steady, time, one, one, rng.normal(size=n)))) / n < 9.1


def test_bytes_of_an_unknown_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind 7"):
        decode(b"\x07" + b"\0" * 200)
