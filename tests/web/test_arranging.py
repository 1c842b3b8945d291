"""Charts are put in order and sized by hand, and stay so."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import Page, expect

from .feeder import Feeder

pytestmark = pytest.mark.browser


def test_charts_are_dragged_moved_by_the_menu_and_sized_by_their_corner_and_stay_so(page: Page, feeder: Feeder) -> None:
    run = feeder.run("arranged", project="arranged charts")
    run.points({f"train/{name}": (range(5), [1.0] * 5) for name in ("a", "b", "c", "d")})
    run.points({"valid/a": (range(5), [1.0] * 5)})
    page.goto(f"{feeder.url}/runs/{run.id}")
    heads = page.locator(".panel[data-key^='train/'] h3")
    panel = {key: page.locator(f".panel[data-key='train/{key}']") for key in "abcd"}
    expect(heads).to_have_text(["a", "b", "c", "d"])
    panel["d"].locator("h3").drag_to(panel["a"].locator(".panel-plot"))
    expect(heads).to_have_text(["d", "a", "b", "c"])
    panel["d"].locator("h3").drag_to(page.locator(".panel[data-key='valid/a'] .panel-plot"))  # of another section
    panel["d"].get_by_label("Settings of train/d").first.click()
    expect(panel["d"].get_by_role("button", name="Move before")).to_be_disabled()
    panel["d"].get_by_role("button", name="Move behind").click()
    expect(heads).to_have_text(["a", "d", "b", "c"])

    corner = panel["c"].locator(".panel-grip")
    box = corner.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 80, steps=4)  # a row has 28 px
    expect(panel["c"]).to_have_attribute("data-size", "1x10")
    page.mouse.move(x, y + 190, steps=4)
    expect(panel["c"]).to_have_attribute("data-size", "1x14")
    width = panel["c"].evaluate("e => e.offsetWidth")
    page.mouse.move(x + width, y + 90, steps=6)
    expect(panel["c"]).to_have_attribute("data-size", "2x10")
    page.mouse.up()
    page.mouse.move(x, y + 300)
    expect(panel["c"]).to_have_attribute("data-size", "2x10")
    assert panel["c"].evaluate("e => e.offsetWidth") > 1.9 * width
    assert panel["c"].locator(".panel-body").evaluate("e => e.offsetHeight") == 280

    corner = panel["b"].get_by_role("button", name="Size of train/b: 1 column, 7 rows.")
    corner.focus()
    for key, size in (("ArrowDown", "1x8"), ("ArrowRight", "2x8"), ("ArrowUp", "2x7"), ("ArrowLeft", None)):
        page.keyboard.press(key)
        expect(panel["b"]).to_have_attribute("data-size", size) if size else expect(panel["b"]).not_to_have_attribute(
            "data-size", re.compile(".")
        )
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(panel["b"].locator(".panel-grip")).to_have_accessible_name(re.compile("2 columns, 8 rows"))
    page.keyboard.press("0")
    expect(panel["b"]).not_to_have_attribute("data-size", re.compile("."))
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/arranging.png")
    run.points({"train/aa": ([0], [1.0])})  # comes behind those that were put in order
    page.reload()
    expect(heads).to_have_text(["a", "d", "b", "c", "aa"])
    expect(panel["c"]).to_have_attribute("data-size", "2x10")
