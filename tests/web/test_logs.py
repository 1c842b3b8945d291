"""The Logs tab: what a terminal would have shown, live, filtered, and earlier lines on request."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab

from .conftest import NewPage
from .feeder import FedRun, Feeder

pytestmark = pytest.mark.browser
# The contrast of each inked text with what is behind it, as WCAG computes it. A canvas reads any colour of CSS.
CONTRASTS = """() => {
  const ctx = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = (color) => {
    ctx.fillStyle = color;
    ctx.fillRect(0, 0, 1, 1);
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = [...ctx.getImageData(0, 0, 1, 1).data].map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return [...document.querySelectorAll('.log-line span')].map((el) => {
    light(getComputedStyle(document.querySelector('.logs')).backgroundColor);
    const style = getComputedStyle(el);
    const pair = [light(style.backgroundColor), light(style.color)].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  });
}"""
NASTY = '<img src=x onerror="window.pwned=1"> \x1b[31mred\x1b[0m'


def log(run: FedRun, *texts: str, level: str | None = "INFO", channel: str = "default") -> None:
    now = int(time.time() * 1e6)
    items: list[Any] = [
        [i, "log", now + i, {"text": text, "level": level, "channel": channel}] for i, text in enumerate(texts)
    ]
    run._send(len(items), events=items)


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_a_terminal_are_shown_and_can_be_read(
    new_page: NewPage, owner_state: Any, lab: RealLab, feeder: Feeder, scheme: str
) -> None:
    run = feeder.run(f"coloured logs {scheme}")
    hues = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "grey": 90, "own": 30}
    log(run, *(f"\x1b[{code}m{name}\x1b[0m then plain\n" for name, code in hues.items()))
    log(run, *(f"\x1b[{code + 10};38;5;{code - 30}m on {name}\x1b[0m\n" for name, code in hues.items()))
    log(run, "\x1b[1;4;38;2;200;60;60mbold\x1b[22m, no longer\x1b[0m\n")
    page = new_page(storage_state=owner_state, color_scheme=scheme)
    page.goto(f"{lab.url}/runs/{run.id}?tab=logs")
    expect(page.locator(".log-line")).to_have_count(2 * len(hues) + 1)
    expect(page.locator(".log-line").first).to_have_text("red then plain")
    expect(page.locator(".log-line span").first).to_have_text("red")
    expect(page.get_by_text("bold", exact=True)).to_have_css("font-weight", "700")
    expect(page.get_by_text(", no longer")).to_have_css("text-decoration-line", "underline")
    colors = {
        page.get_by_text(name, exact=True).evaluate("el => getComputedStyle(el).color") for name in list(hues)[:7]
    }
    assert len(colors) == 7
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/colours-{scheme}.png")
    assert min(page.evaluate(CONTRASTS)) >= 4.5, "as WCAG AA asks"


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
