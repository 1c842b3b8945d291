"""The page Settings of a project: renamed, archived, moved, deleted; and restored from the list of projects."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from pyhectiqlab.testing.lab import RealLab

from .conftest import NewPage, Watch
from .feeder import Feeder
from .test_people import PASSWORD, log_in

pytestmark = pytest.mark.browser


def project_of(lab: RealLab, ref: str, **params: str) -> requests.Response:
    return requests.get(f"{lab.url}/api/v1/projects/{ref}", headers=lab.headers, params=params, timeout=30)


def test_a_project_is_renamed_while_others_look_at_it(
    page: Page, new_page: NewPage, lab: RealLab, feeder: Feeder, owner_state: object
) -> None:
    feeder.run("r", project="before")
    other = new_page(storage_state=owner_state)
    other.goto(f"{lab.url}/projects/before")
    other.get_by_role("heading", name="before").wait_for()
    page.goto(f"{lab.url}/projects/before")
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Name of the project").fill("behind")
    page.get_by_role("button", name="Rename").click()
    page.get_by_text("Also found as").wait_for()
    other.get_by_role("heading", name="behind").wait_for()  # by live news
    page.goto(f"{lab.url}/projects/before")
    page.get_by_role("heading", name="behind").wait_for()
    page.get_by_role("link", name="r", exact=True).wait_for()


def test_what_the_lab_refuses_is_told(page: Page, lab: RealLab, feeder: Feeder, watch: Watch) -> None:
    for name in ("taken", "wants it"):
        feeder.post("projects", json={"name": name})
    page.goto(f"{lab.url}/projects/wants it/settings")
    page.get_by_label("Name of the project").fill("taken")
    watch.allowed.append("409")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("alert")).to_contain_text("exists already")


def test_an_archived_project_is_shown_apart(page: Page, lab: RealLab, feeder: Feeder) -> None:
    made = feeder.post("projects", json={"name": "for the archive"})
    page.goto(f"{lab.url}/projects/{made['id']}/settings")
    page.get_by_role("button", name="Archive it").click()
    page.get_by_role("button", name="Take it out of the archive").wait_for()
    page.goto(f"{lab.url}/")
    page.get_by_role("heading", name="Projects").wait_for()
    expect(page.get_by_role("link", name=re.compile("for the archive"))).to_have_count(0)
    page.get_by_role("radio", name="Archived").click()
    page.get_by_role("link", name=re.compile("for the archive")).click()
    page.get_by_text("archived: takes no new runs").wait_for()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="Take it out of the archive").click()
    page.get_by_role("button", name="Archive it").wait_for()


def test_a_project_is_deleted_by_its_name_and_restored(page: Page, lab: RealLab, feeder: Feeder, watch: Watch) -> None:
    watch.allowed.append("404")  # the page hears of it, and may look again before it has gone on
    run = feeder.run("r", project="to go")
    page.goto(f"{lab.url}/projects/to go/settings")
    button = page.get_by_role("button", name="Delete it")
    expect(button).to_be_disabled()
    page.get_by_label("Type its name to delete it").fill("to go")
    button.click()
    page.get_by_role("button", name="Restore to go").wait_for()
    assert page.url.endswith("/?show=deleted") and project_of(lab, "to go").status_code == 404
    page.get_by_role("button", name="Restore to go").click()
    page.get_by_role("heading", name="to go").wait_for()
    page.get_by_role("link", name="r", exact=True).wait_for()
    assert requests.get(f"{lab.url}/api/v1/runs/{run.id}", headers=lab.headers, timeout=30).status_code == 200


def test_whoever_gets_a_project_has_its_settings_and_others_do_not(
    page: Page, new_page: NewPage, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    feeder.post("users", json={"username": "new-owner", "password": PASSWORD})
    feeder.post("projects", json={"name": "given away"})
    theirs = new_page()
    watch.allowed.append("401")
    log_in(theirs, lab, "new-owner", "/projects/given away/settings")
    theirs.get_by_text("Its admins change these.").wait_for()
    expect(theirs.get_by_role("button", name=re.compile("Rename|Archive it|Move it|Delete it"))).to_have_count(0)
    page.goto(f"{lab.url}/projects/given away/settings")
    page.get_by_label("New owner").select_option("new-owner")
    page.get_by_role("button", name="Move it").click()
    page.get_by_role("group").get_by_role("button", name="Move it").click()
    page.get_by_text("belongs to new-owner").wait_for()
    theirs.get_by_role("button", name="Delete it").wait_for()  # by live news
    assert project_of(lab, "given away").json()["owner"] == "new-owner"
