"""The Logs tab: what a terminal would have shown, live, filtered, and earlier lines on request."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab

from .feeder import FedRun, Feeder

pytestmark = pytest.mark.browser
NASTY = '<img src=x onerror="window.pwned=1"> \x1b[31mred\x1b[0m'


def log(run: FedRun, *texts: str, level: str | None = "INFO", channel: str = "default") -> None:
    now = int(time.time() * 1e6)
    told: list[Any] = [
        [i, "log", now + i, {"text": text, "level": level, "channel": channel}] for i, text in enumerate(texts)
    ]
    run._send(len(told), events=told)


def lines(page: Page) -> list[str]:
    return page.locator(".log-line").all_inner_texts()


def test_a_run_shows_its_logs_as_a_terminal_would_have_and_live(page: Page, lab: RealLab, feeder: Feeder) -> None:
    run = feeder.run("logs")
    run.points({"loss": ([0, 1], [1.0, 0.5])})
    page.goto(f"{lab.url}/runs/{run.id}")
    page.get_by_role("tab", name="Logs").click()
    page.get_by_role("heading", name="No logs").wait_for()
    log(run, "first\n", "Progress ", *["-"] * 10)
    expect(page.locator(".log-line").last).to_have_text("Progress ----------")
    log(run, "\n", " 10%\r", " 20%\r", NASTY + "\n")
    expect(page.locator(".log-line").last).to_have_text('<img src=x onerror="window.pwned=1"> red')
    assert lines(page)[:2] == ["first", "Progress ----------"]
    assert page.evaluate("window.pwned") is None
    page.get_by_label("Timestamps").check()
    expect(page.locator(".log-line").first).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}first$"))


def test_logs_are_filtered_by_level_channel_and_words_and_the_address_says_so(
    page: Page, lab: RealLab, feeder: Feeder
) -> None:
    run = feeder.run("filtered logs")
    log(run, "plain\n")
    log(run, "careful\n", level="WARNING", channel="torch")
    log(run, "broken\n", level="ERROR")
    page.goto(f"{lab.url}/runs/{run.id}?tab=logs")
    expect(page.locator(".log-line")).to_have_text(["plain", "careful", "broken"])
    page.get_by_label("Level").select_option("WARNING")
    expect(page.locator(".log-line")).to_have_text(["careful", "broken"])
    page.get_by_label("Channel").select_option("torch")
    expect(page.locator(".log-line")).to_have_text(["careful"])
    page.wait_for_url(re.compile(r"tab=logs&level=WARNING&channel=torch"))
    page.get_by_label("Channel").select_option("")
    page.get_by_role("searchbox", name="Find in the loaded lines").fill("BROK")
    expect(page.locator(".log-line")).to_have_text(["broken"])
    page.wait_for_url(re.compile("find=BROK"))
    page.reload()
    expect(page.locator(".log-line")).to_have_text(["broken"])
    page.get_by_role("searchbox", name="Find in the loaded lines").fill("nowhere")
    page.get_by_role("heading", name="No such line").wait_for()


def test_a_long_log_opens_at_its_end_and_loads_earlier_lines_on_request(
    page: Page, lab: RealLab, feeder: Feeder
) -> None:
    run = feeder.run("long logs")
    for start in range(0, 6000, 2000):
        log(run, *(f"line {i}\n" for i in range(start, start + 2000)))
    page.goto(f"{lab.url}/runs/{run.id}?tab=logs")
    expect(page.locator(".controls").get_by_role("status")).to_have_text("5,000 lines")
    expect(page.locator(".log-line").last).to_be_in_viewport()
    log(run, "the newest\n")
    expect(page.get_by_text("the newest")).to_be_in_viewport()
    page.locator(".logs").evaluate("(el) => el.scrollTo(0, 0)")
    page.get_by_role("button", name="Load earlier lines").click()
    expect(page.locator(".controls").get_by_role("status")).to_have_text("6,001 lines")
    expect(page.get_by_text("line 1000", exact=True)).to_be_in_viewport()
    assert page.get_by_role("button", name="Load earlier lines").count() == 0
