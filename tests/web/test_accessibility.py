"""Every page, light and dark, is readable for all: what axe finds serious is not there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab

from . import everypage
from .conftest import ROOT, Watch
from .feeder import Feeder

pytestmark = pytest.mark.browser
AXE = ROOT / "pyhectiqlab/web/node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# A rule says how grave its findings are: rules whose findings are all less than serious need not run.
RUN = """async (only) => {
  const slight = axe._audit.rules.filter((rule) => rule.impact === 'minor' || rule.impact === 'moderate');
  const rules = Object.fromEntries(slight.map((rule) => [rule.id, { enabled: false }]));
  const { violations } = await axe.run(document, { runOnly: only, rules, resultTypes: ['violations'] });
  return violations
    .filter((v) => v.impact === 'serious' || v.impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.slice(0, 5).map((n) => [id, n.html.slice(0, 160), n.failureSummary].join(' ')));
}"""


def serious(page: Page, only: dict[str, Any]) -> list[str]:
    """Return what axe has against the page as it is shown now."""
    problems: list[str] = page.evaluate(RUN, only)
    return problems


@pytest.mark.timeout(400)
def test_axe_finds_nothing_serious_on_any_page_light_or_dark(
    page: Page, lab: RealLab, feeder: Feeder, tmp_path: Path, watch: Watch
) -> None:
    if not AXE.is_file():
        message = "axe-core is not there: run `npm ci` in pyhectiqlab/web"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    watch.allowed += ["401", "404", "422"]
    page.add_init_script(
        path=AXE
    )  # not in a script element: the content policy allows none that the lab does not serve
    pages = everypage.made(lab, feeder, tmp_path)
    problems: list[str] = []

    def look(name: str) -> None:
        page.emulate_media(color_scheme="light")
        problems.extend(f"{name}: {one}" for one in serious(page, {"type": "tag", "values": RULES}))
        page.emulate_media(color_scheme="dark")
        contrast = {"type": "rule", "values": ["color-contrast"]}
        problems.extend(f"{name}, dark: {one}" for one in serious(page, contrast))

    for name in pages.visit(page, lab.url):
        look(name)
    page.goto(f"{lab.url}{pages.paths['run charts']}")
    page.get_by_role("button", name="Tell apart").click()
    look("telling apart")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add chart").click()
    page.get_by_role("dialog").get_by_role("radio", name="Histograms").click()
    look("a chart of histograms is made")
    page.get_by_label("Histograms of this name").fill("weights")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("group", name="Histograms of weights").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".heat-readout")).to_contain_text("step 3")
    look("histograms")
    page.goto(f"{lab.url}/projects/{pages.project}?pane=table")
    page.get_by_label("Search runs").press_sequentially("con")
    expect(page.get_by_role("listbox", name="Suggestions").get_by_role("option").first).to_be_visible()
    look("suggestions")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog").get_by_role("option").first).to_be_visible()
    look("palette")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Columns").click()
    look("columns")
    page.keyboard.press("Escape")
    page.locator("main").focus()
    page.keyboard.press("?")
    look("keys")
    page.keyboard.press("Escape")
    page.context.clear_cookies()
    page.goto(f"{lab.url}/login")
    expect(page.get_by_label("Username")).to_be_visible()
    look("login")
    assert not problems, "\n".join(problems)
