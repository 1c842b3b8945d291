"""What a page says where it is not looked at: in its tab, and on paper."""

from __future__ import annotations

import uuid

import pytest
from playwright.sync_api import Page, expect

from .conftest import Watch
from .feeder import Feeder

pytestmark = pytest.mark.browser


def test_title_and_icon_follow_what_runs_and_fails_and_paper_has_no_buttons(
    page: Page, feeder: Feeder, watch: Watch
) -> None:
    watch.allowed.append("ERR_INTERNET_DISCONNECTED")
    project = f"tab-{uuid.uuid4().hex[:6]}"
    first, second = (feeder.run(f"run-{n}", project=project) for n in range(2))
    page.goto(f"{feeder.url}/projects/{project}")
    icon = page.locator('link[rel="icon"]')
    expect(page).to_have_title(f"2 live · {project} · hectiqlab")
    live = icon.get_attribute("href") or ""
    assert "circle" in live
    first.end("failed", cause="exception", detail="ValueError: boom")
    expect(page).to_have_title(f"1 live, 1 failed · {project} · hectiqlab")
    expect(icon).not_to_have_attribute("href", live)
    page.goto(f"{feeder.url}/runs/{second.id}")
    expect(page).to_have_title("running · run-1 · hectiqlab")
    second.end("completed")
    expect(page).to_have_title("completed · run-1 · hectiqlab")
    page.goto(f"{feeder.url}/projects/{project}?pane=table")
    expect(page.locator("tbody tr[data-run]")).to_have_count(2)
    page.emulate_media(media="print")
    expect(page.get_by_role("link", name="run-1")).to_be_visible()
    expect(page.get_by_label("Search runs")).to_be_hidden()
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()
    page.emulate_media(media="screen")
    page.context.set_offline(True)
    page.get_by_role("button", name="Name").click()  # asks the lab
    expect(page.get_by_text("This device is offline.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("This device is offline.")).to_have_count(0)
