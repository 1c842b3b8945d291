"""Charts of formulas: over the steps, and one over another. Their values are those of the raw points."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pytest
import requests
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab

from .conftest import Watch
from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser


def raw(lab: RealLab, run: str, key: str) -> dict[int, float]:
    params: dict[str, Any] = {"key": key, "limit": 10_000}
    answer = requests.get(f"{lab.url}/api/v1/runs/{run}/points", params, headers=lab.headers, timeout=20)
    return {p["step"]: float(p["value"]) for p in answer.json()["items"]}


def test_a_formula_is_drawn_over_steps_or_over_another_and_says_what_is_wrong_with_it(
    page: Page, feeder: Feeder, lab: RealLab, watch: Watch
) -> None:
    watch.allowed.append("422")  # a browser notes that a formula was refused
    rng = np.random.default_rng(3)
    runs = [feeder.run(name, project="formulas") for name in ("one", "two")]
    for k, run in enumerate(runs):
        steps = range(200)
        run.points({"train/loss": (steps, rng.normal(2 + k, 0.3, 200).tolist())})
        run.points({"valid/loss": (range(0, 200, 5), rng.normal(3 + k, 0.3, 40).tolist())})
        run.points({"lr-now": (steps, np.geomspace(1e-1, 1e-4, 200).tolist())})
    page.goto(f"{feeder.url}/projects/formulas?pane=charts")
    page.get_by_role("button", name="Add chart").click()
    editor = page.get_by_role("dialog")
    editor.get_by_role("radio", name="A formula").click()
    formula = editor.get_by_label("Formula")
    formula.fill("train/loss - lr-now *")
    expect(editor.get_by_role("status")).to_contain_text("At the end: a metric, a number or “(” is missing.")
    expect(editor.get_by_role("button", name="Save")).to_be_disabled()
    formula.fill("train/loss - nothing")
    expect(editor.get_by_role("status")).to_contain_text("no step at which all of these metrics have a point")
    formula.fill('abs(train/loss - valid/loss) / "lr-now"')
    expect(editor.get_by_role("status")).to_contain_text("40 steps")
    formula.press("Enter")
    own = page.locator(".panel[data-key^='own:']")
    name = own.get_attribute("data-key") or ""
    curves = Panel(page, name).wait("d.curves.length === 2")["curves"]
    for curve in curves:
        train, valid, lr = (raw(lab, curve["run"], key) for key in ("train/loss", "valid/loss", "lr-now"))
        wanted = {s: abs(train[s] - valid[s]) / lr[s] for s in valid}
        assert curve["total"] == 40 and curve["x"] == list(wanted)
        np.testing.assert_allclose(curve["line"], list(wanted.values()), rtol=1e-14)
    runs[0].points({"train/loss": ([400], [5.0]), "valid/loss": ([400], [1.0]), "lr-now": ([400], [2.0])})
    Panel(page, name).wait("d.curves.some(c => c.line[c.line.length - 1] === 2)")  # it is live, too
    page.get_by_role("radio", name="Relative").click()
    expect(own).to_contain_text("A formula is drawn over steps.")
    page.get_by_role("radio", name="Step").click()

    page.get_by_role("button", name="Add chart").click()
    editor.get_by_role("radio", name="One over another").click()
    editor.get_by_label("Y: a metric or a formula").fill("valid/loss")
    editor.get_by_label("X: a metric or a formula").fill('log10("lr-now")')
    editor.get_by_label("Title").fill("By rate")
    expect(editor.get_by_role("status")).to_contain_text("40 steps")
    editor.get_by_role("button", name="Save").click()
    xy = own.nth(1)
    expect(xy.locator("h3")).to_have_text("By rate")
    expect(xy).to_have_attribute("data-state", "drawn")
    drawn = xy.evaluate("e => e.series.map(s => ({run: s.run, x: s.x, y: s.y}))")
    assert {s["run"] for s in drawn} == {run.id for run in runs}
    for s in drawn:
        lr, valid = (raw(lab, s["run"], key) for key in ("lr-now", "valid/loss"))
        assert s["y"] == list(valid.values())
        np.testing.assert_allclose(s["x"], [math.log10(lr[step]) for step in valid], rtol=1e-14)
    xy.get_by_role("group", name="Chart of By rate").focus()
    page.keyboard.press("ArrowRight")
    first = drawn[0]["y"][0]
    expect(xy.locator(".readout")).to_contain_text("step 0")
    expect(xy.locator(".readout b").first).to_have_text(f"{first:.5g}".rstrip("0"))
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/formulas.png")
    page.reload()
    expect(own.locator("h3")).to_have_text(['abs(train/loss - valid/loss) / "lr-now"', "By rate"])
