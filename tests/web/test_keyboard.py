"""The pages by keyboard alone: keys of the table, the sheet of keys, the palette."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import Page, expect

from .feeder import Feeder

pytestmark = pytest.mark.browser


def test_a_table_is_walked_ticked_drawn_and_searched_by_keys_alone(page: Page, feeder: Feeder) -> None:
    project = f"keys-{uuid.uuid4().hex[:6]}"
    feeder.runs([f"key-{n:02}" for n in range(40)], project)
    page.goto(f"{feeder.url}/projects/{project}?pane=table&sort=name")
    rows, keyboard = page.locator("tbody tr[data-run]"), page.keyboard
    expect(rows.first).to_be_visible()
    focused = page.locator("tr:has(:focus) .run-name a")
    for key, name in (("j", "00"), ("j", "01"), ("ArrowDown", "02"), ("k", "01"), ("ArrowUp", "00")):
        keyboard.press(key)
        expect(focused).to_have_text(f"key-{name}")
    keyboard.press("Space")
    expect(page.get_by_label("Pick key-00")).to_be_checked()
    for _ in range(3):
        keyboard.press("j")
    keyboard.press("Shift+Space")
    expect(page.locator(".picked .num")).to_have_text("4 runs picked")
    eye = page.get_by_role("button", name="Draw key-03", exact=True)
    expect(eye).to_have_attribute("aria-pressed", "true")  # among the first ten
    keyboard.press("v")
    expect(eye).to_have_attribute("aria-pressed", "false")
    for _ in range(30):  # through rows that were not in the page at first
        keyboard.press("j")
    expect(focused).to_have_text("key-33")
    expect(focused).to_be_in_viewport()
    # While somebody types, keys are letters.
    keyboard.press("/")
    bar = page.get_by_label("Search runs")
    expect(bar).to_be_focused()
    keyboard.type("j?k")
    expect(bar).to_have_value("j?k")
    expect(page.get_by_role("dialog")).to_have_count(0)
    for _ in range(3):
        keyboard.press("Backspace")
    keyboard.type("key-07")
    expect(rows).to_have_count(1)
    keyboard.press("Escape")
    keyboard.press("Escape")
    keyboard.press("j")
    expect(focused).to_have_text("key-07")
    keyboard.press("e")
    expect(page.get_by_role("dialog", name="Change key-07")).to_be_visible()
    keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_contain_text("Tick the run")
    keyboard.press("j")  # no handler gets it while the sheet is open
    keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    keyboard.press("j")
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name="key-07")).to_be_visible()


def test_the_palette_leads_to_runs_projects_columns_charts_and_pages(page: Page, feeder: Feeder) -> None:
    project = f"palette-{uuid.uuid4().hex[:6]}"
    run = feeder.run("needle one", project=project)
    run.event("config", values={"learning": {"rate": 0.1}})
    run.points({"valid/accuracy": ([0, 1], [0.5, 0.75])})
    page.goto(f"{feeder.url}/projects/{project}?pane=table&col=state")
    expect(page.locator("tbody tr[data-run]")).to_have_count(1)
    palette, keyboard = page.get_by_role("dialog", name="Find or do"), page.keyboard

    def choose(words: str, option: str) -> None:
        keyboard.press("Control+k")
        palette.get_by_role("combobox").fill(words)
        wanted = palette.get_by_role("option").filter(has_text=option)
        expect(wanted).to_have_count(1)
        for _ in range(20):
            if palette.get_by_role("option", selected=True).filter(has_text=option).count():
                break
            keyboard.press("ArrowDown")
        keyboard.press("Enter")
        expect(palette).to_have_count(0)

    choose("learning", "config, as a column")
    expect(page.get_by_role("columnheader", name="learning.rate")).to_be_visible()
    choose("accuracy", "shown large")
    expect(page.get_by_role("dialog", name="valid/accuracy")).to_be_visible()
    keyboard.press("Escape")
    choose("table alone", "Show the table alone")
    expect(page.locator(".workspace-charts")).to_have_count(0)
    choose("members", "Members of this project")
    page.wait_for_url(re.compile("/members$"))
    choose("needle", "needle one")
    expect(page.get_by_role("heading", name="needle one")).to_be_visible()
    page.get_by_role("button", name="Find or do").click()  # for who has no keys
    palette.get_by_role("combobox").fill(project)
    palette.get_by_role("option").filter(has_text=project).filter(has_text="Projects").click()
    page.wait_for_url(re.compile(r"/projects/[^/]+$"))
    expect(page.get_by_role("heading", name=project)).to_be_visible()
    keyboard.press("Control+k")
    palette.get_by_role("combobox").fill("nothing is called like this")
    expect(palette.get_by_role("status")).to_have_text("Nothing fits.")
    keyboard.press("Escape")
    expect(palette).to_have_count(0)
