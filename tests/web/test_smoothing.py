"""Smoothed lines: the lab's numbers, of all raw points, the same at any size and zoom."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser


def smoothed(steps: Any, values: Any, at: Any, kind: str, width: float) -> Any:
    """Return the weighted mean of the finite points at each place, term by term."""
    finite = np.isfinite(values)
    steps, values = np.asarray(steps)[finite], values[finite]
    answer = []
    for x in at:
        d = np.asarray(x - steps, float)
        if kind == "median":
            answer.append(np.median(values[np.abs(d) <= width]))
            continue
        if kind == "exponential":
            weight = np.where(d >= 0, np.exp(-np.maximum(d, 0) / width), 0)
        elif kind == "gaussian":
            weight = np.exp(-(d**2) / (2 * width**2))
        else:
            weight = (np.abs(d) <= width).astype(float)
        answer.append((weight * values).sum() / weight.sum())
    return answer


def test_a_smoothed_value_is_of_all_points_small_enlarged_and_zoomed(page: Page, feeder: Feeder) -> None:
    rng = np.random.default_rng(7)
    steps = np.cumsum(rng.choice([1, 1, 1, 2, 9], 20_000))
    values = np.exp(-steps / 9000) + rng.normal(scale=0.1, size=len(steps))
    values[rng.random(len(steps)) < 0.01] = np.nan
    run = feeder.run("smoothed")
    beside = {key: ([0], [0.0]) for key in ("a", "b", "c")}  # so that the chart has a part of the width
    run.points({"loss": (steps.tolist(), values.tolist()), **beside}, spacing_s=0.01)
    page.goto(f"{feeder.url}/runs/{run.id}")
    panel = Panel(page, "loss")
    raw = panel.wait()["curves"][0]
    assert raw["raw"] is None and panel.root.locator(".panel-value").inner_text().count("·") == 0

    def compare(kind: str, width: int, condition: str) -> Any:
        curve = panel.wait(f"d.curves[0].raw !== null && {condition}")["curves"][0]
        at = np.array(curve["lineX"])
        assert at.tolist() == curve["lastX"]
        some = np.linspace(0, len(at) - 1, 60).astype(int)
        np.testing.assert_allclose(
            np.array(curve["line"])[some], smoothed(steps, values, at[some], kind, width), rtol=1e-9, atol=1e-12
        )
        return curve

    page.get_by_label("Smoothing", exact=True).fill("7")  # a place of the slider: 100 steps
    small = compare("exponential", 100, "true")
    assert small["raw"] == raw["line"]  # stays beside it
    page.wait_for_url(re.compile(r"smooth=exponential,100"))
    head = panel.root.locator(".panel-value")
    newest = values[np.isfinite(values)][-1] if np.isnan(values[-1]) else values[-1]
    assert np.isfinite(values[-1])
    expect(head).to_have_text(re.compile(r"^raw \S+ · smoothed \S+$"))
    name = panel.root.locator("h3")  # has its room all the same
    assert name.evaluate("e => e.scrollWidth <= e.clientWidth && e.clientWidth > 20")
    words = head.inner_text().replace("−", "-").split()
    assert float(words[1]) == pytest.approx(newest, rel=1e-3)
    end = smoothed(steps, values, steps[-1:], "exponential", 100)[0]
    assert float(words[4]) == pytest.approx(end, rel=1e-3)

    page.get_by_label("Kind of smoothing").select_option("gaussian")
    page.get_by_label("Width of smoothing in steps").fill("250")
    page.get_by_label("Width of smoothing in steps").press("Enter")
    page.wait_for_url(re.compile(r"smooth=gaussian,250"))
    small = compare("gaussian", 250, "d.curves[0].line[0] !== " + repr(small["line"][0]))
    page.get_by_label("Kind of smoothing").select_option("median")
    compare("median", 250, "d.curves[0].line[0] !== " + repr(small["line"][0]))
    page.get_by_label("Kind of smoothing").select_option("gaussian")
    small = compare("gaussian", 250, "d.curves[0].line[0] === " + repr(small["line"][0]))
    page.get_by_role("button", name="Enlarge loss").click()
    large = Panel(page, "loss")
    large.root = page.locator("dialog .panel")
    panel = large
    assert compare("gaussian", 250, f"d.curves[0].width < {small['width']}")["width"] < small["width"]
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    panel = Panel(page, "loss")
    panel.drag(0.5, 0.53)
    zoomed = compare("gaussian", 250, f"d.curves[0].width < {small['width'] // 4}")
    both = dict(zip(zoomed["lineX"], zoomed["line"], strict=True))
    shared = [(v, both[x]) for x, v in zip(small["lineX"], small["line"], strict=True) if x in both]
    assert len(shared) > 2
    for one, other in shared:
        assert one == pytest.approx(other, rel=1e-9)


def test_the_number_of_an_old_link_smooths_from_step_to_step(page: Page, feeder: Feeder) -> None:
    ranks = [feeder.run("old link", rank=rank, world_size=4) for rank in range(4)]
    values = np.arange(12) % 2
    for rank, run in enumerate(ranks):
        run.points({"loss": (range(12), (values + rank).tolist())})
    page.goto(f"{feeder.url}/runs/{ranks[0].id}?smooth=0.9")
    panel = Panel(page, "loss")
    curve = panel.wait("d.curves[0].total === 48 && d.curves[0].raw !== null")["curves"][0]
    wanted = smoothed(np.arange(12), values + 1.5, range(12), "exponential", 9)
    np.testing.assert_allclose(curve["line"], wanted, rtol=1e-9)
    assert curve["raw"] == (values + 1.5).tolist()
    # The newest number of one rank would be no point of this line.
    expect(panel.root.locator(".panel-value")).to_have_text(
        re.compile(r"^raw 2\.5 · smoothed 2\.\d+ · mean of 4 ranks$")
    )
