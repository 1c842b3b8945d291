"""The filter bar: what may come next is suggested while somebody types, and terms are chips."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import Page, expect

from .conftest import Watch
from .feeder import Feeder

pytestmark = pytest.mark.browser


def test_a_search_is_completed_while_it_is_typed_and_its_terms_are_chips(
    page: Page, feeder: Feeder, watch: Watch
) -> None:
    watch.allowed.append("422")  # of a search that is half typed
    project = f"typed-{uuid.uuid4().hex[:6]}"
    for n in range(4):
        run = feeder.run(f"typed-{n}", project=project)
        run.event("config", values={"model": {"name": "vit" if n % 2 else "res net"}, "lr": n / 10})
        run.points({"valid/loss": ([0], [1.0 + n])})
        run.end("failed" if n == 3 else "completed")
    page.goto(f"{feeder.url}/projects/{project}?pane=table&sort=name")
    names = page.locator("tbody .run-name a")
    bar, chips = page.get_by_label("Search runs"), page.locator(".term")
    options = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(names).to_have_count(4)
    bar.press_sequentially("mod")
    expect(options.locator("code")).to_have_text(["config.model.name"])
    expect(bar).to_have_attribute("aria-expanded", "true")
    bar.press("Tab")
    expect(bar).to_have_value("config.model.name")
    expect(options.first).to_contain_text("config.model.name=is")
    bar.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    active = bar.get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active}")).to_contain_text("config.model.name=")
    bar.press("Enter")
    expect(options.locator("code")).to_have_text(['"res net"', "vit"])
    options.first.click()
    expect(chips).to_have_text(['config.model.name="res net"'])
    expect(names).to_have_text(["typed-0", "typed-2"])
    # Several values of one field; Escape leaves what is typed, Enter takes it as it is.
    bar.press_sequentially("metric.valid/loss.min<")
    expect(options.locator("code")).to_have_text(["3", "1", "4", "2", "nan"])  # the middle one, the ends, the rest
    bar.press("2")
    expect(options.locator("code")).to_have_text(["2"])
    bar.press("Escape")
    expect(options).to_have_count(0)
    bar.press("Enter")
    expect(chips).to_have_count(2)
    expect(names).to_have_text(["typed-0"])
    page.wait_for_url(re.compile("q=config.*metric.*%3C2"))
    # The link has the terms; a chip is changed with Backspace, or taken off.
    page.reload()
    expect(chips).to_have_count(2)
    expect(names).to_have_text(["typed-0"])
    bar.focus()
    bar.press("Backspace")
    expect(bar).to_have_value("metric.valid/loss.min<2")
    bar.press("Backspace")
    bar.press("4")
    expect(names).to_have_text(["typed-0", "typed-2"])
    page.get_by_role("button", name='Remove config.model.name="res net"').click()
    expect(names).to_have_text(["typed-0", "typed-1", "typed-2"])
    expect(bar).to_be_focused()
    page.get_by_role("heading", name=project).click()
    expect(chips).to_have_text(["metric.valid/loss.min<4"])  # what was typed is a chip once the focus has left
