"""Lines of groups in the charts, beside the grouped table: their numbers are those of the raw points of the runs."""

from __future__ import annotations

import math
import os
import re
import statistics
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab

from .clicks import CLICKS_MAX, Clicks
from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser

STEPS = 12


def test_each_group_is_one_line_with_a_band_of_its_runs(page: Page, lab: RealLab, feeder: Feeder) -> None:
    project = f"lines-{uuid.uuid4().hex[:6]}"
    values = {  # the values of each run at each step, by group
        "lr 0.1": [[(i + 1) * (step + 1) / 7 for step in range(STEPS)] for i in range(4)],
        "lr 0.01": [[9.0 - i - step / 3 for step in range(STEPS)] for i in range(2)],
    }
    values["lr 0.1"][3][5] = math.nan
    runs: dict[str, list[Any]] = {name: [] for name in values}
    for name, curves in values.items():
        for i, curve in enumerate(curves):
            run = feeder.run(f"{name}-{i}", project=project)
            run.event("config", values={"lr": float(name.split()[1])})
            run.points({key: (range(STEPS), curve) for key in ("loss", "accuracy")})
            runs[name].append(run)

    def at(name: str, step: int) -> list[float]:
        return [curve[step] for curve in values[name] if not math.isnan(curve[step])]

    def check(drawn: Any, middle: Any, band: Any, names: list[str]) -> None:
        assert [c["name"] for c in drawn["curves"]] == names
        for c in drawn["curves"]:
            its = [at(c["name"], step) for step in range(len(values[c["name"]][0]))]
            assert c["start"] == list(range(len(its))) and c["count"] == [len(v) for v in its]
            assert c["line"] == pytest.approx([middle(v) for v in its], rel=1e-12)
            assert c["min"] == pytest.approx([band(v)[0] for v in its], rel=1e-12)
            assert c["max"] == pytest.approx([band(v)[1] for v in its], rel=1e-12)

    clicks = Clicks(page)
    page.goto(f'{lab.url}/projects/{project}?col=metric."loss".last&sort=name')
    page.get_by_role("button", name="Group by").click()
    page.get_by_role("dialog", name="Group by").get_by_label("lr").check()
    page.keyboard.press("Escape")
    rows = page.locator("tr.group-row")
    expect(rows.locator(".group-name")).to_have_text(["lr 0.14 runs", "lr 0.012 runs"])
    loss, accuracy = Panel(page, "loss"), Panel(page, "accuracy")
    both = ["lr 0.1", "lr 0.01"]
    drawn = loss.wait("d.curves.length === 2")
    check(drawn, statistics.mean, lambda v: (min(v), max(v)), both)
    expect(page.get_by_text("2 groups are drawn.")).to_be_visible()
    # The colour of a group is that of its row, and the browser keeps it.
    colours = {c["name"]: c["color"] for c in drawn["curves"]}
    for name, colour in colours.items():
        swatch = page.get_by_role("button", name=f"Draw {name} alone").locator("i")
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        assert swatch.evaluate("e => e.style.background") == f"rgb({red}, {green}, {blue})"
    page.get_by_label("Band", exact=True).select_option("std")

    def spread(v: list[float]) -> tuple[float, float]:
        std = statistics.stdev(v) if len(v) > 1 else 0.0
        return statistics.mean(v) - std, statistics.mean(v) + std

    wide = spread(at("lr 0.01", 0))[1]
    drawn = loss.wait(f"d.curves.length === 2 && Math.abs(d.curves[1].max[0] - {wide!r}) < 1e-9")
    check(drawn, statistics.mean, spread, both)
    page.get_by_role("radio", name="Medians").click()
    lowest = min(at("lr 0.1", 0))
    drawn = loss.wait(f"d.curves.length === 2 && Math.abs(d.curves[0].min[0] - {lowest!r}) < 1e-9")
    check(drawn, statistics.median, lambda v: (min(v), max(v)), both)  # a median has no standard deviation
    assert clicks.taken() <= CLICKS_MAX
    # A row and its line belong to the same group.
    rows.nth(1).locator(".group-name").hover()
    for panel in (loss, accuracy):
        expect(panel.root.locator("canvas.panel-lit")).to_be_visible()
    loss.hover(6 / (STEPS - 1))
    expect(loss.root.locator(".readout")).to_contain_text("median of 4 runs")
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/lines.png")
    page.get_by_role("button", name="Draw the line of lr 0.1", exact=True).click()
    check(loss.wait("d.curves.length === 1"), statistics.median, lambda v: (min(v), max(v)), ["lr 0.01"])
    page.wait_for_url(re.compile("lines=median.*groups=g"))
    page.reload()
    drawn = loss.wait("d.curves.length === 1")
    assert drawn["curves"][0]["color"] == colours["lr 0.01"]
    # It is live.
    for run, curve in zip(runs["lr 0.01"], values["lr 0.01"], strict=True):
        curve.append(1.5)
        run.points({"loss": ([STEPS], [1.5])})
    drawn = loss.wait(f"d.curves[0].count[{STEPS}] === 2")
    check(drawn, statistics.median, lambda v: (min(v), max(v)), ["lr 0.01"])
    page.get_by_role("button", name="All", exact=True).click()
    loss.wait("d.curves.length === 2")
    page.get_by_role("button", name="Draw lr 0.1 alone").click()
    assert loss.wait("d.curves.length === 1")["curves"][0]["name"] == "lr 0.1"
    page.get_by_role("button", name="Draw the others again").click()
    page.get_by_role("radio", name="Differences").click()  # which are of runs
    expect(page.get_by_role("button", name="Draw the runs of lr 0.1", exact=True)).to_be_visible()
    page.get_by_role("radio", name="Curves").click()
    page.get_by_role("radio", name="Wall time").click()
    loss.wait("d.axis === 'time' && d.curves.length === 2 && d.curves[0].x[0] > 1.5e9")
    page.get_by_role("radio", name="Step", exact=True).click()
    loss.wait("d.axis === 'step' && d.curves.length === 2")
    expect(page).not_to_have_url(re.compile("x=time"))
    page.goto(f"{page.url}&smooth=mean,1")
    drawn = loss.wait("d.curves.length === 2 && d.curves.every(c => c.raw)")
    its = values["lr 0.01"]
    wanted = [statistics.median(statistics.fmean(run[max(0, i - 1) : i + 2]) for run in its) for i in range(STEPS)]
    (line,) = (curve["line"] for curve in drawn["curves"] if curve["name"] == "lr 0.01")
    assert line[:STEPS] == pytest.approx(wanted)
    page.get_by_role("radio", name="Runs", exact=True).click()
    loss.wait("d.curves.length === 6 && d.curves.every(c => c.run.length === 12)")


def test_groups_by_rank(page: Page, lab: RealLab, feeder: Feeder) -> None:
    """A line for each rank, over the runs that have it: of the points of that rank alone, with their band."""
    project = f"ranks-{uuid.uuid4().hex[:6]}"
    for level, (name, ranks) in enumerate({"a": 3, "b": 3, "c": 1}.items()):
        for rank in range(ranks):
            run = feeder.run(name, project=project, rank=rank, world_size=ranks)
            run.points({"loss": (range(3), [100.0 * rank + level] * 3)})
    page.goto(f"{lab.url}/projects/{project}?by=rank&col=host&col=state&sort=name")
    names = page.locator("tr.group-row .group-name")
    expect(names).to_have_text(["rank 03 runs", "rank 12 runs", "rank 22 runs"])
    curves = Panel(page, "loss").wait("d.curves.length === 3")["curves"]
    by_name = {c["name"]: (c["line"][0], c["min"][0], c["max"][0], c["count"][0]) for c in curves}
    assert by_name == {
        "rank 0": (1.0, 0.0, 2.0, 3),
        "rank 1": (100.5, 100.0, 101.0, 2),
        "rank 2": (200.5, 200.0, 201.0, 2),
    }
    names.nth(1).click()
    expect(page.locator("tr[data-run] .run-name a")).to_have_text(["a", "b"])
    page.goto(f"{lab.url}/projects/{project}?col=host&sort=name")
    expect(page.get_by_role("columnheader", name="Host")).to_be_visible()
    expect(page.get_by_role("cell", name="gpu-7")).to_have_count(3)


def test_lines_of_groups_are_told_apart_by_rank(page: Page, lab: RealLab, feeder: Feeder) -> None:
    """Each rank of a group is a line, of that rank's points alone over the runs, with their band; in colour, dash or a
    chart of its own. Columns of groups of a rank are of that rank, too.
    """
    project = f"apart-{uuid.uuid4().hex[:6]}"
    wide = {"a": 3, "b": 3, "c": 2, "d": 1}  # how many ranks; lr 0.1 of a and b, 0.01 of the others
    for level, (name, ranks) in enumerate(wide.items()):
        for rank in range(ranks):
            run = feeder.run(name, project=project, rank=rank, world_size=ranks)
            run.points({"loss": (range(3), [100.0 * rank + level] * 3)})
        run.event("config", values={"lr": 0.1 if ranks == 3 else 0.01})
    page.goto(f"{lab.url}/projects/{project}?by=config.lr&col=state&sort=config.lr")
    loss = Panel(page, "loss")
    loss.wait("d.curves.length === 2")
    page.get_by_role("button", name="Tell apart").click()
    page.get_by_label("Colour by").select_option("rank")
    page.keyboard.press("Escape")

    def by_name(curves: Any) -> dict[str, tuple[int | None, float, float, float, int]]:
        return {c["name"]: (c["rank"], c["line"][0], c["min"][0], c["max"][0], c["count"][0]) for c in curves}

    wanted = {
        "lr 0.1 · rank 0": (0, 0.5, 0.0, 1.0, 2),
        "lr 0.1 · rank 1": (1, 100.5, 100.0, 101.0, 2),
        "lr 0.1 · rank 2": (2, 200.5, 200.0, 201.0, 2),
        "lr 0.01 · rank 0": (0, 2.5, 2.0, 3.0, 2),
        "lr 0.01 · rank 1": (1, 102.0, 102.0, 102.0, 1),
    }
    curves = loss.wait("d.curves.length === 5")["curves"]
    assert by_name(curves) == wanted
    colours = {c["name"]: c["color"] for c in curves}
    assert len(set(colours.values())) == 3 and colours["lr 0.1 · rank 1"] == colours["lr 0.01 · rank 1"]
    expect(page.get_by_role("list", name="Colour: rank").get_by_role("listitem")).to_have_text(
        ["Colour: rank", "0", "1", "2"]
    )
    expect(page.get_by_label("Ranks", exact=True)).to_have_count(0)
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/group-ranks.png")
    # The median, told apart by dash. The choice is in the link.
    page.get_by_role("radio", name="Medians").click()
    page.get_by_role("button", name="Told apart: colour rank").click()
    page.get_by_label("Colour by").select_option("")
    page.get_by_label("Dash by").select_option("rank")
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("dash=rank"))
    page.reload()
    curves = loss.wait("d.curves.length === 5 && new Set(d.curves.map(c => c.dash.join())).size === 3")["curves"]
    assert by_name(curves) == wanted and len({c["color"] for c in curves}) == 2
    # A chart for each rank.
    page.goto(f"{lab.url}/projects/{project}?by=config.lr&col=state&sort=config.lr&facet=rank")
    facet = page.locator('.panel[data-key="loss"]')
    expect(facet.locator("h3")).to_have_text(["rank 0", "rank 1", "rank 2"])
    for rank in range(3):
        facet.nth(rank).scroll_into_view_if_needed()
        its = Panel(page, "loss")
        its.root = page.locator(f'.panel[data-key="loss"][data-facet="rank {rank}"]')
        here = {name: line for name, line in wanted.items() if line[0] == rank}
        assert by_name(its.wait(f"d.curves.length === {len(here)}")["curves"]) == here
    # The table can be grouped by rank, too: a rank is named once, and the columns are those of that rank.
    page.goto(
        f"{lab.url}/projects/{project}?by=config.lr&by=rank&color=rank&dash=config.lr"
        '&col=metric."loss".last&col=metric."loss".smoothed(mean,9)&sort=rank'
    )
    curves = loss.wait("d.curves.length === 5 && new Set(d.curves.map(c => c.color)).size === 3")["curves"]
    assert by_name(curves) == wanted and len({tuple(c["dash"]) for c in curves}) == 2
    row = page.locator("tr.group-row", has_text="lr 0.1 · rank 1")
    expect(row.locator("td.spread b")).to_have_text(["100.5", "100.5"])
    expect(row.locator("td.spread small").first).to_have_text("100 … 101")


def test_groups_by_host(page: Page, lab: RealLab, feeder: Feeder) -> None:
    """A run whose ranks were on two hosts is in a group of each: in the rows, the lines and the colours of runs."""
    project = f"hosts-{uuid.uuid4().hex[:6]}"
    hosts = {"one": ["gpu-1"], "two": ["gpu-2"], "both": ["gpu-1", "gpu-2"], "four": ["gpu-1"]}
    for level, (name, its) in enumerate(hosts.items()):
        for rank, host in enumerate(its):
            run = feeder.run(name, project=project, rank=rank, world_size=len(its), host=host)
            run.points({"loss": (range(3), [float(level)] * 3)})
    page.goto(f"{lab.url}/projects/{project}?by=host&col=state&sort=name")
    names = page.locator("tr.group-row .group-name")
    expect(names).to_have_text(["host gpu-13 runs", "host gpu-22 runs"])
    curves = Panel(page, "loss").wait("d.curves.length === 2")["curves"]
    assert {c["name"]: c["line"] for c in curves} == {"host gpu-1": [pytest.approx(5 / 3)] * 3, "host gpu-2": [1.5] * 3}
    names.first.click()
    expect(page.locator("tr[data-run] .run-name a")).to_have_text(["both", "four", "one"])
    page.goto(f"{lab.url}/projects/{project}?color=host&pane=charts")
    Panel(page, "loss").wait("d.curves.length === 4 && new Set(d.curves.map(c => c.color)).size === 3")
    expect(page.get_by_text("gpu-1, gpu-2")).to_be_visible()
