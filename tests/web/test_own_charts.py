"""Charts of several metrics that somebody made, and the order of names."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import Page, expect

from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser


def test_a_chart_of_several_metrics_is_made_by_a_pattern_changed_moved_and_kept(page: Page, feeder: Feeder) -> None:
    run = feeder.run("own", project="own charts")
    keys = ["train/loss", "valid/loss", "valid/accuracy", *(f"norms/head{i}" for i in (1, 2, 10))]
    run.points({key: (range(5), [float(i)] * 5) for i, key in enumerate(keys)})
    page.goto(f"{feeder.url}/runs/{run.id}")
    norms = page.locator(".panel[data-key^='norms/']")
    expect(norms.locator("h3")).to_have_text(["head1", "head2", "head10"])

    page.get_by_role("button", name="Add chart").click()
    editor = page.get_by_role("dialog")
    pattern = editor.get_by_label("Metrics, as a regular expression")
    pattern.fill("(")
    expect(editor.get_by_role("status")).to_have_text("This is not a regular expression.")
    expect(editor.get_by_role("button", name="Save")).to_be_disabled()
    pattern.fill("loss$|accuracy")
    expect(editor.get_by_role("listitem")).to_have_text(["train/loss", "valid/accuracy", "valid/loss"])
    expect(editor.get_by_role("status")).to_contain_text("3 metrics of 6")
    editor.get_by_label("Title").fill("Learning")
    pattern.press("Enter")
    own = page.locator(".panel[data-key^='own:']")
    name = own.get_attribute("data-key") or ""
    panel = Panel(page, name)
    curves = panel.wait("d.curves.length === 3")["curves"]
    assert {c["name"]: c["line"] for c in curves} == {
        "train/loss": [0] * 5,
        "valid/loss": [1] * 5,
        "valid/accuracy": [2] * 5,
    }
    assert len({c["color"] for c in curves}) == 3
    run.points({"valid/accuracy": ([5], [9.0])})
    panel.wait("d.curves.some(c => c.line[5] === 9)")  # it is live, too
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/own.png", full_page=True)

    panel.root.get_by_role("button", name="Enlarge Learning").click()
    page.wait_for_url(re.compile("panel=own"))
    expect(page.locator("dialog .panel h3")).to_have_text("Learning")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add chart").click()
    pattern.fill("norms")
    pattern.press("Enter")
    expect(own).to_have_count(2)
    own.nth(1).get_by_label("Settings of norms").first.click()
    own.nth(1).get_by_role("button", name="Move before").click()
    expect(own.locator("h3")).to_have_text(["norms", "Learning"])
    page.reload()
    expect(own.locator("h3")).to_have_text(["norms", "Learning"])
    panel.wait("d.curves.length === 3")
    own.nth(1).get_by_label("Settings of Learning").first.click()
    own.nth(1).get_by_role("button", name="Edit").click()
    pattern.fill("^valid/")
    pattern.press("Enter")
    panel.wait("d.curves.length === 2")
    own.nth(0).get_by_label("Settings of norms").first.click()
    own.nth(0).get_by_role("button", name="Remove").click()
    expect(own.locator("h3")).to_have_text(["Learning"])
