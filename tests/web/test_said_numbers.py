"""What charts say in words, as CSV and of groups, compared with the raw points.

Random series, at random widths, zooms and smoothings: heads, readouts, files, bands.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
import uuid
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.store.points import Buckets, Selector
from pyhectiqlab.testing.lab import RealLab

from .feeder import Feeder
from .panels import Panel
from .test_numbers import KEYS, Training, View, arm_of, drawn_view, feed, number, training

pytestmark = pytest.mark.browser
VIEWS = 3  # of each seed


class Slice:
    """The points of a line from `start` through `end`."""

    def __init__(self, true: Buckets, start: int, end: int) -> None:
        inside = (true.start >= start) & (true.start <= end)
        finite = inside & np.isfinite(true.mean)
        weights = (true.count - true.nan - true.pinf - true.ninf)[finite]
        self.count, self.nan = int(true.count[inside].sum()), int(true.nan[inside].sum())
        self.mean = float(np.average(true.mean[finite], weights=weights)) if finite.any() else math.nan
        self.low = float(true.min[finite].min()) if finite.any() else math.nan
        self.high = float(true.max[finite].max()) if finite.any() else math.nan
        self.last = float(true.last[inside][-1])
        self.smoothed = math.nan if true.smoothed is None else float(true.smoothed[inside][-1])


def raw_line(run: Training, key: str, view: View) -> Buckets:
    """Return the line over all ranks and attempts with a bucket for each step."""
    more: dict[str, Any] = {} if view.smoothing is None else {"smoothing": view.smoothing}
    (true,) = run.store.buckets([Selector(run.id, key)], axis="step", n=1 << 62, **more)
    assert true.width == 1
    return true


def says(text: str, true: float) -> bool:
    """Return whether the page writes this number, in five digits."""
    shown = number(text.replace("∞", "inf"))
    return math.isclose(shown, true, rel_tol=6e-5, abs_tol=1e-6) or (math.isnan(shown) and math.isnan(true))


def whole_view(rng: Random, run: Training) -> View:
    """Return a view over steps, of ranks and attempts together."""
    while (view := drawn_view(rng, run)).axis != "step":
        pass
    return replace(view, rank=None, attempt=None)


def check_head(text: str, run: Training, curve: dict[str, Any], true: Buckets, smoothed: bool) -> None:
    start = int(curve["start"][-1])
    its = Slice(true, start, start + curve["width"] - 1)
    ranks = len({*run.points[KEYS[0]].rank})
    head = re.fullmatch(r"(?:raw (\S+) · smoothed )?(\S+?)(?: · mean of (\d+) ranks)?", text)
    assert head, text
    raw, value, of = head.groups()
    newest = its.mean if ranks > 1 and not math.isnan(its.mean) else its.last
    assert (of is not None) == (ranks > 1) and int(of or 1) == ranks
    if raw is None:
        assert not smoothed or math.isnan(its.mean)
        assert ranks > 1 or says(value, newest), (text, newest)
        assert ranks == 1 or math.isnan(its.mean) or says(value, its.mean), (text, its.mean)
    else:
        assert says(raw, newest) and says(value, its.smoothed), (text, newest, its.smoothed)


def check_readout(panel: Panel, curves: Sequence[dict[str, Any]], lines: dict[str, Buckets], smoothed: bool) -> int:
    """Compare what stands at the pointer. Return how many lines it tells of."""
    readout = panel.root.locator(".readout")
    expect(readout).to_be_visible()
    where = readout.locator(".readout-where").inner_text()
    rows = readout.locator(".readout-row").all()
    for row in rows:
        parts = row.locator(".readout-detail").inner_text().split(" · ")
        at = next((part for part in reversed(parts) if part.startswith("step")), where)
        step = int(re.findall(r"[\d,]+", at)[0].replace(",", ""))
        # A single line has no name.
        its = [c for c in curves if len(rows) == 1 or c["name"] == row.locator(".readout-name").inner_text()]
        candidates = []
        for curve in its:
            nearest = min(abs(x - step) for x in curve["lineX"])
            for start, last, x in zip(curve["start"], curve["lastX"], curve["lineX"], strict=True):
                if step in (start, last) or ("around" in at and abs(x - step) <= nearest + 1):
                    candidates.append(Slice(lines[curve["name"]], start, start + curve["width"] - 1))
        value = row.locator("b").inner_text()
        wanted = [c.last if math.isnan(c.mean) else c.smoothed if smoothed else c.mean for c in candidates]
        fits = [c for c, true in zip(candidates, wanted, strict=True) if says(value, true)]
        assert fits, (value, wanted, where, parts)
        for low, high in (part.split(" … ") for part in parts if " … " in part):
            assert any(says(low, c.low) and says(high, c.high) for c in fits)
        for part in parts:
            if match := re.fullmatch(r"([\d,]+) points", part):
                assert any(c.count == int(match[1].replace(",", "")) for c in fits)
            if match := re.fullmatch(r"(\d+) NaN", part):
                assert any(c.nan == int(match[1]) for c in fits)
    return len(rows)


def test_heads_readouts_and_csv_say_what_the_raw_points_are(
    page: Page, lab: RealLab, feeder: Feeder, rng: Random
) -> None:
    project = f"said-{uuid.uuid4().hex[:6]}"
    runs = {name: training(lab, feed(feeder, rng, project, name), name) for name in ("a", "b")}
    read, views = 0, list[View]()
    for _ in range(VIEWS):
        some = rng.choice([["a"], ["b"], ["a", "b"]])
        view = whole_view(rng, runs[some[0]])
        print(some, view)
        views.append(view)
        page.set_viewport_size({"width": view.width, "height": 900})
        ids = ",".join(runs[name].id for name in some)
        page.goto(f"{feeder.url}/projects/{project}?pane=charts&runs={ids}&metrics={view.key}&{view.link()}")
        panel = Panel(page, view.key)
        smoothed = view.smoothing is not None
        curves = panel.wait(f"(d.curves[0].raw !== null) === {str(smoothed).lower()}")["curves"]
        lines = {name: raw_line(runs[name], view.key, view) for name in some}
        if len(some) == 1 and view.span is None:
            text = panel.root.locator(".panel-value").inner_text()
            check_head(text, runs[some[0]], curves[0], lines[some[0]], smoothed)
        drawn = panel.wait()
        (lo, hi), points = drawn["x"], [x for c in curves for x in c["lineX"]]
        if view.span is None and hi > lo:  # buckets that a window cuts have some of their points
            for x in rng.sample(points, min(3, len(points))):
                panel.hover(min(0.99, max(0.01, (x - lo) / (hi - lo))))
                read += check_readout(panel, curves, lines, smoothed)
                page.mouse.move(0, 0)
                expect(panel.root.locator(".readout")).to_have_count(0)
        panel.root.get_by_label(re.compile("Settings of")).first.click()
        with page.expect_download() as download:
            panel.root.get_by_role("button", name="CSV", exact=True).click()
        rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
        assert len(rows) == sum(lo <= x <= hi for c in drawn["curves"] for x in c["x"])
        for row in rows:
            start, end = int(row["step_from"]), int(row["step_to"])
            if view.span and (start < view.span[0] or end > view.span[1]):
                continue
            its = Slice(lines[row["name"]], start, end)
            assert (int(row["points"]), int(row["nan"])) == (its.count, its.nan)
            numbers = [float(row[name]) for name in ("min", "max", "mean")]
            np.testing.assert_allclose(numbers, [its.low, its.high, its.mean], rtol=1e-9, atol=1e-9)
            if smoothed and not math.isnan(its.mean):
                assert float(row["smoothed"]) == pytest.approx(its.smoothed, rel=1e-6, abs=1e-5, nan_ok=True)
    assert read > 0 or all(view.span for view in views)


def test_lines_of_groups_and_their_bands_are_those_of_the_raw_points(
    page: Page, lab: RealLab, feeder: Feeder, rng: Random
) -> None:
    project = f"said-{uuid.uuid4().hex[:6]}"
    arms: dict[str, list[Training]] = {}
    for name in "abcde":
        run = feed(feeder, rng, project, name)
        arms.setdefault(f"arm {arm_of(lab, run)}", []).append(training(lab, run, name))
    every = list(itertools.product(["mean", "median"], ["minmax", "std", "quantiles"]))
    for middle, band in rng.sample(every, VIEWS):
        key, width = rng.choice(KEYS), rng.choice([500, 900, 1600])
        page.set_viewport_size({"width": width, "height": 900})
        asked = urlencode({"by": "config.arm", "pane": "charts", "lines": middle, "band": band, "metrics": key})
        page.goto(f"{feeder.url}/projects/{project}?{asked}")
        curves = Panel(page, key).wait(f"d.curves.length === {len(arms)}")["curves"]
        checked = 0
        for curve in curves:
            lines = [run.store.buckets([Selector(run.id, key)], n=1 << 62)[0] for run in arms[curve["name"]]]
            for i, start in enumerate(curve["start"]):
                inside = [((line.start >= start) & (line.start < start + curve["width"])) for line in lines]
                means = [
                    Slice(line, start, start + curve["width"] - 1).mean
                    for line, m in zip(lines, inside, strict=True)
                    if m.any()
                ]
                values = [mean for mean in means if not math.isnan(mean)]
                assert curve["count"][i] == len(values)
                wanted = float(np.mean(values) if middle == "mean" else np.median(values))
                low, high = min(values), max(values)
                if band == "quantiles":
                    low, high = (float(np.quantile(values, share)) for share in (0.25, 0.75))
                elif band == "std" and middle == "mean":
                    std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
                    low, high = wanted - std, wanted + std
                numbers = [curve["line"][i], curve["min"][i], curve["max"][i]]
                np.testing.assert_allclose(numbers, [wanted, low, high], rtol=1e-9, atol=1e-6)
                checked += 1
        assert checked > 0, (middle, band)
        expect(page.locator(".panel").first).to_be_visible()
