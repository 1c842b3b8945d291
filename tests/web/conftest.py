"""A real lab, a real browser, and pages that must not complain."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from .contexts import Contexts
from .feeder import Feeder

ROOT = Path(__file__).parents[2]
TIMEOUT_MS = 20_000  # generous: only a failure waits so long
expect.set_options(timeout=TIMEOUT_MS)
NewPage = Callable[..., Page]
BROWSER = pytest.StashKey[Browser]()
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # One process serves the pages of all tests: it keeps the code of the lab's scripts. The shared context below needs
    # this.
    "--process-per-site",
)


def find_chromium() -> str | None:
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return None


@pytest.fixture(scope="session")
def browser(pytestconfig: pytest.Config) -> Browser:
    """Start one browser for all tests of this process, also those of other folders that import this: playwright starts
    once.
    """
    if (running := pytestconfig.stash.get(BROWSER, None)) is not None:
        return running
    chromium = find_chromium()
    built = (ROOT / "pyhectiqlab/server/static/index.html").is_file()
    for there, what in ((chromium, "Chromium: install chromium"), (built, "built web app: run scripts/build-web")):
        if not there:
            message = f"There is no {what}."
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
    playwright = sync_playwright().start()
    pytestconfig.add_cleanup(playwright.stop)
    browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
    pytestconfig.add_cleanup(browser.close)
    pytestconfig.stash[BROWSER] = browser
    return browser


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    """Start one lab for all tests that do not harm it. Each uses runs and projects of its own names."""
    root = tmp_path_factory.mktemp("web")
    with ForkedLab(root / "data", root / "home") as lab:
        yield lab


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[RealLab]:
    """Start a lab for a test that stops it, or needs it empty."""
    with ForkedLab(tmp_path / "data", tmp_path / "home") as lab:
        yield lab


@pytest.fixture
def feeder(lab: RealLab) -> Iterator[Feeder]:
    feeder = Feeder(lab.url, lab.api_key)
    yield feeder
    feeder.close()


@pytest.fixture(scope="session")
def owner_state(browser: Browser, lab: RealLab) -> Any:
    """Return the cookies of the owner, logged in by the one-time link."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(lab.login_link or "")
    page.get_by_role("heading", name="Projects").wait_for()
    state = context.storage_state()
    context.close()
    return state


@dataclass
class Watch:
    """The complaints of a page. A test that provokes one names it in `allowed` (parts of their texts)."""

    seen: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def on(self, page: Page) -> None:
        page.on("console", lambda m: self.seen.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.seen.append(str(e)))

    def complaints(self) -> list[str]:
        return [text for text in self.seen if not any(part in text for part in self.allowed)]


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fail the test on an error in the console: exceptions, refusals by the content policy, failed requests."""
    watch = Watch()
    yield watch
    assert watch.complaints() == []


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> Contexts:
    return Contexts(browser)


@pytest.fixture
def new_page(contexts: Contexts, watch: Watch) -> Iterator[NewPage]:
    """Return a function that makes pages, each in a context of its own: `new_page(storage_state=…)`. The context is
    empty, except for the lab's scripts in its cache: `new_page(fresh=True)` makes one that never saw them.
    """

    def make(**options: Any) -> Page:
        context = contexts.borrow(**options)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        watch.on(page)
        return page

    yield make
    contexts.take_back()


@pytest.fixture
def page(new_page: NewPage, owner_state: Any) -> Page:
    """Return a page of the owner."""
    return new_page(storage_state=owner_state)
