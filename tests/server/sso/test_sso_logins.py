"""Single sign-on: a real lab, and a real provider of OpenID Connect in a process of its own, over HTTP."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from pyhectiqlab.server.sso import refusals
from pyhectiqlab.testing.lab import RealLab

from ...commands import run_command
from ...oidc_provider import CLIENT_ID, ROOT, Provider
from ..api import Api, error_of, new_id
from ..conftest import PASSWORD
from .world import Browser, audit, new_name, person, why

# The way in


def test_somebody_new_becomes_a_user_with_the_role_of_their_group(
    lab: RealLab, provider: Provider, browser: Browser
) -> None:
    name = new_name()
    provider.control(people={name: person(name, "team")})
    asked = parse_qs(urlsplit(browser.begin()).query)
    assert asked["code_challenge_method"] == ["S256"] and asked["state"] and asked["nonce"]
    assert asked["redirect_uri"] == [f"{lab.url}/api/v1/sso/callback"]
    assert browser.log_in(name, "/projects/p?q=x") == "/projects/p?q=x"
    me = browser.me()
    assert (me["user"]["username"], me["user"]["role"]) == (name, "member")
    browser.call("POST", "/projects", 201, json={"name": f"of-{name}"})
    noted = audit(lab)[0]
    noted = next(item for item in audit(lab) if item["subject"] == f"user {name}")
    assert (noted["action"], noted["via"], noted["who"]) == ("added", "sso", name)
    assert f"id of {name}" in noted["detail"] and noted["address"] == "127.0.0.1"


def test_the_groups_of_each_login_decide(lab: RealLab, provider: Provider, browser: Browser) -> None:
    name = new_name()
    for groups, role in ((("guests",), "viewer"), (("guests", "team"), "member"), (("lab-admins",), "admin")):
        provider.control(people={name: person(name, *groups)})
        browser.log_in(name)
        assert browser.me()["user"]["role"] == role
    provider.control(people={name: person(name, "team")})
    browser.log_in(name)
    assert browser.me()["user"]["role"] == "member", "an admin who is none any more"
    changes = [c["detail"] for c in audit(lab) if c["subject"] == f"user {name}" and c["action"] == "changed the role"]
    assert changes == [f"now {role}, by their groups" for role in ("member", "admin", "member")]


def test_whoever_lost_their_groups_is_out_but_their_keys_stay(
    lab: RealLab, provider: Provider, browser: Browser
) -> None:
    name = new_name()
    provider.control(people={name: person(name, "team")})
    browser.log_in(name)
    browser.me()
    key = Api(lab.url, browser.call("POST", "/keys", 201, json={"name": "k"})["key"])
    for groups in ((), ("others",), ("team", "out")):
        provider.control(people={name: person(name, *groups)})
        assert why(Browser(lab, provider).log_in(name)) == "no_group"
        assert (", ".join(groups) or "empty") in lab.log().splitlines()[-1]
    provider.control(people={name: person(name, groups=None)})
    assert why(Browser(lab, provider).log_in(name)) == "no_group"
    assert "tells no claim groups" in lab.log().splitlines()[-1]
    browser.me(401)
    assert key.get("/me")["user"]["username"] == name, "until an admin disables the user"
    by_name = {item["action"] for item in audit(lab) if item["subject"] == f"user {name}"}
    assert {"lost the access of", "failed to log in as"} <= by_name
    Api.of(lab).call("PATCH", f"/users/{name}", json={"disabled": True})
    key.get("/me", 401)
    provider.control(people={name: person(name, "team")})
    assert why(browser.log_in(name)) == "disabled"


def test_groups_give_roles_in_projects_and_take_what_they_gave(
    lab: RealLab, provider: Provider, browser: Browser
) -> None:
    name, owner = new_name(), Api.of(lab)
    if owner.raw("GET", "/projects/shared").status_code == 404:
        owner.call("POST", "/projects", 201, json={"name": "shared"})

    def role() -> str | None:
        return next((m["role"] for m in owner.get("/projects/shared/members")["items"] if m["username"] == name), None)

    for groups, wanted in ((["team"], "member"), (["guests"], "viewer"), (["lab-admins"], None), (["team"], "member")):
        provider.control(people={name: person(name, *groups)})
        browser.log_in(name)
        assert role() == wanted, groups
    owner.call("PUT", f"/projects/shared/members/{name}", json={"role": "admin"})
    for groups in (["team"], ["guests"], ["lab-admins"]):
        provider.control(people={name: person(name, *groups)})
        browser.log_in(name)
        assert role() == "admin", "given by hand"


def test_nobody_becomes_a_user_by_their_name_or_mail(lab: RealLab, provider: Provider, browser: Browser) -> None:
    name, owner = new_name(), Api.of(lab)
    owner.call("POST", "/users", 201, json={"username": name, "password": PASSWORD, "role": "viewer"})
    for taken in (name, name.upper()):
        provider.control(people={name: person(taken, "lab-admins", sub="somebody else", email=name)})
        assert why(browser.log_in(name)) == "name_taken"
    browser.me(401)
    refused = next(item for item in audit(lab) if item["action"] == "failed to log in as")
    assert "somebody else" in refused["subject"], "what an admin needs to link them"
    assert f"hectiqlab admin sso link {name.upper()} 'somebody else'" in refused["detail"]

    linked = owner.call("PUT", f"/users/{name}/sso", json={"subject": "somebody else"})
    assert linked == {"username": name, "issuer": provider.issuer, "subject": "somebody else"}
    browser.log_in(name)
    assert browser.me()["user"] == {**browser.me()["user"], "username": name, "role": "admin"}
    subjects = {user["username"]: user["sso"] for user in owner.get("/users")["items"]}
    assert subjects[name] == "somebody else" and subjects[owner.get("/me")["user"]["username"]] is None
    taken = owner.raw("PUT", f"/users/{name}/sso", json={"subject": "a third"})
    assert (taken.status_code, error_of(taken)["code"]) == (409, "link_taken")

    owner.call("DELETE", f"/users/{name}/sso")
    browser.me(401)
    assert why(browser.log_in(name)) == "name_taken"
    owner.call("DELETE", f"/users/{name}/sso", 404)
    owner.call("PUT", f"/users/nobody-{name}/sso", 404, json={"subject": "x"})
    owner.call("POST", "/users", 201, json={"username": f"bot-{name}", "service": True})
    assert owner.call("PUT", f"/users/bot-{name}/sso", 409, json={"subject": "x"})["error"]["code"] == "service_account"


def test_who_was_deleted_does_not_come_back(lab: RealLab, provider: Provider, browser: Browser) -> None:
    name, owner = new_name(), Api.of(lab)
    provider.control(people={name: person(name, "lab-admins")})
    browser.log_in(name)
    owner.call("DELETE", f"/users/{name}")
    browser.me(401)
    assert why(browser.log_in(name)) == "disabled"


def test_a_password_does_not_pass_by_the_groups(
    lab: RealLab, provider: Provider, browser: Browser, tmp_path: Path
) -> None:
    """Whoever logs in at the provider has no other way in, which they could keep when they lose their groups."""
    name, owner = new_name(), Api.of(lab)
    provider.control(people={name: person(name, "team")})
    browser.log_in(name)
    browser.me()
    refused = browser.http.put(f"{lab.url}/api/v1/me/password", json={"password": PASSWORD}, timeout=30)
    assert (refused.status_code, error_of(refused)["code"]) == (403, "use_sso")
    owner.call("PATCH", f"/users/{name}", json={"password": PASSWORD})
    refused = requests.post(f"{lab.url}/api/v1/login", json={"username": name, "password": PASSWORD}, timeout=30)
    assert (refused.status_code, error_of(refused)["code"]) == (403, "use_sso")
    refused = requests.post(f"{lab.url}/api/v1/keys", json={"name": "k"}, auth=(name, PASSWORD), timeout=30)
    assert (refused.status_code, error_of(refused)["code"]) == (403, "use_sso")
    command = ("add-profile", "--url", lab.url, "--username", name, "--password-stdin")
    done = run_command(*command, env={**os.environ, "HECTIQLAB_HOME": str(tmp_path)}, input=f"{PASSWORD}\n")
    assert done.returncode and f"`hectiqlab add-profile --browser --url {lab.url}`" in done.stderr


def test_a_name_that_no_user_can_have_is_refused(provider: Provider, browser: Browser) -> None:
    for name in ("a:b", " ", "аda", "a\nb", "x" * 600, "", None, 7):
        provider.control(people={"p": person("p", "team", sub=new_id(), preferred_username=name)})
        assert why(browser.log_in("p")) == "no_name", name


def test_the_owner_stays_the_owner_and_may_always_use_a_password(lab: RealLab, provider: Provider) -> None:
    owner = Api.of(lab)
    name = owner.get("/me")["user"]["username"]
    subject = new_id()
    owner.call("PUT", f"/users/{name}/sso", json={"subject": subject})
    browser = Browser(lab, provider)
    provider.control(people={"p": person("whatever", "guests", sub=subject)})
    browser.log_in("p")
    assert browser.me()["user"]["role"] == "owner"
    owner.call("PUT", "/me/password", json={"password": PASSWORD})
    answer = requests.post(f"{lab.url}/api/v1/login", json={"username": name, "password": PASSWORD}, timeout=30)
    assert answer.status_code == 200
    owner.call("DELETE", f"/users/{name}/sso")


def test_logging_out_leads_to_the_provider_and_back(lab: RealLab, provider: Provider, browser: Browser) -> None:
    name = new_name()
    provider.control(people={name: person(name, "team")})
    browser.log_in(name)
    browser.me()
    there = urlsplit(browser.call("POST", "/logout")["next"])
    query = parse_qs(there.query)
    assert f"{there.scheme}://{there.netloc}{there.path}" == f"{provider.issuer}/logout"
    assert query["post_logout_redirect_uri"] == [f"{lab.url}/login"] and query["client_id"] == [CLIENT_ID]
    assert len(query["id_token_hint"][0].split(".")) == 3
    browser.me(401)


def test_claims_that_the_token_lacks_come_from_userinfo(lab: RealLab, provider: Provider, browser: Browser) -> None:
    name = new_name()
    provider.control(people={name: person(name, "team")}, claims={"groups": None, "preferred_username": None})
    browser.log_in(name)
    assert browser.me()["user"]["username"] == name
    assert "/userinfo" in provider.asked
    provider.control(people={name: person(name, "team")})
    browser.log_in(name)
    assert "/userinfo" not in provider.asked, "nothing is missing"
    provider.control(people={name: person(name, "team")}, claims={"groups": None}, userinfo={"sub": "another"})
    assert why(browser.log_in(name)) == "untrusted"


def test_the_handshake_tells_of_it(lab: RealLab) -> None:
    answer = requests.get(f"{lab.url}/api/v1/handshake", timeout=30).json()
    assert answer["sso"] == {"label": "Team login", "only": False}


def test_the_login_page_has_a_sentence_for_each_reason() -> None:
    text = (ROOT / "pyhectiqlab/web/src/base/sso.ts").read_text()
    assert tuple(re.findall(r"^  (\w+):", text, re.MULTILINE)) == refusals.ALL


def test_a_lab_without_it_has_none(own_lab: Any) -> None:
    lab = own_lab()
    api = Api.of(lab)
    assert api.get("/handshake")["sso"] is None
    answer = requests.get(f"{lab.url}/api/v1/sso/login", allow_redirects=False, timeout=30)
    assert answer.status_code == 303 and why(answer.headers["location"]) == "off"
    assert api.call("PUT", "/users/nobody/sso", 409, json={"subject": "x"})["error"]["code"] == "no_sso"
