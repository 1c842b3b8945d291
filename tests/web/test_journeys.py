"""What a researcher does in a day, on the pages of a real lab, with the clicks that it takes."""

from __future__ import annotations

import csv
import io
import math
import re
import uuid
from random import Random

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient

from .clicks import CLICKS_MAX, Clicks
from .conftest import NewPage
from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser


def unique(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:6]}"


def test_the_run_that_diverged_and_why(page: Page, feeder: Feeder) -> None:
    project = unique("diverged")
    for n in range(6):
        run = feeder.run(f"run-{n}", project)
        curve = [1.0 / (1 + i) for i in range(50)]
        run.event("config", values={"lr": 0.1 * (n + 1)})
        if n == 3:
            curve[40:] = [math.nan] * 10
        run.points({"train/loss": (range(50), curve)})
        failure = {"cause": "FloatingPointError: the loss is NaN", "exit_code": 1} if n == 3 else {}
        run.end("failed" if n == 3 else "completed", **failure)
    clicks = Clicks(page)
    page.goto(f"{feeder.url}/projects/{project}")
    expect(page.locator("tbody .run-name a")).to_have_count(6)
    page.keyboard.press("/")
    page.keyboard.type("nan ")
    names = page.locator("tbody .run-name a")
    expect(names).to_have_text(["run-3"])
    row = page.locator("tbody tr[data-run]")
    expect(row.get_by_text("FloatingPointError: the loss is NaN")).to_be_visible()
    page.keyboard.press("Escape")
    names.click()
    drawn = Panel(page, "train/loss").wait("d.curves.length === 1")["curves"][0]
    assert sum(drawn["nan"]) == 10
    first = next(i for i, n in enumerate(drawn["nan"]) if n)
    assert drawn["start"][first] == 40, "the step at which it began"
    assert clicks.taken() == 1


def test_the_best_of_forty_and_whether_the_rate_or_the_width_matters(page: Page, lab: RealLab, feeder: Feeder) -> None:
    project, rng = unique("forty"), Random(7)
    lowest: dict[str, float] = {}
    by_lr: dict[float, list[float]] = {}
    for n in range(40):
        lr, hidden = (0.1, 0.01)[n % 2], (32, 64)[n // 2 % 2]
        run = feeder.run(f"run-{n:02}", project)
        run.event("config", values={"lr": lr, "hidden": hidden})
        losses = [10 * lr + rng.random() for _ in range(5)]
        run.points({"valid/loss": (range(5), losses)})
        lowest[run.name] = min(losses)
        by_lr.setdefault(lr, []).append(min(losses))
    clicks = Clicks(page)
    page.goto(
        f'{feeder.url}/projects/{project}?pane=table&col=config."lr"&col=config."hidden"&col=metric."valid/loss".min'
    )
    page.get_by_role("button", name="min valid/loss", exact=True).click()
    names = page.locator("tbody .run-name a")
    expect(names.first).to_have_text(min(lowest, key=lowest.__getitem__))
    page.get_by_role("button", name="Group by").click()
    page.get_by_role("dialog", name="Group by").get_by_label("lr").check()
    page.keyboard.press("Escape")
    groups = page.locator("tr.group-row")
    expect(groups.locator(".group-name")).to_have_text([re.compile("lr 0.01"), re.compile("lr 0.1")])
    for group, lr in zip(groups.all(), (0.01, 0.1), strict=True):
        mean, std = np.mean(by_lr[lr]), np.std(by_lr[lr], ddof=1)
        title = group.locator("td.spread").last.get_attribute("title") or ""
        match = re.match(r"Mean (\S+), standard deviation (\S+),", title)
        assert match, title
        np.testing.assert_allclose([float(word) for word in match.groups()], [mean, std], rtol=1e-9)
    assert clicks.taken() == 3


def test_six_runs_are_compared_by_their_configs_and_their_curves(page: Page, feeder: Feeder) -> None:
    project = unique("six")
    for n in range(8):
        run = feeder.run(f"run-{n}", project)
        run.event("config", values={"lr": 0.1 / (n + 1), "layers": 2 + n % 2, "batch": 64})
        run.points({"loss": (range(100), [1 / (1 + i / (n + 1)) for i in range(100)])})
    clicks = Clicks(page)
    page.goto(f"{feeder.url}/projects/{project}?sort=name")
    panel = Panel(page, "loss")
    panel.wait("d.curves.length === 8")
    page.get_by_label("Pick run-1").click()
    page.get_by_label("Pick run-6").click(modifiers=["Shift"])
    page.get_by_role("button", name="Draw only these").click()
    curves = panel.wait("d.curves.length === 6")["curves"]
    assert [curve["name"] for curve in curves] == [f"run-{n}" for n in range(1, 7)]
    for n, curve in enumerate(curves, 1):
        np.testing.assert_allclose(curve["line"], [1 / (1 + x / (n + 1)) for x in curve["lineX"]])
    page.get_by_role("radio", name="Differences").click()
    table = page.get_by_role("region", name="Differences", exact=True)
    rows = table.locator("tr[data-name^='config']")
    expect(rows).to_have_count(2)  # and not the size of the batch, which is the same in all
    assert [float(td.split("+")[0]) for td in rows.nth(0).locator("td").all_inner_texts()] == [3, 2, 3, 2, 3, 2]
    assert clicks.taken() <= CLICKS_MAX


def test_a_link_shows_another_person_exactly_this_view(page: Page, new_page: NewPage, feeder: Feeder) -> None:
    project = unique("link")
    for n in range(4):
        run = feeder.run(f"run-{n}", project)
        run.points({"loss": (range(200), [math.sin(i / 9) + n for i in range(200)])})
    clicks = Clicks(page)
    page.goto(f'{feeder.url}/projects/{project}?sort=name&col=metric."loss".last')
    panel = Panel(page, "loss")
    panel.wait("d.curves.length === 4")
    page.get_by_role("button", name="Draw run-1", exact=True).click()
    panel.wait("d.curves.length === 3")
    panel.drag(0.3, 0.6)
    near = panel.wait("d.curves.length === 3 && d.x[0] > 10")
    page.wait_for_url(re.compile("lo=.*hi="))
    assert clicks.taken() <= CLICKS_MAX
    other = new_page(storage_state=page.context.storage_state())
    other.goto(page.url)
    there = Panel(other, "loss").wait("d.curves.length === 3 && d.x[0] > 10")
    assert (there["x"], [c["name"] for c in there["curves"]]) == (near["x"], [c["name"] for c in near["curves"]])
    lo, hi = near["x"]
    for one, same in zip(near["curves"], there["curves"], strict=True):
        assert one["color"] == same["color"]
        seen = [  # outside the range, each has what it happened to ask for
            [(x, y) for x, y in zip(its["x"], its["line"], strict=True) if lo <= x <= hi] for its in (one, same)
        ]
        assert seen[0] == seen[1] and len(seen[0]) > 20
    expect(other.locator("tbody .run-name a")).to_have_text([f"run-{n}" for n in range(4)])


def test_the_table_is_taken_along_as_csv(page: Page, lab: RealLab, feeder: Feeder) -> None:
    project = unique("csv")
    for n in range(5):
        run = feeder.run(f"=run, {n}" if n == 2 else f"run-{n}", project)
        run.event("config", values={"lr": 10.0**-n})
        run.points({"loss": (range(3), [3.0, math.nan if n == 4 else 0.1 * n, 2.0])})
    clicks = Clicks(page)
    page.goto(
        f'{feeder.url}/projects/{project}?q=config.lr%3C1&sort=name&col=state&col=config."lr"&col=metric."loss".min'
    )
    expect(page.locator("tbody .run-name a")).to_have_count(4)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    with LabClient(lab.url, lab.api_key) as client:
        column = ['config."lr"', 'metric."loss".min']
        table = client.get("/table", {"project": project, "filter": "config.lr<1", "sort": "name", "column": column})
    assert list(rows[0]) == ["name", "state", *column]
    for row, there in zip(rows, table["rows"], strict=True):
        name, state, lr, least = row.values()
        assert name.lstrip("'") == there["name"] and state == there["state"]
        assert [float(lr), float(least)] == [float(value) for value in there["values"]]
    assert clicks.taken() == 1


def test_a_spike_of_one_step_among_a_million_points_is_found_and_read(page: Page, feeder: Feeder) -> None:
    run = feeder.run("million", unique("spike"))
    spike, n, part = 654_321, 1_000_000, 250_000
    for start in range(0, n, part):
        steps = np.arange(start, start + part)
        values = np.cos(steps / 1e5)
        values[steps == spike] = 750.0
        run.points({"loss": (steps, values)}, start=1e9 + start, spacing_s=0.001)
    clicks = Clicks(page)
    page.goto(f"{feeder.url}/runs/{run.id}")
    panel = Panel(page, "loss")
    drawn = panel.wait()
    whole = drawn["curves"][0]
    assert sum(whole["count"]) == n and max(whole["max"]) == 750
    while whole["width"] > 1:  # drag around where the band stands out
        (lo, hi), at = drawn["x"], whole["start"][whole["max"].index(750)]
        middle, half = (at + whole["width"] / 2 - lo) / (hi - lo), max(0.02, 2 * whole["width"] / (hi - lo))
        panel.drag(max(0.0, middle - half), min(1.0, middle + half))
        drawn = panel.wait(f"d.curves[0].width < {whole['width']}")
        whole = drawn["curves"][0]
    assert whole["start"][whole["max"].index(750)] == spike
    panel.hover((spike - drawn["x"][0]) / (drawn["x"][1] - drawn["x"][0]))
    expect(panel.root.locator(".readout-where")).to_have_text("step 654,321")
    expect(panel.root.locator(".readout-row b")).to_have_text("750")
    assert clicks.taken() <= CLICKS_MAX
