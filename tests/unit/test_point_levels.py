"""Nodes merge into coarser ones as if these had been made of the points; the grid is the finest that fits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyhectiqlab.store.series import levels
from pyhectiqlab.store.series.grid import shift_for

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


@given(INT64, INT64, st.integers(1, 2000))
@settings(deadline=None)
def test_the_grid_is_the_finest_with_at_most_n_cells(a: int, b: int, n: int) -> None:
    low, high = min(a, b), max(a, b)
    shift = shift_for(low, high, n)

    def cells(s: int) -> int:
        return (high >> s) - (low >> s) + 1

    assert cells(shift) <= max(n, 2)
    assert shift == 0 or cells(shift - 1) > n


@given(st.integers(0, 10), st.integers(0, 10), st.integers(0, 50))
@settings(deadline=None)
def test_nodes_of_nodes_are_nodes_of_points(fine: int, more: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 200
    x, step = rng.integers(-500, 5000, n), rng.integers(0, 50, n)
    seq, arrival = rng.permutation(n), rng.permutation(n)
    value = rng.choice([np.nan, np.inf, -np.inf, 1.0, -2.5, 3e5], n)
    at_once = levels.summarise(x, step, seq, arrival, value, fine + more)
    parts = np.concatenate(
        [levels.summarise(*(c[p] for c in (x, step, seq, arrival, value)), fine) for p in (slice(0, 90), slice(90, n))]
    )
    merged = levels.merge(parts, np.ones(len(parts), np.int64), fine + more)
    for name in levels.NODE.names or ():
        np.testing.assert_allclose(merged[name], at_once[name], rtol=1e-12, err_msg=name)


def test_the_last_of_a_group_is_found_key_by_key() -> None:
    at = np.array([0, 3])
    step = np.array([1, 5, 5, 2, 2])
    seq = np.array([9, 1, 2, 7, 7])
    arrival = np.array([0, 0, 0, 4, 3])
    assert levels.last_of_groups(at, 5, step, seq, arrival).tolist() == [2, 3]
    assert levels.last_of_groups(at, 5, step).tolist() == [2, 4]  # all equal: the last row


@pytest.mark.parametrize("n", [0, 1, 100_000])
def test_any_number_of_points_has_nodes(n: int) -> None:
    x = np.arange(n)
    nodes = levels.summarise(x, x, x, x, x.astype(np.float64), 10)
    assert nodes["count"].sum() == n
    assert nodes["max"].tolist() == [min(s + 1023, n - 1) for s in range(0, n, 1024)]


def test_merging_leaves_what_is_merged_as_it_is() -> None:
    x = np.array([1027])
    nodes = levels.summarise(x, x, x, x, x.astype(np.float64), 0)
    assert levels.merge(nodes, np.zeros(1, np.int64), 10)["start"].tolist() == [1024]
    assert nodes["start"].tolist() == [1027]
