"""The objective of a project on its page: set, seen, used, and taken back."""

from __future__ import annotations

import os
import uuid

import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab

from .clicks import CLICKS_MAX, Clicks
from .conftest import NewPage, Watch
from .feeder import Feeder
from .test_people import PASSWORD, log_in

pytestmark = pytest.mark.browser

CURVES = {"falls": [5.0, 3.0, 1.5], "turns": [4.0, 0.25, 9.0], "stays": [2.0, 2.0, 2.0]}


def test_an_objective_sorts_names_the_best_shades_and_is_taken_back(
    page: Page, new_page: NewPage, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    project = f"goal-{uuid.uuid4().hex[:6]}"
    for name, curve in CURVES.items():
        run = feeder.run(name, project=project)
        run.points({"valid/loss": (range(0, 30, 10), curve), "accuracy": ([0], [0.5])})
    home = f"{lab.url}/projects/{project}"
    names = page.locator("tbody .run-name a")
    clicks = Clicks(page)
    page.goto(home)
    expect(names).to_have_text(["stays", "turns", "falls"])  # the newest first
    page.get_by_role("button", name="Menu of valid/loss").click()
    page.get_by_role("menuitemcheckbox", name="Lowest is best").click()
    best = sorted(CURVES, key=lambda name: min(CURVES[name]))
    expect(names).to_have_text(best)
    assert clicks.taken() <= CLICKS_MAX
    expect(page.get_by_text("compared by the lowest valid/loss", exact=True)).to_be_visible()
    lowest = page.locator("th", has=page.get_by_role("button", name="min valid/loss", exact=True))
    expect(lowest).to_have_attribute("aria-sort", "ascending")
    expect(lowest.get_by_text("objective")).to_be_attached()
    at = page.locator("thead th").all_inner_texts().index(lowest.inner_text())
    cells = page.locator(f"tbody tr[data-run] > :nth-child({at + 1})")
    expect(cells).to_have_text([f"{min(CURVES[name]):.2f}" for name in best])
    # The best has the darkest shade.
    page.get_by_role("button", name="Menu of min valid/loss").click()
    page.get_by_role("menuitemcheckbox", name="Shade by value").click()
    shades = [f"color-mix(in srgb, var(--heat) {percent}%" for percent in (44, 4)]
    expect(cells.first).to_have_attribute("style", f"background: {shades[0]}, var(--surface));")
    expect(cells.last).to_have_attribute("style", f"background: {shades[1]}, var(--surface));")
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/objective.png")
    page.get_by_role("link", name="turns").click()
    fact = page.locator(".facts div", has=page.get_by_text("Lowest valid/loss"))
    expect(fact.locator("dd")).to_have_text("0.25 at step 10")
    # A member can read it and cannot set it.
    watch.allowed += ["401"]  # before the login
    feeder.post("users", json={"username": "goalkeeper", "password": PASSWORD})
    member = new_page()
    log_in(member, lab, "goalkeeper", f"/projects/{project}")
    expect(member.locator("tbody .run-name a")).to_have_text(best)
    member.get_by_role("button", name="Menu of min valid/loss").click()
    expect(member.get_by_role("menuitem", name="Hide")).to_be_visible()
    expect(member.get_by_role("menuitemcheckbox", name="Lowest is best")).to_have_count(0)
    # It is taken back: by its own menu entry, and that by Undo.
    page.goto(home)
    page.get_by_role("button", name="Menu of min valid/loss").click()
    expect(page.get_by_role("menuitemcheckbox", name="Lowest is best")).to_have_attribute("aria-checked", "true")
    page.get_by_role("menuitemcheckbox", name="Lowest is best").click()
    expect(names).to_have_text(["stays", "turns", "falls"])
    expect(page.get_by_text("compared by")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(names).to_have_text(best)
