"""How smoothly do 300 charts scroll, and how soon are 100 runs drawn in 12 charts?

A real lab and Chromium, which must be there (apt-get install chromium); tests/web says how it is run. A run with 300
metrics of 2,000 points is scrolled through, 40 pixels a frame; beside it an empty page, which says what the machine can
do. Then the page of a project opens with all of its 100 runs, of 1,000 points in each of 12 metrics: the time from the
start of loading until each chart has drawn each line, the least of some.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import Number, arguments, lab, report
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.web.feeder import Feeder

REPEAT = 3
SMOOTH_MS = 25
SCROLL = """async () => {
  const page = document.scrollingElement, frames = [], tasks = [0];
  const observer = new PerformanceObserver(list => list.getEntries().forEach(e => tasks.push(e.duration)));
  observer.observe({ type: 'longtask' });
  let last = await new Promise(requestAnimationFrame), top = -1;
  while (page.scrollTop !== top) {
    top = page.scrollTop;
    page.scrollTop += 40;
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - last);
    last = now;
  }
  await new Promise(resolve => setTimeout(resolve, 500));
  return { frames, longest: Math.max(...tasks) };
}"""
DRAWN = """() => {
  const panels = [...document.querySelectorAll('.panel')];
  return panels.length === 12 && panels.every(p => p.drawn && p.drawn() && p.drawn().data.curves.length === 100);
}"""
ALL_KEYS = """async () => {
  for (let i = 0; i < 200 && document.querySelector('.more button'); i++) {
    document.querySelector('.more button').click();
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}"""


def main() -> None:
    args = arguments(__doc__).parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
    if chromium is None:
        sys.exit("There is no Chromium.")
    with lab() as real, sync_playwright() as playwright:
        wide = _fill(Feeder(real.url, real.api_key))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(real.login_link)
        page.get_by_role("heading", name="Projects").wait_for()
        empty, charts = _scrolled(page, ""), _scrolled(page, f"{real.url}/runs/{wide}")
        page.set_viewport_size({"width": 1600, "height": 1100})
        drawn_s = min(_drawn_s(page, f"{real.url}/projects/many?pane=charts&runs=all") for _ in range(REPEAT))
        browser.close()
    smooth = f"frames below {SMOOTH_MS} ms, scrolling"
    numbers = [
        Number(f"{smooth} an empty page", _share(empty["frames"]), "%"),
        Number(f"{smooth} through 300 charts", _share(charts["frames"]), "%", 95, at_least=True),
        Number("longest task meanwhile", charts["longest"], "ms", 50),
        Number("100 runs in 12 charts, all drawn", drawn_s, "s", 1.5),
    ]
    report(__doc__, numbers, args.json)


def _fill(feeder: Feeder) -> str:
    """Return the id of the run with 300 metrics."""
    rng = np.random.default_rng(0)
    wide = feeder.run("wide", project="wide")
    for group in range(30):
        walks = rng.normal(size=(10, 2000)).cumsum(axis=1).tolist()
        wide.points({f"g{group:02}/m{i}": (range(2000), walk) for i, walk in enumerate(walks)})
    wide.end("completed")
    for i in range(100):
        run = feeder.run(f"r{i}", project="many")
        values = (1 / (1 + np.arange(1000) / 100) + 0.05 * rng.normal(size=(12, 1000)) + i / 100).tolist()
        run.points({f"train/m{k:02}": (range(1000), line) for k, line in enumerate(values)})
        run.end("completed")
    return wide.id


def _scrolled(page: Page, url: str) -> Any:
    """`url` "": an empty page as long as that of the charts."""
    if url:
        page.goto(url)
        page.locator(".panel[data-state=drawn]").first.wait_for()
        page.evaluate(ALL_KEYS)
        page.wait_for_function("() => document.querySelectorAll('.panel').length === 300")
        page.wait_for_timeout(1000)
    else:
        page.set_content('<div style="height: 31000px"></div>')
    return page.evaluate(SCROLL)


def _share(frames: list[float]) -> float:
    return 100 * sum(frame < SMOOTH_MS for frame in frames) / len(frames)


def _drawn_s(page: Page, url: str) -> float:
    page.goto("about:blank")
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_function(DRAWN, timeout=60_000)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
