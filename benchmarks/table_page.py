"""How soon does a table of 10,000 runs with 12 columns answer in the browser, and how smoothly does it scroll?

A real lab and Chromium, which must be there (apt-get install chromium). The table opens beside charts and alone: the
time from the start of loading to the first rows. Then a click on a metric's head and a search, until their rows are
there. It is scrolled by three rows a frame and by 20; beside it an empty page, which says what the machine can do.
Times are taken in the page. The first opening is left out; of the others, the median counts.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

from _common import Number, arguments, report
from _fill import PROJECT
from _filled import add_arguments, folder_of
from playwright.sync_api import Page, sync_playwright

from pyhectiqlab.testing.lab import RealLab

REPEAT = 5
CONFIGS = ("lr", "model.name", "model.dropout", "data.augment")
SMOOTH_MS = 20
ROW_PX = 35
# When the first row was on the screen, in milliseconds from the start of loading.
WATCH = """() => {
  const note = () => (window.rowsAt ??= performance.now());
  const look = () => document.querySelector('tbody tr[data-run]') && requestAnimationFrame(note);
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
}"""
UNTIL = """
  const until = (is) => new Promise((resolve) => {
    const began = performance.now();
    const look = () => (is() ? resolve(performance.now() - began) : requestAnimationFrame(look));
    requestAnimationFrame(look);
  });
"""
SORTED = (
    """async (place) => {"""
    + UNTIL
    + """
  const first = () => document.querySelector('tbody tr[data-run]').dataset.run;
  const before = first();
  [...document.querySelectorAll('thead button.sort')].at(place).click();
  return until(() => first() !== before);
}"""
)
FILTERED = (
    """async (words) => {"""
    + UNTIL
    + """
  const statusText = () => [...document.querySelectorAll('.controls [role=status]')].map((e) => e.textContent).join();
  const before = statusText();
  const box = document.querySelector('input[aria-label="Search runs"]');
  box.focus();
  box.value = words;
  box.dispatchEvent(new Event('input', { bubbles: true }));
  return until(() => statusText() !== before);
}"""
)
SCROLL = """async ([px, frames]) => {
  const table = document.querySelector('.runs-scroll') ?? document.scrollingElement, took = [];
  let blank = 0, last = await new Promise(requestAnimationFrame);
  table.scrollTop = 0;
  for (let i = 0; i < frames; i++) {
    table.scrollTop += px;
    const now = await new Promise(requestAnimationFrame);
    took.push(now - last);
    last = now;
    const box = table.getBoundingClientRect();
    const seen = [...table.querySelectorAll('tbody tr')].filter((row) => {
      const { top, bottom } = row.getBoundingClientRect();
      return bottom > box.top && top < Math.min(box.bottom, innerHeight);
    });
    if (table.matches('.runs-scroll') && !seen.some((row) => row.matches('[data-run]'))) blank++;
  }
  return { frames: took, blank };
}"""


def main() -> None:
    parser = arguments(__doc__)
    add_arguments(parser, keys=200, keys_per_run=20)
    args = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
    if chromium is None:
        sys.exit("There is no Chromium.")
    with (
        folder_of(args) as folder,
        TemporaryDirectory() as home,
        RealLab(folder, Path(home)) as real,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(real.login_link)
        page.get_by_role("heading", name="Projects").wait_for()
        answer = page.request.get(f"{real.url}/api/v1/table/columns?project={PROJECT}").json()
        metrics = [column["key"] for column in answer["metrics"][:8]]
        numbers = _measured(page, f"{real.url}/projects/{PROJECT}", metrics)
        browser.close()
    report(__doc__, numbers, args.json)


def _measured(page: Page, url: str, metrics: list[str]) -> list[Number]:
    columns = [f"config.{path}" for path in CONFIGS] + [f'metric."{key}".last' for key in metrics]
    wide = f"{url}?{urlencode([('col', name) for name in columns])}"
    page.set_content('<div style="height: 600000px"></div>')
    empty = page.evaluate(SCROLL, [3 * ROW_PX, 200])
    page.add_init_script(f"({WATCH})()")
    both, alone = (_median(lambda url=url: _first_rows_ms(page, url)) for url in (wide, f"{wide}&pane=table"))
    sorts = [page.evaluate(SORTED, -place) for place in range(1, REPEAT + 1)]
    words = [
        page.evaluate(FILTERED, w) for w in ("config.model.name=vit", "", "config.lr>0.01", "", "config.model.name=vit")
    ]
    page.evaluate(FILTERED, "")
    page.wait_for_timeout(1000)
    slow, fast = page.evaluate(SCROLL, [3 * ROW_PX, 400]), page.evaluate(SCROLL, [20 * ROW_PX, 200])
    smooth = f"frames below {SMOOTH_MS} ms, scrolling"
    return [
        Number("first rows, charts beside them", both, "ms", 400),
        Number("first rows, table alone", alone, "ms", 400),
        Number("sort by a metric that was not sorted by before", statistics.median(sorts), "ms", 150),
        Number("search, from the key to the rows", statistics.median(words), "ms", 150),
        Number(f"{smooth} an empty page", _share(empty["frames"]), "%"),
        Number(f"{smooth} three rows a frame", _share(slow["frames"]), "%", 95, at_least=True),
        Number(f"{smooth} 20 rows a frame", _share(fast["frames"]), "%"),
        Number("frames with a blank row, of 400 with three rows a frame", slow["blank"], "", 0),
        Number("frames with a blank row, of 200 with 20 rows a frame", fast["blank"], ""),
    ]


def _first_rows_ms(page: Page, url: str) -> Any:
    page.goto("about:blank")
    page.goto(url, wait_until="commit")
    page.wait_for_function("() => window.rowsAt")
    shown = page.evaluate("() => window.rowsAt")
    page.wait_for_timeout(1500)  # what else the page does would slow the next opening
    return shown


def _median(measure: Callable[[], float]) -> float:
    measure()
    return statistics.median(measure() for _ in range(REPEAT))


def _share(frames: list[float]) -> float:
    return 100 * sum(frame < SMOOTH_MS for frame in frames) / len(frames)


if __name__ == "__main__":
    main()
