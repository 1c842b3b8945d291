"""Contexts of the browser that tests borrow one after the other: emptied, with the scripts of the lab in the cache."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, CDPSession, Error, Page

from ..waiting import eventually

DEFAULTS = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
# Everything that a site can store, except the cache of HTTP: that has the lab's scripts, their compiled code, and no
# answer that a page takes without asking the lab.
STORED = "local_storage,indexeddb,websql,service_workers,cache_storage,file_systems,shader_cache,shared_storage"
KEEPER = "http://127.0.0.1/"  # to the browser, labs on all ports are one site


@dataclass
class _Kept:
    """A context, and a page of its own without scripts: it keeps the process alive that has compiled the lab's."""

    context: BrowserContext
    keeper: Page
    session: CDPSession  # of the keeper
    id: str  # the browser's name for the context
    origins: set[str] = field(default_factory=set)  # that its pages were on

    def others(self) -> list[str]:
        """Return the pages and workers that are there besides the keeper."""
        targets = self.session.send("Target.getTargets")["targetInfos"]
        mine = (target for target in targets if target.get("browserContextId") == self.id)
        return [target["url"] for target in mine if target["url"] != KEEPER]


class Contexts:
    """What a test borrows is as a new context would be: without cookies, storage, pages, workers and permissions.

    The scripts of the lab are read, compiled and warmed up once instead of once per test: most of what a new context
    costs.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[str, list[_Kept]] = {}
        self._lent: list[tuple[str, _Kept]] = []
        self._own: list[BrowserContext] = []

    def borrow(self, storage_state: Any = None, fresh: bool = False, **options: Any) -> BrowserContext:
        """Return a context with these cookies, and the options of playwright's `new_context`.

        Args:
            fresh: with an empty cache, too: for a test of what a first visit gets.
        """
        if fresh or (storage_state and storage_state["origins"]):  # only a new context can get what is in there
            context = self._browser.new_context(storage_state=storage_state, **DEFAULTS, **options)
            self._own.append(context)
            return context
        kind = json.dumps(options, sort_keys=True)
        free = self._free.setdefault(kind, [])
        kept = free.pop() if free else self._made(options)
        self._lent.append((kind, kept))
        kept.context.clear_cookies()
        if storage_state:
            kept.context.add_cookies(storage_state["cookies"])
        return kept.context

    def take_back(self) -> None:
        """Close the pages of all contexts that are lent, and empty these."""
        while self._own:
            self._own.pop().close()
        while self._lent:
            kind, kept = self._lent.pop()
            if _emptied(kept):
                self._free[kind].append(kept)
            else:
                kept.context.close()

    def close(self) -> None:
        self.take_back()
        for free in self._free.values():
            while free:
                free.pop().context.close()

    def _made(self, options: dict[str, Any]) -> _Kept:
        context = self._browser.new_context(**DEFAULTS, **options)
        keeper = context.new_page()
        keeper.route(KEEPER, lambda route: route.fulfill(body=""))
        keeper.goto(KEEPER)
        session = context.new_cdp_session(keeper)
        name = session.send("Target.getTargetInfo")["targetInfo"]["browserContextId"]
        kept = _Kept(context, keeper, session, name)

        def note(page: Page) -> None:
            page.on(
                "framenavigated", lambda frame: kept.origins.add("{0.scheme}://{0.netloc}".format(urlsplit(frame.url)))
            )

        context.on("page", note)
        return kept


def _emptied(kept: _Kept) -> bool:
    """Make a context as if it were new; return whether that is possible."""
    pages = [page for page in kept.context.pages if page is not kept.keeper]
    if kept.keeper.is_closed():
        return False
    try:
        # Once installed, a clock comes back in each later page: nothing takes it out of the context.
        if any(page.evaluate("'__pwClock' in globalThis") for page in pages):
            return False
    except Error:  # a page that has crashed, or one without a document
        return False
    for page in pages:
        page.close()
    eventually(lambda: kept.others() == [])  # a worker that still ran would belong to the next test
    kept.context.clear_permissions()
    kept.context.set_offline(False)
    kept.context.unroute_all()
    for origin in kept.origins:
        kept.session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": STORED})
    kept.origins.clear()
    return True
