"""Histograms over their steps as a chart: what it draws, reads and gives is what was logged."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from pyhectiqlab.protocol.media import Histogram
from pyhectiqlab.testing.lab import RealLab

from .feeder import FedRun, Feeder
from .test_runs_charts import taken

pytestmark = pytest.mark.browser
NAME = "weights/layer 1"
DRAWN = """panel => {
  const d = panel.drawn && panel.drawn();
  if (!d || !d.layout) return null;
  const { columns, rows, shares, most, values } = d.layout;
  return { run: d.run, histograms: d.histograms, columns, rows, shares: Array.from(shares), most, values };
}"""
IS_DRAWN = (
    f"([panel, run, n]) => {{ const d = ({DRAWN})(panel); return d && d.run === run && d.histograms.length === n; }}"
)


def logged(run: FedRun, steps: range, bins: int, seed: int, start: float | None = None) -> dict[int, Histogram]:
    """Log a histogram of moving values at each step, and return them by step. `start`: when the first was logged; the
    others follow by the second.
    """
    rng = np.random.default_rng(seed)
    by_step = {}
    for step in steps:
        edges = np.sort(rng.normal(np.sin(step / 300), 1 + step / 2000, bins + 1))
        by_step[step] = Histogram(
            tuple(edges.tolist()), tuple(rng.integers(0, 50, bins).astype(float).tolist()), step % 3
        )
    run.events("histogram", [{"name": NAME, "step": step, **one.fields()} for step, one in by_step.items()], start)
    return by_step


def wait_for(panel: Locator, run: str, histograms: int) -> Any:
    panel.page.wait_for_function(IS_DRAWN, arg=[panel.element_handle(), run, histograms])
    return panel.evaluate(DRAWN)


def check_numbers(drawn: Any, by_step: Mapping[int, Histogram]) -> None:
    """Compare each column with its logged histogram, and rows with the counts, spread evenly over their bins."""
    shares = np.array(drawn["shares"]).reshape(len(drawn["histograms"]), drawn["rows"])
    rows = np.linspace(*drawn["values"], drawn["rows"] + 1)
    for one, column in zip(drawn["histograms"], shares, strict=True):
        its = by_step[one["step"]]
        assert (tuple(one["edges"]), tuple(one["counts"]), one["nan"]) == (its.edges, its.counts, its.nan)
        below = np.interp(rows, its.edges, np.concatenate(([0], np.cumsum(its.counts))))
        np.testing.assert_allclose(column, np.diff(below) / sum(its.counts), atol=1e-9)


def test_histograms_over_steps_are_those_that_were_logged(
    page: Page, feeder: Feeder, lab: RealLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without, other, run = (feeder.run(name, project="histograms") for name in ("without", "other", "long"))
    for one in (without, other, run):
        one.points({"train/loss": (range(2500), np.linspace(2, 1, 2500).tolist())})
    by_step = logged(run, range(2500), 8, 1)
    of_other = logged(other, range(0, 50, 10), 3, 2)
    ids = f"{without.id},{run.id},{other.id}"
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{lab.url}/projects/{run.project}?pane=charts&runs={ids}")
    page.get_by_role("button", name="Add chart").click()
    editor = page.get_by_role("dialog")
    editor.get_by_role("radio", name="Histograms").click()
    expect(editor.get_by_text("1 name in these runs")).to_be_visible()
    editor.get_by_label("Histograms of this name").fill(NAME)
    editor.get_by_role("button", name="Save").click()
    panel = page.locator(".panel[data-key^='own:']")
    expect(panel).to_have_attribute("data-state", "drawn")
    # The first run that has some. If it has many steps, as many as there are pixels, at most, with the last one.
    page.wait_for_function(f"panel => ({DRAWN})(panel)", arg=panel.element_handle())
    drawn = panel.evaluate(DRAWN)
    width = panel.bounding_box()["width"]  # type: ignore[index]
    assert drawn["run"] == run.id and width / 4 < len(drawn["histograms"]) <= width + 64
    assert drawn["histograms"][-1]["step"] == 2499
    check_numbers(drawn, by_step)
    expect(panel.locator(".panel-note")).to_contain_text(f"{len(drawn['histograms'])} of 2,500 histograms are drawn")
    assert drawn["most"] == pytest.approx(max(drawn["shares"]))

    # The pointer reads a bin of a step.
    chart = panel.locator(".heat-plot")
    canvas = chart.locator("canvas").bounding_box()
    assert canvas is not None
    i = len(drawn["histograms"]) // 2
    its = drawn["histograms"][i]
    bin_at = max(range(8), key=lambda k: its["edges"][k + 1] - its["edges"][k])
    low, high = drawn["values"]
    middle = (its["edges"][bin_at] + its["edges"][bin_at + 1]) / 2
    page.mouse.move(
        canvas["x"] + sum(drawn["columns"][i]) / 2, canvas["y"] + canvas["height"] * (high - middle) / (high - low)
    )
    readout = chart.get_by_role("status")
    expect(readout).to_contain_text(f"step {its['step']:,}")
    expect(readout).to_contain_text(f"{its['counts'][bin_at]:g} of {sum(its['counts']):g} values from")
    expect(readout).to_contain_text("in 8 bins")
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/histograms.png")
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=f"{folder}/histograms-dark.png")

    # The files that can be taken along.
    rows = list(csv.DictReader(io.StringIO(taken(panel, "CSV", tmp_path).decode())))
    assert len(rows) == 8 * len(drawn["histograms"]) and {row["run"] for row in rows} == {run.id}
    for k, row in enumerate(rows):
        wanted = by_step[int(row["step"])]
        bins = wanted.edges[k % 8], wanted.edges[k % 8 + 1], wanted.counts[k % 8]
        assert (float(row["from"]), float(row["to"]), float(row["count"])) == bins
    panel.get_by_role("button", name="Copy as Python").click()
    expect(panel.get_by_role("button", name="Copied")).to_be_visible()
    monkeypatch.setenv("HECTIQLAB_URL", lab.url)
    monkeypatch.setenv("HECTIQLAB_API_KEY", lab.api_key)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(page.evaluate("navigator.clipboard.readText()"), {})
    items = [line.partition(" ") for line in printed.getvalue().splitlines()]
    assert [int(step) for step, _, _ in items] == [h["step"] for h in drawn["histograms"]]
    assert all(rest == f"{list(by_step[int(s)].edges)} {list(by_step[int(s)].counts)}" for s, _, rest in items)
    svg = ET.fromstring(taken(panel, "SVG", tmp_path))
    assert any(e.tag.endswith("image") and (e.get("href") or "").startswith("data:image/png") for e in svg.iter())
    assert taken(panel, "PNG", tmp_path).startswith(b"\x89PNG")
    page.keyboard.press("Escape")

    # Zoomed in, all steps are there. The values have their own scale.
    page.goto(f"{lab.url}/projects/{run.project}?pane=charts&runs={ids}&lo=1000&hi=1049")
    drawn = wait_for(panel, run.id, 70)  # and a fifth of the range on either side
    check_numbers(drawn, by_step)
    panel.get_by_label(f"Settings of {NAME}").first.click()
    panel.get_by_label("Scale of this chart").select_option("log")
    expect(panel.locator(".panel-note")).to_contain_text("of all values below")
    page.keyboard.press("Escape")

    # Another run is picked, and is in the link; its new histograms come by themselves.
    page.goto(f"{lab.url}/projects/{run.project}?pane=charts&runs={ids}")
    panel.get_by_label(f"Run of {NAME}").select_option("other")
    page.wait_for_url(f"**of={other.id}*")
    wait_for(panel, other.id, 5)
    of_other |= logged(other, range(50, 60, 10), 3, 3)
    drawn = wait_for(panel, other.id, 6)
    assert [h["step"] for h in drawn["histograms"]] == [0, 10, 20, 30, 40, 50]
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(readout).to_contain_text("step 50")
    if folder:
        page.set_viewport_size({"width": 390, "height": 844})
        panel.scroll_into_view_if_needed()
        page.screenshot(path=f"{folder}/histograms-390.png")
    panel.get_by_label(f"Run of {NAME}").select_option("without")
    expect(panel).to_contain_text("This run has no histogram of this name.")


START = 1_760_000_000.0


def test_histograms_follow_the_axis_of_the_page_and_are_drawn_as_ridges(
    page: Page, feeder: Feeder, lab: RealLab, tmp_path: Path
) -> None:
    run = feeder.run("timed", project="histograms-over-time")
    run.points({"loss": ([0, 1], [2.0, 1.0])}, start=START, spacing_s=1.0)
    by_step = logged(run, range(0, 3000, 2), 8, 4, START + 5)  # half a step each second
    page.goto(f"{lab.url}/projects/{run.project}?pane=charts&runs={run.id}&x=relative")
    page.get_by_role("button", name="Add chart").click()
    editor = page.get_by_role("dialog")
    editor.get_by_role("radio", name="Histograms").click()
    editor.get_by_label("Histograms of this name").fill(NAME)
    editor.get_by_role("button", name="Save").click()
    panel = page.locator(".panel[data-key^='own:']")
    page.wait_for_function(f"panel => ({DRAWN})(panel)", arg=panel.element_handle())
    for axis, zero in (("relative", START), ("time", 0.0)):
        page.goto(f"{lab.url}/projects/{run.project}?pane=charts&runs={run.id}&x={axis}")
        page.wait_for_function(f"panel => ({DRAWN})(panel)", arg=panel.element_handle())
        drawn = panel.evaluate(DRAWN)
        assert len(drawn["histograms"]) > 100
        for one in drawn["histograms"]:
            assert one["x"] == pytest.approx(START + 5 + one["step"] / 2 - zero, abs=1e-3)
        # Zoomed in, the whole range and its margins are there, and few others.
        lo, hi = (int(1e6 * (START + at - zero)) for at in (405, 445))
        page.goto(f"{lab.url}/projects/{run.project}?pane=charts&runs={run.id}&x={axis}&lo={lo}&hi={hi}")
        near = f"panel => {{ const h = ({DRAWN})(panel)?.histograms; return h && h.length < 100 && h[0].step > 700; }}"
        page.wait_for_function(near, arg=panel.element_handle())
        drawn = panel.evaluate(DRAWN)
        steps = [h["step"] for h in drawn["histograms"]]
        assert steps == list(range(steps[0], steps[-1] + 2, 2)) and steps[0] <= 784 and steps[-1] >= 896
        check_numbers(drawn, by_step)
    ticks = panel.locator(".xy-grid text")
    clock = time.strftime("%H:%M", time.localtime(START + 425))
    expect(ticks.filter(has_text=clock[:2]).first).to_be_visible()
    chart = panel.locator(".heat-plot")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    last = START + 5 + drawn["histograms"][-1]["step"] / 2
    expect(chart.get_by_role("status")).to_contain_text(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last)))

    heat = chart.locator("canvas").screenshot()
    panel.get_by_role("radio", name="Ridges").click()
    expect(panel.locator(".panel-note")).to_contain_text("1,500 histograms are drawn")
    expect(panel.locator(".heat-scale")).to_have_count(0)
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/ridges.png")
    assert chart.locator("canvas").screenshot() != heat
    svg = ET.fromstring(taken(panel, "SVG", tmp_path))
    assert "Time" in [e.text for e in svg.iter() if e.tag.endswith("text")]
    page.keyboard.press("Escape")
    page.goto(f"{lab.url}/projects/{run.project}?pane=charts&runs={run.id}")  # it is kept, and over steps again
    expect(panel.get_by_role("radio", name="Ridges")).to_be_checked()
    page.wait_for_function(f"panel => ({DRAWN})(panel)?.histograms[1].x >= 2", arg=panel.element_handle())
