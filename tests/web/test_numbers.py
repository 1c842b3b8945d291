"""Every number on the page that comes from points, compared with the raw points.

Random series with NaN and infinities, ranks, attempts and shuffled steps, seen at random widths, zooms, axes and
smoothings.
"""

from __future__ import annotations

import math
import re
import uuid
from dataclasses import dataclass
from random import Random
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.store.points import Axis, Column, PointBatch, Selector, Smoothing
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.testing.memory_points import MemoryPointStore
from pyhectiqlab.transport.columns import Points
from pyhectiqlab.transport.http import LabClient

from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser

VIEWS = 6  # of each seed
UNITS = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
KEYS = ("train/loss", "valid/loss")
STATS = ("last", "first", "min", "max", "mean", "count", "nan", "min_step", "max_step")


@dataclass
class Training:
    id: str
    name: str
    store: MemoryPointStore
    points: dict[str, Points]

    def summary(self, key: str) -> dict[str, float]:
        """Return what a table says of the key, over all ranks and attempts."""
        (its,) = self.store.summaries(key, [self.id]).values()
        return {stat: getattr(its, "points" if stat == "count" else stat) for stat in STATS}


def feed(feeder: Feeder, rng: Random, project: str, name: str) -> str:
    """Make a run of one or two attempts of one to three ranks. Return its id."""
    draw = np.random.default_rng(rng.randrange(1 << 30))
    ranks, attempts, arm = rng.choice([1, 2, 3]), rng.choice([1, 2]), rng.choice(["x", "y"])
    for attempt in range(attempts):
        runs = [feeder.run(name, project, rank, ranks, restart=str(attempt)) for rank in range(ranks)]
        for run in runs:
            run.event("config", values={"arm": arm})
            for key in KEYS:
                n = rng.choice([1, 2, 40, 300])
                steps = np.cumsum(draw.choice([0, 1, 1, 1, 2, 40], n)) + 50 * attempt
                odd = draw.choice([np.nan, np.inf, -np.inf, 1e6], n)
                values = np.where(draw.random(n) < 0.05, odd, draw.normal(size=n))
                order = draw.permutation(n) if rng.random() < 0.5 else np.arange(n)
                run.points({key: (steps[order].tolist(), values[order].tolist())}, spacing_s=0.25)
    return runs[0].id


def arm_of(lab: RealLab, run: str) -> str:
    """Return what the run is grouped by."""
    with LabClient(lab.url, lab.api_key) as client:
        return str(client.get(f"/runs/{run}")["config"]["arm"])


def training(lab: RealLab, run: str, name: str) -> Training:
    """Return the run with all its raw points, read from the lab, in the plain model of a store."""
    store = MemoryPointStore()
    with LabClient(lab.url, lab.api_key) as client:
        points = {key: Points.joined(client.points(run, key)) for key in KEYS}
    places = sorted({*zip(points[KEYS[0]].attempt, points[KEYS[0]].rank, strict=True)})
    for attempt, rank in places:
        last = 0
        for key in KEYS:
            its = points[key]
            rows = [i for i, at in enumerate(zip(its.attempt, its.rank, strict=True)) if at == (attempt, rank)]
            first, last = last + 1, last + len(rows)
            seq, time_us = np.arange(first, last + 1), its.time_us
            column = Column(
                key,
                seq,
                np.array([its.step[i] for i in rows], np.int64),
                np.array([its.value[i] for i in rows]),
                np.array([time_us[i] for i in rows], np.int64),
            )
            store.append([PointBatch(run, rank, attempt, f"{attempt} {rank}", first, last, [column])])
    return Training(run, name, store, points)


@dataclass(frozen=True)
class View:
    axis: Axis
    rank: Literal["each"] | None
    attempt: Literal["each"] | None
    smoothing: Smoothing | None
    span: tuple[int, int] | None  # in units of the axis
    key: str  # that the span is about
    width: int  # of the window, in pixels

    def link(self) -> str:
        asked: dict[str, object] = {"x": self.axis}
        if self.rank:
            asked["rank"] = self.rank
        if self.attempt:
            asked["attempt"] = self.attempt
        if self.smoothing:
            asked["smooth"] = f"{self.smoothing.kind},{self.smoothing.width}"
        if self.span:
            asked |= {"lo": self.span[0], "hi": self.span[1]}
        return urlencode(asked)


def drawn_view(rng: Random, run: Training) -> View:
    axis: Axis = rng.choice(["step", "time"])
    unit = 1 if axis == "step" else 1_000_000
    key = rng.choice(KEYS)
    at = sorted(run.points[key].step if axis == "step" else run.points[key].time_us)
    span = (at[len(at) // 5], at[-1 - len(at) // 5]) if len(at) > 5 and rng.random() < 0.5 else None
    smoothing = rng.choice(
        [None, Smoothing(rng.choice(["exponential", "gaussian", "mean", "median"]), rng.choice([1, 7, 60]) * unit)]
    )
    return View(
        axis,
        rng.choice([None, "each"]),
        rng.choice([None, "each"]),
        smoothing,
        span if span and span[0] < span[1] else None,
        key,
        rng.choice([420, 900, 1600]),
    )


def same(shown: float | None, true: float) -> bool:
    """Return whether two are equal: in some places, JSON of a page has null for NaN."""
    return math.isclose(math.nan if shown is None else shown, true, rel_tol=1e-9, abs_tol=1e-12) or (
        (shown is None or math.isnan(shown)) and math.isnan(true)
    )


def check_curve(curve: dict[str, Any], run: Training, key: str, view: View) -> int:
    """Compare each bucket that is drawn with the points in it. Return how many points were drawn."""
    selector = Selector(run.id, key, curve["rank"], curve["attempt"])
    smoothed = {} if view.smoothing is None else {"smoothing": view.smoothing}
    (true,) = run.store.buckets([selector], axis=view.axis, n=1 << 62, **smoothed)
    assert true.width == 1
    counted = 0
    unit = 1 if view.axis == "step" else 1e-6
    for i, start in enumerate(curve["start"]):
        inside = (true.start >= start) & (true.start < start + curve["width"])
        lo, hi = view.span or (-math.inf, math.inf)
        cut = start < lo or start + curve["width"] - 1 > hi
        if cut:  # the lab was asked for a window that may end within it
            assert curve["count"][i] <= true.count[inside].sum()
            continue
        assert curve["count"][i] == true.count[inside].sum()
        assert curve["nan"][i] == true.nan[inside].sum()
        finite = inside & np.isfinite(true.mean)
        low, high = (true.min[finite].min(), true.max[finite].max()) if finite.any() else (math.nan, math.nan)
        assert same(curve["min"][i], low) and same(curve["max"][i], high)
        weights = (true.count - true.nan - true.pinf - true.ninf)[finite]
        mean = np.average(true.mean[finite], weights=weights) if finite.any() else math.nan
        line, raw = curve["line"][i], curve["raw"]
        if view.smoothing is None:
            assert math.isclose(line, mean, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(line) and math.isnan(mean))
        else:
            assert same(raw[i], mean) or math.isclose(raw[i], mean, rel_tol=1e-9, abs_tol=1e-9)
            newest = inside & (true.last_step == true.last_step[inside].max())  # of several ranks, any
            at = int(np.flatnonzero(newest & (true.last_x == curve["lastX"][i]))[0])
            expected = math.nan if math.isnan(mean) else float(true.smoothed[at])
            assert math.isclose(line, expected, rel_tol=1e-6, abs_tol=1e-5) or (
                math.isnan(line) and math.isnan(expected)
            )
            assert math.isclose(curve["lineX"][i], curve["lastX"][i] * unit, rel_tol=1e-12)
        counted += int(curve["count"][i])
    return counted


def test_each_line_of_a_chart_is_that_of_the_raw_points(page: Page, lab: RealLab, feeder: Feeder, rng: Random) -> None:
    project = f"numbers-{uuid.uuid4().hex[:6]}"
    runs = {name: training(lab, feed(feeder, rng, project, name), name) for name in ("a", "b")}
    by_id = {run.id: run for run in runs.values()}
    checked = 0
    for _ in range(VIEWS):
        view = drawn_view(rng, runs["a"])
        print(view)
        page.set_viewport_size({"width": view.width, "height": 900})
        page.goto(f"{feeder.url}/projects/{project}?pane=charts&runs={','.join(by_id)}&{view.link()}")
        for key in (view.key,) if view.span else KEYS:
            lines = sum(len(lines_of(run, key, view)) for run in by_id.values())
            smoothed = "true" if view.smoothing else "false"
            condition = f"d.curves.length <= {lines} && (d.curves[0].raw !== null) === {smoothed}"
            panel = Panel(page, key)
            panel.root.first.scroll_into_view_if_needed()  # below what a small window shows
            for curve in panel.wait(condition)["curves"]:
                checked += check_curve(curve, by_id[curve["run"]], key, view)
    assert checked >= VIEWS  # a seed may give lines of few points


def lines_of(run: Training, key: str, view: View) -> set[tuple[int | None, int | None]]:
    its = run.points[key]
    return {
        (rank if view.rank else None, attempt if view.attempt else None)
        for rank, attempt in zip(its.rank, its.attempt, strict=True)
    }


def number(text: str) -> float:
    """Return a number as the page writes it."""
    text = text.replace(",", "").replace("−", "-").replace("+", "")
    factor = UNITS.get(text[-1:], 1.0)
    return float(text.rstrip("kMGT")) * factor


def shows(text: str, true: float) -> bool:
    shown = number(text)
    return (math.isnan(shown) and math.isnan(true)) or math.isclose(shown, true, rel_tol=1e-3, abs_tol=1e-3)


def test_what_the_table_and_its_groups_say_of_a_metric_is_so(
    page: Page, lab: RealLab, feeder: Feeder, rng: Random
) -> None:
    project = f"numbers-{uuid.uuid4().hex[:6]}"
    runs = [training(lab, feed(feeder, rng, project, name), name) for name in "abcdef"]
    key = KEYS[1]
    columns = [f"metric.{key}.{stat}" for stat in STATS]
    page.set_viewport_size({"width": 1900, "height": 900})
    asked = urlencode([("col", column) for column in columns])
    page.goto(f"{feeder.url}/projects/{project}?pane=table&{asked}")
    for run in runs:
        row = page.locator(f'tr[data-run="{run.id}"]')
        expect(row.locator("td.value:not(.dim)")).to_have_count(len(STATS), timeout=20_000)
        for cell, (stat, true) in zip(row.locator("td.value").all(), run.summary(key).items(), strict=True):
            exact = float((cell.get_attribute("title") or "").replace("Infinity", "inf"))
            assert math.isclose(exact, true, rel_tol=1e-9) or (math.isnan(exact) and math.isnan(true)), (stat, true)
            assert shows(cell.inner_text(), true), (stat, true)
    page.goto(f"{feeder.url}/projects/{project}?pane=table&by=state&{asked}")
    row = page.locator("tr.group-row")
    expect(row).to_have_count(1)
    for cell, stat in zip(row.locator("td.value").all(), STATS, strict=True):
        values = np.array([run.summary(key)[stat] for run in runs])
        finite = values[np.isfinite(values)]
        mean, std, low, high = finite.mean(), finite.std(ddof=1), finite.min(), finite.max()
        title = cell.get_attribute("title") or ""
        match = re.fullmatch(r"Mean (\S+), standard deviation (\S+), from (\S+) to (\S+); of (\d+) values?.*", title)
        assert match, title
        np.testing.assert_allclose([float(t) for t in match.groups()], [mean, std, low, high, len(values)], rtol=1e-9)
        text = re.match(r"(\S+) ± (\S+)\s+(\S+) … (\S+)", cell.inner_text())
        assert text and all(shows(t, v) for t, v in zip(text.groups(), (mean, std, low, high), strict=True))


def test_the_head_of_a_chart_and_what_it_says_at_the_pointer_are_the_raw_points(
    page: Page, lab: RealLab, feeder: Feeder, rng: Random
) -> None:
    project = f"numbers-{uuid.uuid4().hex[:6]}"
    run = feeder.run("one", project)
    steps = sorted(rng.sample(range(2000), 60))
    values = [rng.choice([math.nan, rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 1e4)]) for _ in steps]
    values[-1], values[0] = 0.25, 0.5
    order = rng.sample(range(60), 60)
    run.points({"train/loss": ([steps[i] for i in order], [values[i] for i in order])})
    page.goto(f"{feeder.url}/runs/{run.id}")
    panel = Panel(page, "train/loss")
    (curve,) = panel.wait("d.curves.length === 1")["curves"]
    assert sum(curve["count"]) == 60
    expect(panel.root.locator(".panel-value")).to_have_text("0.25")
    for at in (0.02, 0.3, 0.55, 0.8):
        panel.hover(at)
        where = panel.root.locator(".readout-where")
        expect(where).to_be_visible()
        (step,) = re.fullmatch(r"step ([\d,]+)", where.inner_text()).groups()  # type: ignore[union-attr]
        true = values[steps.index(int(step.replace(",", "")))]
        shown = panel.root.locator(".readout-row b").inner_text()
        assert shows(shown, true), (step, shown, true)
        page.mouse.move(0, 0)
        expect(where).to_have_count(0)
