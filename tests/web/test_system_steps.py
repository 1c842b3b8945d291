"""System metrics, whose steps are seconds, beside a training whose steps are its own."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser
START = 1_760_000_000.0


def test_system_charts_follow_the_steps_of_the_training(page: Page, feeder: Feeder) -> None:
    """Slow steps until 2,000, then fast ones. A loader ran for a minute before, and the machine idled after."""
    steps = np.arange(0, 6001, 10)
    pace = np.where(steps[1:] <= 2000, 0.3, 0.05) * 10
    moments = START + 60 + np.concatenate(([0], np.cumsum(pace)))
    run = feeder.run("system steps")
    for i in np.flatnonzero(np.diff(pace, prepend=0)):  # each stretch of one pace; the first point goes with the first
        end = next((j for j in np.flatnonzero(np.diff(pace)) + 1 if j > i), len(pace))
        some = slice(0 if i == 0 else i + 1, end + 1)
        run.points(
            {"train/loss": (steps[some].tolist(), [1.0] * len(steps[some]))}, start=moments[some][0], spacing_s=pace[i]
        )
    seconds = np.arange(0, int(moments[-1] - START) + 100)
    run.points({"system/cpu": (seconds.tolist(), seconds.astype(float).tolist())}, start=START, spacing_s=1.0)
    page.goto(f"{feeder.url}/runs/{run.id}")
    cpu, loss = Panel(page, "system/cpu"), Panel(page, "train/loss")

    def true_step(second: object) -> object:
        return np.interp(START + np.asarray(second, float), moments, steps)

    whole = cpu.wait("d.curves[0].total > 100")
    assert whole["x"] == [0, 6000] == loss.wait()["x"]
    (curve,) = whole["curves"]
    assert sum(curve["count"]) == len(seconds), "nothing is hidden: what was before and after lies at the ends"
    assert (curve["x"][0], curve["x"][-1]) == (0, 6000)
    middle = slice(1, -1)
    np.testing.assert_allclose(curve["x"][middle], true_step(curve["max"][middle]), atol=12)

    loss.drag(0.5, 0.67)
    zoomed = loss.wait("d.x[0] > 2500")
    near = cpu.wait(f"d.x[0] === {zoomed['x'][0]} && d.curves[0].total < {curve['total']}")
    assert near["x"] == zoomed["x"]
    (curve,) = near["curves"]
    inside = [(x, v) for x, v in zip(curve["x"], curve["max"], strict=True) if near["x"][0] <= x <= near["x"][1]]
    assert len(inside) == pytest.approx((near["x"][1] - near["x"][0]) * 0.05, abs=3)
    np.testing.assert_allclose([x for x, _ in inside], true_step([v for _, v in inside]), atol=12)
    cpu.hover(0.5)
    where = cpu.root.locator(".readout-where")
    expect(where).to_be_visible()
    assert zoomed["x"][0] < int(where.inner_text().split()[1].replace(",", "")) < zoomed["x"][1]

    page.goto(f"{feeder.url}/runs/{run.id}?x=time")  # by the clock each second is where it was
    curve = cpu.wait("d.axis === 'time'")["curves"][0]
    assert curve["x"][0] == pytest.approx(START, abs=2) and sum(curve["count"]) == len(seconds)
