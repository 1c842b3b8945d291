"""The smoothed line depends on the points and on x alone: neither on the zoom nor on how the points are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyhectiqlab.errors import SlowSearchError
from pyhectiqlab.store.points import Axis, Selector, Smoothing
from pyhectiqlab.store.series import smoothing
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.testing.memory_points import MemoryPointStore

from ..seeds import examples
from .point_store_data import T0, TINY, Writer
from .point_store_same import assert_same_smoothed

KINDS: tuple[Any, ...] = ("exponential", "gaussian", "mean", "median")
ODD = (np.nan, np.inf, -np.inf, 1e6)


def training(seed: int, rank: int, attempt: int) -> Any:
    """Return a batch of one rank in one attempt: noise with gaps, NaN, infinities and spikes, its steps in a random
    order.
    """
    rng = np.random.default_rng([seed, rank, attempt])
    n = int(rng.integers(1, 120))
    steps = np.cumsum(rng.choice([0, 1, 1, 1, 2, 40], n)) + 50 * (attempt - 1)
    values = np.where(rng.random(n) < 0.1, rng.choice(ODD, n), rng.normal(size=n))
    times = T0 + 1000 * steps + rng.integers(0, 900, n)
    order = rng.permutation(n)
    points = list(zip(steps[order].tolist(), values[order].tolist(), times[order].tolist(), strict=True))
    return Writer(f"{rank}.{attempt}", rank=rank, attempt=attempt).batch(loss=points)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 1 << 30),
    ranks=st.integers(1, 2),
    attempts=st.integers(1, 3),
    compacted=st.integers(0, 20),
    kind=st.sampled_from(KINDS),
    width=st.integers(0, 12).map(lambda k: 3**k),
    axis=st.sampled_from(["step", "time", "relative"]),
    rank=st.sampled_from([None, "each", 0]),
    zooms=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 200)), min_size=1, max_size=3),
)
def test_the_value_at_a_place_is_the_plain_mean_at_any_zoom(
    seed: int,
    ranks: int,
    attempts: int,
    compacted: int,
    kind: Any,
    width: int,
    axis: Axis,
    rank: Any,
    zooms: list[tuple[float, float, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    store = SqlitePointStore(tmp_path_factory.mktemp("store") / "points.db", TINY)
    model = MemoryPointStore()
    for attempt in range(1, attempts + 1):
        for each in range(ranks):
            batch = training(seed, each, attempt)
            store.append([batch])
            model.append([batch])
    for _ in range(compacted):
        store.compact(0.0)
    selector = Selector("run", "loss", rank)
    query: dict[str, Any] = {"axis": axis, "smoothing": Smoothing(kind, width)}
    assert_same_smoothed(store, model, selector, {**query, "n": 10_000})
    of_all = [values_by_place(line) for line in store.buckets([selector], n=1 << 62, **query)]
    for one, other, n in zooms:
        ends = [(line.start[0], line.last_x.max()) for line in model.buckets([selector], axis) if len(line.start)]
        low, high = min(e[0] for e in ends), max(e[1] for e in ends)
        lo, hi = sorted(int(low + share * (high - low)) for share in (one, other))
        assert_same_smoothed(store, model, selector, {**query, "lo": lo, "hi": hi, "n": n})
        for line, whole in zip(store.buckets([selector], lo=lo, hi=hi, n=n, **query), of_all, strict=True):
            for x, value in values_by_place(line).items():
                assert value == pytest.approx(whole[x], rel=1e-9, abs=1e-5, nan_ok=True)
    store.close()


def values_by_place(line: Any) -> dict[int, float]:
    return dict(zip(line.last_x.tolist(), line.smoothed.tolist(), strict=True))


@pytest.mark.parametrize(("of_width", "cell"), [(256, 8), (4, 16)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_line_of_too_many_points_is_smoothed_over_cells_that_no_zoom_changes(
    kind: Any, of_width: int, cell: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoothing, "POINTS_MAX", 1000)
    monkeypatch.setattr(smoothing, "CELLS", 512)
    monkeypatch.setattr(smoothing, "CELLS_OF_WIDTH", of_width)
    store = SqlitePointStore(tmp_path / "points.db", TINY)
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(4000) / 500) + 0.01 * rng.normal(size=4000)
    store.append([Writer("w").batch(loss=[(s, float(v), T0 + s) for s, v in enumerate(values)])])
    asked = {"smoothing": Smoothing(kind, 100)}
    (whole,) = store.buckets([Selector("run", "loss")], n=10_000, **asked)
    assert whole.smooth_cell == cell and len(whole.start) == 4000
    for lo, hi, n in ((1001, 1003, 7), (5, 3777, 100), (3990, 9999, 1)):
        (zoomed,) = store.buckets([Selector("run", "loss")], lo=lo, hi=hi, n=n, **asked)
        assert zoomed.smooth_cell == cell and zoomed.smoothed is not None and whole.smoothed is not None
        np.testing.assert_allclose(zoomed.smoothed, whole.smoothed[zoomed.last_x], rtol=1e-12)
    monkeypatch.undo()
    (exact,) = store.buckets([Selector("run", "loss")], n=10_000, **asked)
    assert exact.smooth_cell == 1
    np.testing.assert_allclose(whole.smoothed, exact.smoothed, atol=0.05 * cell / 8)
    store.close()


def test_a_spike_is_forgotten_by_what_it_does_not_reach(tmp_path: Path) -> None:
    """A difference of running sums would leave a rounding of 1e30 in all that follows."""
    store = SqlitePointStore(tmp_path / "points.db")
    store.append([Writer("w").batch(loss=[(s, 1e30 if s == 5 else 0.25, T0) for s in range(1000)])])
    for kind in KINDS:
        (line,) = store.buckets([Selector("run", "loss")], n=10_000, smoothing=Smoothing(kind, 3))
        assert line.smoothed is not None
        np.testing.assert_allclose(line.smoothed[500:], 0.25, rtol=1e-12)
        assert kind == "median" or line.smoothed[5] > 1e28
    store.close()


def test_a_gap_forgets_as_much_as_it_is_long(tmp_path: Path) -> None:
    store = SqlitePointStore(tmp_path / "points.db")
    store.append([Writer("w").batch(loss=[(0, 1.0, T0), (10, 3.0, T0), (1000, 7.0, T0), (1500, np.nan, T0)])])
    (line,) = store.buckets([Selector("run", "loss")], smoothing=Smoothing("exponential", 10))
    decay = np.exp(-1)
    assert line.smoothed is not None
    np.testing.assert_allclose(line.smoothed, [1.0, (decay + 3) / (decay + 1), 7.0, np.nan])
    store.close()


@pytest.mark.parametrize("kind", ["gaussian", "median"])
@pytest.mark.parametrize("width", [1, 7, 300])
def test_places_that_reach_few_rows_and_those_that_reach_many_are_smoothed_alike(
    kind: Any, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(width)
    x = np.cumsum(rng.choice([1, 1, 2, 50], 3000))
    sums = smoothing.Sums(x, rng.normal(size=3000), rng.integers(1, 4, 3000).astype(float))
    at = np.unique(np.concatenate((rng.choice(x, 200), [x[0] - 10_000, x[-1] + 10_000])))

    def read(low: int, high: int, shift: int) -> smoothing.Sums:
        some = (x >= low) & (x <= high)
        return smoothing.Sums(*(column[some] for column in sums))

    answers = []
    for most in (1 << 20, -1):
        monkeypatch.setattr(smoothing, "_PAIRS_MAX", most)
        answers.append(smoothing.smoothed(at, Smoothing(kind, width), 0, read))
    assert np.isnan(answers[0][[0, -1]]).all() and np.isfinite(answers[0][1:-1]).all()
    np.testing.assert_allclose(*answers, rtol=1e-9, atol=1e-12)


def test_a_search_of_too_many_points_stops_and_goes_on_from_there(tmp_path: Path) -> None:
    """A value is computed once; of a run that goes on, again."""
    store = SqlitePointStore(tmp_path / "points.db")
    runs = [f"run-{n}" for n in range(5)]
    writers = [Writer(run, run=run) for run in runs]
    store.append([w.batch(loss=[(s, float(s * n), T0 + s) for s in range(9)]) for n, w in enumerate(writers)])
    wide = Smoothing("mean", 100)
    store._smoothed_ends.seconds_max = 0.0
    for left in (4, 3, 2, 1):
        with pytest.raises(SlowSearchError, match=f"'loss' of {left} runs?"):
            store.smoothed("loss", wide, runs)
    assert store.smoothed("loss", wide, runs) == {run: 4.0 * n for n, run in enumerate(runs)}
    assert len(store.smoothed("loss", wide, [*runs, "none"])) == 5, "nothing is left to compute"
    store.append([writers[2].batch(loss=[(9, 1000.0, T0)])])
    assert store.smoothed("loss", wide, runs)["run-2"] == pytest.approx((4.0 * 2 * 9 + 1000) / 10)
    store.delete("run-1")
    assert "run-1" not in store.smoothed("loss", wide, runs)
    store.close()


@pytest.mark.parametrize("kind", KINDS)
def test_many_ends_are_those_of_each_line(kind: Any) -> None:
    rng = np.random.default_rng(0)
    lines: list[smoothing.Sums] = []
    at = []
    for n in (0, 1, 2, 50, 3000, 0):
        x = np.cumsum(rng.choice([1, 1, 2, 50], n)).astype(np.int64)
        lines.append(smoothing.Sums(x, rng.normal(size=n), rng.integers(1, 4, n).astype(float)))
        at.append(int(x[n * 3 // 4]) if n else 7)
    for width in (1, 30, 100_000):
        its = Smoothing(kind, width)
        ends = smoothing.smoothed_ends(at, its, lines)
        for place, line, end in zip(at, lines, ends, strict=True):

            def read(*_: int, line: smoothing.Sums = line) -> smoothing.Sums:
                return line

            (value,) = smoothing.smoothed(np.array([place]), its, 0, read)
            assert end == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True)
    assert np.isnan(smoothing.smoothed_ends([1], Smoothing(kind, 1), lines[:1])).all()
