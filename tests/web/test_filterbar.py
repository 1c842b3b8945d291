"""The filter bar: what may come next is suggested while somebody types, and terms are chips."""

from __future__ import annotations

import re
import uuid

import pytest
from playwright.sync_api import Page, Request, Route, expect

from pyhectiqlab.protocol import search

from .conftest import Watch
from .feeder import Feeder

pytestmark = pytest.mark.browser


def test_a_search_is_completed_while_it_is_typed_and_its_terms_are_chips(
    page: Page, feeder: Feeder, watch: Watch
) -> None:
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


WHOLE = {  # a whole term of each field of the language
    "state": "state=failed,completed",
    "tag": 'tag="two words"',
    "author": "author!=ada",
    "group": "group=*",
    "host": "host~node",
    "name": "name!~typed-0",
    "note": 'note=""',
    "id": "id=abc",
    "text": "text~typed",
    "archived": "archived=*",
    "created": "created>2026-07-01T12:00",
    "started": "started<2030-01-01",
    "ended": "ended>-7d",
    "activity": "activity>-30d",
    "duration": "duration<1.5h",
    "points": "points>=1e-3",
    "attempt": "attempt=1",
    "rank": "rank<8",
    "metric": "metric!=nan",
    "config.": 'config."lr"<1e-3',
    "metric.": "metric.valid/loss.min<-1.5e+2",
}


def _three(feeder: Feeder) -> str:
    project = f"typed-{uuid.uuid4().hex[:6]}"
    for n in range(3):
        run = feeder.run(f"typed-{n}", project=project)
        run.event("config", values={"lr": n / 10})
        run.points({"valid/loss": ([0], [1.0 + n])})
        run.end("failed" if n == 2 else "completed")
    return project


def test_no_letter_of_a_term_is_sent_that_the_lab_refuses(page: Page, feeder: Feeder, watch: Watch) -> None:
    assert {name.rstrip(".") for name in WHOLE} == {*search.FIELDS, "config", "metric"}
    page.goto(f"{feeder.url}/projects/{_three(feeder)}?pane=table")
    expect(page.locator("tbody tr[data-run]")).to_have_count(3)
    bar = page.get_by_label("Search runs")
    for text in WHOLE.values():
        search.parse(text)
        for end in range(1, len(text)):  # waited for each one, however slow the machine is: nothing is left out
            with page.expect_event("console", lambda m: m.text == "typed"):
                bar.fill(text[:end])
                page.evaluate("() => requestAnimationFrame(() => setTimeout(() => console.log('typed')))")
        with page.expect_response(lambda answer: "/table?" in answer.url and answer.ok):
            bar.fill(text)
        bar.press("Enter")
        page.get_by_role("button", name="Remove").click()
    expect(page.locator(".term")).to_have_count(0)


def test_rows_stay_while_a_term_is_half_typed_and_what_is_wrong_is_said_after_a_pause(
    page: Page, feeder: Feeder, watch: Watch
) -> None:
    watch.allowed.append("422")
    page.goto(f"{feeder.url}/projects/{_three(feeder)}?pane=table&sort=name&col=state")
    rows, bar, alert = page.locator("tbody tr[data-run]"), page.get_by_label("Search runs"), page.get_by_role("alert")
    expect(rows).to_have_count(3)
    page.clock.install()
    page.clock.pause_at("2030-01-01")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "filter=" in request.url else None)
    bar.fill("config.lr<")
    page.clock.run_for(500)
    assert asked == [] and rows.count() == 3 and alert.count() == 0
    with page.expect_response(lambda answer: "filter=" in answer.url):
        page.clock.run_for(200)  # somebody stopped typing
    expect(alert).to_contain_text("config")
    page.clock.run_for(50)  # a frame: from then on what is drawn follows what somebody types
    assert rows.count() == 3
    # The next key hides the message. Enter shows it again at once.
    bar.fill("colour=")
    expect(alert).to_have_count(0)
    with page.expect_response(lambda answer: "/table?" in answer.url and answer.status == 422):
        bar.fill("colour=red")
        page.clock.run_for(100)
    assert alert.count() == 0
    bar.press("Enter")
    expect(alert).to_contain_text("there is no field 'colour'", ignore_case=True)
    page.clock.run_for(50)
    page.get_by_role("button", name="Remove").click()
    page.clock.run_for(100)
    expect(alert).to_have_count(0)
    expect(rows).to_have_count(3)


def test_an_answer_that_a_later_key_made_stale_is_cancelled_and_never_shown(
    page: Page, feeder: Feeder, watch: Watch
) -> None:
    watch.allowed.append("ERR_FAILED")
    page.goto(f"{feeder.url}/projects/{_three(feeder)}?pane=table&sort=name")
    names, bar = page.locator("tbody .run-name a"), page.get_by_label("Search runs")
    expect(names).to_have_count(3)
    held: list[Route] = []
    cancelled: list[Request] = []
    page.route(re.compile(r"/table\?.*filter=typed-0"), lambda route: held.append(route))
    page.on("requestfailed", lambda request: cancelled.append(request))
    with page.expect_request(re.compile(r"/table\?.*filter=typed-0")):
        bar.fill("typed-0")
    with page.expect_response(re.compile(r"/table\?.*filter=typed-1")):
        bar.fill("typed-1")
    expect(names).to_have_text(["typed-1"])
    assert [request.failure for request in cancelled if "filter=typed-0" in request.url] == ["net::ERR_ABORTED"]
    for route in held:
        route.abort()
    expect(names).to_have_text(["typed-1"])
