"""`hectiqlab admin user`, `project`, `audit` beside a lab that runs, and `hectiqlab keys`.

The commands run in this process, as there are dozens of them; what asks for a password has one of its own.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from pyhectiqlab.cli import main
from pyhectiqlab.testing.lab import RealLab

from .conftest import Hectiqlab, error_line, output

PASSWORD = "a password of nobody"
Admin = Callable[..., Any]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Admin:
    """Return a function that runs a command in this process."""

    def run(*args: str) -> Any:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(args))
        shown = capsys.readouterr()
        return subprocess.CompletedProcess(args, int(ended.value.code or 0), shown.out, shown.err)

    return run


@pytest.fixture
def admin(lab: RealLab, here: Admin) -> Admin:
    def run(*args: str, data: Path = lab.data_dir) -> Any:
        return here("admin", *args, "--data", str(data))

    return run


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    (tmp_path / "password").write_text(f"{PASSWORD}\nsecond line\n")
    return str(tmp_path / "password")


@pytest.fixture
def user(request: pytest.FixtureRequest, admin: Admin, password_file: str) -> str:
    name = f"user-of-{request.node.name[:60]}"
    output(admin("user", "add", name, "--password-file", password_file))
    return name


def ask(lab: RealLab, method: str, path: str, key: str = "", **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {key or lab.api_key}"}
    return requests.request(method, f"{lab.url}/api/v1{path}", headers=headers, timeout=30, **more)


def key_of(lab: RealLab, username: str, password: str = PASSWORD) -> str:
    made = requests.post(f"{lab.url}/api/v1/keys", auth=(username, password), json={"name": "k"}, timeout=30)
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


def newest(admin: Admin, n: int = 1) -> list[dict[str, Any]]:
    printed: list[dict[str, Any]] = json.loads(output(admin("audit", "--json", "--limit", str(n))))
    return printed


def test_a_user_who_was_added_logs_in_at_once(admin: Admin, lab: RealLab, user: str, password_file: str) -> None:
    me = ask(lab, "GET", "/me", key_of(lab, user)).json()["user"]
    assert (me["username"], me["role"]) == (user, "member")
    (noted,) = newest(admin)
    assert (noted["who"], noted["action"], noted["subject"]) == (user, "made", "key k")
    (_, noted) = newest(admin, 2)
    assert (noted["via"], noted["action"], noted["subject"]) == ("command", "added", f"user {user}")
    assert user in error_line(admin("user", "add", user, "--password-file", password_file)), "the name is taken"


@pytest.mark.parametrize("name", ["a:b", "", "x\ny", "n" * 3000])
def test_what_is_no_username_is_refused(admin: Admin, password_file: str, name: str) -> None:
    assert "is not a username" in error_line(admin("user", "add", name, "--password-file", password_file))


def test_a_password_is_asked_for_twice_and_has_a_length(
    admin: Admin, hectiqlab: Hectiqlab, lab: RealLab, tmp_path: Path
) -> None:
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    done = hectiqlab("admin", "user", "add", "typed", "--data", str(lab.data_dir), input=typed)
    assert done.returncode == 0 and PASSWORD not in done.stdout + done.stderr
    key_of(lab, "typed")
    (tmp_path / "short").write_text("short\n")
    assert "8" in error_line(admin("user", "add", "nobody", "--password-file", str(tmp_path / "short")))
    (tmp_path / "short").write_text("")
    assert "is empty" in error_line(admin("user", "add", "nobody", "--password-file", str(tmp_path / "short")))


def test_an_invite_is_a_link_with_which_one_person_makes_an_account(admin: Admin, lab: RealLab) -> None:
    assert output(admin("user", "invite")).startswith(f"{lab.url}/invite#"), "where the lab says that it is"
    link = output(admin("user", "invite", "--role", "viewer", "--url", "https://lab.example.org/")).strip()
    place, _, token = link.partition("#")
    assert place == "https://lab.example.org/invite" and token not in json.dumps(newest(admin))
    body = {"token": token, "username": "invited", "password": PASSWORD}
    assert ask(lab, "POST", "/invites/accept", json=body).json()["user"]["role"] == "viewer"
    assert ask(lab, "POST", "/invites/accept", json={**body, "username": "second"}).status_code == 404


def test_roles_and_disabling_hold_from_the_next_request_on(admin: Admin, lab: RealLab, user: str) -> None:
    key = key_of(lab, user)
    assert ask(lab, "GET", "/audit", key).status_code == 403
    assert output(admin("user", "role", user, "admin")) == f"{user} is an admin now.\n"
    assert ask(lab, "GET", "/audit", key).status_code == 200
    output(admin("user", "disable", user))
    assert ask(lab, "GET", "/me", key).status_code == 401
    listed = {u["username"]: u for u in json.loads(output(admin("user", "list", "--json")))}
    seen, made = listed[user].pop("last_seen"), listed[user].pop("created")
    assert listed[user] == {"username": user, "role": "admin", "disabled": True, "service": False}
    assert made <= time.time() and (seen is None or seen >= made)
    output(admin("user", "enable", user))
    assert ask(lab, "GET", "/me", key).status_code == 401, "keys of before stay revoked"
    assert ask(lab, "GET", "/me", key_of(lab, user)).status_code == 200
    output(admin("user", "role", user, "member"))
    assert [c["action"] for c in newest(admin, 4)] == ["changed the role", "made", "enabled", "disabled"]


def test_a_forgotten_password_is_replaced_and_keys_go_on(admin: Admin, lab: RealLab, user: str) -> None:
    key = key_of(lab, user)
    generated = output(admin("user", "reset-password", user, "--generate")).strip()
    key_of(lab, user, generated)
    assert ask(lab, "GET", "/me", key).status_code == 200
    old = requests.post(f"{lab.url}/api/v1/keys", auth=(user, PASSWORD), json={"name": "k"}, timeout=30)
    assert old.status_code == 401


def test_the_last_admin_stays(admin: Admin, lab: RealLab) -> None:
    owner = ask(lab, "GET", "/me").json()["user"]["username"]
    for change in (["role", owner, "viewer"], ["disable", owner], ["delete", owner, "-y"]):
        assert "admin" in error_line(admin("user", *change))


def test_a_private_project_is_there_for_its_members_alone(admin: Admin, lab: RealLab, user: str) -> None:
    key = key_of(lab, user)
    project = ask(lab, "POST", "/projects", json={"name": "secret paper"}).json()["id"]

    def asked() -> int:
        return ask(lab, "GET", f"/projects/{project}", key).status_code

    assert asked() == 200
    assert "project member" in output(admin("project", "private", "secret paper"))
    assert asked() == 404
    output(admin("project", "member", "secret paper", user, "viewer"))
    assert asked() == 200
    made = ask(lab, "POST", "/runs/attach", key, json={"name": "r", "session": "5e55", "project": project})
    assert made.status_code == 403 and "viewer" in made.json()["error"]["message"]
    body = {"name": "r", "session": "5e55", "project": "own project", "create_project": True}
    assert ask(lab, "POST", "/runs/attach", key, json=body).status_code == 200
    (noted,) = newest(admin)
    assert (noted["who"], noted["action"], noted["subject"]) == (user, "made", "project own project")
    output(admin("project", "member", "secret paper", user, "none"))
    assert asked() == 404
    body["project"] = "secret paper"
    made = ask(lab, "POST", "/runs/attach", key, json=body)
    assert made.status_code == 404 and "no role in it" in made.json()["error"]["message"]
    output(admin("project", "public", "secret paper"))
    assert asked() == 200
    table = output(admin("audit"))
    assert "opened to the lab" in table and f"project secret paper, user {user} no longer a member" in table


def test_who_and_what_is_unknown_is_told_with_where_to_look(admin: Admin, tmp_path: Path) -> None:
    for args in (["user", "role", "nobody", "viewer"], ["user", "disable", "nobody"], ["user", "enable", "nobody"]):
        assert "hectiqlab admin user list" in error_line(admin(*args))
    assert "hectiqlab admin user list" in error_line(admin("user", "reset-password", "nobody", "--generate"))
    for args in (["project", "private", "nothing"], ["project", "member", "nothing", "nobody", "viewer"]):
        assert "hectiqlab projects" in error_line(admin(*args))
    assert "--data" in error_line(admin("audit", data=tmp_path))
    assert not list(tmp_path.glob("lab*")), "a wrong folder is not made a lab"


def test_ones_own_keys_are_listed_created_and_revoked(
    here: Admin, admin: Admin, lab: RealLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HECTIQLAB_HOME", str(lab.home))
    secret = output(here("keys", "create", "cluster", "--days", "7")).strip()
    assert ask(lab, "GET", "/me", secret).status_code == 200
    shown = output(here("keys", "list"))
    assert "cluster" in shown and secret not in shown and secret not in output(admin("audit", "--json"))
    keys = {key["name"]: key for key in json.loads(output(here("keys", "list", "--json")))}
    (own,) = (key for key in keys.values() if key["active"])
    assert keys["cluster"]["expires"] - keys["cluster"]["created"] == pytest.approx(7 * 86_400)
    assert "remove-profile" in error_line(here("keys", "revoke", own["id"])), "a slip would cut off this machine"
    assert "hectiqlab keys list" in error_line(here("keys", "revoke", "nothing"))
    output(here("keys", "revoke", keys["cluster"]["id"]))
    assert ask(lab, "GET", "/me", secret).status_code == 401


def test_a_service_account_has_keys_that_admins_make_and_revoke(admin: Admin, lab: RealLab, user: str) -> None:
    name = f"bot-of-{user}"
    assert f"add-key {name}" in output(admin("user", "add", name, "--service", "--role", "viewer"))
    secret = output(admin("user", "add-key", name, "nightly", "--days", "7")).strip()
    me = ask(lab, "GET", "/me", secret).json()["user"]
    assert (me["username"], me["role"], me["service"]) == (name, "viewer", True)
    (key,) = json.loads(output(admin("user", "keys", name, "--json")))
    assert key["name"] == "nightly" and secret not in json.dumps(key)
    assert "service" in next(line for line in output(admin("user", "list")).splitlines() if line.startswith(name))
    assert "keys create" in error_line(admin("user", "add-key", user, "k")), "people make their own"
    assert "it can only have API keys" in error_line(admin("user", "reset-password", name, "--generate"))
    assert "admin user keys" in error_line(admin("user", "revoke-key", name, "none"))
    assert "nightly" in output(admin("user", "revoke-key", name, key["id"]))
    assert ask(lab, "GET", "/me", secret).status_code == 401
    made, other = (output(admin("user", "add-key", name, n)).strip() for n in ("a", "b"))
    output(admin("user", "revoke-key", name, "--all"))
    assert {ask(lab, "GET", "/me", s).status_code for s in (made, other)} == {401}
    assert [c["action"] for c in newest(admin, 2)] == ["revoked", "revoked"]


def test_whoever_leaves_hands_over_and_is_deleted(admin: Admin, lab: RealLab, user: str, password_file: str) -> None:
    heir = f"heir-of-{user}"
    output(admin("user", "add", heir, "--password-file", password_file))
    key = key_of(lab, user)
    project = ask(lab, "POST", "/projects", key, json={"name": f"project of {user}"}).json()["id"]
    body = {"name": "r", "session": "5e55", "project": project}
    run = ask(lab, "POST", "/runs/attach", key, json=body).json()["run"]["id"]
    handed = output(admin("user", "hand-over", user, heir))
    assert f"left as they are: 1 run. Once they have ended: `hectiqlab admin user hand-over {user} {heir}`" in handed
    end = {"run": run, "rank": 0, "attempt": 1, "state": "completed"}
    assert ask(lab, "POST", "/sessions/5e55/end", key, json=end).status_code == 200
    assert json.loads(output(admin("user", "hand-over", user, heir, "--json"))) == {
        "runs": 1,
        "live": 0,
        "kept_out": 0,
        "projects": 0,
    }
    shown = output(admin("user", "delete", user, "--to", heir, "-y"))
    assert "0 runs and 1 project more" in shown and f"{user} is deleted." in shown
    assert ask(lab, "GET", "/me", key).status_code == 401
    assert ask(lab, "GET", f"/runs/{run}").json()["author"] == heir
    assert "exists already" in error_line(admin("user", "add", user, "--password-file", password_file))
    assert "admin user list" in error_line(admin("user", "delete", user, "-y"))
    assert "another user" in error_line(admin("user", "hand-over", heir, heir))
