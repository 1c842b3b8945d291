"""The course of a metric in the rows of the table, compared with its points."""

from __future__ import annotations

import math

import pytest
from playwright.sync_api import Page, expect

from .feeder import Feeder

pytestmark = pytest.mark.browser
WIDTH, HEIGHT, EDGE = 72, 20, 2  # px


def path(steps: list[int], values: list[float]) -> str:
    finite = [v for v in values if math.isfinite(v)]
    low, high = min(finite), max(finite)
    out = ""
    for i, (step, value) in enumerate(zip(steps, values, strict=True)):
        if math.isfinite(value):
            x = EDGE + (step - steps[0]) / (steps[-1] - steps[0]) * (WIDTH - 2 * EDGE)
            y = HEIGHT - EDGE - (value - low) / (high - low) * (HEIGHT - 2 * EDGE)
            out += f"{'L' if i and math.isfinite(values[i - 1]) else 'M'}{x:.1f} {y:.1f}"
    return out


def test_the_menu_of_a_column_draws_the_course_of_its_metric_in_each_row(page: Page, feeder: Feeder) -> None:
    steps, curves = [0, 1, 4, 8, 9], {"a": [4.0, 1.0, 2.0, 3.0, 3.0], "b": [1.0, 2.0, math.nan, 5.0, 5.0]}
    runs = {name: feeder.run(name, project="curves in rows") for name in (*curves, "none")}
    for name, values in curves.items():
        runs[name].points({"loss": (steps, values)})
    page.goto(f'{feeder.url}/projects/curves in rows?pane=table&sort=name&col=metric."loss".last&col=state')
    page.get_by_role("button", name="Menu of loss").click()
    page.get_by_role("menuitemcheckbox", name="Draw its curve").click()
    page.wait_for_url("**curve=**")
    lines = page.locator("td svg.spark path")
    expect(lines).to_have_count(2)  # and none where a run has no such metric
    expect(lines.nth(0)).to_have_attribute("d", path(steps, curves["a"]))
    expect(lines.nth(1)).to_have_attribute("d", path(steps, curves["b"]))
    runs["a"].points({"loss": ([18], [0.0])})
    expect(lines.nth(0)).to_have_attribute("d", path([*steps, 18], [*curves["a"], 0.0]))  # it is live
    page.get_by_role("button", name="Menu of loss").click()
    page.get_by_role("menuitemcheckbox", name="Draw its curve").click()
    expect(lines).to_have_count(0)
