"""A command that logs in by a page in the browser: codes, who may confirm them, and what the command gets."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from pyhectiqlab import settings
from pyhectiqlab.server.accounts.command_logins import LETTERS, WRONG_CODES_FREE, CommandLogins
from pyhectiqlab.store.notes import MemoryNotes
from pyhectiqlab.testing.lab import RealLab

from .api import Api, error_of, new_id
from .conftest import PASSWORD
from .test_accounts import log_in


@pytest.fixture
def stranger(lab: RealLab) -> Api:
    api = Api(lab.url, "")
    del api.http.headers["Authorization"]
    return api


@pytest.fixture
def user(api: Api) -> str:
    name = f"user-{new_id(3)}"
    api.call("POST", "/users", 201, json={"username": name, "password": PASSWORD})
    return name


class Page:
    """The browser of somebody who is logged in."""

    def __init__(self, lab: RealLab, name: str) -> None:
        self._lab, self._http = lab, log_in(lab, name)

    def call(self, method: str, code: str, status: int = 200, **json: Any) -> Any:
        answer = self._http.request(method, f"{self._lab.url}/api/v1/command-logins/{code}", json=json, timeout=30)
        assert answer.status_code == status, answer.text
        return answer.json()


def begin(stranger: Api, name: str = "ada@gpu7") -> Any:
    return stranger.call("POST", "/command-logins", 201, json={"name": name})


def poll(stranger: Api, secret: str, status: int = 200) -> Any:
    return stranger.call("POST", "/command-logins/key", status, json={"secret": secret})


def test_a_command_gets_a_key_once_somebody_confirmed_its_code(
    lab: RealLab, api: Api, stranger: Api, user: str
) -> None:
    begun, page = begin(stranger), Page(lab, user)
    assert begun["url"] == f"{lab.url}/command?code={begun['code']}" and begun["secret"] not in begun["url"]
    assert poll(stranger, begun["secret"]) == {"state": "waiting", "username": None, "key": None}
    login = page.call("GET", begun["code"].lower().replace("-", " "))
    assert (login["code"], login["name"], login["address"]) == (begun["code"], "ada@gpu7", "127.0.0.1")
    page.call("PUT", begun["code"], allow=True)
    page.call("PUT", begun["code"], 404, allow=True)
    granted = poll(stranger, begun["secret"])
    assert (granted["state"], granted["username"], granted["key"]["name"]) == ("granted", user, "ada@gpu7")
    assert Api(lab.url, granted["key"]["key"]).get("/me")["user"]["username"] == user
    poll(stranger, begun["secret"], 404)
    noted = next(item for item in api.get("/audit")["items"] if item["subject"] == "key ada@gpu7")
    assert (noted["who"], noted["detail"]) == (user, "for a command, confirmed in the browser")


def test_a_login_that_is_refused_gives_no_key(lab: RealLab, stranger: Api, user: str) -> None:
    begun, page = begin(stranger), Page(lab, user)
    page.call("PUT", begun["code"], allow=False)
    assert poll(stranger, begun["secret"], 403)["error"]["code"] == "login_refused"
    page.call("GET", begun["code"], 404)
    poll(stranger, begun["secret"], 404)


def test_who_is_disabled_before_the_command_asks_gives_no_key(lab: RealLab, api: Api, stranger: Api, user: str) -> None:
    begun = begin(stranger)
    Page(lab, user).call("PUT", begun["code"], allow=True)
    api.call("PATCH", f"/users/{user}", json={"disabled": True})
    assert poll(stranger, begun["secret"], 403)["error"]["code"] == "login_refused"


def test_only_somebody_at_a_browser_confirms(lab: RealLab, api: Api, stranger: Api, user: str) -> None:
    begun = begin(stranger)
    where = f"/command-logins/{begun['code']}"
    assert api.call("PUT", where, 409, json={"allow": True})["error"]["code"] == "no_browser"
    api.get(where, 409)
    stranger.get(where, 401)
    stranger.call("PUT", where, 401, json={"allow": True})
    browser = log_in(lab, user)
    del browser.headers["X-CSRF-Token"]
    refused = browser.put(f"{lab.url}/api/v1{where}", json={"allow": True}, timeout=30)
    assert (refused.status_code, error_of(refused)["code"]) == (403, "csrf")
    assert poll(stranger, begun["secret"])["state"] == "waiting"


def test_codes_are_not_guessed(lab: RealLab, stranger: Api, user: str) -> None:
    begun, page = begin(stranger), Page(lab, user)
    for n in range(WRONG_CODES_FREE):
        page.call("GET" if n % 2 else "PUT", "BBBB-BBBB", 404, allow=True)
    assert page.call("GET", begun["code"], 429)["error"]["code"] == "throttled"
    page.call("PUT", begun["code"], 429, allow=True)
    for wrong in ("", "x", begun["code"]):
        poll(stranger, wrong, 404)


def test_names_are_shown_as_they_are_read(stranger: Api) -> None:
    for name in ("", "a\nb", "x" * 600, "\u202eevil", 7):
        assert stranger.raw("POST", "/command-logins", json={"name": name}).status_code == 422, name


def test_a_login_ends_by_itself_and_there_are_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "LAB_COMMAND_LOGINS_OF_ADDRESS", 2)
    monkeypatch.setattr(settings, "LAB_COMMAND_LOGINS_MAX", 3)
    now = time.monotonic()
    logins = CommandLogins(MemoryNotes(lambda: now))
    begun = [logins.begin("k", "1.2.3.4", place) for place in ("a", "a", "a", "b", "c")]
    there = [logins.poll(secret) is not None for secret, _ in begun]
    assert there == [False, False, True, True, True], "the oldest of a place, then the oldest of all"
    assert all(set(login.code) <= set(LETTERS) and len(login.code) == 8 for _, login in begun)
    assert logins.settle(begun[4][1].code, "user", True) is not None
    now += settings.LAB_COMMAND_LOGIN_S
    assert logins.find(begun[3][1].code, "user") is None
    assert all(logins.poll(secret) is None for secret, _ in begun)


def test_the_link_leads_to_where_people_find_the_lab(own_lab: RealLab) -> None:
    own_lab.arguments = ("--public-url", "https://lab.example.org/tools", "--root-path", "/tools")
    own_lab.start()
    begun = requests.post(f"{own_lab.url}/api/v1/command-logins", json={"name": "k"}, timeout=30).json()
    assert begun["url"] == f"https://lab.example.org/tools/command?code={begun['code']}"
