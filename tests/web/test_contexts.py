"""A context that a test borrows has nothing of the test before it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ..waiting import eventually
from .contexts import Contexts
from .feeder import Feeder

pytestmark = pytest.mark.browser
LEAVE = """async () => {
  localStorage.setItem('left', '1');
  sessionStorage.setItem('left', '1');
  document.cookie = 'left=1';
  await caches.open('left');
  await new Promise((done) => { indexedDB.open('left').onsuccess = done; });
}"""
LEFT = """async () => [
  ...Object.keys(localStorage), ...Object.keys(sessionStorage), document.cookie, ...(await caches.keys()),
  ...(await indexedDB.databases()).map((one) => one.name),
  (await navigator.permissions.query({ name: 'geolocation' })).state,
]"""


def opened(contexts: Contexts, feeder: Feeder, owner_state: Any) -> Page:
    page = contexts.borrow(storage_state=owner_state).new_page()
    page.goto(f"{feeder.url}/projects/borrowed?pane=table")
    expect(page.get_by_role("link", name="lent")).to_be_visible()
    return page


def workers(browser: Browser) -> list[str]:
    session = browser.new_browser_cdp_session()
    targets = session.send("Target.getTargets")["targetInfos"]
    session.detach()
    return [target["url"] for target in targets if target["type"] == "shared_worker"]


def test_a_context_comes_back_empty(browser: Browser, feeder: Feeder, owner_state: Any) -> None:
    feeder.run("lent", project="borrowed")
    contexts = Contexts(browser)
    page = opened(contexts, feeder, owner_state)
    clean = page.evaluate(LEFT)
    page.evaluate(LEAVE)
    page.context.grant_permissions(["geolocation"])
    page.context.set_offline(True)
    page.context.route("**/*", lambda route: route.abort())
    assert page.evaluate(LEFT) != clean
    eventually(lambda: workers(browser), what="the worker of the page's stream")
    contexts.take_back()
    assert workers(browser) == []
    again = opened(contexts, feeder, owner_state)
    assert again.context is page.context
    assert again.evaluate(LEFT) == clean
    # Two tests at once have two contexts; one without cookies is nobody.
    other = contexts.borrow()
    assert other is not again.context and other.cookies() == []
    contexts.take_back()
    assert {contexts.borrow(), contexts.borrow()} == {other, again.context}
    contexts.take_back()
    assert contexts.borrow().cookies() == []
    contexts.close()


def test_a_context_with_a_clock_of_its_own_is_not_lent_again(browser: Browser) -> None:
    contexts = Contexts(browser)
    context = contexts.borrow()
    page = context.new_page()
    page.clock.install()
    page.goto("about:blank")
    contexts.take_back()
    assert contexts.borrow() is not context
    contexts.close()
