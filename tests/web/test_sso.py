"""Single sign-on in the browser, at a real provider: the login, what it refuses, the logout, a key for a command."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pyhectiqlab.profile import load_profiles
from pyhectiqlab.testing.lab import RealLab

from ..commands import command
from ..labs import ForkedLab
from ..oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider
from ..server.api import Api
from ..server.nginx import NGINX, nginx_before
from ..server.test_operations import make_certificate
from .conftest import NewPage, Watch

pytestmark = pytest.mark.browser
ENV = {"HECTIQLAB_OIDC_CLIENT_SECRET": CLIENT_SECRET}
PEOPLE = {
    "ada": {"sub": "1", "preferred_username": "ada", "groups": ["team"]},
    "eve": {"sub": "2", "preferred_username": "eve", "groups": []},
}


def options(provider: Provider) -> list[str]:
    arguments = ["--oidc-issuer", provider.issuer, "--oidc-client-id", CLIENT_ID, "--oidc-role", "team=member"]
    return [*arguments, "--oidc-label", "the team's login"]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        running.control(people=PEOPLE)
        yield running


@pytest.fixture(scope="module")
def lab(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    folder = tmp_path_factory.mktemp("sso")
    with ForkedLab(folder / "data", folder / "home", *options(provider), env=ENV) as real:
        yield real


def test_logging_in_and_out_at_the_provider(lab: RealLab, provider: Provider, new_page: NewPage, watch: Watch) -> None:
    watch.allowed.append("401")  # the question who is there
    page = new_page()
    page.goto(f"{lab.url}/account")
    page.get_by_role("link", name="Log in with the team's login").click()
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    page.get_by_role("button", name="eve").click()
    expect(page.get_by_role("alert")).to_have_text("None of your groups may use this lab. Ask an admin of the lab.")
    page.get_by_role("link", name="Log in with").click()
    page.get_by_role("button", name="nobody").click()
    expect(page.get_by_role("alert")).to_have_text("The login provider did not let you in.")
    page.get_by_role("link", name="Log in with").click()
    page.get_by_role("button", name="ada").click()
    expect(page).to_have_url(f"{lab.url}/account")
    expect(page.get_by_role("heading", name="ada")).to_be_visible()
    with page.expect_request(re.compile(re.escape(f"{provider.issuer}/logout"))):
        page.get_by_role("button", name="Log out", exact=True).click()
    expect(page.get_by_role("link", name="Log in with")).to_be_visible()
    page.goto(f"{lab.url}/account")
    expect(page.get_by_role("link", name="Log in with")).to_be_visible()


def test_an_admin_links_a_person_of_the_provider(
    lab: RealLab, provider: Provider, new_page: NewPage, watch: Watch
) -> None:
    watch.allowed.append("401")
    owner = Api.of(lab)
    owner.call("POST", "/users", 201, json={"username": "grace", "password": "correct horse"})
    provider.control(people={**PEOPLE, "grace": {"sub": "g-3", "preferred_username": "grace", "groups": ["team"]}})

    def log_in() -> Page:
        page = new_page()
        page.goto(f"{lab.url}/login")
        page.get_by_role("link", name="Log in with").click()
        page.get_by_role("button", name="grace").click()
        return page

    expect(log_in().get_by_role("alert")).to_contain_text("Somebody in this lab has your name already")
    admin = new_page()
    admin.goto(lab.login_link or "")
    admin.goto(f"{lab.url}/admin/users")
    row = admin.get_by_role("row").filter(has_text="grace")
    row.get_by_role("button", name="Keys, runs, login").click()
    of = admin.get_by_role("region", name="Of grace")
    of.get_by_label("Their identifier at the team's login").fill("g-3")
    of.get_by_role("button", name="Link").click()
    expect(of.get_by_text("Logs in by the team's login, as g-3")).to_be_visible()
    expect(row.get_by_text("single sign-on")).to_be_visible()
    theirs = log_in()
    expect(theirs.get_by_role("link", name="grace")).to_be_visible()
    of.get_by_role("button", name="Unlink").click()
    of.get_by_role("group").get_by_role("button", name="Unlink").click()
    expect(of.get_by_label("Their identifier at the team's login")).to_be_visible()
    expect(row.get_by_text("single sign-on")).to_have_count(0)
    theirs.goto(f"{lab.url}/account")
    expect(theirs.get_by_role("link", name="Log in with")).to_be_visible()
    provider.control(people=PEOPLE)


def test_a_command_gets_a_key_in_the_browser(lab: RealLab, new_page: NewPage, watch: Watch, tmp_path: Path) -> None:
    watch.allowed.append("401")
    env = {**os.environ, "HECTIQLAB_HOME": str(tmp_path), "HECTIQLAB_URL": "", "HECTIQLAB_API_KEY": ""}
    arguments = command("add-profile", "--browser", "--url", lab.url, "--name", "team")
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(arguments, env=env, stdin=none, stdout=pipe, stderr=pipe, text=True) as waiting:
        try:
            assert waiting.stderr is not None
            url = next(line.strip() for line in waiting.stderr if line.strip().startswith("http"))
            page = new_page()
            page.goto(url)
            page.get_by_role("link", name="Log in with").click()
            page.get_by_role("button", name="ada").click()
            expect(page).to_have_url(url)
            expect(page.get_by_text(url.partition("=")[2], exact=True)).to_be_visible()
            page.get_by_role("button", name="Give it a key").click()
            expect(page.get_by_text("The command has its key")).to_be_visible()
            output, errors = waiting.communicate(timeout=30)
        finally:
            waiting.kill()
    assert waiting.returncode == 0, errors
    assert f"Logged in to {lab.url} as ada" in output
    kept = load_profiles(tmp_path / "credentials")["team"]
    assert kept.username == "ada" and kept.secret_api_key.startswith("hl_")
    listed = subprocess.run(
        command("keys", "list", "--json"), env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert [key["id"] for key in json.loads(listed.stdout)] == [kept.api_key_uuid]


@pytest.mark.skipif(NGINX is None, reason="no nginx on this machine")
@pytest.mark.parametrize("strips", [False, True], ids=["kept", "taken off"])
def test_behind_a_proxy_below_a_path(
    provider: Provider, new_page: NewPage, watch: Watch, tmp_path: Path, strips: bool
) -> None:
    watch.allowed.append("401")
    chain, key = make_certificate(tmp_path)
    more = ["--behind-proxy", "127.0.0.1", "--root-path", "/tools/lab"]
    with ForkedLab(tmp_path / "data", tmp_path / "home", *options(provider), *more, env=ENV) as lab:
        bare = lab.url.removesuffix("/tools/lab")
        with nginx_before(bare, tmp_path / "nginx", chain, key, root_path="/tools/lab", strips=strips) as url:
            page = new_page(ignore_https_errors=True)
            page.goto(f"{url}/account")
            page.get_by_role("link", name="Log in with").click()
            page.get_by_role("button", name="ada").click()
            expect(page).to_have_url(f"{url}/account")
            expect(page.get_by_role("heading", name="ada")).to_be_visible()
            cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
            assert cookies["hectiqlab_session_tools_lab"]["secure"] and cookies["hectiqlab_sso_tools_lab"]["secure"]
            assert cookies["hectiqlab_sso_tools_lab"]["path"] == "/tools/lab/api/v1/sso"
            page.close()  # before the lab is gone
