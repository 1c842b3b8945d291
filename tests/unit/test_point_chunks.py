"""Columns of points survive packing, and take the few bytes that chunks.py promises."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyhectiqlab.store.sqlite_points.chunks import (
    PointColumns,
    concatenate,
    decode,
    decode_some,
    encode,
    encode_column,
)

from .old_chunks import PLAIN_POINTS_MAX
from .old_chunks import encode_column as encode_old_column

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


@given(points(), st.booleans())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_points_survive_packing_bit_by_bit(columns: PointColumns, quick: bool) -> None:
    got = decode(encode(columns, quick))
    assert_same(got, columns)
    assert got.value.tobytes() == columns.value.tobytes()


def test_a_plain_column_of_a_batch_can_be_packed_as_it_was_decoded() -> None:
    x = np.arange(PLAIN_POINTS_MAX)
    plain = decode(encode_old_column(x * x, x, x * x, np.sqrt(x), 1, 2))
    assert_same(decode(encode(plain)), plain)


CURVES = {
    "noise": lambda x, rng: rng.normal(size=len(x)),
    "loss": lambda x, rng: (2 / (1 + x / 1e3) + 0.05 * rng.normal(size=len(x))).astype(np.float32).astype(np.float64),
    "rate": lambda x, rng: 1e-3 * (1 + np.cos(x / len(x))),
    "rounded": lambda x, rng: np.round(rng.normal(size=len(x)), 3),
    "whole": lambda x, rng: rng.integers(0, 500, len(x)).astype(np.float64),
    "constant": lambda x, rng: np.full(len(x), 0.1),
    "huge": lambda x, rng: 1e300 * rng.normal(size=len(x)),
    "denormal": lambda x, rng: 5e-324 * rng.integers(0, 9, len(x)),
}


@pytest.mark.parametrize("n", [1, 23, 24, 337, 2000, 8192])
@pytest.mark.parametrize("curve", CURVES)
def test_every_bit_of_a_curve_is_kept_also_of_what_is_no_number(curve: str, n: int) -> None:
    rng, x = np.random.default_rng(n), np.arange(n)
    value = CURVES[curve](x, rng)
    odd = value.copy()
    special = np.array([0x7FF8000000000001, 0xFFF8000000000000, 0x7FF0000000000001, 0x7FF0000000000000, 1 << 63])
    odd[rng.integers(0, n, 40)] = rng.choice(special.astype(np.uint64).view(np.float64), 40)
    for values in (value, odd):
        blob = encode(PointColumns(x, 10 * x, rng.permutation(x), x // 50, 0 * x, values))
        got = decode(blob)
        assert got.value.tobytes() == values.tobytes()
        assert len(blob) < 8 * n + 200 + 4 * n


def test_points_with_a_flipped_bit_are_refused() -> None:
    x, random = np.arange(300), Random(1)
    blob = encode(PointColumns(x, x, x * x, x // 50, 0 * x, np.sqrt(x)))
    for _ in range(500):
        damaged = bytearray(blob)
        damaged[random.randrange(len(blob))] ^= 1 << random.randrange(8)
        with pytest.raises(ValueError):
            decode(bytes(damaged))
    for length in range(len(blob)):
        with pytest.raises(ValueError):
            decode_some(blob[:length], ("step",))


@given(points(), st.integers(0, 1 << 62), st.integers(0, 1 << 40))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_column_of_a_batch_survives_now_and_as_earlier_versions_wrote_it(
    columns: PointColumns, arrival: int, writer: int
) -> None:
    for repeats in (1, 1 + PLAIN_POINTS_MAX // len(columns)):
        c = concatenate([columns] * repeats)
        blob = encode_old_column(c.seq, c.step, c.time, c.value, arrival, writer)
        assert (blob[0] == 0) == (len(c) <= PLAIN_POINTS_MAX)
        n = len(c)
        want = PointColumns(c.seq, c.step, c.time, np.full(n, arrival), np.full(n, writer), c.value)
        assert_same(decode(blob), want)
        assert_same(decode(encode_column(c.seq, c.step, c.time, c.value, arrival, writer)), want)
        step, value = decode_some(blob, ("step", "value"))
        np.testing.assert_array_equal(step, c.step)
        np.testing.assert_array_equal(value, c.value)


def test_a_steady_training_takes_few_bytes_a_point() -> None:
    n, keys = 2000, 50
    rng, x = np.random.default_rng(0), np.arange(2000)
    time = 1_700_000_000_000_000 + np.cumsum(rng.normal(210_000, 2000, n).astype(np.int64))
    value = 2 / (1 + x / 1e3) + 0.05 * rng.normal(size=n)
    float32 = value.astype(np.float32).astype(np.float64)
    for values, reach in ((float32, 4.8), (value, 8.6)):
        blob = encode(PointColumns(7 + keys * x, x, time, x // 50, 0 * x, values))
        assert len(blob) / n < reach


def test_bytes_of_an_unknown_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind 7"):
        decode(b"\x07" + b"\0" * 200)


def test_a_flipped_bit_of_a_column_of_a_batch_is_refused() -> None:
    x = np.arange(600)
    blob = encode_column(x, x, x * x, np.sqrt(x), 1, 2)
    for at in range(0, len(blob), 7):
        damaged = bytearray(blob)
        damaged[at] ^= 16
        with pytest.raises(ValueError):
            decode(bytes(damaged))
