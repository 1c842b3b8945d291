"""Screenshots of README and docs, see scripts/screenshots: `python -m tests.screenshots FOLDER`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright

from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient

from .web.conftest import ARGUMENTS, TIMEOUT_MS, find_chromium

PROJECT = "digits"
SIZE = (1440, 900)
COLUMNS = ('config."learning_rate"', 'metric."valid/loss".min', "state")
SETTLED = """() => {
    const seen = [...document.querySelectorAll('.panel')].filter((p) => p.getBoundingClientRect().top < innerHeight);
    const drawn = seen.length > 0 && seen.every((p) => p.dataset.state !== 'loading');
    return drawn || document.querySelector('.differences tbody tr') !== null;
}"""  # panels out of sight ask for nothing


def train(lab: RealLab) -> None:
    """Run the sweep in this lab. Blocks for its minutes."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_")}
    env |= {"HECTIQLAB_HOME": str(lab.home), "HECTIQLAB_PROFILE": lab.profile or "local", "HECTIQLAB_QUIET": "1"}
    subprocess.run([sys.executable, "-m", "pyhectiqlab.demo.sweep", "--project", PROJECT], env=env, check=True)


def run_ids(lab: RealLab) -> dict[str, str]:
    """Return the id of each run of the sweep by its name."""
    with LabClient(lab.url, lab.api_key) as client:
        return {run["name"]: run["id"] for run in client.get("/runs", {"project": PROJECT, "limit": 100})["items"]}


def take(page: Page, url: str, path: Path, hover: bool = False) -> None:
    """Take a picture of the page once nothing of it is waited for. `hover`: with the pointer in the first chart."""
    page.goto(url)
    page.wait_for_function(SETTLED)
    if hover:
        page.locator(".panel .u-over").first.hover()
    page.screenshot(path=path)
    print(path)


def pictures(browser: Browser, lab: RealLab, folder: Path) -> None:
    context = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]}, reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    link = subprocess.run(
        [sys.executable, "-m", "pyhectiqlab", "login-link", "--data", str(lab.data_dir)],
        env=lab.env, capture_output=True, text=True, check=True,
    ).stdout.split()[-1]  # fmt: skip
    page.goto(link)
    page.get_by_role("heading", name="Projects").wait_for()
    ids = run_ids(lab)
    with LabClient(lab.url, lab.api_key) as client:
        client.put(f"/projects/{PROJECT}/objective", {"key": "valid/loss", "goal": "min"})
    project = f"{lab.url}/projects/{PROJECT}"
    columns = urlencode([("col", name) for name in COLUMNS] + [("curve", COLUMNS[1])])
    take(page, f"{project}?{columns}", folder / "screenshot-workspace.png", hover=True)
    take(page, f"{project}?{columns}&by=config.%22learning_rate%22", folder / "screenshot-groups.png")
    compared = ",".join(ids[f"sweep-{n:02}"] for n in (1, 3, 9))
    take(page, f"{project}?{columns}&runs={compared}&side=differences", folder / "screenshot-differences.png")
    take(page, f"{lab.url}/runs/{ids['sweep-09']}", folder / "run-page.png")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/screenshots", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lab", type=Path, help="a folder for the lab; the sweep is run if it is empty, and kept")
    args = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        sys.exit("There is no Chromium: install chromium.")
    with tempfile.TemporaryDirectory() as temporary:
        root: Path = args.lab or Path(temporary)
        trained = (root / "data").exists()
        with RealLab(root / "data", root / "home") as lab, sync_playwright() as playwright:
            if not trained:
                train(lab)
            browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
            pictures(browser, lab, args.folder)
            browser.close()


if __name__ == "__main__":
    main()
