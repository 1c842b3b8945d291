"""Models and datasets in the browser: lists, versions, aliases, lineage, and a description that can do nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.protocol.registry import DATASETS, MODELS
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport import LabClient
from pyhectiqlab.transport.registry_upload import NewVersion, upload_version

from .conftest import NewPage
from .feeder import Feeder

pytestmark = pytest.mark.browser

README = """# A *net*

Trained on [digits](https://example.org/digits), 97 % right.

| layer | size |
|---|---|
| 1 | 64 |
"""
HOSTILE = """# Harmless <script>document.title = "stolen"</script>

<img src=x onerror="document.title='stolen'"> ![words](http://example.org/pixel.png)
[a](javascript:document.title='stolen') [b](/api/v1/logout) <a href="data:text/html,x">c</a>
<form action="/api/v1/keys"><button>Press</button></form><style>body { display: none }</style>
<div class="topbar" id="app" style="position:fixed;inset:0">over all</div>
<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg><iframe src="/account"></iframe>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">
"""


def screenshot(page: Page, name: str) -> None:
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


class Registry:
    def __init__(self, lab: RealLab, folder: Path) -> None:
        self.client = LabClient(lab.url, lab.api_key)
        self.folder = folder
        self.project = str(self.client.post("/projects", {"name": f"registry-{os.urandom(3).hex()}"})["id"])

    def add(self, kind: str, name: str, readme: str = "", run: str | None = None, short: str = "") -> dict[str, Any]:
        top = self.folder / os.urandom(4).hex()
        (top / "sub").mkdir(parents=True)
        (top / "sub" / "weights.bin").write_bytes(b"w" * 12_345)
        if readme:
            (top / "README.md").write_text(readme)
        return upload_version(self.client, self.project, NewVersion.of(kind, top, name, None, short), run=run)


@pytest.fixture
def registry(lab: RealLab, tmp_path: Path) -> Registry:
    return Registry(lab, tmp_path)


def test_a_version_shows_what_it_is_and_who_made_and_used_it(
    page: Page, lab: RealLab, feeder: Feeder, registry: Registry
) -> None:
    maker, user = feeder.run("the maker").id, feeder.run("the user").id
    registry.add(MODELS, "net", README, maker, "A small net")
    registry.add(MODELS, "net", README, maker, "A better net")
    registry.client.post(f"/projects/{registry.project}/models/net/versions/1.1.0/usage", {"run": user})
    page.goto(f"{lab.url}/projects/{registry.project}")
    page.get_by_role("link", name="Models", exact=True).click()
    page.get_by_text("A better net").wait_for()
    screenshot(page, "registry-list")
    page.get_by_role("link", name="net", exact=True).click()
    page.get_by_role("heading", name="A net").wait_for()
    assert page.locator(".markdown em").inner_text() == "net" and page.locator(".markdown td").count() == 2
    link = page.locator(".markdown a")
    assert (link.get_attribute("href"), link.get_attribute("rel")) == (
        "https://example.org/digits",
        "noopener noreferrer nofollow",
    )
    screenshot(page, "registry-version")
    with page.expect_download() as download:
        page.get_by_role("link", name="sub/weights.bin").click()
    assert download.value.suggested_filename == "weights.bin"
    assert Path(download.value.path()).read_bytes() == b"w" * 12_345
    page.get_by_role("link", name="the user").click()
    page.get_by_role("tab", name="Overview").click()
    page.get_by_role("heading", name="Used by this run").wait_for()
    page.get_by_role("link", name="net", exact=True).click()
    page.get_by_role("link", name="the maker").click()
    page.get_by_role("tab", name="Overview").click()
    made = page.get_by_role("region", name="Made by this run")
    expect(made.get_by_role("row")).to_have_count(3)
    screenshot(page, "registry-run")
    made.get_by_role("row", name="1.0.0").get_by_role("link").click()
    page.wait_for_url(re.compile(r"version=1\.0\.0"))
    page.get_by_text("No run has reported that it used this version.").wait_for()


def test_an_alias_is_set_moved_and_removed_on_the_page(page: Page, lab: RealLab, registry: Registry) -> None:
    for _ in range(2):
        registry.add(DATASETS, "digits")
    place = f"{lab.url}/projects/{registry.project}/datasets/digits"
    page.goto(f"{place}?version=1.0.0")
    aliases = page.get_by_role("list", name="Aliases")
    page.get_by_role("textbox", name="Alias").fill("Production")
    page.get_by_role("button", name="Point here").click()
    page.get_by_role("alert").wait_for()
    page.get_by_role("textbox", name="Alias").fill("production")
    page.get_by_role("button", name="Point here").click()
    expect(aliases.get_by_role("listitem")).to_have_text(re.compile("production"))
    page.get_by_label("Version", exact=True).select_option("1.1.0")
    expect(aliases.get_by_role("listitem")).to_have_count(0)
    page.get_by_role("textbox", name="Alias").fill("production")
    page.get_by_role("button", name="Point here").click()
    expect(page.get_by_label("Version", exact=True).locator("option").first).to_have_text("1.1.0 · production")
    version = registry.client.get(f"/projects/{registry.project}/datasets/digits/versions/production")
    assert version["version"] == "1.1.0"
    page.goto(f"{place}?version=production")
    page.get_by_role("button", name="Remove the alias production").click()
    page.get_by_text("None points to this version.").wait_for()
    page.wait_for_url(re.compile(r"version=1\.1\.0$"))


def test_a_hostile_description_is_words_and_nothing_more(
    new_page: NewPage, owner_state: Any, lab: RealLab, registry: Registry
) -> None:
    page = new_page(storage_state=owner_state, bypass_csp=True)  # the content policy would stop what gets through
    registry.add(MODELS, "trap", HOSTILE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{lab.url}/projects/{registry.project}/models/trap")
    words = page.locator(".markdown")
    words.get_by_role("heading", name="Harmless").wait_for()
    assert page.title() == "trap · hectiqlab"
    assert (
        words.locator("script, img, form, button, style, iframe, svg, math, div, [class], [id], [style]").count() == 0
    )
    assert words.locator("a[href]").count() == 0  # none leads into the lab or to a script
    handlers = "e => [...e.querySelectorAll('*')].some(n => n.getAttributeNames().some(a => a.startsWith('on')))"
    assert words.evaluate(handlers) is False
    assert page.locator(".topbar").count() == 1 and page.locator(".topbar").is_visible()
    assert not [url for url in asked if not url.startswith(lab.url)]


def test_a_project_without_any_says_how_to_add_one(page: Page, lab: RealLab, registry: Registry) -> None:
    page.goto(f"{lab.url}/projects/{registry.project}/models")
    page.get_by_role("heading", name="No models yet").wait_for()
    page.get_by_role("link", name="Datasets", exact=True).click()
    page.get_by_role("heading", name="No datasets yet").wait_for()
