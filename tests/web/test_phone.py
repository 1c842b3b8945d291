"""Every page on a phone: nothing but tables scrolls sideways, what is pressed is large enough, and rows are cards."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab

from . import everypage
from .conftest import NewPage, Watch
from .feeder import Feeder
from .test_people import PASSWORD

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
# What is pressed and smaller than 24 px, but for links within a text.
SMALL = """() => [...document.querySelectorAll('a, button, input, select, textarea, summary, [role="option"]')]
  .filter((e) => e.checkVisibility({ checkOpacity: true, visibilityProperty: true }))
  .filter((e) => !e.closest('p, .markdown, .sr, .skip, .tree, pre'))
  .filter((e) => !(e.matches('label input') && e.labels[0].getBoundingClientRect().height >= 24))
  .map((e) => [e, e.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.width < 23.5 || box.height < 23.5))
  .map(([e, box]) => `${e.outerHTML.slice(0, 90)} ${Math.round(box.width)}x${Math.round(box.height)}`)"""


def sideways(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def test_every_page_fits_a_phone(
    new_page: NewPage, owner_state: object, lab: RealLab, feeder: Feeder, tmp_path: Path, watch: Watch
) -> None:
    watch.allowed += ["404", "422"]
    pages = everypage.made(lab, feeder, tmp_path)
    feeder.post(
        "users", json={"username": f"a-name-of-a-user-that-is-as-long-as-{uuid.uuid4().hex}", "password": PASSWORD}
    )
    page = new_page(storage_state=owner_state, has_touch=True)
    page.set_viewport_size(PHONE)
    wide, small = {}, {}
    for name in pages.visit(page, lab.url):
        if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/phone-{name.replace(' ', '-')}.png", full_page=True)
        if (more := sideways(page)) > 0:
            wide[name] = more
        if found := page.evaluate(SMALL):
            small[name] = found
    assert not wide
    assert not small, "\n".join(f"{name}: {one}" for name, some in small.items() for one in some[:4])

    # A row is a card: all of its values are there without scrolling sideways, and a tap shows one in full.
    page.goto(f"{lab.url}/projects/{pages.project}?pane=table&sort=name")
    cards = page.locator("tbody tr[data-run]")
    expect(cards).to_have_count(6)
    table = page.get_by_role("region", name="Runs")
    assert table.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    boxes = [card.bounding_box() for card in cards.all()]
    assert all(box and box["width"] <= PHONE["width"] for box in boxes)
    assert len({box["height"] for box in boxes if box}) == 1
    eye = page.get_by_role("button", name="Draw trial-0-with-a-name-of-some-length", exact=True)
    eye.tap()  # nothing lies over it
    expect(eye).to_have_attribute("aria-pressed", "false")
    points = cards.first.locator('td[title="70 points"]')
    points.tap()
    assert "70 points" in points.evaluate("e => getComputedStyle(e, '::after').content")
    assert "Points" in points.evaluate("e => getComputedStyle(e, '::before').content")
    page.get_by_label("Pick trial-0-with-a-name-of-some-length").tap()
    expect(page.get_by_text("1 run picked")).to_be_visible()
    # A tap reads a chart, and what it read stays.
    page.goto(f"{lab.url}/projects/{pages.project}?pane=charts")
    plot = page.locator('.panel[data-state="drawn"] .panel-plot, .panel .panel-plot').first
    plot.scroll_into_view_if_needed()
    page.wait_for_function(everypage.SETTLED)
    plot.tap(position={"x": 180, "y": 60})
    expect(page.locator(".readout:visible").first).to_contain_text("trial-")
    # The palette and the search have room, too.
    page.get_by_role("button", name="Find or do").tap()
    expect(page.get_by_role("dialog").get_by_role("option").first).to_be_visible()
    assert sideways(page) <= 0
