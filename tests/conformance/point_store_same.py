"""What two PointStores answer, compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyhectiqlab.store.points import (
    Buckets,
    PointStore,
    Selector,
    SeriesInfo,
    iter_points,
)


def all_points(store: PointStore, run: str = "run", key: str = "loss", limit: int = 7) -> list[tuple[object, ...]]:
    """Return (rank, attempt, seq, step, value, time) of every point in order of arrival, from all pages; NaN
    as None.
    """
    points: list[tuple[object, ...]] = []
    for page in iter_points(store, run, key, limit=limit):
        assert len(page.step) <= limit
        columns = (page.rank, page.attempt, page.seq, page.step, page.value, page.time)
        for *integers, value, time in zip(*(c.tolist() for c in columns), strict=True):
            points.append((*integers, None if math.isnan(value) else value, time))
    return points


def assert_same_buckets(store: PointStore, model: PointStore, selector: Selector, **query: object) -> None:
    assert_same_lines(store, model, [selector], **query)


def assert_same_lines(store: PointStore, model: PointStore, selectors: Sequence[Selector], **query: object) -> None:
    row = store.buckets(selectors, **query)  # type: ignore[arg-type]
    wanted = model.buckets(selectors, **query)  # type: ignore[arg-type]
    for got, want in zip(row, wanted, strict=True):
        assert_same_line(got, want)


def assert_same_line(got: Buckets, want: Buckets) -> None:
    for name in ("selector", "width", "total", "ranks"):
        assert getattr(got, name) == getattr(want, name), name
    for name in ("start", "count", "min", "max", "last", "last_x", "last_step", "nan", "pinf", "ninf"):
        values, wanted = getattr(got, name), getattr(want, name)
        assert values.dtype == wanted.dtype, name
        np.testing.assert_array_equal(values, wanted, err_msg=name)
    # A sum of floats depends on its order: allow a few roundings of the largest value.
    scale = np.maximum(np.abs(want.min), np.abs(want.max))
    off = np.abs(got.mean * 0.5 - want.mean * 0.5)  # halved: the difference of two huge means may not overflow
    assert ((off <= 1e-14 * scale * np.maximum(1, want.count)) | np.isnan(want.mean)).all()
    assert (np.isnan(got.mean) == np.isnan(want.mean)).all()


def assert_same_smoothed(store: PointStore, model: PointStore, selector: Selector, query: dict[str, Any]) -> None:
    """Assert that the smoothed lines agree, to a few roundings of the largest value of the key."""
    infos = model.series(selector.run, selector.key)
    scale = max((abs(end) for i in infos for end in (i.min, i.max) if math.isfinite(end)), default=0.0)
    lines, wanted = store.buckets([selector], **query), model.buckets([selector], **query)
    for got, want in zip(lines, wanted, strict=True):
        assert_same_line(got, want)
        assert got.smoothed is not None and want.smoothed is not None and got.smooth_cell == want.smooth_cell == 1
        assert (np.isnan(got.smoothed) == np.isnan(want.smoothed)).all()
        off = np.abs(got.smoothed * 0.5 - want.smoothed * 0.5)
        assert ((off <= 1e-11 * scale) | np.isnan(want.smoothed)).all()


def assert_same_infos(got: Sequence[SeriesInfo], want: Sequence[SeriesInfo]) -> None:
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        for name, value in vars(g).items():
            wanted = getattr(w, name)
            assert value == wanted or (math.isnan(value) and math.isnan(wanted)), (name, g, w)
