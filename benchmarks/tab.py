"""What does a tab cost that stays open on ten live runs?

A real lab and Chromium, which must be there (apt-get install chromium). Ten runs report five metrics once a second; the
page of their project is open, table and charts. Memory is compared with that after a minute (or a third of the time),
when caches are warm: what JavaScript holds after a collection, and what the tab's process has for itself. CPU is that
of the tab's process, in percent of one core. What the process has for itself includes the answers of the lab, which
Chromium keeps for whoever is attached to it, as this benchmark is: it grows by what was loaded.
"""

from __future__ import annotations

import math
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from _common import Number, arguments, lab, private_bytes, report
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.web.feeder import FedRun, Feeder

RUNS, METRICS = 10, 5
STEPS_BEFORE = 2000  # of each run, before the tab is opened
WARM_S = 60.0
MIB = 1 << 20
DRAWN = """() => {
  const panels = [...document.querySelectorAll('.panel')];
  return panels.length >= 5 && panels.some(p => p.drawn && p.drawn() && p.drawn().data.curves.length === 10);
}"""
LAST_STEP = """() => Math.max(...[...document.querySelectorAll('.panel')]
  .flatMap(p => (p.drawn?.()?.data.curves ?? []).map(c => c.buckets.lastX.at(-1))))"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    args = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
    if chromium is None:
        sys.exit("There is no Chromium.")
    with lab() as real, sync_playwright() as playwright:
        feeder = Feeder(real.url, real.api_key)
        runs = [feeder.run(f"live-{i}", project="live") for i in range(RUNS)]
        feed(runs, range(STEPS_BEFORE))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(real.login_link)
        page.get_by_role("heading", name="Projects").wait_for()
        page.goto(f"{real.url}/projects/live")
        page.wait_for_function(DRAWN, timeout=60_000)
        numbers = measured(browser, page, runs, 60 * args.minutes)
        browser.close()
    report(__doc__, numbers, args.json)


def measured(browser: Browser, page: Page, runs: list[FedRun], seconds: float) -> list[Number]:
    session, processes = page.context.new_cdp_session(page), browser.new_browser_cdp_session()
    step = STEPS_BEFORE

    def stay(until: float) -> None:
        nonlocal step
        while time.monotonic() < until:
            feed(runs, range(step, step + 1))
            step += 1
            page.wait_for_timeout(1000)

    began = time.monotonic()
    warm = min(WARM_S, seconds / 3)
    stay(began + warm)
    heap, process = held(session), renderer(processes)
    memory, cpu_s, then = private_bytes(process["id"]), process["cpuTime"], time.monotonic()
    stay(began + seconds)
    cpu = 100 * (renderer(processes)["cpuTime"] - cpu_s) / (time.monotonic() - then)
    grown, more = (held(session) - heap) / MIB, (private_bytes(process["id"]) - memory) / MIB
    page.wait_for_function(f"n => ({LAST_STEP})() >= n", arg=step - 1, timeout=30_000)  # it followed to the end
    return [
        Number("minutes open, behind the first of which is measured", seconds / 60, "min"),
        Number("JavaScript, its arrays and the elements hold more", grown, "MiB", 5),
        Number("the tab's process has more for itself, kept answers too", more, "MiB"),
        Number("CPU of the tab", cpu, "%", 5),
    ]


def feed(runs: list[FedRun], steps: range) -> None:
    for i, run in enumerate(runs):
        run.points({f"train/m{k}": (steps, [math.exp(-s / 3000) + i + k for s in steps]) for k in range(METRICS)})


def held(session: CDPSession) -> int:
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    return int(sum(usage.get(name, 0) for name in ("usedSize", "embedderHeapUsedSize", "backingStorageSize")))


def renderer(processes: CDPSession) -> dict[str, Any]:
    """Return the process of the tab: of those that draw pages, the busiest."""
    infos = processes.send("SystemInfo.getProcessInfo")["processInfo"]
    busiest: dict[str, Any] = max((p for p in infos if p["type"] == "renderer"), key=lambda p: p["cpuTime"])
    return busiest


if __name__ == "__main__":
    main()
