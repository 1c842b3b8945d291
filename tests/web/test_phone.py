"""Every page on a phone: nothing but tables scrolls sideways, what is pressed is large enough, and rows are cards."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from pyhectiqlab.protocol.media import Histogram
from pyhectiqlab.testing.lab import RealLab

from . import everypage
from .conftest import NewPage, Watch
from .feeder import Feeder
from .test_people import PASSWORD

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
# Everything that can be pressed and is smaller than 24 px, except links within a text.
SMALL = """() => [...document.querySelectorAll('a, button, input, select, textarea, summary, [role="option"]')]
  .filter((e) => e.checkVisibility({ checkOpacity: true, visibilityProperty: true }))
  .filter((e) => !e.closest('p, .markdown, .sr, .skip, .tree, pre'))
  .filter((e) => !(e.matches('label input') && e.labels[0].getBoundingClientRect().height >= 24))
  .map((e) => [e, e.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.width < 23.5 || box.height < 23.5))
  .map(([e, box]) => `${e.outerHTML.slice(0, 90)} ${Math.round(box.width)}x${Math.round(box.height)}`)"""


def sideways(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def pinch(plot: Locator, before: tuple[float, float], after: tuple[float, float], over: str = ".u-over") -> None:
    """Put two fingers on shares of the width of a plot's part `over`, move them to others, and lift them."""
    box = plot.locator(over).bounding_box()
    assert box is not None
    session = plot.page.context.new_cdp_session(plot.page)

    def touch(kind: str, *shares: float) -> None:
        y = box["y"] + box["height"] / 2
        points = [{"x": box["x"] + share * box["width"], "y": y, "id": i} for i, share in enumerate(shares)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", before[0])
    touch("touchStart", *before)
    for part in (0.25, 0.5, 0.75, 1.0):
        touch("touchMove", *(a + part * (b - a) for a, b in zip(before, after, strict=True)))
    touch("touchEnd")
    session.detach()


def overlap(a: FloatRect, b: FloatRect) -> bool:
    across = a["x"] < b["x"] + b["width"] and b["x"] < a["x"] + a["width"]
    return across and a["y"] < b["y"] + b["height"] and b["y"] < a["y"] + a["height"]


def test_one_finger_that_is_dragged_along_reads_a_chart(
    new_page: NewPage, owner_state: object, lab: RealLab, feeder: Feeder
) -> None:
    """It reads what is below it all the way, what it read stays, and the page neither scrolls nor zooms."""
    run = feeder.run("scrubbed", project="scrubbed")
    run.points({"loss": (range(101), [float(step) for step in range(101)])})
    page = new_page(storage_state=owner_state, has_touch=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{lab.url}/runs/{run.id}")
    plot = page.locator(".panel .panel-plot")
    plot.scroll_into_view_if_needed()
    expect(page.locator(".panel")).to_have_attribute("data-state", "drawn")
    box = plot.locator(".u-over").bounding_box()
    assert box is not None
    top = page.evaluate("scrollY")
    session = page.context.new_cdp_session(page)
    for kind, step in (("touchStart", 20), ("touchMove", 35), ("touchMove", 50), ("touchMove", 80)):
        place = {"x": box["x"] + box["width"] * step / 100, "y": box["y"] + box["height"] / 2, "id": 0}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place]})
        near = "|".join(str(step + by) for by in (-1, 0, 1))
        expect(plot.locator(".readout-where")).to_have_text(re.compile(f"step ({near})$"))
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(plot.locator(".readout-where")).to_have_text(re.compile("step (79|80|81)$"))
    assert page.evaluate("scrollY") == top and "lo=" not in page.url


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
        if too_small := page.evaluate(SMALL):
            small[name] = too_small
    assert not wide
    assert not small, "\n".join(f"{name}: {one}" for name, some in small.items() for one in some[:4])

    # A row is a card: all of its values are there without scrolling sideways, and a tap shows one of them in full.
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
    expect(page.get_by_label("Vertical scale")).to_be_hidden()  # the charts come first
    page.get_by_text("Ranks, smoothing, scales, own charts").tap()
    expect(page.get_by_label("Vertical scale")).to_be_visible()
    assert sideways(page) <= 0
    plot.scroll_into_view_if_needed()
    page.wait_for_function(everypage.SETTLED)
    plot.tap(position={"x": 180, "y": 60})
    expect(page.locator(".readout:visible").first).to_contain_text("trial-")
    # Two fingers zoom: what was between them stays there, and zooming out again shows everything.
    pinch(plot, (0.4, 0.6), (0.1, 0.9))
    page.wait_for_url(re.compile(r"lo=-?\d+.*hi=\d+"))
    expect(page.get_by_title("Show everything")).to_be_visible()
    plot.scroll_into_view_if_needed()
    pinch(plot, (0.1, 0.9), (0.42, 0.58))
    expect(page).not_to_have_url(re.compile("lo="))
    # The palette and the search have room, too.
    page.get_by_role("button", name="Find or do").tap()
    expect(page.get_by_role("dialog").get_by_role("option").first).to_be_visible()
    assert sideways(page) <= 0


def test_two_fingers_zoom_charts_over_another_metric(
    new_page: NewPage, owner_state: object, lab: RealLab, feeder: Feeder
) -> None:
    """What was between the fingers stays there. The zoom is in the link, and one finger reads and does not zoom."""
    run = feeder.run("pinched pairs", project="pinched pairs")
    steps = list(range(101))
    run.event("meta", key="x_axes", value={"loss": "epoch"})
    run.points({"epoch": (steps, [step / 10 for step in steps]), "loss": (steps, [float(step) for step in steps])})
    page = new_page(storage_state=owner_state, has_touch=True)
    page.set_viewport_size(PHONE)
    page.goto(f"{lab.url}/runs/{run.id}")
    panel = page.locator('.panel[data-key="loss"]')
    expect(panel).to_have_attribute("data-state", "drawn")
    plot = panel.locator(".panel-plot")
    plot.scroll_into_view_if_needed()
    left, right = (plot.evaluate(f"e => ({edge}) / e.clientWidth") for edge in ("62", "e.clientWidth - 12"))

    def share(epoch: float) -> float:
        return left + (right - left) * epoch / 10

    pinch(plot, (share(4), share(6)), (share(2), share(8)), "svg")
    page.wait_for_url(re.compile("zoom="))
    lo, hi, *of = parse_qs(urlparse(page.url).query)["zoom"][0].split(",")
    assert of == ["epoch", "loss"] and float(lo) == pytest.approx(
        5 - 11 / 6, abs=0.1
    )  # the axis went from -0.5 to 10.5
    assert float(hi) == pytest.approx(5 + 11 / 6, abs=0.1)
    first = "panel => panel.series && panel.series.length && panel.series[0].x.length < 40"
    page.wait_for_function(first, arg=panel.element_handle())
    xs = panel.evaluate("panel => [...panel.series[0].x]")
    assert min(xs) == pytest.approx(float(lo), abs=0.11) and max(xs) == pytest.approx(float(hi), abs=0.11)
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/phone-pair.png")
    url = page.url
    plot.tap(position={"x": 180, "y": 60})
    expect(panel.locator(".readout")).to_be_visible()
    assert page.url == url
    pinch(plot, (0.2, 0.9), (0.45, 0.55), "svg")  # far out: everything
    page.wait_for_function("panel => panel.series[0].x.length === 101", arg=panel.element_handle())
    expect(page).not_to_have_url(re.compile("zoom="))


def test_nothing_overlaps_in_the_menu_of_a_chart(
    new_page: NewPage, owner_state: object, lab: RealLab, feeder: Feeder
) -> None:
    run = feeder.run("menu", project="menu on a phone")
    run.points({"loss": ([0, 1], [1.0, 2.0])})
    page = new_page(storage_state=owner_state, has_touch=True)
    page.set_viewport_size(PHONE)
    page.goto(f"{lab.url}/runs/{run.id}")
    page.get_by_label("Settings of loss").tap()
    menu = page.locator(".menu-box")
    expect(menu.get_by_label("Rows", exact=True)).to_be_visible()
    boxes = [one.bounding_box() for one in menu.locator("select, input, summary, button").all() if one.is_visible()]
    seen = [box for box in boxes if box]
    assert len(seen) > 6
    assert not any(overlap(a, b) for n, a in enumerate(seen) for b in seen[n + 1 :])
    figure = menu.get_by_text("Figure: ").bounding_box()
    assert figure and figure["width"] > 150 and figure["height"] < 40


def test_two_fingers_zoom_histograms(new_page: NewPage, owner_state: object, lab: RealLab, feeder: Feeder) -> None:
    run = feeder.run("pinched histograms", project="pinched histograms")
    run.points({"loss": (range(101), [float(step) for step in range(101)])})
    shapes = [{"name": "weights", "step": step, **Histogram((0.0, 1.0), (1.0,), 0).fields()} for step in range(101)]
    run.events("histogram", shapes)
    page = new_page(storage_state=owner_state, has_touch=True)
    page.set_viewport_size(PHONE)
    page.goto(f"{lab.url}/runs/{run.id}")
    page.get_by_text("Ranks, smoothing, scales, own charts").tap()
    page.get_by_role("button", name="Add chart").tap()
    editor = page.get_by_role("dialog")
    editor.get_by_role("radio", name="Histograms").tap()
    editor.get_by_label("Histograms of this name").fill("weights")
    editor.get_by_role("button", name="Save").tap()
    panel = page.locator(".panel:has(.heat-plot)")
    expect(panel).to_have_attribute("data-state", "drawn")
    plot = panel.locator(".panel-plot")
    plot.scroll_into_view_if_needed()
    left, right = (plot.evaluate(f"e => ({edge}) / e.clientWidth") for edge in ("62", "e.clientWidth - 12"))

    def share(step: float) -> float:
        return left + (right - left) * step / 100

    pinch(plot, (share(40), share(60)), (share(20), share(80)), "svg")
    page.wait_for_url(re.compile("lo="))
    query = parse_qs(urlparse(page.url).query)
    assert int(query["lo"][0]) == pytest.approx(33, abs=2) and int(query["hi"][0]) == pytest.approx(67, abs=2)
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/phone-heat.png")
    expect(panel.locator(".readout")).to_have_count(0)  # of a step that may be out of sight now
    # The folded controls lie beside or below each other.
    boxes = [one.bounding_box() for one in page.locator(".more-controls select, .more-controls button").all()]
    seen = [box for box in boxes if box]
    assert len(seen) > 4
    assert not any(overlap(a, b) for n, a in enumerate(seen) for b in seen[n + 1 :])


def test_groups_are_cards_on_a_phone(new_page: NewPage, owner_state: object, lab: RealLab, feeder: Feeder) -> None:
    project = f"cards-{uuid.uuid4().hex[:6]}"
    for i in range(4):
        run = feeder.run(f"trial {i}", project=project)
        run.event("config", values={"optimizer": ["adam", "sgd-with-a-name-of-some-length"][i % 2]})
        run.points({key: ([0, 1], [1.0, i + 0.25]) for key in ("train/loss", "valid/accuracy", "valid/loss")})
    page = new_page(storage_state=owner_state, has_touch=True)
    page.set_viewport_size(PHONE)
    page.goto(f"{lab.url}/projects/{project}?pane=table&by=config.optimizer")
    table = page.get_by_role("region", name="Groups of runs")
    groups = table.locator("tr.group-row")
    expect(groups).to_have_count(2)
    assert table.evaluate("e => e.scrollWidth - e.clientWidth") <= 0 and sideways(page) <= 0
    for cell in groups.locator("td.spread").all():
        box = cell.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        assert cell.evaluate("e => e.scrollHeight - e.clientHeight") <= 1  # nothing is cut off
    spread = groups.first.locator("td.spread").nth(1)
    assert "valid/accuracy" in spread.evaluate("e => getComputedStyle(e, '::before').content")
    spread.tap()
    assert "standard deviation" in spread.evaluate("e => getComputedStyle(e, '::after').content")
    groups.first.locator(".group-name").tap()
    expect(table.locator("tr[data-run] .run-name a")).to_have_count(2)
    assert table.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    assert not page.evaluate(SMALL)
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/phone-groups.png", full_page=True)
