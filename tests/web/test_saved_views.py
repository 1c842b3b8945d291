"""Saved views on the page of a project: found again elsewhere, by others, and after changes."""

from __future__ import annotations

import os
import re
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab import read
from pyhectiqlab.testing.lab import RealLab

from .clicks import CLICKS_MAX, Clicks
from .conftest import NewPage, Watch
from .feeder import Feeder
from .panels import Panel
from .test_people import PASSWORD, log_in

pytestmark = pytest.mark.browser


def heads(page: Page) -> Any:
    return page.locator("th .sort")


def test_a_view_is_saved_shared_and_found_again_on_another_browser_and_by_a_member(
    page: Page,
    new_page: NewPage,
    owner_state: Any,
    lab: RealLab,
    feeder: Feeder,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HECTIQLAB_URL", lab.url)
    monkeypatch.setenv("HECTIQLAB_API_KEY", lab.api_key)
    project = f"views-{uuid.uuid4().hex[:6]}"
    runs = [feeder.run(f"run-{i}", project=project) for i in range(3)]
    for i, run in enumerate(runs):
        run.event("config", values={"lr": 0.1 * (i + 1)})
        run.points({key: (range(5), [float(i)] * 5) for key in ("loss", "accuracy")})
    home = f"{lab.url}/projects/{project}"
    drawn = f"{runs[0].id},{runs[2].id}"
    page.goto(f'{home}?q=run&col=config."lr"&col=metric."loss".min&sort=name&runs={drawn}&y=log')
    page.get_by_role("button", name="Add chart").click()
    page.get_by_label("Metrics, as a regular expression").fill("loss|acc")
    page.get_by_role("button", name="Save", exact=True).click()
    own = page.locator(".panel[data-key^='own:']")
    expect(own).to_have_count(1)
    colours = {c["run"]: c["color"] for c in Panel(page, "loss").wait("d.curves.length === 2")["curves"]}
    clicks = Clicks(page)
    page.reload()
    bar = page.get_by_role("group", name="Saved view")
    bar.get_by_role("button", name="Views").click()
    menu = page.get_by_role("dialog", name="Views")
    menu.get_by_label("Name of the new view").fill("by loss")
    menu.get_by_label("Shared").check()
    menu.get_by_label("Name of the new view").press("Enter")
    expect(bar.get_by_role("button", name="by loss")).to_be_visible()
    expect(menu).to_have_count(0)
    expect(bar.get_by_text("changed")).to_have_count(0)
    assert clicks.taken() <= CLICKS_MAX
    [saved] = read.saved_views(project)
    assert saved.shared
    assert saved.document["columns"] == ['config."lr"', 'metric."loss".min']
    assert saved.document["sort"] == ["name"]
    assert saved.document["charts"] == {"y": "log"}

    # Another browser of the same person: the link of the project, then two clicks.
    other = new_page(storage_state=owner_state)
    there = Clicks(other)
    other.goto(home)
    other.get_by_role("button", name="Views").click()
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        other.screenshot(path=f"{folder}/views.png")
    other.get_by_role("button", name="by loss shared").click()
    expect(heads(other)).to_have_text(["Name", "lr", "min loss"])
    expect(other.locator("tbody .run-name a")).to_have_text(["run-0", "run-1", "run-2"])
    expect(other.locator(".panel[data-key^='own:']")).to_have_count(1)
    again = Panel(other, "loss").wait("d.curves.length === 2 && d.log")["curves"]
    assert {c["run"]: c["color"] for c in again} == colours
    assert there.taken() == 2
    # A change is in the link, the page says so, and it can be reverted or saved.
    other.get_by_role("button", name="lr", exact=True).click()
    changed = other.get_by_role("group", name="Saved view").get_by_role("status")
    expect(changed).to_have_text("changed: order")
    other.wait_for_url(re.compile("view=.*sort=config"))
    other.reload()
    expect(changed).to_have_text("changed: order")
    other.get_by_role("button", name="Revert").click()
    expect(changed).to_have_count(0)
    other.wait_for_url(re.compile("sort=name"))
    other.locator("summary", has=other.get_by_role("heading", name="Metrics")).click()
    expect(changed).to_have_text("changed: charts")
    other.get_by_role("button", name="Save", exact=True).click()
    expect(changed).to_have_count(0)
    assert read.saved_view(project, "by loss").document["board"]["folded"] == [""]
    # It becomes what everybody sees first. A member cannot change it.
    other.get_by_role("button", name="by loss").click()
    other.get_by_label("Shown first").click()
    expect(other.get_by_role("button", name="by loss first")).to_be_visible()
    feeder.post("users", json={"username": "reader", "password": PASSWORD})
    watch.allowed += ["401"]  # before the login
    member = new_page()
    log_in(member, lab, "reader", f"/projects/{project}")
    expect(heads(member)).to_have_text(["Name", "lr", "min loss"])
    expect(member.get_by_role("group", name="Saved view").get_by_role("button")).to_have_text(["by loss"])
    member.get_by_role("button", name="Name", exact=True).click()
    expect(member.get_by_role("button", name="Revert")).to_be_visible()
    expect(member.get_by_role("button", name="Save", exact=True)).to_have_count(0)
    member.get_by_role("button", name="by loss").click()
    member.get_by_label("Name of the new view").fill("mine")
    member.get_by_role("button", name="Save as").click()
    expect(member.get_by_role("group", name="Saved view").get_by_role("button")).to_have_text(["mine"])
    member.get_by_role("button", name="mine").click()
    member.get_by_role("button", name="Rename").click()
    member.get_by_label("New name of the view").fill("downwards")
    member.get_by_label("New name of the view").press("Enter")
    member.get_by_role("button", name="Delete").click()
    member.get_by_role("group", name="Delete downwards?").get_by_role("button", name="Delete").click()
    expect(member.get_by_role("button", name="Views", exact=True)).to_be_visible()
    expect(member.locator("tbody .run-name a")).to_have_text(["run-2", "run-1", "run-0"])
    assert [view.name for view in read.saved_views(project)] == ["by loss"]
