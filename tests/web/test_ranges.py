"""Which values the y axis of a chart covers: outliers, ranges by hand, one range for a section, logarithms."""

from __future__ import annotations

import math
import os
import re

import pytest
from playwright.sync_api import Page, expect

from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser


def test_an_outlier_is_left_out_and_said_a_range_is_set_by_hand_and_all_is_remembered(
    page: Page, feeder: Feeder
) -> None:
    run = feeder.run("ranges", project="ranges")
    wave = [1 + math.sin(i / 5) for i in range(200)]
    spiked = [*wave[:80], 5000.0, *wave[80:150], 7000.0, *wave[150:]]
    run.points({"train/loss": (range(202), spiked), "train/error": (range(200), [3 * v for v in wave])})
    page.goto(f"{feeder.url}/runs/{run.id}")
    loss, error = Panel(page, "train/loss"), Panel(page, "train/error")
    assert loss.wait()["y"][1] > 7000, "nothing is left out by itself"
    loss.root.get_by_role("button", name="Leave out outliers").click()
    drawn = loss.wait("d.y[1] < 10")
    assert drawn["y"][0] < 0.01 and drawn["y"][1] > max(wave) - 0.01
    assert "2 points above" in loss.note()
    expect(error.root.get_by_role("button", name="Leave out outliers")).to_have_count(0)

    loss.root.get_by_label("Settings of train/loss").first.click()
    loss.root.get_by_label("Which values").select_option("hand")
    loss.root.get_by_label("Lowest value").fill("0.5")
    loss.root.get_by_label("Highest value").fill("1.5")
    loss.root.get_by_label("Highest value").press("Enter")
    loss.wait("d.y[0] === 0.5 && d.y[1] === 1.5")
    above, below = (sum(test(v) for v in spiked) for test in (lambda v: v > 1.5, lambda v: v < 0.5))
    expect(loss.root.locator(".panel-note")).to_have_text(f"{above} points above · {below} points below")
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/ranges.png", full_page=True)
    for name, number in (("Columns", "2"), ("Rows", "9")):
        loss.root.get_by_label(name, exact=True).fill(number)
        loss.root.get_by_label(name, exact=True).press("Enter")
    expect(loss.root).to_have_attribute("data-size", "2x9")
    page.keyboard.press("Escape")
    page.reload()  # all this is kept for the charts of the project
    loss.wait("d.y[0] === 0.5 && d.y[1] === 1.5")
    expect(loss.root).to_have_attribute("data-size", "2x9")

    loss.root.get_by_label("Settings of train/loss").first.click()
    loss.root.get_by_label("Which values").select_option("most")
    page.keyboard.press("Escape")
    page.get_by_label("Same range").check()
    assert error.wait("d.y[1] > 7000")["y"][1] > 7000  # the range of the section, outliers included
    page.get_by_label("Same range").uncheck()
    error.wait("d.y[1] < 10")
    page.get_by_role("heading", name="train", exact=True).click()
    expect(loss.root).not_to_be_visible()
    page.wait_for_function('() => Object.values(localStorage).some(kept => kept.includes(\'"folded":["train"]\'))')
    page.reload()
    expect(page.get_by_role("heading", name="train", exact=True)).to_be_visible()
    expect(loss.root).not_to_be_visible()


def test_a_share_of_the_values_is_left_out_that_the_reader_chooses(page: Page, feeder: Feeder) -> None:
    """The share of one chart is kept with the project's charts, that of all charts in the link. The chart counts
    these points.
    """
    run = feeder.run("shares", project="shares")
    values = list(range(100))
    run.points({"train/loss": (range(100), [float(v) for v in values]), "train/error": (range(100), values)})
    page.goto(f"{feeder.url}/runs/{run.id}")
    loss, error = Panel(page, "train/loss"), Panel(page, "train/error")
    loss.wait("d.y[0] < 0 && d.y[1] > 99")
    loss.root.get_by_label("Settings of train/loss").first.click()
    loss.root.get_by_label("Which values").select_option("most")
    percent = loss.root.get_by_label("Per cent left out at either end")
    expect(percent).to_have_value("2")
    for share in ("10", "25.5"):
        percent.fill(share)
        percent.press("Enter")
        cut = int(float(share))
        low, high = loss.wait(f"d.y[0] > {cut} - 8 && d.y[0] < {cut}")["y"]
        assert cut - 8 < low < cut and 99 - cut < high < 99 - cut + 8, "some air is around the values"
        above, below = sum(v > high for v in values), sum(v < low for v in values)
        expect(loss.root.locator(".panel-note")).to_have_text(f"{above} points above · {below} points below")
    page.keyboard.press("Escape")
    page.reload()
    loss.wait("d.y[0] > 17")
    page.get_by_label("Which values charts cover").select_option("most")
    page.get_by_label("Per cent that charts leave out at either end").fill("12.5")
    page.get_by_label("Per cent that charts leave out at either end").press("Enter")
    error.wait("d.y[0] > 5 && d.y[1] < 95")
    loss.wait("d.y[0] > 17")  # it has its own
    page.wait_for_url(re.compile("cut=12.5"))
    page.goto(f"{feeder.url}/runs/{run.id}?cut=40")
    error.wait("d.y[0] > 35 && d.y[1] < 65")
    page.get_by_label("Which values charts cover").select_option("")
    error.wait("d.y[0] < 0 && d.y[1] > 99")


def test_either_axis_is_logarithmic_or_symmetrically_so(page: Page, feeder: Feeder) -> None:
    run = feeder.run("logs", project="logs")
    run.points({"delta": (range(5), [-1000.0, -1.0, 0.0, 0.01, 500.0])})
    page.goto(f"{feeder.url}/runs/{run.id}")
    delta = Panel(page, "delta")
    delta.wait()
    page.get_by_label("Vertical scale").select_option("symlog")
    drawn = delta.wait("d.scale === 'symlog'")
    assert drawn["y"][0] < -1000 and drawn["y"][1] > 500
    expect(delta.root.locator(".panel-note")).to_have_count(0)  # every point is drawn
    assert delta.coloured_pixels() > 100
    page.get_by_label("Horizontal scale").select_option("log")
    drawn = delta.wait("d.xScale === 'log'")
    assert drawn["x"] == [1, 4]
    expect(delta.root.locator(".panel-note")).to_have_text("1 point at 0 or before not drawable on a log scale")
    page.get_by_label("Horizontal scale").select_option("symlog")
    assert delta.wait("d.xScale === 'symlog'")["x"] == [0, 4]
    page.wait_for_url(re.compile(r"y=symlog&xs=symlog"))
    page.get_by_role("radio", name="Wall time").click()
    assert delta.wait("d.axis === 'time'")["xScale"] == "linear"
    delta.root.get_by_label("Settings of delta").first.click()
    delta.root.get_by_label("Scale of this chart").select_option("linear")
    delta.wait("d.scale === 'linear'")
