"""Clicks: how many presses of a button a journey takes, counted in the page itself."""

from __future__ import annotations

from playwright.sync_api import Page

CLICKS_MAX = 5  # of a journey where there was none before

_COUNT = """
const count = () => sessionStorage.setItem('clicks', Number(sessionStorage.getItem('clicks') || 0) + 1);
addEventListener('pointerdown', count, true);
"""


class Clicks:
    """Counts from now on, also in pages that the tab loads later."""

    def __init__(self, page: Page) -> None:
        self._page = page
        page.add_init_script(_COUNT)

    def taken(self) -> int:
        """Return how many there were since the last call."""
        n = self._page.evaluate("Number(sessionStorage.getItem('clicks') || 0)")
        self._page.evaluate("sessionStorage.removeItem('clicks')")
        return int(n)
