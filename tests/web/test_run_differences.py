"""Differences of runs beside their table: against a baseline that stays, compared with what the runs reported."""

from __future__ import annotations

import os
import re
import uuid

import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab

from .clicks import CLICKS_MAX, Clicks
from .feeder import Feeder

pytestmark = pytest.mark.browser


def test_runs_are_compared_with_a_baseline_that_stays_pinned(page: Page, lab: RealLab, feeder: Feeder) -> None:
    project = f"differ-{uuid.uuid4().hex[:6]}"
    losses = [0.5, 0.25, float("nan")]
    runs = []
    for i, loss in enumerate(losses):
        run = feeder.run(f"run-{i}", project=project)
        run.event("config", values={"lr": 0.1 * 2**i, "layers": 4, "optimizer": "sgd" if i else "adam"})
        git = {"hash": "a" * 40, "branch": "main", "dirty": True, "diff": f"-lr = 0.1\n+lr = {i}\n"}
        packages = {"numpy": f"2.{i}", "torch": "2.5"}
        run.event("packages", python="3.11.2", packages=packages, system={"host": f"node{i % 2}", "cpus": 8}, git=git)
        run.points({"loss": ([0, 7], [9.0, loss]), "accuracy": ([0], [0.75])})
        runs.append(run)
    clicks = Clicks(page)
    page.goto(f"{lab.url}/projects/{project}?sort=name")
    page.get_by_role("radio", name="Differences").click()
    table = page.get_by_role("region", name="Differences", exact=True)
    heads = table.locator("thead th[data-run]")
    expect(heads.locator("a")).to_have_text(["run-0", "run-1", "run-2"])
    rows = table.locator("tr[data-name]")
    names = ["config lr", "config optimizer", "packages numpy", "environment host", "git diff", "metrics loss"]
    expect(rows).to_have_count(len(names))
    assert rows.evaluate_all("all => all.map(e => e.dataset.name)") == names
    loss = table.locator("tr[data-name='metrics loss'] td")
    expect(loss).to_have_text(["0.5", f"0.25{losses[1] - losses[0]:g}".replace("-", "−"), "NaN"])
    # Another baseline stays in place, whatever is drawn.
    table.get_by_role("button", name="Compare with run-1").click()
    expect(heads.locator("a")).to_have_text(["run-1", "run-0", "run-2"])
    expect(loss.nth(1)).to_have_text(f"0.5+{losses[0] - losses[1]:g}")
    page.get_by_role("button", name="Draw run-1", exact=True).click()
    expect(page.get_by_role("button", name="Draw run-1", exact=True)).to_have_attribute("aria-pressed", "false")
    expect(heads.locator("a")).to_have_text(["run-1", "run-0", "run-2"])
    expect(heads.first).to_contain_text("baseline")
    table.get_by_role("button", name="diff", exact=True).click()
    changes = table.get_by_role("figure", name="run-0 beside run-1")
    expect(changes.locator("pre")).to_have_text("  -lr = 0.1\n- +lr = 1\n+ +lr = 0\n")
    assert clicks.taken() <= CLICKS_MAX
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/differences.png")
    page.wait_for_url(re.compile(f"side=differences.*base={runs[1].id}"))
    page.get_by_label("Also what they have in common").check()
    expect(table.locator("tr[data-name='config layers'] td")).to_have_text(["4", "4", "4"])
    expect(table.locator("tr[data-name='packages torch'] td")).to_have_text(["2.5", "2.5", "2.5"])
    page.wait_for_url(re.compile("alike=1"))
    page.reload()
    expect(table.locator("tr[data-name='config layers']")).to_have_count(1)
    expect(heads.locator("a")).to_have_text(["run-1", "run-0", "run-2"])
    runs[0].points({"loss": ([8], [0.75])})  # it is live
    expect(loss.nth(1)).to_have_text("0.75+0.5")
    table.get_by_role("button", name="Config").click()
    expect(table.locator("tr[data-name='config layers']")).to_have_count(0)
    page.get_by_role("radio", name="Curves").click()
    expect(page.locator(".panel").first).to_be_visible()
