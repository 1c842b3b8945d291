"""Single sign-on: what the options of a lab change."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import select

from pyhectiqlab.errors import LabError
from pyhectiqlab.store.sql.meta_schema import web_sessions
from pyhectiqlab.testing.lab import RealLab

from ...commands import run_command
from ...oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider
from ...stores import sql
from ..api import Api, error_of
from ..conftest import PASSWORD
from .world import ENV, Browser, new_name, options, person, why

# Options


def test_only_admins_have_passwords_where_the_lab_says_so(own_lab: Any, provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(CLIENT_SECRET + "\n")
    more = ("--oidc-only", "--oidc-client-secret-file", str(tmp_path / "secret"))
    lab = own_lab(*options(provider, *more), env={})
    owner = Api.of(lab)
    for name, role in (("bob", "member"), ("boss", "admin")):
        owner.call("POST", "/users", 201, json={"username": name, "password": PASSWORD, "role": role})
    login = f"{lab.url}/api/v1/login"
    refused = requests.post(login, json={"username": "bob", "password": PASSWORD}, timeout=30)
    assert (refused.status_code, error_of(refused)["code"]) == (403, "use_sso")
    assert requests.post(login, json={"username": "boss", "password": PASSWORD}, timeout=30).status_code == 200
    assert owner.call("POST", "/invites", 409, json={"role": "member"})["error"]["code"] == "use_sso"
    owner.call("POST", "/invites", 201, json={"role": "admin"})
    provider.control(people={"p": person(new_name(), "team")})
    assert Browser(lab, provider).log_in("p") == "/"


def test_an_invite_that_is_open_when_passwords_end_makes_no_account(own_lab: Any, provider: Provider) -> None:
    first = own_lab()
    token = Api.of(first).call("POST", "/invites", 201, json={"role": "member"})["token"]
    first.stop()
    lab = own_lab(*options(provider, "--oidc-only"))
    body = {"token": token, "username": new_name(), "password": PASSWORD}
    refused = requests.post(f"{lab.url}/api/v1/invites/accept", json=body, timeout=30)
    assert (refused.status_code, error_of(refused)["code"]) == (409, "use_sso")


def test_what_strangers_send_makes_no_lines_of_the_log(lab: RealLab, provider: Provider, browser: Browser) -> None:
    provider.control(people={})
    state = parse_qs(urlsplit(browser.begin()).query)["state"][0]
    evil = "access_denied%0A2026-01-01+ERROR+forged%1b[31m%E2%80%AE"
    assert why(browser.come_back(f"{lab.url}/api/v1/sso/callback?state={state}&error={evil}")) == "denied"
    line = lab.log().splitlines()[-1]
    assert "access_denied 2026-01-01 ERROR forged?[31m?" in line and "single sign-on of" in line


def test_the_bounds_of_keys_and_sessions_the_claims_and_the_names(own_lab: Any, provider: Provider) -> None:
    more = ["--oidc-key-days", "30", "--oidc-session-hours", "0.01", "--oidc-require", "hd=example.org"]
    more += ["--oidc-name-claim", "email", "--oidc-groups-claim", "realm_access.roles"]
    lab = own_lab(*options(provider, *more))
    browser = Browser(lab, provider)
    claims = {"hd": "example.org", "email": "ada@example.org", "email_verified": True}
    ada = person("ignored", **claims, realm_access={"roles": ["team"]})
    for wrong in ({"hd": "example.com"}, {"hd": None}, {"email_verified": False}, {"email_verified": None}):
        provider.control(people={"p": {**ada, **wrong}})
        assert why(browser.log_in("p")) == ("no_group" if "hd" in wrong else "no_name")
    provider.control(people={"p": ada})
    assert browser.log_in("p") == "/"
    assert browser.me()["user"]["username"] == "ada@example.org"
    for days, wanted in ((None, 30), (7, 7), (365, 30)):
        made = browser.call("POST", "/keys", 201, json={"name": "k", "days": days})
        assert made["expires"] == pytest.approx(time.time() + wanted * 86_400, abs=60)
    made = Api.of(lab).call("POST", "/keys", 201, json={"name": "k"})
    assert made["expires"] is None, "of somebody else"
    with sql(lab.data_dir) as conn:
        lasts = conn.execute(select(web_sessions.c.expires - web_sessions.c.created)).scalars().all()
    assert lasts == pytest.approx([36] * len(lasts)) and lasts


def test_without_new_users_only_those_who_are_linked_come_in(own_lab: Any, provider: Provider) -> None:
    lab = own_lab(*options(provider, "--oidc-no-new-users"))
    browser = Browser(lab, provider)
    provider.control(people={"p": person("bob", "team", sub="bob's")})
    assert why(browser.log_in("p")) == "no_account"
    owner = Api.of(lab)
    owner.call("POST", "/users", 201, json={"username": "bob", "password": PASSWORD, "role": "viewer"})
    env = {**os.environ, "HECTIQLAB_HOME": str(lab.home)}
    admin = ("admin", "sso")
    data = ("--data", str(lab.data_dir))
    for bad in (("link", "nobody", "x"), ("link", "bob", ""), ("unlink", "bob")):
        refused = run_command(*admin, *bad, *data, env=env)
        assert refused.returncode != 0 and refused.stderr.startswith("Error: "), refused
    made = run_command(*admin, "link", "bob", "bob's", *data, env=env)
    assert made.returncode == 0, made.stderr
    assert browser.log_in("p") == "/"
    listed = json.loads(run_command(*admin, "list", "--json", *data, env=env).stdout)
    assert [(row["username"], row["subject"]) for row in listed] == [("bob", "bob's")] and listed[0]["last_login"]
    assert browser.me()["user"]["role"] == "member"
    assert run_command(*admin, "unlink", "bob", *data, env=env).returncode == 0
    browser.me(401)
    assert why(browser.log_in("p")) == "no_account"


def test_a_default_role_is_for_all_and_is_the_lab_s_to_change(own_lab: Any, provider: Provider) -> None:
    lab = own_lab("--oidc-issuer", provider.issuer, "--oidc-client-id", CLIENT_ID, "--oidc-default-role", "viewer")
    browser = Browser(lab, provider)
    provider.control(people={"p": person("bob", sub="bob's")})
    browser.log_in("p")
    assert browser.me()["user"]["role"] == "viewer"
    Api.of(lab).call("PATCH", "/users/bob", json={"role": "member"})
    browser.log_in("p")
    assert browser.me()["user"]["role"] == "member", "no groups say otherwise"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--oidc-issuer", "http://login.example.org"], "https"),
        (["--oidc-issuer", "login.example.org"], "https"),
        (["--oidc-issuer", "https://login.example.org"], "--oidc-client-id"),
        (["--oidc-issuer", "https://a.example", "--oidc-client-id", "x"], "--oidc-default-role"),
        (["--oidc-issuer", "https://a.example", "--oidc-client-id", "x", "--oidc-role", "team"], "GROUP=ROLE"),
        (["--oidc-issuer", "https://a.example", "--oidc-client-id", "x", "--oidc-role", "team=owner"], "GROUP=ROLE"),
        (["--oidc-issuer", "https://a.example", "--oidc-client-id", "x", "--oidc-project", "team=p"], "PROJECT:ROLE"),
        (["--oidc-issuer", "https://a.example", "--oidc-client-id", "x", "--oidc-require", "hd"], "CLAIM=VALUE"),
        (["--oidc-issuer", "https://a.example", "--oidc-client-id", "x", "--oidc-scopes", "profile"], "openid"),
        (["--oidc-client-id", "x"], "--oidc-issuer"),
        (["--oidc-issuer", "https://a.example", "--oidc-client-secret-file", "/nowhere"], "/nowhere"),
    ],
)
def test_options_that_do_not_fit_end_the_start_in_a_line(own_lab: Any, arguments: list[str], word: str) -> None:
    with pytest.raises(LabError, match="did not start") as caught:
        own_lab(*arguments)
    lines = [line for line in str(caught.value).splitlines() if line]
    assert word in lines[-1] and "Traceback" not in str(caught.value), caught.value


def test_the_environment_says_them_too(own_lab: Any, provider: Provider) -> None:
    env = {
        **ENV,
        "HECTIQLAB_OIDC_ISSUER": provider.issuer,
        "HECTIQLAB_OIDC_CLIENT_ID": CLIENT_ID,
        "HECTIQLAB_OIDC_ROLE": "/a group, with signs=member; others=viewer",
    }
    lab = own_lab(env=env)
    provider.control(people={"p": person(new_name(), "/a group, with signs")})
    browser = Browser(lab, provider)
    assert browser.log_in("p") == "/"
    assert browser.me()["user"]["role"] == "member"
