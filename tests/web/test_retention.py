"""What pages tell of retention: on a project's, what it keeps how long; on a run's, until when, once that is soon."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import Page, expect
from sqlalchemy import text

from pyhectiqlab.testing.lab import RealLab

from ..stores import sql
from .feeder import Feeder

pytestmark = pytest.mark.browser


def test_a_project_tells_how_long_it_keeps_what_and_a_run_that_is_due_soon_until_when(
    page: Page, lab: RealLab, feeder: Feeder
) -> None:
    old, young = (feeder.run(name, project="kept for a while") for name in ("old", "young"))
    for run in (old, young):
        run.end("completed")
    with sql(lab.data_dir) as conn:
        for table, column, key in (("runs", "last_activity", "id"), ("sessions", "last_seen", "run_id")):
            change = f"UPDATE {table} SET {column} = {column} - 87 * 86400 WHERE {key} = :run"
            conn.execute(text(change), {"run": old.id})
    page.goto(f"{lab.url}/projects/{old.project}")
    page.get_by_role("link", name="old").wait_for()
    assert page.get_by_text("kept for 90 days").count() == 0
    rule = {"runs_days": 90, "versions_max": 5}
    where = f"{lab.url}/api/v1/projects/{old.project}/retention"
    assert requests.put(where, headers=lab.headers, json=rule, timeout=10).status_code == 200
    page.reload()
    page.get_by_text("runs kept for 90 days · the newest 5 versions of a file kept").wait_for()
    page.get_by_role("link", name="old").click()
    until = page.locator(".facts div", has_text="Kept until")
    expect(until).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"))
    page.goto(f"{lab.url}/runs/{young.id}")
    page.locator(".facts").get_by_text(young.id).wait_for()
    assert until.count() == 0, "that is 90 days away"
