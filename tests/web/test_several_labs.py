"""Pages in a browser, while each of their requests goes to another one of three labs."""

# ruff: noqa: F401, F811

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from ..clickhouse import server
from ..fleet.conftest import fleet, lab
from ..fleet.fleet_labs import Fleet
from ..fleet.test_clickhouse_labs import two
from .feeder import Feeder
from .panels import Panel
from .test_charts import (
    test_a_live_point_and_a_new_key_arrive_without_a_reload,
    test_the_curve_is_the_data_and_is_on_the_canvas,
)
from .test_pages import (
    test_a_run_is_deleted_on_its_page_after_asking_and_restored_there,
    test_keys_are_made_shown_once_and_revoked,
    test_the_runs_table_shows_states_and_last_values_and_follows_them,
)

pytestmark = pytest.mark.browser


@pytest.fixture
def feeder(fleet: Fleet) -> Iterator[Feeder]:
    feeder = Feeder(fleet.url, fleet.api_key)
    yield feeder
    feeder.close()


@pytest.fixture(scope="module")
def owner_state(browser: Browser, fleet: Fleet) -> Any:
    """Return the cookies of the owner, who logged in at one of the labs: a cookie belongs to the host, whatever the
    port.
    """
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(fleet.labs[0].login_link or "")
    opened.get_by_role("heading", name="Projects").wait_for()
    state = context.storage_state()
    context.close()
    return state


def test_a_page_says_what_is_wrong_and_goes_on_once_clickhouse_is_back(two: Fleet, browser: Browser) -> None:
    feeder = Feeder(two.url, two.api_key)
    run = feeder.run("away")
    run.points({"loss": ([0, 1], [3.0, 2.0])})
    unseen = feeder.run("unseen")  # no lab has kept anything that it read of it
    unseen.points({"loss": ([0, 1], [3.0, 2.0])})
    context = browser.new_context()
    page = context.new_page()
    page.goto(two.labs[0].login_link or "")
    page.get_by_role("heading", name="Projects").wait_for()
    page.goto(f"{two.url}/runs/{run.id}")
    Panel(page, "loss").wait()
    context.set_offline(True)
    run.points({"loss": ([2], [1.0])})  # the labs have kept what they read for the page, but not this
    server().kill()
    context.set_offline(False)
    try:
        page.locator('.panel[data-key="loss"]').get_by_text("The lab cannot reach the points now.").wait_for()
        page.goto(f"{two.url}/runs/{unseen.id}")
        page.get_by_role("heading", name="unseen").first.wait_for()
        page.get_by_text("The lab cannot reach all of its data.").wait_for()
        page.get_by_text("The lab cannot reach the points now.").wait_for()  # where the charts would be
    finally:
        server().start()
    Panel(page, "loss").wait("d.curves[0].total === 2")
    expect(page.get_by_text("The lab cannot reach the points now.")).to_have_count(0)  # once the lab has said so
    context.close()
    feeder.close()
