"""Every page of the web app, with something of each kind on it."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect

from pyhectiqlab.protocol.media import Histogram
from pyhectiqlab.protocol.registry import MODELS
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport import LabClient
from pyhectiqlab.transport.registry_upload import NewVersion, upload_version

from .feeder import FedRun, Feeder
from .test_artifacts import Files, png

MARKDOWN = "# A title\n\nSome *words*, `code`, [a link](https://example.org).\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
# Panels out of sight ask for nothing.
SETTLED = """() => {
  const late = [...document.querySelectorAll('.panel[data-state="loading"]')];
  const isOut = ({ top, bottom }) => top >= innerHeight || bottom <= 0;
  return late.every((panel) => isOut(panel.getBoundingClientRect())) && [...document.images].every((i) => i.complete);
}"""


@dataclass
class EveryPage:
    """A project whose pages are full. `paths`: of each page, by its name."""

    project: str
    paths: dict[str, str]

    def visit(self, page: Page, url: str) -> Iterator[str]:
        """Open each page, and yield its name when it is drawn."""
        for name, path in self.paths.items():
            page.goto(f"{url}{path}")
            expect(page.locator("main :is(h1, h2)").first).to_be_visible()
            expect(page.locator(".waiting")).to_have_count(0)
            if name == "run media":  # its picture may come into the page after all that was waited for
                expect(page.locator("main img").first).to_be_attached()
            page.wait_for_function(SETTLED)
            yield name


def made(lab: RealLab, feeder: Feeder, folder: Path) -> EveryPage:
    project = f"every-{uuid.uuid4().hex[:6]}"
    first, *_ = [_run(feeder, project, n) for n in range(6)]
    files = Files(lab, folder)
    files.add("samples.png", png(40, 30, (200, 60, 20)), run=first.id, kind="image", step=3, meta={"name": "samples"})
    files.add("notes.txt", b"some words", run=first.id)
    files.add("shared.bin", b"x" * 3000, project=first.project)
    top = folder / "model"
    top.mkdir()
    (top / "weights.bin").write_bytes(b"w" * 2000)
    (top / "README.md").write_text(MARKDOWN)
    client = LabClient(lab.url, lab.api_key)
    upload_version(client, first.project, NewVersion.of(MODELS, top, "net", None, "a net"), run=first.id)
    its, run = f"/projects/{project}", f"/runs/{first.id}"
    paths = {
        "projects": "/",
        "table and charts": its,
        "table": f"{its}?pane=table&q=state%3Dcompleted&heat=config.%22lr%22&col=state&col=config.%22lr%22&col=note",
        "groups": f"{its}?pane=table&by=config.model.name",
        "charts": f"{its}?pane=charts&smooth=0.6",
        "told apart": f"{its}?pane=charts&color=config.%22lr%22&dash=state&facet=config.model.name",
        "no runs": f"{its}?q=nothing-is-like-this",
        "models": f"{its}/models",
        "version": f"{its}/models/net",
        "datasets": f"{its}/datasets",
        "members": f"{its}/members",
        "settings": f"{its}/settings",
        "run charts": run,
        **{f"run {tab}": f"{run}?tab={tab}" for tab in ("logs", "media", "artifacts", "overview")},
        "compare": f"/compare?runs={first.id}",
        "account": "/account",
        "users": "/admin/users",
        "state of the lab": "/admin/status",
        "audit": "/admin/audit",
        "command": "/command?code=ABCD-EFGH",
        "missing": "/projects/nowhere/at/all",
    }
    return EveryPage(project, paths)


def _run(feeder: Feeder, project: str, n: int) -> FedRun:
    run = feeder.run(f"trial-{n}-with-a-name-of-some-length", project=project)
    run.event("config", values={"lr": 0.1 / (n + 1), "model": {"name": "vit" if n % 2 else "resnet", "layers": 4}})
    run.event("tag", name="baseline", color="#f5d90a")
    run.event("note", text=MARKDOWN)
    steps = list(range(60))
    run.points({"train/loss": (steps, [2.0 * math.exp(-step / (10.0 + n)) for step in steps])})
    run.points({"valid/loss": (steps[::6], [math.nan if n == 5 else 1.0 / (1 + step) for step in steps[::6]])})
    run.event("histogram", name="weights", step=3, **Histogram((0.0, 1.0, 2.0, 3.0), (1.0, 5.0, 2.0), 0).fields())
    for level, text in (("INFO", "begun"), ("WARNING", "\x1b[33mlow\x1b[0m"), ("ERROR", "\x1b[31mbroken\x1b[0m")):
        run.event("log", text=f"{text}\n", level=level, channel="default")
    if n in (1, 2):
        run.end("failed" if n == 1 else "completed", cause="exception", detail="ValueError: boom")
    return run
