"""The tab Media: what a script stored by step is seen, as what it is and nothing else, live."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from pyhectiqlab.capture import tables
from pyhectiqlab.protocol.media import Histogram
from pyhectiqlab.testing.lab import RealLab

from .conftest import Watch
from .feeder import FedRun, Feeder
from .test_artifacts import Files, png

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture
def files(lab: RealLab, tmp_path: Path) -> Files:
    return Files(lab, tmp_path)


def medium(page: Page, name: str) -> Locator:
    return page.locator(f'.medium[data-name="{name}"]')


def histogram(run: FedRun, name: str, step: int | None, *counts: float, nan: int = 0) -> None:
    edges = tuple(float(i) for i in range(len(counts) + 1)) if counts else ()
    run.event("histogram", name=name, step=step, **Histogram(edges, counts, nan).fields())


def table(files: Files, run: str, name: str, rows: list[list[Any]], columns: list[str]) -> None:
    data = tables.packed(columns, rows)
    files.add(f"{name}.table.json", data, run=run, kind="table", step=3, meta={"name": name})


def width_of(images: Locator) -> Any:
    return images.locator("img").evaluate("i => i.decode().then(() => i.naturalWidth)")


def test_images_are_seen_by_step_and_the_newest_until_another_is_chosen(
    page: Page, lab: RealLab, feeder: Feeder, files: Files
) -> None:
    run = feeder.run("with images").id
    for step in (0, 5, 10):
        data = png(200 + step, 100, (20 * step, 120, 200))
        files.add("v%2Fa.png", data, run=run, kind="image", step=step, meta={"name": "v/a"})
    page.goto(f"{lab.url}/runs/{run}")
    page.get_by_role("tab", name="Media").click()
    page.wait_for_url(re.compile("tab=media"))
    images = medium(page, "v/a")
    images.locator("img").wait_for()
    assert width_of(images) == 210
    images.get_by_role("slider").fill("1")
    expect(images.get_by_role("slider")).to_have_attribute("aria-valuetext", "step 5")
    expect(images.get_by_role("img", name="v/a, step 5")).to_be_visible()
    assert width_of(images) == 205
    number = images.get_by_role("spinbutton")
    number.fill("4")  # no such step: the one before it
    number.press("Enter")
    expect(images.get_by_role("img", name="v/a, step 0")).to_be_visible()


def test_a_histogram_has_a_bar_a_bin_and_a_heat_map_that_chooses_the_step(
    page: Page, lab: RealLab, feeder: Feeder
) -> None:
    run = feeder.run("with histograms")
    for step in range(8):
        histogram(run, "w", step, 1, 2, 3 + step, nan=step % 2)
    histogram(run, "empty", None, nan=4)
    page.goto(f"{lab.url}/runs/{run.id}?tab=media")
    shown = medium(page, "w")
    expect(shown.locator(".bar")).to_have_count(3)
    expect(shown.locator("svg title").last).to_have_text("2 to 3: 10")
    shown.get_by_text("13 values, at most 10 in a bin").wait_for()
    shown.get_by_text("Not in the bins: 1 NaN").wait_for()
    box = shown.locator("canvas").bounding_box()
    assert box is not None
    shown.locator("canvas").click(position={"x": box["width"] * 2.5 / 8, "y": 20})
    shown.get_by_text("8 values, at most 5 in a bin").wait_for()
    expect(shown.get_by_role("spinbutton")).to_have_value("2")
    expect(shown.get_by_text("Not in the bins")).to_have_count(0)
    medium(page, "empty").get_by_text("No finite value.").wait_for()
    medium(page, "empty").get_by_text("Not in the bins: 4 NaN").wait_for()
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/media.png", full_page=True)


def test_new_steps_appear_by_themselves_unless_an_older_one_is_looked_at(
    page: Page, lab: RealLab, feeder: Feeder
) -> None:
    run = feeder.run("live media")
    page.goto(f"{lab.url}/runs/{run.id}?tab=media")
    page.get_by_role("heading", name="No media yet").wait_for()
    run.event("text", name="t", step=1, text="first words")
    medium(page, "t").get_by_text("first words").wait_for()
    run.event("text", name="t", step=2, text="second words")
    medium(page, "t").get_by_text("second words").wait_for()
    medium(page, "t").get_by_role("slider").fill("0")
    medium(page, "t").get_by_text("first words").wait_for()
    run.event("text", name="t", step=3, text="third words")
    medium(page, "t").get_by_text("3 in all").wait_for()
    expect(medium(page, "t").get_by_text("first words")).to_be_visible()
    run.event("text", name="t", step=1, text="other words")  # again at the step that the reader looks at
    medium(page, "t").get_by_text("other words").wait_for()


def test_a_text_is_shown_as_it_is_and_on_request_as_markdown(page: Page, lab: RealLab, feeder: Feeder) -> None:
    run = feeder.run("with markdown")
    run.event("text", name="sample", step=1, text="2*3*4 <unk>\n\n- one\n- **two**")
    page.goto(f"{lab.url}/runs/{run.id}?tab=media")
    shown = medium(page, "sample")
    expect(shown.locator("pre.medium-text")).to_have_text("2*3*4 <unk>\n\n- one\n- **two**")
    shown.get_by_role("button", name="As Markdown").click()
    expect(shown.locator("li")).to_have_text(["one", "two"])
    shown.get_by_text("<unk>").wait_for()
    run.event("text", name="sample", step=2, text="1. later")  # a later step is shown in the same way
    expect(shown.locator("ol li")).to_have_text("later")
    shown.get_by_role("button", name="Source").click()
    expect(shown.locator("pre.medium-text")).to_have_text("1. later")


def test_a_table_is_a_table_a_page_at_a_time(page: Page, lab: RealLab, feeder: Feeder, files: Files) -> None:
    run = feeder.run("with a table").id
    rows = [[i, f"name {i}", None if i % 2 else float("nan")] for i in range(60)]
    table(files, run, "t", rows, ["n", "name", "x"])
    page.goto(f"{lab.url}/runs/{run}?tab=media")
    shown = medium(page, "t")
    expect(shown.get_by_role("columnheader")).to_have_text(["n", "name", "x"])
    expect(shown.get_by_role("row").nth(1).locator("td")).to_have_text(["0", "name 0", "NaN"])
    expect(shown.get_by_role("row").nth(2).locator("td")).to_have_text(["1", "name 1", "–"])
    shown.get_by_text("Rows 1 to 25 of 60").wait_for()
    shown.get_by_role("button", name="Later rows").click()
    shown.get_by_role("button", name="Later rows").click()
    shown.get_by_text("Rows 51 to 60 of 60").wait_for()
    expect(shown.get_by_role("row")).to_have_count(11)
    expect(shown.get_by_role("button", name="Later rows")).to_be_disabled()


def test_a_plotly_figure_is_drawn_and_one_it_cannot_draw_is_offered(
    page: Page, lab: RealLab, feeder: Feeder, files: Files
) -> None:
    run = feeder.run("with plotly").id
    for name, kind in (("line", "scatter"), ("surface", "surface")):
        figure = {"data": [{"type": kind, "x": [1, 2], "y": [3, 4]}], "layout": {"title": {"text": "a title"}}}
        data = json.dumps(figure).encode()
        files.add(f"{name}.plotly.json", data, run=run, kind="figure", meta={"name": name})
    page.goto(f"{lab.url}/runs/{run}?tab=media")
    medium(page, "line").get_by_text("a title").wait_for()
    medium(page, "surface").get_by_text("surface traces are not drawn here").wait_for()
    expect(medium(page, "surface").get_by_role("link", name="Download")).to_be_visible()


def test_names_texts_and_cells_are_only_ever_text(
    page: Page, lab: RealLab, feeder: Feeder, files: Files, watch: Watch
) -> None:
    fed = feeder.run("hostile media")
    fed.event("text", name=HOSTILE, step=1, text=HOSTILE)
    histogram(fed, HOSTILE, 1, 1)
    table(files, fed.id, "table", [[HOSTILE, {"a": HOSTILE}]], [HOSTILE, "b"])
    figure = {
        "data": [{"type": "scatter", "x": [1], "y": [2], "text": [HOSTILE], "mode": "text", "name": HOSTILE}],
        "layout": {"title": {"text": HOSTILE + "<a href=\"javascript:document.title='owned'\">link</a>"}},
    }
    for name, data in (
        ("figure.plotly.json", json.dumps(figure).encode()),
        ("broken.plotly.json", b"{"),
        ("none.plotly.json", b"[1]"),
    ):
        files.add(name, data, run=fed.id, kind="figure")
    files.add("page.png", HOSTILE.encode(), run=fed.id, kind="image")
    files.add("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", run=fed.id, kind="image")
    files.add("bad.table.json", b'{"columns":["a"],"types":[],"rows":[[1,2]]}', run=fed.id, kind="table")
    page.set_viewport_size({"width": 1280, "height": 3000})
    page.goto(f"{lab.url}/runs/{fed.id}?tab=media")
    page.locator("pre.medium-text", has_text="onerror").wait_for()
    page.get_by_role("columnheader", name="onerror").wait_for()
    medium(page, "figure.plotly.json").locator(".gtitle").wait_for()
    medium(page, "broken.plotly.json").get_by_text("This file cannot be shown").wait_for()
    medium(page, "none.plotly.json").get_by_text("This file cannot be shown").wait_for()
    medium(page, "bad.table.json").get_by_text("The rows of this table differ").wait_for()
    medium(page, "page.svg").get_by_text("This file cannot be shown here").wait_for()
    expect(page.locator(".medium h3", has_text="onerror")).to_have_count(2)
    assert page.evaluate("document.title") != "owned"
    assert page.locator("[onerror], main script, a[href^='javascript']").count() == 0


def test_each_rank_has_its_own_and_names_are_found_by_a_part(page: Page, lab: RealLab, feeder: Feeder) -> None:
    run = feeder.run("ranked media")
    run.event("text", name="samples/a", step=1, text="of rank 0")
    run.event("text", name="other", step=1, text="another")
    second = feeder.run("ranked media", rank=1)
    second.event("text", name="samples/a", step=1, text="of rank 1")
    page.goto(f"{lab.url}/runs/{run.id}?tab=media")
    shown = medium(page, "samples/a")
    shown.get_by_text("of rank 0").wait_for()
    shown.get_by_label("Rank").select_option("1")
    shown.get_by_text("of rank 1").wait_for()
    page.get_by_role("searchbox", name="Find names").fill("sampl")
    expect(page.locator(".medium")).to_have_count(1)
    page.wait_for_url(re.compile("q=sampl"))
