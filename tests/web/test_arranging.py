"""Charts are put in order and sized by hand, and stay so."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import FloatRect, Page, expect

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
    panel["d"].locator("h3").drag_to(page.locator(".panel[data-key='valid/a'] .panel-plot"))  # it is in another section
    panel["d"].get_by_label("Settings of train/d").first.click()
    expect(panel["d"].get_by_role("button", name="Move before")).to_be_disabled()
    for name, value in (("Columns", "1"), ("Rows", "7")):  # the fields have room for their contents
        field = panel["d"].get_by_label(name, exact=True)
        expect(field).to_have_value(value)
        assert field.evaluate("e => e.clientWidth - 16") >= 24
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
    assert panel["c"].evaluate("e => e.offsetHeight") == 12 * 28 - 12  # ten rows, and the frame

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
    run.points({"train/aa": ([0], [1.0])})  # it comes after those that somebody put in order
    page.reload()
    expect(heads).to_have_text(["a", "d", "b", "c", "aa"])
    expect(panel["c"]).to_have_attribute("data-size", "2x10")


def test_charts_of_different_heights_are_packed_without_gaps(page: Page, feeder: Feeder) -> None:
    """An edge is dragged, and others fill the room beside the high chart. It stays so."""
    run = feeder.run("packed", project="packed charts")
    run.points({f"train/{name}": (range(5), [1.0, 3.0, 2.0, 5.0, 4.0]) for name in "abcdefg"})
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.goto(f"{feeder.url}/runs/{run.id}")
    panel = {key: page.locator(f".panel[data-key='train/{key}']") for key in "abcdefg"}
    expect(panel["g"]).to_have_attribute("data-state", "drawn")

    def box(key: str) -> FloatRect:
        box = panel[key].bounding_box()
        assert box is not None
        return box

    def drag(key: str, side: str, by_x: float, by_y: float) -> None:
        edge = panel[key].locator(f".panel-edge[data-side={side}]").bounding_box()
        assert edge is not None
        x, y = edge["x"] + edge["width"] / 2, edge["y"] + edge["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + by_x / 2, y + by_y / 2)
        page.mouse.move(x + by_x, y + by_y, steps=4)
        page.mouse.up()

    a, b = box("a"), box("b")
    assert a["y"] == b["y"] == box("c")["y"] < box("d")["y"], "three beside each other"
    drag("a", "bottom", 100, 9 * 28)  # across the edge nothing happens
    expect(panel["a"]).to_have_attribute("data-size", "1x16")
    assert box("a")["height"] == 2 * box("b")["height"] + 12
    # Two fit below each other beside it, and nothing is left over.
    places = {key: (round(box(key)["x"]), round(box(key)["y"])) for key in "abcdefg"}
    left, middle, right = sorted({x for x, _ in places.values()})
    first, second, third = sorted({y for _, y in places.values()})
    assert places == {
        "a": (left, first),
        "b": (middle, first),
        "c": (right, first),
        "d": (middle, second),
        "e": (right, second),
        "f": (left, third),
        "g": (middle, third),
    }
    assert box("f")["y"] == box("a")["y"] + box("a")["height"] + 12
    assert panel["a"].locator("canvas").first.evaluate("e => e.clientHeight") > 400  # the plot has the room
    # A wide one leaves a gap in its row, which a later one fills.
    drag("d", "right", box("d")["width"], 300)
    expect(panel["d"]).to_have_attribute("data-size", "2x7")
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/packed.png")
    before = {key: box(key) for key in "abcdefg"}
    boxes = list(before.values())
    covered = sum((its["width"] + 12) * (its["height"] + 12) for its in boxes)
    whole = (max(its["x"] + its["width"] for its in boxes) - min(its["x"] for its in boxes) + 12) * (
        max(its["y"] + its["height"] for its in boxes) - min(its["y"] for its in boxes) + 12
    )
    assert covered == pytest.approx(whole, rel=0.01)
    # A chart that is dragged to another place takes it, and the others close up.
    panel["g"].locator("h3").drag_to(panel["a"].locator(".panel-plot"))
    expect(page.locator(".panel h3").first).to_have_text("g")
    expect(panel["g"]).to_have_css("grid-row-start", "span 9")
    assert (box("g")["x"], box("g")["y"]) == (a["x"], a["y"]) and box("a")["x"] > box("g")["x"]
    page.reload()
    expect(page.locator(".panel h3").first).to_have_text("g")
    expect(panel["a"]).to_have_attribute("data-size", "1x16")
    expect(panel["d"]).to_have_attribute("data-size", "2x7")
    panel["a"].locator(".panel-grip").focus()
    page.keyboard.press("0")
    expect(page.locator(".panels.dense")).to_have_count(0)
