"""Charts of runs: a point for each over two columns of the table, coloured by a third, and bars."""

from __future__ import annotations

import csv
import io
import os
import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from pyhectiqlab.testing.lab import RealLab

from .feeder import Feeder

pytestmark = pytest.mark.browser
SVG = "{http://www.w3.org/2000/svg}"


def taken(panel: Locator, what: str, folder: Path) -> bytes:
    """Return the file that a chart's menu gives."""
    if not panel.get_by_role("button", name=what, exact=True).is_visible():
        panel.get_by_label("Settings of").first.click()
    with panel.page.expect_download() as download:
        panel.get_by_role("button", name=what, exact=True).click()
    download.value.save_as(folder / what)
    return (folder / what).read_bytes()


def test_runs_are_points_over_a_config_coloured_by_another_and_bars(
    page: Page, feeder: Feeder, lab: RealLab, tmp_path: Path
) -> None:
    runs = {}
    for i in range(5):
        run = feeder.run(f"run-{i}", project="points of runs")
        if i < 4:
            run.event("config", values={"lr": 10.0**-i, "optimizer": "adam" if i % 2 else "sgd"})
        run.points({"valid/loss": (range(10), [3.0 - 0.1 * i * step for step in range(10)])})
        runs[run.id] = i
    page.goto(f"{feeder.url}/projects/points%20of%20runs?pane=charts")
    page.get_by_role("button", name="Add chart").click()
    editor = page.get_by_role("dialog")
    editor.get_by_role("radio", name="Runs").click()
    save = editor.get_by_role("button", name="Save")
    expect(save).to_be_disabled()
    editor.get_by_label("Y: a column of the table").fill('metric."valid/loss".min')
    editor.get_by_label("X: another column").fill("lr")  # names no column
    expect(save).to_be_disabled()
    editor.get_by_label("X: another column").fill("config.lr")
    editor.get_by_label("Colour").fill("config.optimizer")
    save.click()
    own = page.locator(".panel[data-key^='own:']")
    own.get_by_label("Settings of min valid/loss over lr").first.click()
    own.get_by_label("Horizontal scale of this chart").select_option("log")
    page.keyboard.press("Escape")
    expect(own.locator(".xy-grid")).to_contain_text("0.001")
    expect(own.locator("h3")).to_have_text("min valid/loss over lr")
    expect(own).to_have_attribute("data-state", "drawn")
    expect(own.locator(".panel-note")).to_have_text("1 run without both numbers")
    points = own.evaluate("e => e.points.map(p => ({run: p.run.id, x: p.x, y: p.y, color: p.color}))")
    rows = requests.get(
        f"{lab.url}/api/v1/table",
        {"project": "points of runs", "column": ["config.lr", 'metric."valid/loss".min', "config.optimizer"]},
        headers=lab.headers,
        timeout=20,
    ).json()["rows"]
    wanted = {row["id"]: row["values"] for row in rows if row["values"][0] is not None}
    assert {p["run"]: [p["x"], p["y"]] for p in points} == {run: values[:2] for run, values in wanted.items()}
    assert sorted(p["y"] for p in points) == pytest.approx([3.0 - 0.9 * i for i in (3, 2, 1, 0)])
    colors = {wanted[p["run"]][2]: p["color"] for p in points}
    assert len(points) == 4 and len(set(colors.values())) == 2
    expect(own.get_by_role("list").get_by_role("listitem")).to_have_text(["optimizer", "adam", "sgd"])

    rows_of = list(csv.DictReader(io.StringIO(taken(own.first, "CSV", tmp_path).decode())))
    assert {row["run"]: [float(row["lr"]), float(row["min valid/loss"])] for row in rows_of} == {
        run: values[:2] for run, values in wanted.items()
    }
    svg = ET.fromstring(taken(own.first, "SVG", tmp_path))
    assert Counter(c.get("fill") for c in svg.iter(f"{SVG}circle")) == {  # one of each is in the legend
        color: 1 + [p["color"] for p in points].count(color) for color in colors.values()
    }
    assert taken(own.first, "PNG", tmp_path).startswith(b"\x89PNG")

    page.get_by_role("button", name="Add chart").click()
    editor.get_by_role("radio", name="Runs").click()
    editor.get_by_label("Y: a column of the table").fill('metric."valid/loss".last')
    save.click()
    bars = own.nth(1).get_by_role("listitem")
    expect(bars).to_have_count(5)
    assert {b.get_attribute("title") for b in bars.get_by_role("link").all()} == {f"run-{i}" for i in range(5)}
    expect(bars.filter(has_text="run-3")).to_contain_text("0.3")
    values = {
        row["name"]: float(row["valid/loss"])
        for row in csv.DictReader(io.StringIO(taken(own.nth(1), "CSV", tmp_path).decode()))
    }
    svg = ET.fromstring(taken(own.nth(1), "SVG", tmp_path))
    widths = [float(bar.get("width") or "") for bar in svg.iter(f"{SVG}rect") if bar.get("class") == "bar"]
    assert values == pytest.approx({f"run-{i}": 3.0 - 0.9 * i for i in range(5)})
    assert np.array(widths) / max(widths) == pytest.approx(np.abs([*values.values()]) / 3.0, abs=0.01)
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/runs-charts.png")

    page.reload()  # they are kept
    expect(own.first).to_have_attribute("data-state", "drawn")
    chart = own.first.get_by_role("group", name="Chart of min valid/loss over lr")
    chart.focus()
    page.keyboard.press("ArrowRight")
    first = points[0]["run"]
    expect(own.first.locator(".readout")).to_contain_text(f"run-{runs[first]}")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"/runs/{first}"))
