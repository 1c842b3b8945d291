"""Single sign-on, hostile: whoever sends the browser, false tokens, and a provider that changes or is away."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from pyhectiqlab import settings
from pyhectiqlab.server.sso.pending import Pending
from pyhectiqlab.store.notes import MemoryNotes
from pyhectiqlab.testing.lab import RealLab

from ...oidc_provider import CLIENT_ID, Provider, running_provider
from ..api import Api, wait_until
from ..conftest import PASSWORD
from .world import Browser, new_name, options, person, why

# Hostile: whoever sends the browser, and what comes in place of the provider's token


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
    """So nobody continues in a cookie that somebody else put there."""
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
    controls, wanted = BAD_TOKENS[name]
    provider.control(people={"eve": person(new_name(), "lab-admins")}, **controls)
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


def test_a_new_key_of_the_provider_is_fetched(own_lab: Any) -> None:
    # A provider of its own: the lab of the other tests would refuse its new key for KEYS_AGAIN_S after a forged token.
    with running_provider() as provider:
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
    """Those who are logged in stay so, and passwords work. The login says what is wrong, and works again afterwards."""
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
