"""Lines told apart as one likes: colour, dash and charts by values of runs, by ranks and metrics; the numbers stay."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from pyhectiqlab.testing.lab import RealLab

from .feeder import FedRun, Feeder
from .panels import Panel

pytestmark = pytest.mark.browser
KEY = "train/loss"


class FacetPanel(Panel):
    def __init__(self, page: Page, key: str, facet: str) -> None:
        super().__init__(page, key)
        self.root = page.locator(f'.panel[data-key="{key}"][data-facet="{facet}"]')


def sweep(feeder: Feeder) -> dict[str, tuple[FedRun, float, str]]:
    runs = {}
    for i in range(6):
        group = ("long", "short", "")[i % 3]
        run = feeder.run(f"run-{i}", project="facets")
        if group:
            run.event("group", name=group)
        run.event("config", values={"lr": 0.1 if i < 3 else 0.01})
        run.points({KEY: (range(10 + i), [i + 1.0] * (10 + i)), "valid/loss": ([0], [1.0])})
        runs[run.id] = (run, 0.1 if i < 3 else 0.01, group or "none")
    return runs


def curves_of(page: Page, facets: Mapping[str, int], key: str = KEY) -> tuple[dict[str, list[Any]], list[Any]]:
    """Wait for the lines of each chart; return them, and what was drawn."""
    drawn = {
        facet: FacetPanel(page, key, facet).wait(f"d.curves.length === {lines}") for facet, lines in facets.items()
    }
    return {facet: its["curves"] for facet, its in drawn.items()}, list(drawn.values())


def choose(page: Page, **ways: str) -> None:
    page.get_by_role("button", name=re.compile("^T(ell|old) apart")).click()
    for way, value in ways.items():
        page.get_by_label(f"{way} by").select_option(value)
    page.keyboard.press("Escape")


def legend(page: Page, what: str) -> Locator:
    return page.get_by_role("list", name=what).get_by_role("listitem")


def test_colour_dash_and_charts_are_by_what_one_chooses(page: Page, feeder: Feeder, lab: RealLab) -> None:
    runs = sweep(feeder)
    project = next(iter(runs.values()))[0].project
    page.goto(f"{lab.url}/projects/{project}?pane=charts")
    Panel(page, KEY).wait("d.curves.length === 6")
    choose(page, Colour='config."lr"', Dash="group", Charts="group")
    page.wait_for_url("**facet=group*")
    facets = {"group long": 2, "group none": 2, "group short": 2}
    by_facet, drawn = curves_of(page, facets)
    heads = page.locator(f'.facets[data-key="{KEY}"] h3')
    expect(heads).to_have_text([KEY, "group long", "group short", "group none"])
    looks: dict[Any, set[Any]] = {}
    for facet, curves in by_facet.items():
        for curve in curves:
            run, lr, group = runs[curve["run"]]
            assert facet == f"group {group}"
            assert curve["line"] == [int(run.name[-1]) + 1.0] * (10 + int(run.name[-1]))
            looks.setdefault(lr, set()).add(curve["color"])
            looks.setdefault(group, set()).add(tuple(curve["dash"]))
    assert all(len(look) == 1 for look in looks.values())
    assert looks[0.1] != looks[0.01] and len(looks["long"] | looks["short"] | looks["none"]) == 3
    assert len({str((one["x"], one["y"])) for one in drawn}) == 1  # the axes of all
    assert drawn[0]["x"][1] == 14
    expect(legend(page, "Colour: lr")).to_have_text(["Colour: lr", "0.01", "0.1"])
    expect(legend(page, "Dash: group")).to_have_text(["Dash: group", "long", "short", "none"])
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/facets.png")
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=f"{folder}/facets-dark.png")
        page.set_viewport_size({"width": 390, "height": 844})
        page.screenshot(path=f"{folder}/facets-390.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 900})

    # It is in the link. A single chart keeps its look, and is still several when it is enlarged.
    page.reload()
    curves_of(page, facets)
    page.get_by_role("button", name=f"Enlarge {KEY} · group long").click()
    expect(page.locator("dialog .panel")).to_have_count(3)
    page.keyboard.press("Escape")
    first = by_facet["group long"][0]
    page.goto(f"{page.url.replace('panel=', 'was=')}&solo={first['run']}")
    alone = Panel(page, KEY).wait("d.curves.length === 1")["curves"][0]
    assert (alone["color"], alone["dash"]) == (first["color"], first["dash"])

    # Groups of runs have the values that they are grouped by, and no others.
    page.goto(f'{lab.url}/projects/{project}?pane=charts&by=config."lr"&facet=config."lr"&color=group')
    curves, _ = curves_of(page, {"lr 0.01": 1, "lr 0.1": 1})
    assert [curves[f"lr {lr}"][0]["line"][0] for lr in ("0.1", "0.01")] == pytest.approx([2.0, 5.0])
    expect(page.get_by_role("list", name="Colour: group")).to_have_count(0)


def test_ranks_and_metrics_are_told_apart(page: Page, feeder: Feeder, lab: RealLab) -> None:
    for rank in range(2):
        run = feeder.run("of two", project="told by rank", rank=rank, world_size=2)
        run.points({KEY: (range(5), [rank + 1.0] * 5), "valid/loss": (range(5), [rank + 7.0] * 5)})
    page.goto(f"{lab.url}/runs/{run.id}?color=metric&dash=rank")
    both = Panel(page, KEY).wait("d.curves.length === 2")["curves"]  # each rank has a line
    assert len({c["color"] for c in both}) == 1 and [len(c["dash"]) > 0 for c in both] == [False, True]
    page.get_by_role("button", name="Add chart").click()
    editor = page.get_by_role("dialog")
    editor.get_by_label("Metrics, as a regular expression").fill("loss$")
    editor.get_by_label("Metrics, as a regular expression").press("Enter")
    name = page.locator(".panel[data-key^='own:']").get_attribute("data-key") or ""
    lines = Panel(page, name).wait("d.curves.length === 4")["curves"]
    assert len({c["color"] for c in lines}) == 2 and len({str(c["dash"]) for c in lines}) == 2
    choose(page, Charts="metric")
    facets, _ = curves_of(page, {KEY: 2, "valid/loss": 2}, name)
    assert {c["color"] for c in facets[KEY]} != {c["color"] for c in facets["valid/loss"]}
    choose(page, Charts="rank")
    facets, drawn = curves_of(page, {"rank 0": 1, "rank 1": 1})
    assert [facets[f"rank {rank}"][0]["line"] for rank in range(2)] == [[1.0] * 5, [2.0] * 5]
    assert drawn[0]["y"] == drawn[1]["y"]
    page.get_by_label("Ranks").select_option("")  # together: then nothing is told apart by rank
    page.wait_for_url(lambda url: "facet=" not in url and "dash=" not in url)
    assert Panel(page, KEY).wait("d.curves.length === 1")["curves"][0]["line"] == [1.5] * 5
