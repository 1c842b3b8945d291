"""Login, projects, runs table, run page: what a person finds there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, Route, expect

from pyhectiqlab._version import __version__
from pyhectiqlab.testing.lab import RealLab

from .conftest import NewPage, Watch
from .feeder import Feeder
from .panels import Panel

pytestmark = pytest.mark.browser

NASTY = '<img src=x onerror="window.pwned=1"><b>&amp;\''


def test_the_one_time_link_logs_in_once(new_page: NewPage, own_lab: RealLab, watch: Watch) -> None:
    page = new_page()
    page.goto(own_lab.login_link or "")
    page.get_by_role("heading", name="No runs yet").wait_for()  # an empty lab says what to do
    script = page.locator(".snippet pre").first.inner_text()
    variables = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_")}
    env = {**variables, "HECTIQLAB_HOME": str(own_lab.home)}
    for _ in range(2):  # two people paste it
        subprocess.run([sys.executable, "-c", script], env=env, check=True, timeout=60)
    assert own_lab.url in page.locator(".snippet").nth(1).inner_text()
    other = new_page()
    watch.allowed += ["410", "404"]  # 404: that plain page names no icon
    other.goto(own_lab.login_link or "")
    assert "used already" in other.locator("h1").inner_text()
    runs = requests.get(
        f"{own_lab.url}/api/v1/runs", headers={"Authorization": f"Bearer {own_lab.api_key}"}, timeout=30
    )
    assert [run["points"] for run in runs.json()["items"]] == [1000, 1000]


def test_a_wrong_password_is_told_and_a_right_one_leads_to_the_page_asked_for(
    new_page: NewPage, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    feeder.post("users", json={"username": "grace", "password": "correct horse"})
    run = feeder.run("asked for")
    run.points({"loss": ([0], [1.0])})
    watch.allowed.append("401")
    page = new_page()
    page.goto(f"{lab.url}/runs/{run.id}?smooth=0.5")
    page.get_by_label("Username").fill("grace")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    assert page.get_by_role("alert").inner_text() == "Wrong username or password, or a disabled account."
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    Panel(page, "loss").wait()
    page.wait_for_url(f"{lab.url}/runs/{run.id}?smooth=0.5")
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Username").wait_for()
    page.goto(f"{lab.url}/")
    page.get_by_label("Username").wait_for()


def test_a_page_goes_on_after_a_new_login_in_another_tab(
    new_page: NewPage, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    feeder.post("users", json={"username": "hopper", "password": "correct horse"})
    run = feeder.run("two tabs")
    run.points({"loss": ([0, 1], [1.0, 2.0])})
    page = new_page()
    watch.allowed += ["401", "403"]  # 401 before the first login; 403 with the token of the old session
    page.goto(f"{lab.url}/runs/{run.id}")
    page.get_by_label("Username").fill("hopper")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    panel = Panel(page, "loss")
    panel.wait()
    answer = page.context.request.post(
        f"{lab.url}/api/v1/login", data={"username": "hopper", "password": "correct horse"}
    )
    assert answer.ok
    page.get_by_role("radio", name="Relative").click()
    panel.wait("d.axis === 'relative'")


def test_what_a_page_asked_in_the_session_before_is_asked_again_after_a_new_login_in_another_tab(
    new_page: NewPage, lab: RealLab, feeder: Feeder, watch: Watch
) -> None:
    feeder.post("users", json={"username": "kovalevskaya", "password": "correct horse"})
    run = feeder.run("two tabs at once")
    run.points({"loss": ([0, 1], [1.0, 2.0])})
    login = {"username": "kovalevskaya", "password": "correct horse"}
    page = new_page()
    tabs = page.context
    assert tabs.request.post(f"{lab.url}/api/v1/login", data=login).ok
    page.goto(f"{lab.url}/runs/{run.id}")
    panel = Panel(page, "loss")
    panel.wait()
    watch.allowed += ["401", "403"]  # 403: another request, with the token of the session before
    old = {str(cookie.get("name")): str(cookie.get("value")) for cookie in tabs.cookies()}

    def asked_first(route: Route) -> None:
        answer = requests.get(route.request.url, cookies=old, timeout=30)
        tabs.add_cookies([{"name": name, "value": value, "url": lab.url} for name, value in new.items()])
        route.fulfill(status=answer.status_code, body=answer.content)

    tabs.route("**/api/v1/me", asked_first, times=1)
    # Another tab logs in: that session is over, and the browser does not have the new cookie yet.
    new = requests.post(f"{lab.url}/api/v1/login", json=login, cookies=old, timeout=30).cookies
    page.get_by_role("radio", name="Relative").click()
    panel.wait("d.axis === 'relative'")


def test_an_ended_session_leads_to_the_login(page: Page, lab: RealLab, feeder: Feeder, watch: Watch) -> None:
    run = feeder.run("session")
    run.points({"loss": ([0], [1.0])})
    page.goto(f"{lab.url}/runs/{run.id}")
    Panel(page, "loss").wait()
    watch.allowed.append("401")
    page.context.clear_cookies()
    page.get_by_role("radio", name="Relative").click()
    page.get_by_label("Username").wait_for()
    page.wait_for_url(re.compile(r"/login\?next="))


def test_the_runs_table_shows_states_and_last_values_and_follows_them(page: Page, feeder: Feeder) -> None:
    done = feeder.run("done", project="table")
    done.points({"val/accuracy": (range(3), [0.1, 0.5, 0.875])})
    done.end("completed", cause="exit", exit_code=0)
    failed = feeder.run("broken", project="table")
    failed.points({"val/accuracy": ([0], [float("nan")])})
    failed.end("failed", cause="exception", exit_code=1)
    feeder.run("alive", project="table").event("state", state="training")
    page.goto(f"{feeder.url}/")
    page.get_by_role("link", name="table").click()

    def row(run: str) -> Locator:
        return page.locator("tr", has=page.get_by_role("link", name=run, exact=True))

    row("done").wait_for()
    expect(row("done").locator(".badge")).to_have_text("completed")
    expect(row("broken").locator(".badge")).to_have_text("failed")
    expect(row("alive").locator(".badge")).to_have_text("training")
    expect(row("done").locator("td.value")).to_have_text("0.875")
    expect(row("broken").locator("td.value")).to_have_text("NaN")

    late = feeder.run("late", project="table")
    late.points({"val/accuracy": ([0], [0.25])})
    row("late").wait_for()  # by itself
    late.end("killed", signal=9)
    row("late").locator('.badge[data-state="killed"]').wait_for()

    page.get_by_role("combobox", name="State").select_option("failed")
    page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 1")
    page.wait_for_url(re.compile("state=failed"))
    page.get_by_role("combobox", name="State").select_option("")
    page.get_by_label("Search runs").fill("ali")
    page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 1")
    row("alive").wait_for()
    page.get_by_label("Search runs").fill("nothing like this")
    page.get_by_role("heading", name="No run matches").wait_for()


def test_the_search_box_finds_and_a_metric_sorts(page: Page, watch: Watch, feeder: Feeder) -> None:
    watch.allowed.append("422")  # of the search that means nothing
    for n in range(3):
        run = feeder.run(f"find-{n}", project="finding")
        run.points({"val/loss": ([0], [3.0 - n])})
        run.end("completed" if n else "failed")
    page.goto(f"{feeder.url}/projects/finding")
    names = page.locator("tbody .run-name a")
    page.get_by_role("button", name="val/loss", exact=True).click()
    page.wait_for_function("() => document.querySelector('tbody .run-name a')?.textContent === 'find-2'")
    assert names.all_inner_texts() == ["find-2", "find-1", "find-0"]
    box = page.get_by_label("Search runs")
    box.fill("state=completed metric.val/loss.last>1")
    page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 1")
    assert names.all_inner_texts() == ["find-1"]
    box.fill("stat=completed")
    assert "did you mean state" in page.get_by_role("alert").inner_text()
    assert names.all_inner_texts() == ["find-1"]
    box.fill("")
    page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 3")
    assert page.get_by_role("alert").count() == 0


def test_the_overview_tells_config_note_sessions_and_health(page: Page, feeder: Feeder) -> None:
    run = feeder.run("overview")
    run.event("config", values={"lr": 0.001, "model": {"name": "resnet18", "layers": [2, 2]}})
    run.event("meta", key="dataset", value="digits")
    run.event("note", text="First line.\nSecond line.")
    run.event("tag", name="baseline", description=None, color="#2f9e44")
    run.event("loss", reason="spool_full", count=1)
    run.end("failed", cause="exception", exit_code=3, detail="ValueError: boom")
    page.goto(f"{feeder.url}/runs/{run.id}")
    page.get_by_role("tab", name="Overview").click()
    text = page.locator(".overview").inner_text()
    for part in ("resnet18", "[2, 2]", "0.001", "digits", "Second line.", "gpu-7", "exit code 3", "spool_full"):
        assert part in text, part
    assert page.locator(".run-title .tag").inner_text() == "baseline"
    page.wait_for_url(re.compile("tab=overview"))


def test_note_and_paper_are_markdown_and_their_source_is_there(page: Page, feeder: Feeder) -> None:
    run = feeder.run("written")
    note = "See **this**, and\n<unk> as [a link](https://example.org) or [none](javascript:alert(1))."
    paper = (
        "# Results\n\n| run | loss |\n|---|---|\n| a | 0.5 |\n\n- one\n- two\n\n![a picture](https://example.org/x.png)"
    )
    run.event("note", text=note)
    run.event("paper", text=paper)
    page.goto(f"{feeder.url}/runs/{run.id}?tab=overview")
    block = page.get_by_role("region", name="Note")
    expect(block.locator("strong")).to_have_text("this")
    assert block.locator(".markdown").inner_text() == "See this, and\n<unk> as a link or none."
    expect(block.locator(".markdown a")).to_have_count(2)
    assert block.locator(".markdown a[href]").evaluate_all("all => all.map(a => a.href)") == ["https://example.org/"]
    long = page.get_by_role("region", name="Paper")
    expect(long.get_by_role("heading", name="Results")).to_be_visible()
    expect(long.get_by_role("cell")).to_have_text(["a", "0.5"])
    expect(long.locator("li")).to_have_text(["one", "two"])
    long.get_by_text("a picture").wait_for()
    assert long.locator("img").count() == 0, "nothing is fetched from elsewhere"
    if folder := os.environ.get("HECTIQLAB_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/markdown.png", full_page=True)
    long.get_by_role("button", name="Source").click()
    assert long.locator("pre").inner_text() == paper
    long.get_by_role("button", name="As Markdown").click()
    expect(long.locator("li")).to_have_count(2)


def test_the_overview_shows_whole_numbers_as_they_are(page: Page, feeder: Feeder) -> None:
    run = feeder.run("seeds")
    run.event("config", values={"seed": 5386429851683749281, "seeds": [9007199254740993, 0.125]})
    run.event("meta", key="id", value=-9223372036854775808)
    page.goto(f"{feeder.url}/runs/{run.id}?tab=overview")
    config, meta = page.get_by_role("region", name="Config"), page.get_by_role("region", name="Meta")
    expect(config.locator(".tree")).to_have_text("seed5386429851683749281seeds[9007199254740993, 0.125]")
    expect(meta.locator(".tree")).to_have_text("id-9223372036854775808")


def test_the_overview_shows_the_config_of_the_newest_attempt_and_of_any_other(page: Page, feeder: Feeder) -> None:
    first = feeder.run("configs-of-attempts", restart="0")
    first.event("config", values={"lr": 0.1, "dropped": True})
    first.event("meta", key="data", value="v1")
    first.end("failed")
    second = feeder.run("configs-of-attempts", restart="1")
    second.event("config", values={"lr": 0.25})
    page.goto(f"{feeder.url}/runs/{first.id}?tab=overview")
    config, meta = page.get_by_role("region", name="Config"), page.get_by_role("region", name="Meta")
    expect(config.locator(".tree")).to_have_text("lr0.25")
    config.get_by_label("Attempt").select_option("1")
    expect(config.locator(".tree")).to_contain_text("lr0.1")
    expect(config.locator(".tree")).to_contain_text("dropped")
    config.get_by_label("Attempt").select_option("All")
    expect(config.locator(".tree")).to_contain_text("lr0.25")
    expect(config.locator(".tree")).to_contain_text("dropped")
    assert meta.get_by_label("Attempt").count() == 0  # only one attempt reported it
    config.get_by_label("Attempt").select_option("2 (newest)")
    second.event("config", values={"lr": 0.125})
    expect(config.locator(".tree")).to_have_text("lr0.125")  # live


def test_the_overview_tells_what_became_of_a_run_and_whether_all_of_it_arrived(page: Page, feeder: Feeder) -> None:
    run = feeder.run("history", world_size=2)
    other = feeder.run("history", rank=1, world_size=2)
    run.points({"loss": (range(3), [1.0] * 3)})
    run.heartbeat(backlog=40)
    page.goto(f"{feeder.url}/runs/{run.id}?tab=overview")
    health = page.locator(".health")
    assert "3 points and 0 other events received" in health.inner_text()
    assert "40 events on the way" in health.inner_text()
    run.heartbeat()
    health.get_by_text("all arrived, nothing lost").wait_for()  # by itself: nobody reloads
    run.heartbeat(losses={"spool_full": 7})
    health.get_by_text("7 lost: spool_full 7 (no room in the spool)").wait_for()
    assert "all else arrived" in health.inner_text()
    other.end("failed", cause="CUDA out of memory", exit_code=1)
    states = page.get_by_role("region", name="States")
    states.get_by_text("CUDA out of memory").wait_for()
    newest, *older = [row.inner_text().split("\t") for row in states.locator("tbody tr").all()]
    assert [cell.strip() for cell in newest[:3]] == ["failed", "1", "1"]  # state, attempt, rank
    assert older and older[-1][0].strip() in ("pending", "running")
    assert "CUDA out of memory" in (page.locator(".run-title .badge").get_attribute("title") or "")


def test_a_page_that_is_not_there_says_so(page: Page, lab: RealLab, watch: Watch) -> None:
    watch.allowed.append("404")
    answer = page.goto(f"{lab.url}/nowhere/at/all")
    assert answer is not None and answer.status == 404
    page.get_by_text("There is no such page").wait_for()
    page.locator("a.button", has_text="All projects").click()
    page.get_by_role("heading", name="Projects").wait_for()
    response = requests.get(f"{lab.url}/nowhere", timeout=5)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


def test_a_run_that_does_not_exist_or_was_deleted_is_told(page: Page, feeder: Feeder, watch: Watch) -> None:
    watch.allowed += ["404", "410"]
    page.goto(f"{feeder.url}/runs/ffffffffffff")
    page.get_by_role("heading", name="There is no such run").wait_for()
    run = feeder.run("deleted")
    feeder.delete(f"runs/{run.id}")
    page.goto(f"{feeder.url}/runs/{run.id}")
    page.get_by_role("heading", name="This run was deleted").wait_for()
    page.goto(f"{feeder.url}/projects/nowhere")
    page.get_by_role("heading", name="There is no such project").wait_for()


def test_names_are_text_wherever_they_appear(page: Page, feeder: Feeder) -> None:
    run = feeder.run(NASTY, project=NASTY)
    run.points({NASTY: ([0, 1], [1.0, 2.0]), f"{NASTY}/x": ([0], [1.0])})
    run.event("config", values={NASTY: {NASTY: NASTY}})
    run.event("note", text=NASTY)
    run.event("tag", name=NASTY, description=NASTY, color="red;}*{display:none")
    page.goto(f"{feeder.url}/")
    page.get_by_text(NASTY, exact=True).click()
    page.get_by_role("link", name=NASTY, exact=True).last.click()
    page.locator(".panel canvas").first.wait_for()
    assert page.get_by_role("heading", name=NASTY, exact=True).first.is_visible()
    page.locator(".panel-plot").first.hover()
    page.get_by_role("tab", name="Overview").click()
    expect(page.locator(".markdown")).to_have_text(NASTY.replace("&amp;", "&"))  # Markdown's own
    page.get_by_role("button", name="Source").click()
    assert page.locator(".note").inner_text() == NASTY
    assert page.evaluate("window.pwned") is None
    assert page.locator("#app img").count() == 0


def test_a_lab_that_goes_and_comes_back_is_told_and_caught_up_with(
    new_page: NewPage, own_lab: RealLab, watch: Watch
) -> None:
    watch.allowed += ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "503"]
    feeder = Feeder(own_lab.url, own_lab.api_key)
    run = feeder.run("survivor")
    run.points({"loss": ([0], [1.0])})
    page = new_page()
    page.goto(own_lab.login_link or "")
    page.goto(f"{own_lab.url}/runs/{run.id}")
    panel = Panel(page, "loss")
    panel.wait()
    own_lab.kill()
    line = page.get_by_text("The lab does not answer.")
    line.wait_for()
    assert panel.wait()["curves"][0]["line"] == [1.0]  # what was there stays
    own_lab.start()
    run.points({"loss": ([1], [2.0])})
    assert panel.wait("d.curves[0].total === 2")["curves"][0]["line"] == [1.0, 2.0]
    line.wait_for(state="detached")
    feeder.close()


def test_keys_are_made_shown_once_and_revoked(page: Page, lab: RealLab) -> None:
    page.goto(f"{lab.url}/account")
    page.get_by_label("Name of the new key").fill("cluster")
    page.get_by_role("button", name="Create key").click()
    text = page.locator(".snippet pre").inner_text()
    key = text.rpartition("HECTIQLAB_API_KEY=")[2].strip()
    headers = {"Authorization": f"Bearer {key}"}
    assert requests.get(f"{lab.url}/api/v1/me", headers=headers, timeout=5).status_code == 200
    row = page.locator("tr", has_text="cluster")
    row.get_by_role("button", name="Revoke").click()
    row.get_by_role("group").get_by_role("button", name="Revoke").click()
    row.wait_for(state="detached")
    assert requests.get(f"{lab.url}/api/v1/me", headers=headers, timeout=5).status_code == 401


def test_the_account_page_tells_the_version_of_the_lab(page: Page, lab: RealLab) -> None:
    page.goto(f"{lab.url}/account")
    expect(page.get_by_text(f"This lab runs version {__version__}.")).to_be_visible()


def test_a_link_from_before_the_lab_moved_leads_to_its_page(new_page: NewPage, own_lab: RealLab) -> None:
    feeder = Feeder(own_lab.url, own_lab.api_key)
    run = feeder.run("linked")
    feeder.close()
    link, port = f"{own_lab.url}/runs/{run.id}?tab=logs", own_lab.port
    own_lab.stop()
    own_lab.port, own_lab.arguments = 0, ("--moved-from", str(port))
    own_lab.start()
    page = new_page()
    page.goto(own_lab.login_link or "")
    page.goto(link)
    page.get_by_role("heading", name="linked").wait_for()
    assert page.url == link.replace(f":{port}/", f":{own_lab.port}/")
    page.close()  # before the lab, which its stream would miss


def test_a_run_is_deleted_on_its_page_after_asking_and_restored_there(page: Page, watch: Watch, feeder: Feeder) -> None:
    watch.allowed.append("410")
    run = feeder.run("to-delete", project="deleting")
    page.goto(f"{feeder.url}/runs/{run.id}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("group", name="Delete this run?").get_by_role("button", name="Delete").click()
    page.get_by_role("heading", name="This run was deleted").wait_for()
    page.get_by_role("button", name="Restore it").click()
    page.get_by_role("heading", name="to-delete").wait_for()


def test_picked_runs_are_deleted_together_and_that_is_undone(page: Page, feeder: Feeder, watch: Watch) -> None:
    watch.allowed.append("410")  # what the charts asked of them meanwhile
    for name in ("one", "two", "three"):
        feeder.run(name, project="deleting-many")
    page.goto(f"{feeder.url}/projects/deleting-many")
    rows = page.locator("tbody .run-name a")
    expect(rows).to_have_count(3)
    for name in ("one", "three"):
        page.get_by_label(f"Pick {name}").check()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("group", name="Delete 2 runs?").get_by_role("button", name="Delete").click()
    expect(rows).to_have_text(["two"])
    page.get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(3)


def test_started_sorts_by_what_it_shows(page: Page, feeder: Feeder) -> None:
    feeder.run("older", project="started", restart="0")
    feeder.run("newer", project="started")
    feeder.run("older", project="started", restart="1")  # made first, and started last
    page.goto(f"{feeder.url}/projects/started")
    rows = page.locator("tbody .run-name a")
    expect(rows).to_have_text(["older", "newer"])
    expect(page.get_by_role("columnheader", name="Started")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Started", exact=True).click()
    expect(rows).to_have_text(["newer", "older"])


def test_the_page_of_a_fork_leads_to_its_parent_and_shows_its_points(
    new_page: NewPage, owner_state: Any, feeder: Feeder
) -> None:
    parent = feeder.run("trunk", project="forks")
    parent.points({"loss": (list(range(100)), [float(n) for n in range(100)])})
    child = feeder.run("branch", project="forks")
    child.event("fork", run=parent.id, step=49)
    child.event("group", name="trees")
    child.points({"loss": ([50, 51], [1000.0, 1001.0])})
    page = new_page(storage_state=owner_state)
    page.goto(f"{feeder.url}/runs/{child.id}")
    fact = page.locator(".facts div").filter(has_text="Fork of")
    expect(fact).to_have_text("Fork oftrunk at step 49")
    expect(page.locator(".facts div").filter(has_text="Points")).to_have_text("Points52")
    expect(page.locator(".facts div").filter(has_text="Group")).to_have_text("Grouptrees")
    fact.get_by_role("link", name="trunk").click()
    page.wait_for_url(f"**/runs/{parent.id}*")
