"""The workspace of a project: its table and its charts side by side, and which runs are drawn how."""

from __future__ import annotations

import math
import re
import statistics
import uuid

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from .feeder import FedRun, Feeder
from .panels import Panel


def row(page: Page, name: str) -> Locator:
    return page.locator("tbody tr", has=page.get_by_label(f"Pick {name}", exact=True))


def eye(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=f"Draw {name}", exact=True)


@pytest.fixture
def runs(feeder: Feeder) -> list[FedRun]:
    """Make 12 runs, oldest first; the loss of the i-th is i."""
    project = f"desk-{uuid.uuid4().hex[:6]}"
    both = ("loss", "accuracy")
    columns = [{key: (range(20), [float(i)] * 20) for key in both} for i in range(12)]
    return feeder.runs([f"run-{i:02}" for i in range(12)], project, columns.__getitem__)


def test_the_eyes_of_the_table_say_what_is_drawn_and_a_run_looks_the_same_everywhere(
    page: Page, feeder: Feeder, runs: list[FedRun]
) -> None:
    page.goto(f"{feeder.url}/projects/{runs[0].project}")
    loss = Panel(page, "loss")
    drawn = loss.wait("d.curves.length === 10")
    newest = {run.id for run in runs[2:]}
    assert {c["run"] for c in drawn["curves"]} == newest
    expect(page.get_by_text("The newest 10 of 12 runs are drawn.")).to_be_visible()
    expect(eye(page, "run-00")).to_have_attribute("aria-pressed", "false")
    eye(page, "run-11").click()
    eye(page, "run-00").click(modifiers=["Shift"])  # all from the one to the other
    curves = loss.wait("d.curves.length === 12")["curves"]
    looks = {c["run"]: c["color"] for c in curves}
    assert len({(c["color"], tuple(c["dash"])) for c in curves}) == 12
    eye(page, "run-05").click()
    loss.wait("d.curves.length === 11")
    expect(page.get_by_text("11 runs are drawn.")).to_be_visible()
    page.wait_for_function("id => !location.search.includes(id)", arg=runs[5].id)
    page.reload()
    again = loss.wait("d.curves.length === 11")["curves"]
    assert all(looks[c["run"]] == c["color"] for c in again)
    # Alone, and with the others again.
    alone = page.get_by_role("button", name="Draw run-07 alone")
    assert alone.locator("i").evaluate("e => e.style.background") == rgb(looks[runs[7].id])
    alone.click()
    assert loss.wait("d.curves.length === 1")["curves"][0]["run"] == runs[7].id
    expect(alone).to_have_attribute("aria-pressed", "true")
    alone.click()
    loss.wait("d.curves.length === 11")
    page.get_by_role("button", name="None", exact=True).click()
    expect(page.get_by_role("heading", name="No run is drawn")).to_be_visible()
    page.get_by_role("button", name="All", exact=True).click()
    loss.wait("d.curves.length === 12")
    page.get_by_role("link", name="run-07").click()
    page.get_by_role("heading", name="run-07").wait_for()
    assert loss.wait("d.curves.length === 1")["curves"][0]["color"] == looks[runs[7].id]


def rgb(color: str) -> str:
    return f"rgb({int(color[1:3], 16)}, {int(color[3:5], 16)}, {int(color[5:], 16)})"


def test_a_run_that_is_pointed_at_comes_to_the_front_and_each_side_can_have_the_room(
    page: Page, feeder: Feeder, runs: list[FedRun]
) -> None:
    page.goto(f"{feeder.url}/projects/{runs[0].project}")
    loss, accuracy = Panel(page, "loss"), Panel(page, "accuracy")
    loss.wait("d.curves.length === 10")
    accuracy.wait("d.curves.length === 10")
    row(page, "run-04").locator(".run-name").hover()
    for panel in (loss, accuracy):
        expect(panel.root.locator("canvas.panel-lit")).to_be_visible()
    row(page, "run-00").locator(".run-name").hover()  # which is not drawn
    expect(page.locator("canvas.panel-lit").first).to_be_hidden()
    drawn = loss.wait()
    low, high = drawn["y"]
    box = loss.box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * (high - 6) / (high - low))
    expect(row(page, "run-06")).to_have_attribute("data-lit", "")
    expect(accuracy.root.locator("canvas.panel-lit")).to_be_visible()
    loss.hover(0.3)
    readout = loss.root.locator(".readout")
    expect(readout).to_be_visible()
    inner, pane = readout.bounding_box(), page.locator(".split-right").bounding_box()
    assert inner and pane and pane["x"] <= inner["x"] and inner["x"] + inner["width"] <= pane["x"] + pane["width"]
    page.get_by_role("heading", name="desk").hover()
    expect(page.locator("tr[data-lit]")).to_have_count(0)
    # The divider, by hand and by keyboard.
    divider = page.get_by_role("separator", name="Width of the table")
    table = page.get_by_role("region", name="Runs")
    expect(divider).to_have_attribute("aria-valuenow", "42")
    divider.focus()
    divider.press("ArrowRight")
    expect(divider).to_have_attribute("aria-valuenow", "44")
    at = divider.bounding_box()
    assert at
    page.mouse.move(at["x"] + 6, at["y"] + 50)
    page.mouse.down()
    page.mouse.move(at["x"] - 200, at["y"] + 50, steps=4)
    page.mouse.up()
    expect(divider).not_to_have_attribute("aria-valuenow", "44")
    narrow = table.bounding_box()
    assert narrow and narrow["width"] < 400
    page.get_by_role("radio", name="Table").click()
    expect(page.locator(".board")).to_have_count(0)
    page.wait_for_url(re.compile("pane=table"))
    page.get_by_role("radio", name="Charts").click()
    loss.wait("d.curves.length === 10")
    expect(table).to_have_count(0)
    expect(page.locator(".legend li")).to_have_count(10)
    page.wait_for_url(re.compile("pane=charts"))
    page.reload()
    loss.wait("d.curves.length === 10")
    page.get_by_role("radio", name="Both").click()
    expect(table).to_be_visible()
    assert table.bounding_box() == narrow  # kept


def test_more_runs_than_there_is_room_for_are_not_left_out_silently(page: Page, feeder: Feeder) -> None:
    project = f"crowd-{uuid.uuid4().hex[:6]}"
    feeder.runs([f"run-{i:03}" for i in range(103)], project, lambda i: {"loss": ([0, 1], [float(i), 1.0])})
    page.goto(f"{feeder.url}/projects/{project}?runs=all")
    expect(page.get_by_text("The newest 100 of 103 runs are drawn.")).to_be_visible()
    Panel(page, "loss").wait("d.curves.length === 100")
    table = page.get_by_role("region", name="Runs")
    table.evaluate("e => e.scrollTo(0, e.scrollHeight)")
    eye(page, "run-000").click()
    expect(page.get_by_role("alert")).to_contain_text("At most 100 runs are drawn at a time")


def test_runs_are_grouped_with_statistics_of_each_column_and_opened(page: Page, feeder: Feeder) -> None:
    project = f"groups-{uuid.uuid4().hex[:6]}"
    losses = {0.1: [1.0, 2.0, 6.0], 0.01: [0.5, math.nan], None: [4.0]}
    for lr, its in losses.items():
        for i, loss in enumerate(its):
            run = feeder.run(f"lr-{lr}-{i}", project=project)
            run.points({"loss": ([0, 1], [9.0, loss])})
            hidden = {"hidden": [64, 64] if i < 2 else [128, 64]}
            run.event("config", values={"seed": i, **hidden} if lr is None else {"seed": i, "lr": lr, **hidden})
    columns = "&".join(f"col={name}" for name in ("state", 'metric."loss".last', 'config."seed"', 'config."hidden"'))
    page.goto(f"{feeder.url}/projects/{project}?{columns}&sort=name")
    page.get_by_role("button", name="Group by").click()
    page.get_by_role("dialog", name="Group by").get_by_label("lr").check()
    page.keyboard.press("Escape")
    groups = page.locator("tr.group-row")
    expect(groups.locator(".group-name")).to_have_text(["lr 0.13 runs", "lr 0.012 runs", "lr –1 run"])
    expected = [statistics.mean(losses[0.1]), statistics.stdev(losses[0.1])]
    expect(groups.nth(0).locator("td.spread").nth(0)).to_have_text(f"{expected[0]:g} ± {expected[1]:.4g}1 … 6")
    expect(groups.nth(1).locator("td.spread").nth(0)).to_have_text("0.5 ± 00.5 … 0.5 · 1 NaN")
    expect(groups.nth(2).locator("td.spread").nth(0)).to_have_text("4 ± 04 … 4")
    expect(groups.locator("td.words")).to_have_text(["[64, 64] +1", "[64, 64]", "[64, 64]"])
    page.get_by_role("button", name="loss", exact=True).click()
    expect(groups.locator(".group-name")).to_have_text(["lr 0.012 runs", "lr 0.13 runs", "lr –1 run"])
    groups.nth(1).locator(".group-name").click()
    page.get_by_role("button", name="Draw lr-0.1-1", exact=True).wait_for()
    expect(page.locator("tr[data-run] .run-name a")).to_have_count(3)
    page.get_by_role("radio", name="Runs", exact=True).click()
    page.get_by_role("button", name="None", exact=True).click()
    page.get_by_role("button", name="Draw the runs of lr –").click()
    page.get_by_role("button", name="Draw the runs of lr 0.01").click()
    drawn = Panel(page, "loss").wait("d.curves.length === 3")
    assert {c["name"] for c in drawn["curves"]} == {"lr-0.01-0", "lr-0.01-1", "lr-None-0"}
    page.get_by_label("Pick the runs of lr 0.1", exact=True).check()
    expect(page.locator(".picked .num")).to_have_text("3 runs picked")
    page.wait_for_url(re.compile("by=config"))
    page.reload()
    expect(groups).to_have_count(3)
    page.get_by_role("button", name="Grouped by lr").click()
    page.get_by_role("button", name="Ungroup").click()
    expect(page.locator("tr[data-run]")).to_have_count(6)


def test_charts_do_not_wait_for_the_table_and_news_are_asked_for_once(
    page: Page, feeder: Feeder, runs: list[FedRun]
) -> None:
    """The drawn runs are asked for apart, until the table has them."""
    held: list[Route] = []
    holding = True
    page.route(
        re.compile(r"/api/v1/table\?.*column="), lambda route: held.append(route) if holding else route.continue_()
    )
    page.goto(f'{feeder.url}/projects/{runs[0].project}?col=metric."loss".last')
    loss = Panel(page, "loss")
    loss.wait("d.curves.length === 10")
    expect(page.locator("tbody tr[data-run]")).to_have_count(0)
    holding = False
    for route in held:
        route.continue_()
    expect(row(page, "run-11")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in ("run-12", "run-13", "run-14"):  # what was asked for before the table was there may come yet
        asked.clear()
        newest = feeder.run(name, project=runs[0].project)
        newest.points({"loss": (range(20), [12.0] * 20)})
        expect(row(page, name)).to_be_visible()
        loss.wait(f"d.curves.length === 10 && d.curves.some(c => c.run === '{newest.id}')")
        tables = [url for url in asked if "/api/v1/table?" in url]
        if all("column=" in url for url in tables):
            break
    else:
        pytest.fail(f"The drawn runs are asked for apart each time: {tables}")


def test_the_config_of_the_run_that_is_pointed_at_is_told(page: Page, feeder: Feeder, runs: list[FedRun]) -> None:
    """It is shown from the table, by the keyboard and on a line: the values in which the drawn runs differ, also of
    a run that is not drawn.
    """
    for i, run in enumerate(runs):
        run.event("config", values={"lr": i / 10, "model": {"name": f"net-{i % 3}"}, "epochs": 5})
    page.goto(f"{feeder.url}/projects/{runs[0].project}?col=state&col=points")
    loss = Panel(page, "loss")
    loss.wait("d.curves.length === 10")
    lit_config = page.locator(".lit-config")
    expect(lit_config).to_have_count(0)
    row(page, "run-04").locator(".run-name").hover()
    expect(lit_config).to_have_text("run-04model.name net-1lr 0.4")
    row(page, "run-00").locator(".run-name").hover()  # which is not drawn
    expect(lit_config).to_have_text("run-00model.name net-0lr 0")
    page.get_by_role("heading", name="desk").hover()
    expect(lit_config).to_have_count(0)
    page.get_by_label("Pick run-07", exact=True).focus()
    expect(lit_config).to_have_text("run-07model.name net-1lr 0.7")
    box, pressed = lit_config.bounding_box(), page.get_by_label("Pick run-07", exact=True).bounding_box()
    assert box and pressed and (pressed["y"] + pressed["height"] < box["y"] or pressed["y"] > box["y"] + box["height"])
    low, high = loss.wait("d.curves.length === 10")["y"]
    plot = loss.box()
    page.mouse.move(plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] * (high - 6) / (high - low))
    expect(lit_config).to_have_text("run-06model.name net-0lr 0.6")
