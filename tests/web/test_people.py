"""The pages about people: invite, users, audit log, members of a project, account. Names there may be hostile."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import Page, expect
from sqlalchemy import text

from pyhectiqlab.testing.lab import RealLab

from ..stores import sql
from .conftest import NewPage, Watch
from .feeder import Feeder

pytestmark = pytest.mark.browser

PASSWORD = "correct horse"
NASTY = '"><img src=x onerror="window.pwned=1"><b>&amp;\''


def log_in(page: Page, lab: RealLab, username: str, where: str = "/", password: str = PASSWORD) -> None:
    page.goto(lab.url + where)
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log out", exact=True).wait_for()


def not_owned(page: Page) -> None:
    assert page.evaluate("window.pwned") is None
    assert page.locator("#app img").count() == 0


def test_an_invite_leads_to_an_account_and_works_once(
    page: Page, new_page: NewPage, lab: RealLab, watch: Watch
) -> None:
    page.goto(f"{lab.url}/admin/users")
    page.get_by_label("Role of the new user").select_option("viewer")
    page.get_by_role("button", name="Make an invite").click()
    link = page.locator(".snippet pre").inner_text().strip()
    invited = new_page()
    invited.goto(link)
    invited.get_by_label("Username").fill("invited")
    assert "#" not in invited.url, "a token is not for bookmarks"
    invited.get_by_label("Password").fill(PASSWORD)
    invited.get_by_role("button", name="Make my account").click()
    invited.get_by_role("heading", name="Projects").wait_for()
    invited.goto(f"{lab.url}/account")
    invited.get_by_role("heading", name="invited").wait_for()
    page.reload()
    expect(page.get_by_label("Role of invited")).to_have_value("viewer")
    watch.allowed += ["401", "404"]
    late = new_page()
    late.goto(link)
    late.get_by_label("Username").fill("second")
    late.get_by_label("Password").fill(PASSWORD)
    late.get_by_role("button", name="Make my account").click()
    assert "was used" in late.get_by_role("alert").inner_text()


def test_an_admin_changes_roles_and_disables_and_the_audit_log_tells(
    page: Page, new_page: NewPage, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    feeder.post("users", json={"username": "babbage", "password": PASSWORD})
    theirs = new_page()
    watch.allowed += ["401", "403"]  # before the login; the admin's page for a member; after they were disabled
    log_in(theirs, lab, "babbage")
    assert theirs.get_by_role("link", name="Lab", exact=True).count() == 0
    theirs.goto(f"{lab.url}/admin/audit")
    theirs.get_by_role("heading", name="This is for admins of the lab").wait_for()
    assert theirs.get_by_role("button", name="Disable").count() == 0
    page.goto(f"{lab.url}/admin/users")
    page.get_by_label("Role of babbage").select_option("viewer")
    row = page.locator("tr", has=page.get_by_label("Role of babbage"))
    row.get_by_role("button", name="Disable").click()
    row.get_by_role("group", name=re.compile("revokes all their keys")).get_by_role("button", name="Disable").click()
    row.get_by_role("button", name="Enable").wait_for()
    theirs.goto(f"{lab.url}/")
    theirs.get_by_label("Username").wait_for()
    page.get_by_role("link", name="Audit log").click()
    entries = page.locator("tbody tr")
    expect(entries.nth(0)).to_contain_text("disableduser babbage")
    expect(entries.nth(1)).to_contain_text("changed the roleuser babbage now viewer")


def test_an_admin_sees_and_revokes_keys_and_hands_over_and_deletes(
    page: Page, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    for name in ("leaver", "heir"):
        feeder.post("users", json={"username": name, "password": PASSWORD})
    answer = requests.post(f"{lab.url}/api/v1/keys", auth=("leaver", PASSWORD), json={"name": "laptop"}, timeout=30)
    headers = {"Authorization": f"Bearer {answer.json()['key']}"}
    body = {"name": "theirs", "project": "of the leaver", "create_project": True, "session": "5e55"}
    run = requests.post(f"{lab.url}/api/v1/runs/attach", headers=headers, json=body, timeout=30).json()["run"]["id"]
    end = {"run": run, "rank": 0, "attempt": 1, "state": "completed"}
    assert requests.post(f"{lab.url}/api/v1/sessions/5e55/end", headers=headers, json=end, timeout=30).ok
    page.goto(f"{lab.url}/admin/users")
    row = page.locator("tr", has=page.get_by_label("Role of leaver"))
    row.get_by_role("button", name="Keys, runs, login").click()
    of = page.get_by_role("region", name="Of leaver")
    key = of.get_by_role("row").filter(has_text="laptop")
    key.get_by_role("button", name="Revoke").click()
    key.get_by_role("group").get_by_role("button", name="Revoke").click()
    of.get_by_text("No API keys.").wait_for()
    assert requests.get(f"{lab.url}/api/v1/me", headers=headers, timeout=30).status_code == 401
    of.get_by_label("To whom").select_option("heir")
    of.get_by_label("and the projects that they own").check()
    of.get_by_role("button", name="Hand over").click()
    expect(of.get_by_role("status")).to_contain_text("heir has 1 run and 1 project more.")
    row.get_by_role("button", name="Delete").click()
    row.get_by_role("group").get_by_role("button", name="Delete").click()
    row.wait_for(state="detached")
    page.goto(f"{lab.url}/runs/{run}")
    page.get_by_text("heir").first.wait_for()


def test_an_admin_makes_a_service_account_and_a_key_of_it(
    page: Page, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    page.goto(f"{lab.url}/admin/users")
    page.get_by_label("Name of the service account").fill("nightly")
    page.get_by_role("button", name="Add it").click()
    row = page.locator("tr", has=page.get_by_label("Role of nightly"))
    expect(row).to_contain_text("service account")
    expect(row).to_contain_text("never")
    row.get_by_role("button", name="Keys, runs, login").click()
    page.get_by_label("Name of the new key").fill("cluster")
    page.get_by_role("button", name="Make a key").click()
    key = page.locator(".snippet pre").inner_text().rpartition("HECTIQLAB_API_KEY=")[2].strip()
    me = requests.get(f"{lab.url}/api/v1/me", headers={"Authorization": f"Bearer {key}"}, timeout=30).json()["user"]
    assert (me["username"], me["service"]) == ("nightly", True)
    expect(page.get_by_role("region", name="API keys of nightly")).to_contain_text("cluster")


def test_a_private_project_is_shown_to_its_members(
    page: Page, new_page: NewPage, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    feeder.post("users", json={"username": "lovelace", "password": PASSWORD, "role": "viewer"})
    run = feeder.run("secret run", project="secret paper")
    run.points({"loss": ([0], [1.0])})
    page.goto(f"{lab.url}/projects/secret paper/members")
    page.get_by_role("button", name="Make it private").click()
    page.get_by_role("button", name="Open it to the lab").wait_for()
    theirs = new_page()
    watch.allowed += ["401", "404"]
    log_in(theirs, lab, "lovelace")
    theirs.get_by_role("heading", name="Projects").wait_for()
    assert theirs.get_by_text("secret paper").count() == 0
    theirs.goto(f"{lab.url}/runs/{run.id}")
    theirs.get_by_role("heading", name="There is no such run").wait_for()
    page.get_by_label("User", exact=True).select_option("lovelace")
    page.get_by_label("Role", exact=True).select_option("viewer")
    page.get_by_role("button", name="Give this role").click()
    row = page.locator("tr", has_text="lovelace")
    row.wait_for()
    theirs.goto(f"{lab.url}/projects/secret paper/members")
    theirs.get_by_text("This project is private").wait_for()
    assert theirs.get_by_role("button", name=re.compile("Open it|Remove|Give")).count() == 0
    row.get_by_role("button", name="Remove").click()
    row.wait_for(state="detached")
    theirs.goto(f"{lab.url}/projects/secret paper")
    theirs.get_by_role("heading", name="There is no such project").wait_for()


def test_a_new_password_ends_the_other_web_sessions(
    new_page: NewPage, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    feeder.post("users", json={"username": "turing", "password": PASSWORD})
    watch.allowed += ["401", "403"]
    here, elsewhere = new_page(), new_page()
    log_in(here, lab, "turing", "/account")
    log_in(elsewhere, lab, "turing")
    here.get_by_label("Current password").fill("not the one")
    here.get_by_label("New password").fill("battery staple")
    here.get_by_role("button", name="Change it").click()
    assert here.get_by_role("alert").inner_text() == "The current password is wrong."
    here.get_by_label("Current password").fill(PASSWORD)
    here.get_by_role("button", name="Change it").click()
    here.get_by_text("Changed. Your other web sessions have ended").wait_for()
    here.get_by_role("button", name="Create key").click()  # with the token of the new session
    here.locator(".snippet pre").wait_for()
    elsewhere.goto(f"{lab.url}/account")
    elsewhere.get_by_label("Username").wait_for()


def test_an_admin_makes_a_key_that_reads_the_metrics_and_nothing_else(
    page: Page, new_page: NewPage, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    page.goto(f"{lab.url}/account")
    page.get_by_label("Name of the new key").fill("prometheus")
    page.get_by_label("What it may do").select_option("metrics")
    page.get_by_role("button", name="Create key").click()
    key = page.locator(".snippet pre").inner_text().strip()
    headers = {"Authorization": f"Bearer {key}"}
    assert requests.get(f"{lab.url}/api/v1/metrics", headers=headers, timeout=30).status_code == 200
    assert requests.get(f"{lab.url}/api/v1/projects", headers=headers, timeout=30).status_code == 403
    expect(page.get_by_role("row").filter(has_text="prometheus")).to_contain_text("metrics only")
    feeder.post("users", json={"username": "scraper", "password": PASSWORD})
    watch.allowed += ["401"]
    theirs = new_page()
    log_in(theirs, lab, "scraper", "/account")
    theirs.get_by_role("button", name="Create key").wait_for()
    expect(theirs.get_by_label("What it may do")).to_have_count(0)


def test_hostile_names_are_text_on_every_page_about_people(
    page: Page, new_page: NewPage, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    """They are names of a user (old labs have such ones), a key and a project. The audit log has all three."""
    feeder.post("users", json={"username": "to-be-nasty", "password": PASSWORD})
    with sql(lab.data_dir) as conn:
        conn.execute(text("UPDATE users SET username = :name WHERE username = 'to-be-nasty'"), {"name": NASTY})
    made = feeder.post("projects", json={"name": f"{NASTY} p"})
    answer = requests.put(
        f"{lab.url}/api/v1/projects/{made['id']}/members/{requests.utils.quote(NASTY, safe='')}",
        headers=lab.headers,
        json={"role": "member"},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    theirs = new_page()
    watch.allowed += ["401"]
    log_in(theirs, lab, NASTY, "/account")
    theirs.get_by_role("heading", name=NASTY).wait_for()
    theirs.get_by_label("Name of the new key").fill(NASTY)
    theirs.get_by_role("button", name="Create key").click()
    theirs.get_by_role("cell", name=NASTY, exact=True).wait_for()
    not_owned(theirs)
    page.goto(f"{lab.url}/admin/users")
    page.get_by_label(f"Role of {NASTY}").wait_for()
    not_owned(page)
    page.goto(f"{lab.url}/admin/audit")
    expect(page.locator("tbody tr").first).to_contain_text(f"key {NASTY}")
    not_owned(page)
    page.goto(f"{lab.url}/projects/{made['id']}/members")
    page.get_by_role("cell", name=NASTY, exact=True).wait_for()
    not_owned(page)
