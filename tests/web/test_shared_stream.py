"""The tabs of one browser share one stream of the lab, which takes one of the six connections that a browser allows."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import expect

from pyhectiqlab.testing.lab import RealLab

from ..server.api import wait_until
from .conftest import NewPage
from .feeder import Feeder

pytestmark = pytest.mark.browser
TABS = 8


def streams(lab: RealLab) -> int:
    text = requests.get(
        f"{lab.url}/api/v1/metrics", headers={"Authorization": f"Bearer {lab.api_key}"}, timeout=20
    ).text
    match = re.search(r"^hectiqlab_streams ([\d.]+)", text, re.M)
    assert match, text[:2000]
    return int(float(match[1]))


def test_eight_tabs_have_one_stream_and_all_hear_what_is_new(
    new_page: NewPage, owner_state: object, feeder: Feeder, lab: RealLab
) -> None:
    wait_until(lambda: streams(lab) == 0)
    runs = [feeder.run(f"tab-{n}", project=f"tabs-{n % 2}") for n in range(TABS)]
    first = new_page(storage_state=owner_state)
    pages = [first, *(first.context.new_page() for _ in range(TABS - 1))]
    # Two projects and six runs, by turns.
    for n, page in enumerate(pages):
        page.goto(
            f"{feeder.url}/projects/tabs-{n}?pane=table" if n < 2 else f"{feeder.url}/runs/{runs[n].id}?tab=overview"
        )
        expect(page.get_by_role("heading", name=re.compile("^tab"), level=1)).to_be_visible()
    wait_until(lambda: streams(lab) == 1)
    for run in runs:
        run.event("state", state="training")
    for n, page in enumerate(pages):
        badges = page.locator(
            'tbody .badge[data-state="training"]' if n < 2 else 'header .badge[data-state="training"]'
        )
        expect(badges).to_have_count(TABS // 2 if n < 2 else 1)
    # When a tab closes, even the first one, the others go on hearing; a new tab hears, too.
    for page in pages[:-2]:
        page.close()
    late = pages[-1].context.new_page()
    late.goto(f"{feeder.url}/projects/tabs-1?pane=table")
    expect(late.locator("tbody tr[data-run]")).to_have_count(TABS // 2)
    wait_until(lambda: streams(lab) == 1)
    for run in runs:
        run.end("completed")
    expect(pages[-1].locator('header .badge[data-state="completed"]')).to_have_count(1)
    expect(pages[-2].locator('header .badge[data-state="completed"]')).to_have_count(1)
    expect(late.locator('tbody .badge[data-state="completed"]')).to_have_count(TABS // 2)
    for page in late.context.pages:
        page.close()
    wait_until(lambda: streams(lab) == 0)
