"""What is done with picked runs on the page of a project: tags, notes, deletion, and Undo."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import Locator, Page, expect

from .clicks import CLICKS_MAX, Clicks
from .conftest import Watch
from .feeder import Feeder
from .panels import Panel


@pytest.fixture
def project(page: Page, feeder: Feeder) -> str:
    """Make three runs a, b and c on the page; b is tagged best by its script, and has a note."""
    project = f"acting-{uuid.uuid4().hex[:6]}"
    for name in "abc":
        run = feeder.run(name, project=project)
        if name == "b":
            run.event("tag", name="best", color="#2e7d32", description=None)
            run.event("note", text="from the script")
    page.goto(f"{feeder.url}/projects/{project}?sort=name&col=state&col=note")
    expect(page.locator("tbody .run-name a")).to_have_count(3)
    return project


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def tags(page: Page, run: str) -> Locator:
    return page.locator("tbody tr", has=page.get_by_label(f"Pick {run}", exact=True)).locator(".tag")


def pick(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_label(f"Pick {name}", exact=True).check()


def through(page: Page, first: str, last: str) -> None:
    """Pick these two runs and all between them, with two clicks."""
    pick(page, first)
    page.get_by_label(f"Pick {last}", exact=True).click(modifiers=["Shift"])


def test_picked_runs_are_tagged_and_untagged_and_that_is_undone(page: Page, project: str, feeder: Feeder) -> None:
    pick(page, "a", "b")
    button(page, "Tag").click()
    field = page.get_by_role("combobox", name="Tag for 2 runs")
    expect(field).to_be_focused()
    assert page.locator("#known-tags option").evaluate_all("all => all.map(o => o.value)") == ["best"]
    field.fill("best")
    field.press("Enter")
    expect(tags(page, "a")).to_have_text(["best"])
    expect(page.get_by_text("Tagged 1 run best.")).to_be_visible()  # b was
    expect(field).to_have_count(0)
    button(page, "Undo").click()
    expect(tags(page, "a")).to_have_count(0)
    expect(tags(page, "b")).to_have_text(["best"])
    expect(button(page, "Undo")).to_have_count(0)
    button(page, "Untag").click()
    page.get_by_role("combobox", name="Tag to remove from 2 runs").fill("best")
    button(page, "Remove tag").click()
    expect(tags(page, "b")).to_have_count(0)
    button(page, "Undo").click()
    expect(tags(page, "b")).to_have_text(["best"])
    assert tags(page, "b").locator("i").evaluate("e => e.style.background") == "rgb(46, 125, 50)"
    button(page, "Untag").click()
    page.keyboard.type("none such")
    page.keyboard.press("Enter")
    expect(page.get_by_text("None of them is tagged none such.")).to_be_visible()
    expect(button(page, "Undo")).to_have_count(0)


def test_a_note_is_edited_and_set_for_several_and_each_gets_its_own_back(
    page: Page, project: str, feeder: Feeder
) -> None:
    pick(page, "b")
    button(page, "Note").click()
    note = page.get_by_role("textbox", name="Note of 1 run")
    expect(note).to_have_value("from the script")
    note.fill("from a person")
    button(page, "Set note").click()
    expect(page.get_by_role("cell", name="from a person")).to_be_visible()
    pick(page, "a", "c")
    button(page, "Note").click()
    note = page.get_by_role("textbox", name="Note of 3 runs")
    expect(note).to_have_value("")
    note.fill("too high a rate")
    button(page, "Set note").click()
    expect(page.get_by_role("cell", name="too high a rate")).to_have_count(3)
    button(page, "Undo").click()
    expect(page.get_by_role("cell", name="from a person")).to_have_count(1)
    expect(page.get_by_role("cell", name="too high a rate")).to_have_count(0)
    button(page, "Note").click()
    expect(page.get_by_role("textbox", name="Note of 3 runs")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("form")).to_have_count(0)


def test_undo_takes_back_the_last_action_and_is_gone_after_ten_seconds(
    page: Page, project: str, watch: Watch, feeder: Feeder
) -> None:
    watch.allowed.append("410")  # what the page asked of the runs while they were deleted
    pick(page, "a", "c")
    button(page, "Tag").click()
    page.keyboard.type("kept")
    page.keyboard.press("Enter")
    expect(tags(page, "c")).to_have_text(["kept"])
    button(page, "Delete").click()
    page.get_by_role("group", name="Delete 2 runs?").get_by_role("button", name="Delete").click()
    expect(page.locator("tbody .run-name a")).to_have_text(["b"])
    expect(button(page, "Undo")).to_have_count(1)
    button(page, "Undo").click()
    expect(page.locator("tbody .run-name a")).to_have_text(["a", "b", "c"])
    expect(tags(page, "a")).to_have_text(["kept"])
    page.clock.install()
    page.reload()
    pick(page, "a")
    button(page, "Untag").click()
    page.keyboard.type("kept")
    page.keyboard.press("Enter")
    expect(button(page, "Undo")).to_be_visible()
    page.clock.run_for(8_000)
    expect(button(page, "Undo")).to_be_visible()
    page.clock.run_for(3_000)
    expect(button(page, "Undo")).to_have_count(0)


def test_ten_runs_are_tagged_and_five_archived_and_both_can_be_undone(page: Page, feeder: Feeder) -> None:
    project = f"shelf-{uuid.uuid4().hex[:6]}"
    for n in range(10):
        feeder.run(f"r{n}", project=project).points({"loss": ([0, 1], [2.0, 1.0])})
    clicks = Clicks(page)
    page.goto(f"{feeder.url}/projects/{project}?sort=name&col=state")
    names = page.locator("tbody .run-name a")
    expect(names).to_have_count(10)
    through(page, "r0", "r9")
    button(page, "Tag").click()
    page.keyboard.type("kept")
    page.keyboard.press("Enter")
    expect(page.locator("tbody .tag")).to_have_text(["kept"] * 10)
    assert clicks.taken() == 3
    button(page, "Clear").click()
    through(page, "r0", "r4")
    button(page, "Archive").click()
    expect(names).to_have_text([f"r{n}" for n in range(5, 10)])
    button(page, "Undo").click()
    expect(names).to_have_count(10)
    assert clicks.taken() == CLICKS_MAX
    button(page, "Archive").click()
    expect(names).to_have_count(5)
    page.get_by_label("Search runs").fill("archived=true")
    expect(names).to_have_text([f"r{n}" for n in range(5)])
    expect(page.locator("tbody tr", has_text="r0").get_by_text("archived")).to_be_visible()
    first = page.locator("tbody tr[data-run]").first.get_attribute("data-run")
    button(page, "Unarchive").click()
    expect(names).to_have_count(0)
    # The page of an archived run is as before.
    page.goto(f"{feeder.url}/runs/{first}")
    button(page, "Archive").click()
    expect(page.locator(".run-title").get_by_text("archived")).to_be_visible()
    Panel(page, "loss").wait("d.curves.length === 1")
    page.goto(f"{feeder.url}/projects/{project}?runs={first}&pane=charts")
    Panel(page, "loss").wait("d.curves.length === 1 && d.curves[0].name === 'r0'")


def test_runs_are_moved_to_another_project_and_back(page: Page, feeder: Feeder) -> None:
    here, there = (f"{word}-{uuid.uuid4().hex[:6]}" for word in ("here", "there"))
    for name in "abc":
        feeder.run(name, project=here).end("completed")
    feeder.run("other", project=there)
    clicks = Clicks(page)
    page.goto(f"{feeder.url}/projects/{here}?sort=name&col=state")
    through(page, "a", "b")
    button(page, "Move").click()
    page.get_by_role("combobox", name="Project for 2 runs").fill(there)
    page.keyboard.press("Enter")
    expect(page.locator("tbody .run-name a")).to_have_text(["c"])
    expect(page.get_by_text(f"Moved 2 runs to {there}.")).to_be_visible()
    assert clicks.taken() == 3
    button(page, "Undo").click()
    expect(page.locator("tbody .run-name a")).to_have_text(["a", "b", "c"])


def test_what_the_lab_refuses_is_told_and_changes_nothing(
    page: Page, project: str, watch: Watch, feeder: Feeder
) -> None:
    watch.allowed.append("410")
    pick(page, "a", "b")
    runs = page.locator("tbody tr[data-run]").evaluate_all("all => all.map(row => row.dataset.run)")
    button(page, "Tag").click()
    page.keyboard.type("late")
    feeder.delete(f"runs/{runs[0]}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("was deleted")
    expect(tags(page, "b")).to_have_text(["best"])


def test_a_run_is_changed_in_its_row_and_that_is_undone_at_once(page: Page, project: str, feeder: Feeder) -> None:
    page.get_by_role("cell", name="from the script").dblclick()
    dialog = page.get_by_role("dialog", name="Change b")
    note = dialog.get_by_role("textbox", name="Note")
    expect(note).to_be_focused()
    expect(note).to_have_value("from the script")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    button(page, "Change b").click()
    note.fill("from a person")
    dialog.get_by_role("button", name="Remove the tag best").click()
    dialog.get_by_role("textbox", name="Name").fill("renamed")
    dialog.get_by_label("Another tag").fill("kept")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="#12a37f").click()
    button(page, "Save").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("cell", name="from a person")).to_be_visible()
    expect(tags(page, "renamed")).to_have_text(["kept"])
    swatch = page.get_by_role("button", name=re.compile("Draw (b|renamed) alone")).locator("i")
    assert swatch.evaluate("e => e.style.background") == "rgb(18, 163, 127)"
    button(page, "Undo").click()
    expect(page.get_by_role("cell", name="from the script")).to_be_visible()
    expect(tags(page, "b")).to_have_text(["best"])
    page.reload()
    expect(swatch).to_be_visible()
    assert swatch.evaluate("e => e.style.background") == "rgb(18, 163, 127)"  # of this browser
