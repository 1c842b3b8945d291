"""Logging in by link and password, cookies and CSRF, keys, users, and who may not."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import requests
from sqlalchemy import select

from pyhectiqlab import settings
from pyhectiqlab.profile import load_profiles
from pyhectiqlab.server.accounts.accounts import AUDIT_KEPT_S
from pyhectiqlab.server.accounts.login import Logins
from pyhectiqlab.store.accounts import AUDIT_ROWS_MAX
from pyhectiqlab.store.sql.meta_schema import users
from pyhectiqlab.testing.lab import RealLab

from ..stores import sql
from .api import Api, error_of, new_id
from .conftest import PASSWORD


@pytest.fixture
def user(api: Api) -> str:
    name = f"user-{new_id(3)}"
    api.call("POST", "/users", 201, json={"username": name, "password": PASSWORD})
    return name


def log_in(lab: RealLab, name: str, password: str = PASSWORD) -> requests.Session:
    browser = requests.Session()
    answer = browser.post(f"{lab.url}/api/v1/login", json={"username": name, "password": password}, timeout=30)
    assert answer.status_code == 200, answer.text
    browser.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return browser


def test_the_first_start_makes_owner_profile_and_link(own_lab: RealLab) -> None:
    own_lab.start()
    assert stat.S_IMODE(own_lab.credentials.stat().st_mode) == 0o600
    assert own_lab.profile == "local"
    owner = Api.of(own_lab).get("/me")
    assert owner["user"]["role"] == "owner" and owner["csrf"] is None
    key = own_lab.api_key
    own_lab.restart()
    assert own_lab.api_key == key, "the profile still works: no new key is made"
    assert len(Api.of(own_lab).get("/keys")["items"]) == 1
    secret = key.encode()
    for path in filter(Path.is_file, own_lab.data_dir.rglob("*")):
        assert secret not in path.read_bytes(), f"{path.name} holds a key as it is"


def test_a_login_link_works_once(lab: RealLab) -> None:
    lab.restart()
    assert lab.login_link is not None
    browser = requests.Session()
    answer = browser.get(lab.login_link, allow_redirects=False, timeout=30)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=lax" in cookie.lower()
    assert browser.get(f"{lab.url}/api/v1/me", timeout=30).json()["csrf"]
    again = requests.get(lab.login_link, timeout=30)
    assert again.status_code == 410 and "hectiqlab login-link" in again.text
    assert requests.get(f"{lab.url}/login-link?token=x", timeout=30).status_code == 410


def test_login_and_logout(lab: RealLab, user: str) -> None:
    browser = log_in(lab, user)
    me = browser.get(f"{lab.url}/api/v1/me", timeout=30).json()
    assert me["user"]["username"] == user and me["csrf"] == browser.headers["X-CSRF-Token"]
    token = browser.cookies["hectiqlab_session"]
    assert browser.post(f"{lab.url}/api/v1/logout", timeout=30).status_code == 200
    answer = requests.get(f"{lab.url}/api/v1/me", cookies={"hectiqlab_session": token}, timeout=30)
    assert answer.status_code == 401
    error_of(answer)


def test_with_the_cookie_a_change_needs_the_csrf_token(lab: RealLab, user: str) -> None:
    browser = log_in(lab, user)
    url = f"{lab.url}/api/v1/projects"
    for token in (None, "", "wrong", "é"):
        headers = {"X-CSRF-Token": None if token is None else token.encode("latin-1")}
        answer = browser.post(url, json={"name": new_id(4)}, headers=headers, timeout=30)  # type: ignore[arg-type]
        assert answer.status_code == 403 and error_of(answer)["code"] == "csrf"
    assert browser.post(url, json={"name": new_id(4)}, timeout=30).status_code == 201
    evil = browser.post(url, json={"name": new_id(4)}, headers={"Origin": "http://evil.example"}, timeout=30)
    assert error_of(evil)["code"] == "cross_origin"
    assert browser.post(url, json={"name": new_id(4)}, headers={"Origin": lab.url}, timeout=30).status_code == 201


def test_wrong_passwords_are_told_alike_and_then_slowed_down(lab: RealLab, user: str) -> None:
    url = f"{lab.url}/api/v1/login"
    unknown = requests.post(url, json={"username": f"nobody-{new_id(3)}", "password": "x" * 9}, timeout=30)
    for _ in range(10):  # on a busy machine the pause may be over before the right password comes
        wrong = [requests.post(url, json={"username": user, "password": "x" * 9}, timeout=30) for _ in range(5)]
        assert wrong[0].status_code == 401 and {a.status_code for a in wrong} <= {401, 429}
        assert unknown.json() == wrong[0].json()
        assert error_of(wrong[0])["code"] == "wrong_password"
        slowed = requests.post(url, json={"username": user, "password": PASSWORD}, timeout=30)
        if slowed.status_code != 200:
            break
    assert slowed.status_code == 429 and int(slowed.headers["retry-after"]) >= 1
    error_of(slowed)


def test_failed_logins_are_in_the_audit_log_and_what_was_typed_as_an_unknown_name_is_not(
    lab: RealLab, user: str, api: Api
) -> None:
    url = f"{lab.url}/api/v1/login"
    typed = f"hunter2-{new_id(4)}"
    for name in (user.upper(), typed):
        assert requests.post(url, json={"username": name, "password": "x" * 9}, timeout=30).status_code == 401
    unknown, known, *_ = api.get("/audit")["items"]
    assert (known["who"], known["via"], known["action"], known["subject"]) == (
        user,
        "password",
        "failed to log in as",
        f"user {user}",
    )
    assert known["address"] == "127.0.0.1"
    assert (unknown["who"], unknown["subject"]) == ("", "an unknown user")
    assert typed not in api.raw("GET", "/audit").text
    assert "hectiqlab_failed_logins_total" in api.raw("GET", "/metrics").text


def test_guesses_do_not_push_out_what_else_the_audit_log_tells() -> None:
    now = 0.0
    logins = Logins(clock=lambda: now)
    assert sum(logins.takes_note() for _ in range(1000)) == settings.LAB_FAILED_LOGINS_NOTED
    taken = 0
    for _ in range(24 * 60):
        now += 60.0
        taken += sum(logins.takes_note() for _ in range(10))
    assert taken == pytest.approx(24 * settings.LAB_FAILED_LOGINS_NOTED_PER_H, abs=1)
    years = AUDIT_KEPT_S / 3600 * settings.LAB_FAILED_LOGINS_NOTED_PER_H + settings.LAB_FAILED_LOGINS_NOTED
    assert years < AUDIT_ROWS_MAX / 2


def test_keys_are_made_with_basic_and_listed(lab: RealLab, user: str) -> None:
    made = requests.post(f"{lab.url}/api/v1/keys", auth=(user, PASSWORD), json={"name": "laptop"}, timeout=30)
    assert made.status_code == 201
    key = made.json()
    api = Api(lab.url, key["key"])
    assert api.get("/me")["user"]["username"] == user
    assert [k["id"] for k in api.get("/keys")["items"]] == [key["id"]]
    assert "key" not in api.get("/keys")["items"][0]


def test_a_revoked_key_is_refused_from_the_next_request_on(lab: RealLab, user: str) -> None:
    """Of one lab. How soon several know of it: tests/fleet/test_fleet.py."""
    key = requests.post(f"{lab.url}/api/v1/keys", auth=(user, PASSWORD), json={"name": "laptop"}, timeout=30).json()
    api = Api(lab.url, key["key"])
    api.call("DELETE", f"/keys/{key['id']}")
    answer = api.raw("GET", "/me")
    assert answer.status_code == 401 and error_of(answer)["code"] == "wrong_key"


def test_wrong_basic_and_basic_elsewhere_are_refused(lab: RealLab, user: str) -> None:
    url = f"{lab.url}/api/v1"
    assert requests.post(f"{url}/keys", auth=(user, "wrong pass"), json={"name": "x"}, timeout=30).status_code == 401
    for header in ("Basic", "Basic !!!", "Basic YQ==", "Basic /////w==", "Bearer", "Bearer ", "Bearer é", "Nonsense x"):
        headers = {"Authorization": header.encode("latin-1")}
        answer = requests.post(f"{url}/keys", headers=headers, json={"name": "x"}, timeout=30)  # type: ignore[arg-type]
        assert answer.status_code == 401, header
        error_of(answer)
    assert requests.get(f"{url}/runs", auth=(user, PASSWORD), timeout=30).status_code == 401


def test_only_an_admin_makes_users_and_a_password_has_a_length(api: Api, other: Api) -> None:
    body = {"username": new_id(4), "password": PASSWORD}
    assert error_of(other.raw("POST", "/users", json=body))["code"] == "not_admin"
    assert error_of(api.raw("POST", "/users", json={**body, "password": "short"}))["code"] == "bad_password"
    api.call("POST", "/users", 201, json=body)
    assert error_of(api.raw("POST", "/users", json=body))["code"] == "name_taken"


def test_a_changed_password_ends_the_other_web_sessions(lab: RealLab, user: str) -> None:
    first, second = log_in(lab, user), log_in(lab, user)
    url, old = f"{lab.url}/api/v1/me/password", first.cookies["hectiqlab_session"]
    for wrong in ({}, {"current": "not the one"}):
        refused = first.put(url, json={"password": "another pass 8", **wrong}, timeout=30)
        assert refused.status_code == 403 and error_of(refused)["code"] == "wrong_password"
    changed = first.put(url, json={"password": "another pass 8", "current": PASSWORD}, timeout=30)
    assert changed.status_code == 200
    assert first.cookies["hectiqlab_session"] != old
    assert first.get(f"{lab.url}/api/v1/me", timeout=30).status_code == 200
    assert second.get(f"{lab.url}/api/v1/me", timeout=30).status_code == 401
    log_in(lab, user, "another pass 8")


def test_everything_but_the_door_needs_a_caller(lab: RealLab) -> None:
    api = Api(lab.url, "")
    api.http.headers.pop("Authorization")
    paths = api.get("/openapi.json")["paths"]
    open_doors = {("/api/v1/handshake", "get"), ("/api/v1/login", "post")}
    open_doors |= {("/api/v1/invites/accept", "post"), ("/api/v1/sso/login", "get"), ("/api/v1/sso/callback", "get")}
    open_doors |= {("/api/v1/command-logins", "post"), ("/api/v1/command-logins/key", "post")}
    # The methods of tus that are allowed here.
    open_doors |= {("/api/v1/uploads", "options"), ("/api/v1/uploads/{upload_id}", "options")}
    for path, methods in paths.items():
        for method in methods:
            if (path, method) in open_doors:
                continue
            url = path.removeprefix("/api/v1").replace("{kind}", "models").replace("{", "").replace("}", "")
            answer = api.raw(method.upper(), url, json={})
            assert answer.status_code == 401, (method, path, answer.status_code, answer.text)
            if method != "head":
                error_of(answer)


def test_a_lab_on_loopback_answers_only_by_its_own_names(lab: RealLab) -> None:
    for host, status in (
        (f"127.0.0.1:{lab.port}", 200),
        (f"localhost:{lab.port}", 200),
        ("LOCALHOST", 200),
        (f"[::1]:{lab.port}", 200),
        ("evil.example", 421),
        (f"127.0.0.1.evil.example:{lab.port}", 421),
        ("", 421),
    ):
        answer = requests.get(f"{lab.url}/api/v1/handshake", headers={"Host": host}, timeout=30)
        assert answer.status_code in ({status} if host else {400, 421}), host


def test_every_answer_has_the_headers_that_protect_it(lab: RealLab) -> None:
    for path in ("/", "/login", "/api/v1/handshake", "/api/v1/runs", "/nothing.js", "/healthz"):
        headers = requests.get(lab.url + path, timeout=30).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert requests.get(f"{lab.url}/api/v1/handshake", timeout=30).headers["Cache-Control"] == "no-store"


def test_an_unknown_protocol_is_told_with_both_sides(api: Api) -> None:
    for version in ("2", "0", "x", "99999999999999999999"):
        answer = api.raw("GET", "/runs", headers={"Hectiqlab-Protocol": version})
        assert answer.status_code == 400 and error_of(answer)["code"] == "protocol_unsupported"
    assert api.raw("GET", "/runs", headers={"Hectiqlab-Protocol": "1"}).status_code == 200


def test_a_profile_of_another_living_lab_is_left_alone(own_lab: RealLab, lab: RealLab) -> None:
    own_lab.home.mkdir(parents=True)
    theirs = f'[local]\nurl = "{lab.url}"\nusername = "a"\nsecret_api_key = "k"\napi_key_uuid = "u"\n'
    theirs += '[work]\nurl = "https://lab.example"\nusername = "b"\nsecret_api_key = "w"\napi_key_uuid = "v"\n'
    own_lab.credentials.write_text(theirs)
    own_lab.credentials.chmod(0o600)
    own_lab.start()
    assert own_lab.profile == f"local-{own_lab.port}"
    kept = load_profiles(own_lab.credentials)
    assert (kept["local"].secret_api_key, kept["work"].secret_api_key) == ("k", "w")
    assert Api.of(own_lab).get("/me")["user"]["role"] == "owner"


def test_a_corrupt_credentials_file_stays_and_the_lab_starts(own_lab: RealLab) -> None:
    own_lab.home.mkdir(parents=True)
    own_lab.credentials.write_text("[local\nnonsense")
    own_lab.credentials.chmod(0o600)
    own_lab.start()
    assert own_lab.profile is None and own_lab.login_link
    assert own_lab.credentials.read_text() == "[local\nnonsense"


def test_web_files_cannot_be_left(lab: RealLab) -> None:
    for path in ("/..%2f..%2fapp.py", "/assets/..%2f..%2f..%2fapp.py", "/%2e%2e/app.py", "/assets/%00", "//etc/passwd"):
        answer = requests.get(lab.url + path, timeout=30)
        assert answer.status_code == 404, (path, answer.text[:100])


def test_a_name_belongs_to_one_user_however_it_is_written(lab: RealLab, api: Api) -> None:
    name = f"Alice-{new_id(3)}"
    api.call("POST", "/users", 201, json={"username": name, "password": PASSWORD})
    for other in (name.upper(), name.lower(), name.replace("Al", "AI"), name.replace("A", "\u0410")):
        answer = api.raw("POST", "/users", json={"username": other, "password": PASSWORD})
        assert answer.status_code in {409, 422}, other
    for other in (f" {name}", f"{name} ", f"{name}\u200b", f"{name[0]}\u0430{name[1:]}"):
        answer = api.raw("POST", "/users", json={"username": other, "password": PASSWORD})
        assert error_of(answer)["code"] == "invalid", other
    for written in (name, name.upper(), f" {name.lower()} "):
        me = log_in(lab, written).get(f"{lab.url}/api/v1/me", timeout=30).json()
        assert me["user"]["username"] == name
    project = api.call("POST", "/projects", 201, json={"name": new_id(4)})["id"]
    api.call("PUT", f"/projects/{project}/members/{name.lower()}", json={"role": "viewer"})


def test_guesses_count_for_the_name_however_it_is_written(lab: RealLab, user: str) -> None:
    body = {"password": "wrong wrong"}
    ways = [user, user.upper(), user.title(), f" {user}", f"{user} ", user.capitalize(), user.swapcase()]
    seen = [
        requests.post(f"{lab.url}/api/v1/login", json={"username": way, **body}, timeout=30).status_code for way in ways
    ]
    assert 429 in seen


def test_an_older_lab_with_names_that_look_alike_goes_on(own_lab: RealLab) -> None:
    api = Api.of(own_lab.start())
    api.call("POST", "/users", 201, json={"username": "ada", "password": PASSWORD})
    with sql(own_lab.data_dir) as conn:
        password_hash = conn.execute(select(users.c.password_hash).where(users.c.username == "ada")).scalar_one()
        for name in ("Ada", "ada ", "b:c/d"):
            row = {
                "id": new_id(4),
                "username": name,
                "role": "member",
                "created": 0.0,
                "password_hash": password_hash,
            }
            conn.execute(users.insert().values(**row))
    own_lab.restart()
    for name in ("ada", "Ada", "ada "):
        assert log_in(own_lab, name).get(f"{own_lab.url}/api/v1/me", timeout=30).json()["user"]["username"] == name
    body = {"username": "ADA", "password": PASSWORD}
    assert requests.post(f"{own_lab.url}/api/v1/login", json=body, timeout=30).status_code == 401, "whose is not known"
    assert {"ada", "Ada", "ada ", "b:c/d"} <= {u["username"] for u in api.get("/users")["items"]}
