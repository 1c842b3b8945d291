"""How a project's page opens: what it shows first is asked for early, and once."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import Page, Route, expect

from .conftest import Watch
from .feeder import Feeder

pytestmark = pytest.mark.browser
MAIN = re.compile(r"/assets/main-[^/]*\.js")


def _project(feeder: Feeder) -> str:
    project = f"opened-{uuid.uuid4().hex[:6]}"
    for n in range(3):
        run = feeder.run(f"opened-{n}", project=project)
        run.event("config", values={"lr": n / 10})
        run.points({"valid/loss": ([0], [1.0 + n])})
        run.end("completed")
    return project


def test_first_rows_are_asked_for_before_the_page_is_there_and_once(page: Page, feeder: Feeder, watch: Watch) -> None:
    held: list[Route] = []
    page.route(MAIN, lambda route: held.append(route))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/table?" in request.url else None)
    url = f"{feeder.url}/projects/{_project(feeder)}?pane=table&sort=name&col=config.%22lr%22"
    with page.expect_response(lambda answer: "/table?" in answer.url and answer.ok):
        page.goto(url, wait_until="commit")
    assert held and page.locator("main").count() == 0
    for route in held:
        route.continue_()
    expect(page.locator("tbody .run-name a")).to_have_text(["opened-0", "opened-1", "opened-2"])
    assert len({*asked}) == 1, asked  # news may ask for the same again


def test_rows_of_a_project_that_is_clicked_wait_for_no_columns(page: Page, feeder: Feeder, watch: Watch) -> None:
    project = _project(feeder)
    page.goto(feeder.url)
    held: list[Route] = []
    holding = True
    page.route(re.compile(r"/table/columns\?"), lambda route: held.append(route) if holding else route.continue_())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/table?" in request.url else None)
    page.get_by_role("link", name=project).click()
    expect(page.locator("tbody tr[data-run]")).to_have_count(3)
    assert len({*asked}) == 1, asked  # news may ask for the same again
    expect(page.get_by_role("columnheader", name="lr")).to_have_count(0)
    with page.expect_request(re.compile(r"/table\?.*config\.\W*\w*lr")):
        holding = False
        for route in held:
            route.continue_()
    expect(page.get_by_role("columnheader", name="lr")).to_have_count(1)
