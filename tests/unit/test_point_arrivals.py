"""A batch comes back from its row in points.db as it was, to the bit, or it is said to be damaged."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.points import Column
from pyhectiqlab.store.series.grid import TIME_MAX
from pyhectiqlab.store.sqlite_points import arrivals

INT64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def columns(draw: st.DrawFn) -> Column:
    n = draw(st.integers(1, 40))
    integers = arrays.arrays(np.int64, n, elements=INT64)
    times = arrays.arrays(np.int64, n, elements=st.integers(-TIME_MAX, TIME_MAX))
    bits = arrays.arrays(np.int64, n, elements=INT64)  # any NaN, too
    return Column(draw(st.text(max_size=5)), draw(integers), draw(integers), draw(bits).view(np.float64), draw(times))


@given(st.lists(columns(), max_size=4), st.integers(0, 99), st.integers(1, 9), st.sampled_from([0, 16]))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_batch_comes_back_to_the_bit(its: list[Column], rank: int, attempt: int, plain_points: int) -> None:
    with patch.object(arrivals, "_PLAIN_POINTS", plain_points):  # 0: as in earlier versions, of a single point, too
        blob = arrivals.pack(rank, attempt, 5, 2**63 - 1, its, 9)
    batch = arrivals.unpack(3, "run", "w", 7, blob)
    assert (batch.rank, batch.attempt, batch.first, batch.last) == (rank, attempt, 5, 2**63 - 1)
    assert [c.key for c in batch.columns] == [c.key for c in its]
    for column, wanted in zip(batch.columns, its, strict=True):
        for name in ("seq", "step", "time", "value"):
            assert getattr(column, name).tobytes() == getattr(wanted, name).tobytes(), name


@given(st.lists(columns(), min_size=1, max_size=3), st.data())
def test_a_bit_that_flipped_is_noticed(its: list[Column], data: st.DataObject) -> None:
    blob = bytearray(arrivals.pack(0, 1, 1, 9, its, 9))
    at = data.draw(st.integers(0, 8 * len(blob) - 1))
    blob[at // 8] ^= 1 << at % 8
    with pytest.raises(StoreError, match=r"batch 3 of the run red .* Restore a backup"):
        arrivals.unpack(3, "red", "w", 7, bytes(blob))


def test_columns_that_were_logged_together_take_few_bytes_a_point() -> None:
    rng, n, keys = np.random.default_rng(0), 50, 20
    times = np.cumsum(rng.normal(200_000, 2_000, n).astype(np.int64))
    its = []
    for key in range(keys):
        value = rng.normal(size=n).astype(np.float32).astype(np.float64)
        its.append(Column(f"layer{key}/norm", 1 + key + keys * np.arange(n), np.arange(n), value, times))
    assert len(arrivals.pack(0, 1, 1, n * keys, its, n * keys)) < 6 * n * keys
