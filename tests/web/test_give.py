"""What of a chart and the table is taken along: files are opened, Python is run, compared with the lab's numbers."""

from __future__ import annotations

import csv
import io
import math
import re
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab

from .clicks import Clicks
from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser
SVG = "{http://www.w3.org/2000/svg}"


def test_png_svg_csv_and_python_have_what_is_seen(
    page: Page, lab: RealLab, feeder: Feeder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(11)
    runs = [feeder.run(name, project="give") for name in ("short, one", "long")]
    for run, n in zip(runs, (3000, 20_000), strict=True):
        values = rng.normal(size=n)
        run.points({"train/loss": (range(n), values.tolist())}, spacing_s=0.01)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    clicks = Clicks(page)
    page.goto(f"{feeder.url}/projects/{runs[0].project}?runs={runs[0].id},{runs[1].id}&pane=charts&smooth=mean,40")
    panel = Panel(page, "train/loss")
    curves = panel.wait("d.curves.length === 2 && d.curves.every(c => c.raw !== null)")["curves"]
    panel.root.get_by_label("Settings of train/loss").first.click()

    def taken(name: str) -> bytes:
        with page.expect_download() as download:
            panel.root.get_by_role("button", name=name, exact=True).click()
        path = tmp_path / download.value.suggested_filename
        assert path.name == f"train_loss.{name.lower()}"
        download.value.save_as(path)
        return path.read_bytes()

    panel.root.get_by_role("button", name="Copy as Python").click()
    expect(panel.root.get_by_role("button", name="Copied")).to_be_visible()
    code = str(page.evaluate("navigator.clipboard.readText()"))
    monkeypatch.setenv("HECTIQLAB_URL", lab.url)
    monkeypatch.setenv("HECTIQLAB_API_KEY", lab.api_key)
    there: dict[str, Any] = {}
    exec(code, there)
    rows = list(csv.DictReader(io.StringIO(taken("CSV").decode())))
    svg = ET.fromstring(taken("SVG"))
    lines = {t.text: p.get("d") or "" for p in svg.iter(f"{SVG}path") for t in p.iter(f"{SVG}title")}
    group = next(g for g in svg.iter(f"{SVG}g") if g.get("class") == "lines")
    (x0, x1), (y0, y1), (left, top, right, bottom) = (
        [float(v) for v in (group.get(f"data-{name}") or "").split()] for name in ("x", "y", "box")
    )
    for curve in curves:
        name = curve["name"]
        line = there["lines"][name]
        assert list(line.last_x) == curve["lineX"] and list(line.mean) == curve["raw"]
        np.testing.assert_array_equal(line.smoothed, curve["line"])
        its = [row for row in rows if row["name"] == name]
        for column, values in (("mean", line.mean), ("min", line.min), ("smoothed", line.smoothed)):
            assert [float(row[column]) for row in its] == list(values)
        assert [int(row["last_step"]) for row in its] == list(line.last_x)
        assert sum(int(row["points"]) for row in its) == curve["total"]
        pixels = np.array([[float(v) for v in pair.split()] for pair in re.split("[ML]", lines[name])[1:]])
        np.testing.assert_allclose(x0 + (pixels[:, 0] - left) / (right - left) * (x1 - x0), line.last_x, atol=20)
        np.testing.assert_allclose(y0 + (bottom - pixels[:, 1]) / (bottom - top) * (y1 - y0), line.smoothed, atol=2e-3)
    png = taken("PNG")
    assert png.startswith(b"\x89PNG") and int.from_bytes(png[16:20], "big") == 3 * 640 and len(png) > 20_000
    assert clicks.taken() == 5  # the menu, and once for each of the four
    panel.root.get_by_text("Figure: 640 px, 13 px sans-serif").click()
    panel.root.get_by_label("Width of the figure").select_option("320 px")
    panel.root.get_by_label("Size of the letters").select_option("9 px")
    panel.root.get_by_label("With serifs").check()
    panel.root.get_by_label("Legend").uncheck()
    page.reload()  # it is kept
    panel.wait("d.curves.length === 2")
    panel.root.get_by_label("Settings of train/loss").first.click()
    small = ET.fromstring(taken("SVG"))
    (width, height), units = (float(small.get(name) or "") for name in ("width", "height")), small.get("viewBox")
    assert (width, height) == (320, 200) and "Times" in (small.get("font-family") or "")
    scale = width / float((units or "").split()[2])
    assert scale * float(small.get("font-size") or "") == pytest.approx(9, abs=0.01)
    assert "long" not in {text.text for text in small.iter(f"{SVG}text")}


def test_python_of_the_table_gives_its_rows(
    page: Page, lab: RealLab, feeder: Feeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search, two sorts and columns of each kind; among the values a NaN, a text with quotes, and none."""
    project = f"give-rows-{uuid.uuid4().hex[:6]}"
    values = [(0.1, 3.0, 'a "text"'), (0.1, math.nan, "b"), (0.2, 1.0, None), (9.0, 2.0, "c")]
    for i, (lr, loss, text) in enumerate(values):
        run = feeder.run(f"run {i}", project=project)
        run.event("config", values={"lr": lr, **({"kind": text} if text else {})})
        run.points({"loss": (range(2), [loss, loss])})
    columns = ["config.lr", "config.kind", 'metric."loss".min', "author", "points"]
    asked = [("q", "config.lr<1"), ("sort", "config.lr"), ("sort", "-name"), *(("col", name) for name in columns)]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{lab.url}/projects/{project}?{urlencode(asked)}")
    rows = page.locator("tr[data-run]")
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Python", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    monkeypatch.setenv("HECTIQLAB_URL", lab.url)
    monkeypatch.setenv("HECTIQLAB_API_KEY", lab.api_key)
    there: dict[str, Any] = {}
    exec(str(page.evaluate("navigator.clipboard.readText()")), there)
    given = there["rows"]
    assert [row["id"] for row in given] == [row.get_attribute("data-run") for row in rows.all()]
    assert [row["name"] for row in given] == ["run 1", "run 0", "run 2"]
    assert [list(row) for row in given] == 3 * [["id", "name", *columns]]
    for row, given_row in zip(rows.all(), given, strict=True):
        cells = row.locator("td:not(.pick):not(.eye)")
        loss = given_row[columns[2]]
        expect(cells.nth(0)).to_have_attribute("title", str(given_row["config.lr"]))
        expect(cells.nth(1)).to_have_text(given_row["config.kind"] or "–")
        expect(cells.nth(2)).to_have_attribute("title", "NaN" if math.isnan(loss) else f"{loss:g}")
        expect(cells.nth(3)).to_have_text(given_row["author"])
        expect(cells.nth(4)).to_have_text(str(given_row["points"]))
