"""Pages in a browser, while each of their requests goes to another one of three labs."""

# ruff: noqa: F401, F811

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from ..web.conftest import browser, new_page, page, watch
from ..web.feeder import Feeder
from ..web.test_charts import (
    test_a_live_point_and_a_new_key_arrive_without_a_reload,
    test_the_curve_is_the_data_and_is_on_the_canvas,
)
from ..web.test_pages import (
    test_a_run_is_deleted_on_its_page_after_asking_and_restored_there,
    test_keys_are_made_shown_once_and_revoked,
    test_the_runs_table_shows_states_and_last_values_and_follows_them,
)
from .fleet_labs import Fleet

pytestmark = pytest.mark.browser


@pytest.fixture
def feeder(fleet: Fleet) -> Iterator[Feeder]:
    feeder = Feeder(fleet.url, fleet.api_key)
    yield feeder
    feeder.close()


@pytest.fixture(scope="module")
def owner_state(browser: Browser, fleet: Fleet) -> Any:
    """The cookies of the owner, who logged in at one of the labs: a cookie is of the host, whatever the port."""
    context = browser.new_context()
    opened = context.new_page()
    opened.goto(fleet.labs[0].login_link or "")
    opened.get_by_role("heading", name="Projects").wait_for()
    state = context.storage_state()
    context.close()
    return state
