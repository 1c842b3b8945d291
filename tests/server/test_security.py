"""What somebody hostile may try: from another site, with a stolen or planted cookie, with names, files and bodies."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pyhectiqlab.errors import ConfigurationError
from pyhectiqlab.server.accounts.login import ENTRIES_MAX, FREE_FAILURES, FREE_FAILURES_OF_NAME, KIND, Logins
from pyhectiqlab.server.http.cookies import COOKIE, without_others
from pyhectiqlab.server.http.proxies import Trusted, caller_address, place_of
from pyhectiqlab.server.serve import checked_url
from pyhectiqlab.store.notes import MemoryNotes
from pyhectiqlab.testing.lab import RealLab

from ..labs import ForkedLab
from .api import INGEST_HEADERS, Api, batch, error_of, new_id, packed, wait_until
from .conftest import PASSWORD
from .test_accounts import log_in

XSS = "<script>window.pwned=1</script>"


@pytest.fixture
def user(api: Api) -> str:
    name = f"user-{new_id(3)}"
    api.call("POST", "/users", 201, json={"username": name, "password": PASSWORD})
    return name


# Other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_change_from_another_site_is_refused_even_with_the_token(
    lab: RealLab, user: str, headers: dict[str, str]
) -> None:
    browser = log_in(lab, user)
    answer = browser.post(f"{lab.url}/api/v1/projects", json={"name": new_id(4)}, headers=headers, timeout=30)
    assert answer.status_code == 403 and error_of(answer)["code"] == "cross_origin"
    body = {"username": user, "password": PASSWORD}
    login = requests.post(f"{lab.url}/api/v1/login", json=body, headers=headers, timeout=30)
    assert login.status_code == 403, "nobody is logged in as somebody else by another site"
    assert "set-cookie" not in login.headers


def test_pages_carry_headers_that_keep_other_code_out(lab: RealLab) -> None:
    for path in ("/", "/login", "/api/v1/handshake", "/login-link?token=x", "/no/such/page"):
        headers = requests.get(lab.url + path, timeout=30).headers
        policy = headers["content-security-policy"]
        assert "unsafe-eval" not in policy and policy.count("'unsafe-inline'") == 1
        for rule in (
            "default-src 'self';",
            "script-src 'self';",
            "frame-ancestors 'none'",
            "object-src 'none'",
            "base-uri 'self'",
        ):
            assert rule in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_lab_on_loopback_answers_under_its_own_name_alone(lab: RealLab, host: str) -> None:
    answer = requests.get(f"{lab.url}/api/v1/handshake", headers={"Host": host}, timeout=30)
    assert answer.status_code in {400, 421} and "evil" not in answer.headers.get("location", "")


def test_no_page_sends_a_browser_elsewhere(lab: RealLab) -> None:
    for path in (
        "//evil.example",
        "/%2f%2fevil.example",
        "/login?next=//evil.example",
        "/\\evil.example",
        "/runs//evil",
    ):
        answer = requests.get(lab.url + path, allow_redirects=False, timeout=30)
        assert "location" not in answer.headers, path


# Cookies and passwords


def test_a_planted_cookie_is_not_what_one_goes_on_with(lab: RealLab, user: str) -> None:
    victim = requests.Session()
    victim.cookies.set(COOKIE, "planted-by-somebody")
    body = {"username": user, "password": PASSWORD}
    assert victim.post(f"{lab.url}/api/v1/login", json=body, timeout=30).status_code == 200
    tokens = {cookie.value for cookie in victim.cookies if cookie.name == COOKIE} - {"planted-by-somebody"}
    assert len(tokens) == 1
    planted = requests.get(f"{lab.url}/api/v1/me", cookies={COOKIE: "planted-by-somebody"}, timeout=30)
    assert planted.status_code == 401


def test_the_cookie_is_found_among_those_of_everything_else_on_the_host(lab: RealLab, user: str) -> None:
    token = log_in(lab, user).cookies[COOKIE]

    def status(cookies: str) -> int:
        return requests.get(f"{lab.url}/api/v1/me", headers={"Cookie": cookies}, timeout=30).status_code

    assert status(f"{COOKIE}={token}") == 200
    assert status(f'a="\\"; b;;=c;  {COOKIE} = {token} ;{COOKIE}_x=y') == 200
    assert status(f"{COOKIE}=older; {COOKIE}={token}") == 200
    assert status(f"{COOKIE}={token}; {COOKIE}=later") == 401
    assert status(f"x{COOKIE}={token}; a={COOKIE}={token}") == 401
    assert status(f"{COOKIE}=") == status("=") == status(";" * 30_000) == 401


def test_no_other_cookie_is_parsed() -> None:
    """Python's parser takes seconds for one of backslashes: CVE-2024-7592."""

    def left(cookies: str, root_path: str = "") -> list[tuple[bytes, bytes]]:
        headers = [(b"host", b"lab"), (b"cookie", cookies.encode())]
        return list(without_others({"type": "http", "root_path": root_path, "headers": headers})["headers"])

    slow = 'a="' + "\\" * 30_000 + '"'
    assert left(slow) == [(b"host", b"lab")]
    assert left(f"{slow}; {COOKIE}=t_0-k; b=c") == [(b"host", b"lab"), (b"cookie", f"{COOKIE}=t_0-k".encode())]
    assert left(f"{COOKIE}={slow[2:]}") == [(b"host", b"lab")]
    assert left(f"{COOKIE}=a; {COOKIE}_lab=b", "/lab") == [(b"host", b"lab"), (b"cookie", f"{COOKIE}_lab=b".encode())]


def test_a_login_ends_the_session_that_came_with_it(lab: RealLab, user: str) -> None:
    first = log_in(lab, user)
    old = first.cookies[COOKIE]
    first.post(f"{lab.url}/api/v1/login", json={"username": user, "password": PASSWORD}, timeout=30)
    assert requests.get(f"{lab.url}/api/v1/me", cookies={COOKIE: old}, timeout=30).status_code == 401


def test_logging_out_everywhere_ends_every_session(lab: RealLab, user: str) -> None:
    first, second = log_in(lab, user), log_in(lab, user)
    assert first.post(f"{lab.url}/api/v1/logout/everywhere", timeout=30).status_code == 200
    assert second.get(f"{lab.url}/api/v1/me", timeout=30).status_code == 401


def test_guesses_wait_by_name_by_address_and_by_both() -> None:
    now = [0.0]
    logins = Logins(MemoryNotes(lambda: now[0]))
    logins.succeeded("ada", "home")
    for i in range(FREE_FAILURES_OF_NAME):
        logins.failed("ada", f"bot{i}")
    assert logins.wait_s("ada", "a new bot") > 0, "a name that is guessed from everywhere"
    assert logins.wait_s("ada", "home") == 0, "its owner is not locked out where they were before"
    for _ in range(5):
        logins.failed("bob", "bot")
    assert logins.wait_s("bob", "bot") > 0 and logins.wait_s("bob", "home") == 0
    for i in range(50):
        logins.failed(f"name{i}", "sprayer")
    assert logins.wait_s("never tried", "sprayer") > 0
    now[0] += 10_000
    assert logins.wait_s("bob", "bot") == 0


def test_what_is_remembered_of_guesses_is_bounded() -> None:
    memory = MemoryNotes()
    logins = Logins(memory)
    for i in range(ENTRIES_MAX + 10):
        logins.failed(f"n{i}", f"a{i}")
        logins.succeeded(f"m{i}", f"b{i}")
    with memory.of(KIND) as notes:
        assert notes.count() == 4 * ENTRIES_MAX
        assert all(notes.count(what) == ENTRIES_MAX for what in ("known", "name", "address", "both"))


def test_a_key_that_expired_opens_nothing(lab: RealLab, api: Api) -> None:
    made = api.call("POST", "/keys", 201, json={"name": "short", "days": 1})
    assert 0 < made["expires"] - time.time() <= 86_400
    assert Api(lab.url, made["key"]).get("/me")
    assert error_of(api.raw("POST", "/keys", json={"name": "x", "days": 0}))["code"] == "invalid"
    listed = next(k for k in api.get("/keys")["items"] if k["id"] == made["id"])
    assert listed["last_used"] is not None and made["key"] not in str(listed)
    api.call("DELETE", f"/keys/{made['id']}")


def test_an_invite_makes_one_account_with_its_role(lab: RealLab, api: Api) -> None:
    made = api.call("POST", "/invites", 201, json={"role": "viewer"})
    assert "#" in made["url"] and made["url"].endswith(made["token"])
    url, name = f"{lab.url}/api/v1/invites/accept", f"new-{new_id(3)}"
    body = {"token": made["token"], "username": name, "password": PASSWORD}
    assert requests.post(url, json={**body, "password": "short"}, timeout=30).status_code == 422
    accepted = requests.post(url, json=body, timeout=30)
    assert accepted.status_code == 201 and accepted.json()["user"]["role"] == "viewer"
    assert COOKIE in accepted.cookies
    again = requests.post(url, json={**body, "username": "another"}, timeout=30)
    assert again.status_code == 404 and error_of(again)["code"] == "invite_not_found"
    back = api.call("POST", "/invites", 201, json={})
    api.call("DELETE", f"/invites/{back['id']}")
    assert requests.post(url, json={**body, "token": back["token"]}, timeout=30).status_code == 404


# Proxies and addresses


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "caller"),
    [
        ("*", "127.0.0.1", "6.6.6.6, 9.9.9.9", "9.9.9.9"),
        ("*", "127.0.0.1", "", "127.0.0.1"),
        ("*", "127.0.0.1", "6.6.6.6, evil", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1", "6.6.6.6, 9.9.9.9", "9.9.9.9"),
        ("127.0.0.1", "8.8.8.8", "6.6.6.6", "8.8.8.8"),
        ("127.0.0.1,10.0.0.0/8", "127.0.0.1", "6.6.6.6, 9.9.9.9, 10.1.2.3", "9.9.9.9"),
        ("127.0.0.1,10.0.0.0/8", "127.0.0.1", "10.0.0.9, 10.1.2.3", "10.0.0.9"),
        ("127.0.0.1, *", "127.0.0.1", "6.6.6.6, 9.9.9.9, 127.0.0.1", "9.9.9.9"),
        ("::1", "::1", "6.6.6.6, [2001:db8::1]:443", "2001:db8::1"),
        ("127.0.0.1", "::ffff:127.0.0.1", "::ffff:9.9.9.9", "9.9.9.9"),
    ],
)
def test_who_asks_is_the_last_address_that_no_trusted_proxy_has(
    trusted: str, peer: str, forwarded: str, caller: str
) -> None:
    assert caller_address(peer, forwarded, Trusted.parsed(trusted)) == caller


def test_a_proxy_that_is_no_address_is_refused_at_the_start() -> None:
    for wrong in ("nginx", "10.0.0.0/99", "1.2.3"):
        with pytest.raises(ConfigurationError, match="--behind-proxy"):
            Trusted.parsed(wrong)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    """Start a lab that believes whoever connects, and knows its public address."""
    folder = tmp_path_factory.mktemp("behind")
    options = ["--behind-proxy", "*", "--public-url", "https://lab.example.org/tools/"]
    with ForkedLab(folder / "data", folder / "home", *options) as lab:
        yield lab


def test_made_up_addresses_are_no_way_around_the_limit_of_logins(behind: RealLab) -> None:
    seen = []
    for i in range(FREE_FAILURES + 3):
        headers = {"X-Forwarded-For": f"6.6.{i}.6, 9.9.9.9"}
        body = {"username": "ada", "password": "wrong wrong"}
        seen.append(requests.post(f"{behind.url}/api/v1/login", json=body, headers=headers, timeout=30).status_code)
    assert 429 in seen and set(seen) <= {401, 429}
    api = Api.of(behind)
    api.http.headers["X-Forwarded-For"] = "6.6.6.6, 9.9.9.8"
    api.call("POST", "/projects", 201, json={"name": new_id(4)})
    assert api.get("/audit", limit=1)["items"][0]["address"] == "9.9.9.8"


def test_every_link_leads_to_the_public_address_whatever_host_was_asked(behind: RealLab) -> None:
    api = Api.of(behind)
    api.http.headers["Host"] = "evil.example"
    public = "https://lab.example.org/tools"
    assert api.call("POST", "/invites", 201, json={"role": "member"})["url"].startswith(f"{public}/invite#")
    run = api.attach()["run"]
    assert run["url"] == f"{public}/runs/{run['id']}"
    data = new_id().encode()
    digest = hashlib.sha256(data).hexdigest()
    upload(api, data, digest)
    file = {"digest": digest, "bytes": len(data)}
    answers = [api.call("POST", f"/runs/{run['id']}/artifacts", 201, json={"name": "a", **file})]
    of_project = f"/projects/{api.run(run['id'])['project']['id']}/models/m"
    api.call("POST", f"{of_project}/versions", 201, json={"files": [{"path": "w", **file}], "run": run["id"]})
    answers += [api.get(path) for path in ("/runs", f"/runs/{run['id']}", f"{of_project}/versions/latest")]
    text = json.dumps(answers)
    assert "evil" not in text and behind.url not in text and text.count(public) >= 4


@pytest.mark.parametrize("wrong", ["lab.example.org", "ftp://lab", "https://", "https://lab/?x", "javascript:1"])
def test_a_public_address_that_is_none_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="--public-url"):
        checked_url(wrong, "")


@pytest.mark.parametrize(
    "public, root, advice",
    [
        ("https://lab.example.org", "/tools", "give --public-url https://lab.example.org/tools."),
        ("https://lab.example.org/a/", "/b", "give --public-url https://lab.example.org/b, or --root-path /a."),
    ],
)
def test_a_public_address_has_the_path_below_which_the_lab_is(public: str, root: str, advice: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(advice)):
        checked_url(public, root)
    assert checked_url("https://lab.example.org/tools/", "/tools") == "https://lab.example.org/tools"
    assert checked_url("", "/tools") == ""


# Paths, bodies, names


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/lab.db", "/assets/..%2f..%2f..%2fapp.py", "/..%5c..%5clab.db", "/%00"]
)
def test_no_path_leads_out_of_the_pages(lab: RealLab, path: str) -> None:
    with requests.Session() as http:
        prepared = http.prepare_request(requests.Request("GET", lab.url))
        prepared.url = lab.url + path
        answer = http.send(prepared, timeout=30)
    assert answer.status_code in {400, 404}
    assert b"root:" not in answer.content and b"SQLite" not in answer.content


def test_a_small_body_that_unpacks_to_gigabytes_is_refused(api: Api) -> None:
    bomb = gzip.compress(bytes(256 << 20), 9)
    assert len(bomb) < 1 << 20
    start = time.monotonic()
    assert api.ingest_raw(bomb, **{"Content-Encoding": "gzip"}).status_code in {413, 422, 400}
    assert time.monotonic() - start < 20
    other = api.raw(
        "POST", "/projects", data=bomb, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}
    )
    assert other.status_code in {400, 413, 415, 422}


def test_an_oversized_body_is_refused_however_its_length_is_told(api: Api) -> None:
    large = b'{"name": "' + b"x" * (2 << 20) + b'"}'
    json_type = {"Content-Type": "application/json"}
    assert api.raw("POST", "/projects", data=large, headers=json_type).status_code == 413
    pieces = (large[i : i + 65536] for i in range(0, len(large), 65536))
    try:
        assert api.raw("POST", "/projects", data=pieces, headers=json_type).status_code == 413
    except requests.ConnectionError:
        pass  # hung up on in the middle of the body


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "\u202egnp.exe\r"])
def test_control_characters_are_no_part_of_a_name(api: Api, name: str) -> None:
    assert api.raw("POST", "/projects", json={"name": name}).status_code == 422
    assert api.raw("POST", "/runs/attach", json={"name": name, "session": "s"}).status_code == 422
    assert api.raw("POST", "/users", json={"username": name, "password": PASSWORD}).status_code == 422
    assert api.raw("POST", "/keys", json={"name": name}).status_code == 422


@pytest.mark.parametrize("name", ["page.html", "picture.svg", 'a";filename="b.exe', "x.png.html", "naïve.xhtml"])
def test_a_hostile_file_is_a_download_in_a_sandbox(api: Api, name: str) -> None:
    data = f"<svg xmlns='http://www.w3.org/2000/svg'>{XSS}{new_id()}</svg>".encode()
    digest = hashlib.sha256(data).hexdigest()
    run = api.attach()["run"]["id"]
    upload(api, data, digest)
    body = {"name": name, "digest": digest, "bytes": len(data)}
    uuid = api.call("POST", f"/runs/{run}/artifacts", 201, json=body)["uuid"]
    for params in ({}, {"inline": "true"}):
        answer = api.raw("GET", f"/artifacts/{uuid}/content", params=params)
        assert answer.content == data
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment; ")
        assert answer.headers["content-disposition"].count('"') == 2
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def upload(api: Api, data: bytes, digest: str) -> None:
    import base64

    tus = {"Tus-Resumable": "1.0.0"}
    meta = f"digest {base64.b64encode(digest.encode()).decode()}"
    made = api.raw("POST", "/uploads", headers={**tus, "Upload-Length": str(len(data)), "Upload-Metadata": meta})
    headers = {**tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert api.http.patch(api.url + made.headers["location"], data=data, headers=headers, timeout=30).status_code == 204


def test_nobody_adds_to_a_run_through_another_key(api: Api, other: Api) -> None:
    run = api.attach()["run"]["id"]
    stolen = other.raw("POST", "/ingest", data=packed([batch(run, new_id(), 1, 1)]), headers=INGEST_HEADERS)
    assert stolen.json()["results"][0]["status"] == 403
    assert api.raw("GET", f"/runs/{run}/points", params={"key": "loss"}).json()["items"] == []


def test_guesses_from_one_network_of_ipv6_count_together() -> None:
    logins = Logins()
    for i in range(FREE_FAILURES):
        logins.failed("ada", f"2001:db8:1:2::{i + 1:x}")
    assert logins.wait_s("ada", "2001:db8:1:2:ffff::1") > 0 and logins.wait_s("ada", "2001:db8:1:3::1") == 0
    assert place_of("::ffff:9.9.9.9") == place_of("9.9.9.9") == "9.9.9.9" and place_of("") == ""


def test_no_request_writes_lines_of_the_log(tmp_path: Path) -> None:
    with ForkedLab(tmp_path / "data", tmp_path / "home", "--log-requests") as lab:
        requests.get(f"{lab.url}/a%0A2026-01-01%20ERROR%20forged%1b[31m%E2%80%AE", timeout=30)
        answer = wait_until(lambda: [line for line in lab.log().splitlines() if "forged" in line])
    assert (
        len(answer) == 1 and "GET /a?2026-01-01" in answer[0] and "\x1b" not in answer[0] and "\u202e" not in answer[0]
    )
