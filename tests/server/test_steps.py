"""GET /runs/{id}/steps: when the training was at which step."""

from __future__ import annotations

import numpy as np
import pytest

from .api import Api, batch, column, new_id

START_US = 1_760_000_000_000_000


@pytest.fixture
def run(api: Api) -> str:
    return str(api.attach()["run"]["id"])


def test_each_moment_is_a_point_of_the_longest_metric(api: Api, run: str) -> None:
    rng = np.random.default_rng(3)
    steps = np.cumsum(rng.integers(1, 5, 3000))
    times = START_US + np.cumsum(rng.integers(1, 900_000, 3000))
    valid = column("valid/loss", range(300), step=steps[::10], time_us=times[::10])
    train = column("train/loss", range(300, 3300), step=steps, time_us=times)
    seconds = np.arange(9000)
    system = column("system/cpu", 3300 + seconds, step=seconds, time_us=START_US + 100_000 * seconds)
    assert api.get(f"/runs/{run}/steps") == {"key": None, "step": [], "time": []}
    api.ingest(batch(run, new_id(), 1, 12300, series=[valid, train, system]))
    answer = api.get(f"/runs/{run}/steps", n=200)
    assert answer["key"] == "train/loss" and 50 < len(answer["step"]) <= 201
    where = dict(zip(steps.tolist(), times.tolist(), strict=True))
    assert [abs(where[s] - t) <= 1 for s, t in zip(answer["step"], answer["time"], strict=True)].count(False) == 0
    assert answer["step"][-1] == steps[-1]
    assert (np.diff(answer["step"]) > 0).all() and (np.diff(answer["time"]) > 0).all()


def test_a_step_that_comes_late_is_no_moment_of_the_training(api: Api, run: str) -> None:
    late = column("loss", range(5), step=[0, 1, 5, 2, 6], time_us=START_US + 1_000_000 * np.arange(5))
    api.ingest(batch(run, new_id(), 1, 5, series=[late]))
    answer = api.get(f"/runs/{run}/steps")
    assert answer["step"] == [0, 1, 5, 6]
    assert [t - START_US for t in answer["time"]] == [0, 1_000_000, 2_000_000, 4_000_000]
