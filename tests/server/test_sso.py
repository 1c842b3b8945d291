"""Single sign-on: a real lab, and a real provider of OpenID Connect in a process of its own, over HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import select

from pyhectiqlab import settings
from pyhectiqlab.errors import LabError
from pyhectiqlab.server.sso import refusals
from pyhectiqlab.server.sso.pending import Pending
from pyhectiqlab.store.notes import MemoryNotes
from pyhectiqlab.store.sql.meta_schema import web_sessions
from pyhectiqlab.testing.lab import RealLab

from ..commands import run_command
from ..labs import ForkedLab
from ..oidc_provider import CLIENT_ID, CLIENT_SECRET, ROOT, Provider, running_provider
from ..stores import sql
from .api import Api, error_of, new_id, wait_until
from .conftest import PASSWORD

ROLES = ("--oidc-role", "lab-admins=admin", "--oidc-role", "team=member;guests=viewer;out=none")


def options(provider: Provider, *more: str) -> list[str]:
    return ["--oidc-issuer", provider.issuer, "--oidc-client-id", CLIENT_ID, *ROLES, *more]


ENV = {"HECTIQLAB_OIDC_CLIENT_SECRET": CLIENT_SECRET}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def lab(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    folder = tmp_path_factory.mktemp("sso")
    more = ("--oidc-project", "team=shared:member;guests=shared:viewer", "--oidc-label", "Team login")
    with ForkedLab(folder / "data", folder / "home", *options(provider, *more), env=ENV) as real:
        yield real


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[Any]:
    """Starts a lab with other options."""
    labs = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> RealLab:
        labs.append(ForkedLab(tmp_path / "data", tmp_path / "home", *arguments, env=env or ENV))
        return labs[-1].start()

    yield start
    for lab in labs:
        lab.kill()


def person(name: str, *groups: str, **more: Any) -> dict[str, Any]:
    told = {"sub": f"id of {name}", "preferred_username": name, "groups": list(groups), **more}
    return {claim: value for claim, value in told.items() if value is not None}


def new_name() -> str:
    return f"ada-{new_id(3)}"


class Browser:
    """A browser of one person: what it was told, and where it was sent."""

    def __init__(self, lab: RealLab, provider: Provider) -> None:
        self.lab, self.provider = lab, provider
        self.http = requests.Session()

    def get(self, address: str) -> requests.Response:
        return self.http.get(address, allow_redirects=False, timeout=30)

    def begin(self, then: str = "/") -> str:
        """Begin a login; return where the lab sends the browser to."""
        answer = self.http.get(
            f"{self.lab.url}/api/v1/sso/login", params={"next": then}, allow_redirects=False, timeout=30
        )
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def log_in(self, name: str, then: str = "/") -> str:
        """Log in as that person of the provider; return the page that the lab sends the browser to."""
        return self.come_back(self.provider.log_in(self.begin(then), name))

    def come_back(self, address: str) -> str:
        answer = self.get(address)
        assert answer.status_code == 303, (answer.text, self.lab.log()[-3000:])
        return answer.headers["location"]

    def me(self, status: int = 200) -> Any:
        answer = self.http.get(f"{self.lab.url}/api/v1/me", timeout=30)
        assert answer.status_code == status, answer.text
        if status == 200:
            self.http.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return answer.json()

    def call(self, method: str, path: str, status: int = 200, **kw: Any) -> Any:
        answer = self.http.request(method, f"{self.lab.url}/api/v1{path}", timeout=30, **kw)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def browser(lab: RealLab, provider: Provider) -> Browser:
    return Browser(lab, provider)


def why(page: str) -> str:
    """The word with which a login was refused."""
    parts = urlsplit(page)
    assert parts.path.endswith("/login"), page
    return parse_qs(parts.query)["sso"][0]


def audit(lab: RealLab) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = Api.of(lab).get("/audit")["items"]
    return items


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
    told = {item["action"] for item in audit(lab) if item["subject"] == f"user {name}"}
    assert {"lost the access of", "failed to log in as"} <= told
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
    told = requests.get(f"{lab.url}/api/v1/handshake", timeout=30).json()
    assert told["sso"] == {"label": "Team login", "only": False}


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


# Hostile: whoever sends the browser, and what comes instead of the provider's token


def test_no_page_of_another_site_comes_after_the_login(provider: Provider, browser: Browser) -> None:
    name = new_name()
    provider.control(people={name: person(name, "team")})
    for then in ("//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "evil", "/login?x"):
        assert browser.log_in(name, then) == "/", then


def test_a_login_that_somebody_else_began_is_none(lab: RealLab, provider: Provider, browser: Browser) -> None:
    """Login CSRF: the victim's browser opens an address with the code of an attacker."""
    provider.control(people={"mallory": person(new_name(), "team")})
    attacker = Browser(lab, provider)
    address = provider.log_in(attacker.begin(), "mallory")
    assert why(browser.come_back(address)) == "stale", "without a cookie"
    browser.begin()
    assert why(browser.come_back(address)) == "stale", "with the cookie of another login"
    assert attacker.come_back(address) == "/", "nobody took it from the one whose it is"


def test_a_login_is_used_once(provider: Provider, browser: Browser) -> None:
    name = new_name()
    provider.control(people={name: person(name, "team")})
    address = provider.log_in(browser.begin(), name)
    assert browser.come_back(address) == "/"
    assert why(browser.come_back(address)) == "stale"
    for state in ("", "wrong", "x" * 200):
        assert why(browser.come_back(f"{browser.lab.url}/api/v1/sso/callback?code=1&state={state}")) == "stale"


def test_a_session_that_was_there_ends(lab: RealLab, provider: Provider, browser: Browser) -> None:
    """So nobody goes on in a cookie that somebody else put there."""
    name = new_name()
    provider.control(people={name: person(name, "team")})
    browser.log_in(name)
    before = Browser(lab, provider)
    before.http.cookies.update(browser.http.cookies)
    before.me()
    browser.log_in(name)
    browser.me()
    before.me(401)


NOW = time.time()
BAD_TOKENS: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"claims": {"nonce": "of another login"}}, "untrusted"),
    "no nonce": ({"claims": {"nonce": None}}, "untrusted"),
    "another audience": ({"claims": {"aud": "another client"}}, "audience"),
    "several audiences": ({"claims": {"aud": [CLIENT_ID, "other"], "azp": "other"}}, "audience"),
    "no audience": ({"claims": {"aud": None}}, "audience"),
    "another issuer": ({"claims": {"iss": "https://evil.example"}}, "untrusted"),
    "expired": ({"claims": {"iat": NOW - 4000, "exp": NOW - 3600}}, "clock"),
    "issued long ago": ({"claims": {"iat": NOW - 4000, "exp": NOW + 4000}}, "clock"),
    "of the future": ({"claims": {"iat": NOW + 3600, "exp": NOW + 4000}}, "clock"),
    "never expires": ({"claims": {"exp": None}}, "untrusted"),
    "an end that is no number": ({"claims": {"exp": "tomorrow"}}, "untrusted"),
    "nobody": ({"claims": {"sub": None}}, "untrusted"),
    "an empty subject": ({"claims": {"sub": ""}}, "untrusted"),
    "a subject that is no text": ({"claims": {"sub": 7}}, "untrusted"),
    "a subject without end": ({"claims": {"sub": "x" * 300}}, "untrusted"),
    "alg none": ({"alg": "none"}, "untrusted"),
    "signed with the client's secret": ({"alg": "HS256"}, "untrusted"),
    "signed by somebody else": ({"forge": True}, "untrusted"),
    "another access token": ({"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}}, "untrusted"),
    "an answer of another provider": ({"answer": {"iss": "https://evil.example"}}, "untrusted"),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_what_is_no_token_for_this_login_lets_nobody_in(provider: Provider, browser: Browser, name: str) -> None:
    told, wanted = BAD_TOKENS[name]
    provider.control(people={"eve": person(new_name(), "lab-admins")}, **told)
    assert why(browser.log_in("eve")) == wanted
    browser.me(401)
    assert wanted in browser.lab.log().splitlines()[-1], "whoever runs the lab reads why"


def test_clocks_may_differ_a_little(provider: Provider, browser: Browser) -> None:
    name, now = new_name(), time.time()
    provider.control(people={name: person(name, "team")}, claims={"iat": now + 100, "exp": now + 200})
    assert browser.log_in(name) == "/"
    provider.control(people={name: person(name, "team")}, claims={"iat": now - 200, "exp": now - 100})
    assert browser.log_in(name) == "/"


def test_whom_the_provider_refuses_is_not_let_in(provider: Provider, browser: Browser) -> None:
    provider.control(people={})
    assert why(browser.log_in("nobody")) == "denied"


def test_guesses_have_an_end(own_lab: Any, provider: Provider) -> None:
    lab = own_lab(*options(provider))
    browser = Browser(lab, provider)
    bad = f"{lab.url}/api/v1/sso/callback?code=1&state=guess"
    assert {why(browser.come_back(bad)) for _ in range(50)} == {"stale"}
    assert why(browser.come_back(bad)) == "throttled"
    assert why(browser.begin()) == "throttled"


def test_two_first_logins_at_once_make_one_user(lab: RealLab, provider: Provider) -> None:
    name = new_name()
    provider.control(people={name: person(name, "team")})
    browsers = [Browser(lab, provider) for _ in range(4)]
    addresses = [provider.log_in(browser.begin(), name) for browser in browsers]
    with ThreadPoolExecutor(4) as threads:
        pages = list(threads.map(lambda pair: pair[0].come_back(pair[1]), zip(browsers, addresses, strict=True)))
    assert pages == ["/"] * 4
    assert {browser.me()["user"]["id"] for browser in browsers} == {browsers[0].me()["user"]["id"]}


def test_logins_under_way_end_and_are_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "LAB_SSO_LOGINS_OF_ADDRESS", 2)
    monkeypatch.setattr(settings, "LAB_SSO_LOGINS_MAX", 3)
    now = 0.0
    pending = Pending(MemoryNotes(lambda: now))
    states = [pending.begin("cookie", place, "back", "/")[0] for place in ("a", "a", "a", "b", "c")]
    there = [pending.take(state, "cookie") is not None for state in states[:4]]
    assert there == [False, False, True, True], "the oldest of an address, then the oldest of all"
    now = settings.LAB_SSO_LOGIN_S
    assert pending.take(states[4], "cookie") is None
    assert len({pending.begin("cookie", "d", "back", "/")[1].verifier for _ in range(9)}) == 9


def test_a_lab_without_a_provider_needs_no_authlib() -> None:
    code = "import sys; sys.modules['authlib'] = None; import pyhectiqlab.server.serve"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# The provider changes, or is away


def test_a_new_key_of_the_provider_is_fetched(own_lab: Any, provider: Provider) -> None:
    browser, name = Browser(own_lab(*options(provider)), provider), new_name()
    provider.control(people={name: person(name, "team")})
    assert browser.log_in(name) == "/"
    provider.control(people={name: person(name, "team")}, rotate=True)
    assert browser.log_in(name) == "/"
    assert "/keys" in provider.asked
    provider.control(people={name: person(name, "team")})
    assert browser.log_in(name) == "/"
    assert "/keys" not in provider.asked, "they are kept"
    provider.control(people={name: person(name, "team")}, forge=True)
    assert why(browser.log_in(name)) == "untrusted"
    assert "/keys" not in provider.asked, "whoever forges tokens does not make the lab ask all the time"


def test_a_provider_that_is_away_takes_nobody_out(own_lab: Any) -> None:
    """Who is logged in stays so, and passwords work; the login says what is wrong, and works again."""
    with running_provider() as provider:
        lab = own_lab(*options(provider))
        owner = Api.of(lab)
        owner.call("POST", "/users", 201, json={"username": "bob", "password": PASSWORD})
        name = new_name()
        provider.control(people={name: person(name, "team")}, status=503)
        browser = Browser(lab, provider)
        assert why(browser.begin()) == "unreachable"
        provider.control(people={name: person(name, "team")})
        wait_until(lambda: urlsplit(browser.begin()).path == "/authorize")
        assert browser.log_in(name) == "/"
        address = provider.log_in(Browser(lab, provider).begin(), name)
        begun = Browser(lab, provider)
        address = provider.log_in(begun.begin(), name)
    assert why(begun.come_back(address)) == "unreachable"
    assert browser.me()["user"]["username"] == name
    answer = requests.post(f"{lab.url}/api/v1/login", json={"username": "bob", "password": PASSWORD}, timeout=30)
    assert answer.status_code == 200
    lab.restart()
    assert browser.me()["user"]["username"] == name, "a lab starts without its provider"
    assert why(browser.begin()) == "unreachable"


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
    ],
)
def test_a_provider_that_says_odd_things_is_not_used(own_lab: Any, provider: Provider, discovery: Any) -> None:
    provider.control(people={}, discovery=discovery)
    lab = own_lab(*options(provider))
    assert why(Browser(lab, provider).begin()) == "misconfigured"
    assert "misconfigured" in lab.log()


def test_a_wrong_secret_is_told_in_the_log(own_lab: Any, provider: Provider) -> None:
    provider.control(people={"p": person(new_name(), "team")})
    lab = own_lab(*options(provider), env={"HECTIQLAB_OIDC_CLIENT_SECRET": "wrong"})
    assert why(Browser(lab, provider).log_in("p")) == "misconfigured"
    assert "invalid_client" in lab.log()


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
    told = {"hd": "example.org", "email": "ada@example.org", "email_verified": True}
    ada = person("ignored", **told, realm_access={"roles": ["team"]})
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
    ("arguments", "told"),
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
def test_options_that_do_not_fit_end_the_start_in_a_line(own_lab: Any, arguments: list[str], told: str) -> None:
    with pytest.raises(LabError, match="did not start") as caught:
        own_lab(*arguments)
    lines = [line for line in str(caught.value).splitlines() if line]
    assert told in lines[-1] and "Traceback" not in str(caught.value), caught.value


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
