"""The page with the state of the lab, and the alerts that admins see on every page."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ..labs import ForkedLab
from ..server.api import Api, batch, new_id, wait_until
from ..server.test_notices import Chat, add, ended

pytestmark = pytest.mark.browser
NASTY = '<img src=x onerror="window.pwned=1">'


def test_an_admin_sees_what_to_see_to_and_others_do_not(browser: Browser, tmp_path: Path) -> None:
    with ForkedLab(tmp_path / "data", tmp_path / "home", "--warn-free", "900TB") as lab, Chat() as chat:
        threading.Thread(target=chat.serve_forever, daemon=True).start()
        chat.status = 404
        add(lab, chat.url)
        api = Api.of(lab)
        run = api.attach(NASTY, project=f"p {NASTY}", create_project=True, session="5e551011", host="node7", pid=7)[
            "run"
        ]["id"]
        api.ingest(batch(run, new_id(), 1, 5000))
        ended(api, "resnet", "failed")
        wait_until(lambda: api.get("/admin/status")["notices"][0]["failed"], 30)
        context = browser.new_context(viewport={"width": 1280, "height": 1400})
        page = context.new_page()
        page.goto(lab.login_link or "")
        alert = page.locator(".alerts")
        expect(alert).to_contain_text("less than 900 TB.")
        alert.get_by_role("link", name="State of the lab").click()
        expect(page.get_by_role("heading", name="State of the lab")).to_be_visible()
        todo = page.get_by_role("region", name="What to see to")
        expect(todo).to_contain_text("it answered 404")
        expect(todo).to_contain_text("No backup of this lab was ever taken.")
        expect(todo).to_contain_text("hectiqlab admin purge")
        expect(page.get_by_role("region", name="By project")).to_contain_text("5,000")
        expect(page.get_by_role("region", name="Busiest runs")).to_contain_text(NASTY)
        expect(page.get_by_role("region", name="Clients")).to_contain_text("node7")
        expect(page.get_by_role("region", name="Threads")).to_contain_text("writer")
        expect(page.get_by_role("region", name="Who is told")).to_contain_text("it answered 404")
        assert page.evaluate("window.pwned") is None
        page.screenshot(path=str(tmp_path / "state.png"), full_page=True)
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "tables scroll, the page does not"
        page.screenshot(path=str(tmp_path / "narrow.png"), full_page=True)
        context.close()

        api.call("POST", "/users", 201, json={"username": "ada", "password": "correct horse"})
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{lab.url}/admin/status")
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("This is for admins of the lab")).to_be_visible()
        expect(page.locator(".alerts p")).to_have_count(0)
        context.close()
        chat.shutdown()
