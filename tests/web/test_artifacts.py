"""Artifacts on the pages of a run and of a project: what is there, seen, and downloaded."""

from __future__ import annotations

import os
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport import LabClient
from pyhectiqlab.transport.file_upload import register, upload_file

from .feeder import Feeder

pytestmark = pytest.mark.browser


def png(width: int, height: int, color: tuple[int, int, int]) -> bytes:
    rows = b"".join(b"\0" + bytes(color) * width for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Files:
    def __init__(self, lab: RealLab, folder: Path) -> None:
        self.client = LabClient(lab.url, lab.api_key)
        self.folder = folder

    def add(self, name: str, data: bytes, *, run: str | None = None, project: str | None = None, **more: Any) -> None:
        path = self.folder / "file"
        path.write_bytes(data)
        sent = upload_file(self.client, path)
        register(
            self.client, {"name": name, "digest": sent.digest, "bytes": sent.bytes, **more}, run=run, project=project
        )


@pytest.fixture
def files(lab: RealLab, tmp_path: Path) -> Files:
    return Files(lab, tmp_path)


def test_a_run_shows_its_artifacts_by_name_with_steps_and_versions(
    page: Page, lab: RealLab, feeder: Feeder, files: Files, tmp_path: Path
) -> None:
    run = feeder.run("with artifacts").id
    for step in (0, 5, 10):
        files.add("test.png", png(200 + step, 100, (20 * step, 120, 200 - 20 * step)), run=run, step=step)
    files.add("notes.txt", b"one", run=run)
    files.add("notes.txt", b"two, longer", run=run)
    page.goto(f"{lab.url}/runs/{run}")
    page.get_by_role("tab", name="Artifacts").click()
    page.wait_for_url(re.compile("tab=artifacts"))
    rows = page.locator(".file")
    expect(rows).to_have_count(2)
    images = page.locator('[data-name="test.png"]')
    assert images.locator("img").evaluate("i => i.decode().then(() => i.naturalWidth)") == 210, "the newest step"
    images.get_by_role("slider").fill("1")
    images.get_by_text("2 of 3").wait_for()
    assert images.locator("img").evaluate("i => i.decode().then(() => i.naturalWidth)") == 205
    notes = page.locator('[data-name="notes.txt"]')
    notes.get_by_text("11 B", exact=True).wait_for()
    notes.get_by_role("combobox").focus()
    expect(notes.locator("option")).to_have_count(2)
    notes.get_by_role("combobox").select_option(label="1")
    notes.get_by_text("3 B", exact=True).wait_for()
    with page.expect_download() as download:
        notes.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "notes.txt"
    assert Path(download.value.path()).read_bytes() == b"one"
    notes.get_by_text("Download by code").click()
    assert "download_existing_run_artifact" in notes.locator("pre").first.inner_text()
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/artifacts.png", full_page=True)


def test_media_are_listed_once_under_the_names_that_their_script_gave(
    page: Page, lab: RealLab, feeder: Feeder, files: Files
) -> None:
    run = feeder.run("with both").id
    for step in (0, 1):
        data = png(20, 10, (0, 120, 200))
        files.add("valid%2F100%25.png", data, run=run, kind="image", step=step, meta={"name": "valid/100%"})
    files.add("a%2Fb.bin", b"1", run=run)  # its own name: nothing of it was escaped
    page.goto(f"{lab.url}/runs/{run}?tab=artifacts")
    expect(page.locator(".file h3")).to_have_text(["a%2Fb.bin"])
    page.get_by_text("1 figure, image, table or text is under Media.").wait_for()
    page.get_by_label("List their files here too").check()
    expect(page.locator(".file h3")).to_have_text(["a%2Fb.bin", "valid/100%.png"])
    expect(page.get_by_role("img", name="valid/100%.png, step 1")).to_be_visible()
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/artifacts-media.png", full_page=True)
    page.get_by_role("main").get_by_role("link", name="Media").click()
    expect(page.locator(".medium h3")).to_have_text(["valid/100%"])


def test_a_run_that_ended_with_nothing_promises_nothing(page: Page, lab: RealLab, feeder: Feeder) -> None:
    run = feeder.run("ended empty")
    page.goto(f"{lab.url}/runs/{run.id}")
    page.get_by_text("Charts appear here by themselves").wait_for()
    run.end("completed", cause="exit")
    for tab, title in (("charts", "No metrics"), ("media", "No media"), ("artifacts", "No artifacts")):
        page.goto(f"{lab.url}/runs/{run.id}?tab={tab}")
        page.get_by_role("heading", name=title, exact=True).wait_for()
        page.get_by_text("This run ended without").wait_for()
        assert page.get_by_text("appear here").count() == 0
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/ended-empty.png", full_page=True)


def test_a_new_artifact_appears_by_itself(page: Page, lab: RealLab, feeder: Feeder, files: Files) -> None:
    run = feeder.run("live artifacts").id
    page.goto(f"{lab.url}/runs/{run}?tab=artifacts")
    page.get_by_role("heading", name="No artifacts yet").wait_for()
    files.add("<b>&amp;'.bin", b"1", run=run)
    page.get_by_role("heading", name="<b>&amp;'.bin").wait_for()


def test_a_project_shows_what_its_runs_share(page: Page, lab: RealLab, files: Files) -> None:
    project = files.client.post("/projects", {"name": f"shares-{os.urandom(3).hex()}"})["id"]
    page.goto(f"{lab.url}/projects/{project}")
    page.get_by_role("heading", name="No runs yet").wait_for()
    expect(page.get_by_role("heading", name="Shared artifacts")).to_have_count(0)
    files.add("train.csv", b"a,b\n" * 1000, project=project)
    page.reload()
    page.get_by_role("heading", name="Shared artifacts").wait_for()
    page.locator('[data-name="train.csv"]').get_by_text("4 kB").wait_for()
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/shared.png", full_page=True)


def test_a_name_that_would_be_read_as_another_shows_that(
    page: Page, lab: RealLab, feeder: Feeder, files: Files
) -> None:
    run = feeder.run("with a trap").id
    files.add("photo\u202egnp.exe", b"MZ", run=run)
    page.goto(f"{lab.url}/runs/{run}?tab=artifacts")
    expect(page.locator("h3.name")).to_have_text("photo\ufffdgnp.exe")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    assert "\u202e" not in download.value.suggested_filename and download.value.suggested_filename.endswith(".exe")
