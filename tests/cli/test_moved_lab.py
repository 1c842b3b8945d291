"""A lab that moves to another address: spools, living runs and profiles find it again by its id.

No other lab gets what belongs to it. The labs are real and move from port to port.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pyhectiqlab.profile import load_profiles, save_profile
from pyhectiqlab.spool import SessionDir
from pyhectiqlab.transport.http import LabClient

from ..labs import ForkedLab
from ..scripts import run_script, start_script
from ..transport.scripted import ScriptedServer, as_json, read_request, scripted
from .conftest import Hectiqlab, error_line, output

OFFLINE = """
from pyhectiqlab import Run

run = Run("away", project="p", should_create_project=True)
for step in range(200):
    run.add_metrics("loss", 1.0, step)
"""
LIVING = """
import sys
from pyhectiqlab import Run

run = Run("living", "p", True)
for step in range(100):
    run.add_metrics("loss", 1.0, step)
assert run.flush(30)
print(run.url, flush=True)
sys.stdin.readline()
for step in range(100, 200):
    run.add_metrics("loss", 1.0, step)
print(run.flush(60), flush=True)
"""


@pytest.fixture
def lab(tmp_path: Path, home: Path) -> Iterator[ForkedLab]:
    """Start a lab with its own home. Where it is now, only what a test writes says."""
    made = ForkedLab(tmp_path / "data", tmp_path / "labs home")
    made.start()
    home.mkdir()
    know(home, made)
    try:
        yield made
    finally:
        made.kill()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[ForkedLab]:
    made = ForkedLab(tmp_path / "other", tmp_path / "others home")
    made.start()
    try:
        yield made
    finally:
        made.kill()


def know(home: Path, lab: ForkedLab, name: str = "local", url: str = "") -> None:
    """Write a profile as `hectiqlab add-profile` would; `url`: as if that had been at another time."""
    own = load_profiles(lab.credentials)["local"]
    save_profile(
        name,
        url=url or lab.url,
        username=own.username,
        secret_api_key=own.secret_api_key,
        api_key_uuid=own.api_key_uuid,
        lab_id=own.lab_id,
        path=home / "credentials",
    )


def move(lab: ForkedLab, *arguments: str) -> str:
    """Have it listen at another port. Where it was."""
    old, port = lab.url, lab.port
    lab.stop()
    lab.port, lab.arguments = 0, tuple(a.format(port=port) for a in arguments)
    lab.start()
    assert lab.url != old
    return old


def script(environment: dict[str, str], code: str = OFFLINE, **variables: str) -> str:
    """Run it without a lab; the name of its session."""
    done = run_script(code, env={**environment, **variables})
    assert done.returncode == 0, done
    return done.stderr


def steps(lab: ForkedLab, run: str) -> list[int]:
    """Return the steps that the lab has of the run."""
    with LabClient(lab.url, lab.api_key) as client:
        (item,) = [it for it in client.pages("/runs", {"q": run}) if it["name"] == run]
        return [int(step) for points in client.points(item["id"], "loss") for step in points.step]


def runs(lab: ForkedLab) -> list[str]:
    with LabClient(lab.url, lab.api_key) as client:
        return sorted(item["name"] for item in client.pages("/runs"))


@pytest.mark.parametrize("how", ["profile", "variable", "redirect"])
def test_what_was_logged_offline_is_delivered_where_the_lab_is_now(
    lab: ForkedLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path, how: str
) -> None:
    script(environment, HECTIQLAB_MODE="offline")
    old = move(lab, *(["--moved-from", "{port}"] if how == "redirect" else []))
    if how == "profile":
        away = hectiqlab("sync")
        assert away.returncode == 1 and "nothing listens there" in away.stderr, away
        text = (home / "credentials").read_text()
        (home / "credentials").write_text(text.replace(old, lab.url))
    done = hectiqlab("sync", **({"HECTIQLAB_URL": lab.url} if how == "variable" else {}))
    assert done.returncode == 0 and done.stdout.endswith("; 0 left.\n"), done
    assert steps(lab, "away") == list(range(200)) and runs(lab) == ["away"]


@pytest.mark.parametrize("how", ["profile", "another profile", "redirect"])
def test_a_living_run_goes_on_where_its_lab_is_now(
    lab: ForkedLab, environment: dict[str, str], home: Path, how: str
) -> None:
    environment["HECTIQLAB_SYSTEM_METRICS"] = "0"
    process = start_script(LIVING, env=environment)
    try:
        assert process.stdout is not None
        link = process.stdout.readline().strip()
        old = move(lab, *(["--moved-from", "{port}"] if how == "redirect" else []))
        assert link.startswith(old)
        if how == "profile":
            know(home, lab)
        elif how == "another profile":  # the first profile still names the old address
            know(home, lab, "moved")
        out, _ = process.communicate("go on\n", timeout=90)
        assert (out, process.returncode) == ("True\n", 0)
        assert steps(lab, "living") == list(range(200)) and runs(lab) == ["living"]
        if how == "redirect":
            page = requests.get(link, timeout=10)
            assert page.status_code == 200 and page.url == link.replace(old, lab.url)
            (hop,) = page.history
            assert hop.status_code == 308
    finally:
        process.kill()


def test_another_lab_at_the_old_address_gets_neither_data_nor_a_key(
    lab: ForkedLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    """It says of itself that it is a lab, with an id of its own, and would take all it can get."""
    key, seen = lab.api_key, []
    description = {"lab": "hectiqlab", "version": "0.1.0", "protocol": {"min": 1, "max": 1}, "generation": "ab"}

    def script_of(connection: object, server: ScriptedServer) -> None:
        while request := read_request(connection, server):  # type: ignore[arg-type]
            seen.append(request)
            connection.sendall(as_json({**description, "lab_id": "feedfeedfeedfeed"}))  # type: ignore[attr-defined]

    script(environment, HECTIQLAB_MODE="offline")
    with scripted(script_of) as there:
        (home / "credentials").write_text((home / "credentials").read_text().replace(lab.url, there.url))
        refused = hectiqlab("sync")
        assert refused.returncode == 1 and "another one" in refused.stderr and "; 201 left" in refused.stdout, refused
        said = script(environment, OFFLINE.replace("away", "opened"))
        assert "another one" in said and "kept" in said
        assert "another one" in told_of(hectiqlab("projects"))
        know(home, lab)
        assert hectiqlab("sync").returncode == 0
    assert seen and not any(key.encode() in request for request in seen)
    assert all(b"/api/v1/handshake " in request for request in seen)
    assert runs(lab) == ["away", "opened"]


def told_of(done: subprocess.CompletedProcess[str]) -> str:
    return error_line(done)


def test_a_run_is_opened_and_read_through_an_old_address_that_redirects(
    lab: ForkedLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    old = move(lab, "--moved-from", "{port}")
    said = script(environment, OFFLINE.replace("away", "opened"))
    assert f"has moved from {old} to {lab.url}" in said
    assert steps(lab, "opened") == list(range(200))
    (session,) = SessionDir.all(home / "spool")
    assert {writer.url for writer in session.writers()} == {lab.url}
    assert "opened" in output(hectiqlab("runs", "p"))

    followed = hectiqlab("profiles", "--follow")
    assert followed.returncode == 0 and f"moved from {old} to {lab.url}" in followed.stderr
    assert load_profiles(home / "credentials")["local"].url == lab.url
    assert output(hectiqlab("profiles", "--follow"))  # there is nothing more to say


def test_an_address_of_a_variable_lends_the_key_of_the_profile_of_its_lab(
    lab: ForkedLab, other: ForkedLab, hectiqlab: Hectiqlab, home: Path
) -> None:
    know(home, other, "default")
    move(lab)
    assert hectiqlab("projects", HECTIQLAB_URL=lab.url).returncode == 0
    assert "No profile is for HECTIQLAB_URL" in error_line(hectiqlab("projects", HECTIQLAB_URL="http://127.0.0.1:9"))
    assert "another one" in error_line(hectiqlab("projects", HECTIQLAB_URL=lab.url, HECTIQLAB_PROFILE="default"))


def test_logging_in_at_the_new_address_renews_the_profile_of_that_lab(
    lab: ForkedLab, hectiqlab: Hectiqlab, home: Path
) -> None:
    password = "correct horse 7"
    with LabClient(lab.url, lab.api_key) as client:
        client.post("/users", {"username": "bob", "password": password})
    log_in = ("add-profile", "--username", "bob", "--password-stdin", "--url")
    output(hectiqlab(*log_in, lab.url, "--name", "work", input=f"{password}\n"))
    move(lab)
    assert "'work'" in output(hectiqlab(*log_in, lab.url, input=f"{password}\n"))
    known = load_profiles(home / "credentials")
    assert known["work"].url == lab.url and known.keys() == {"local", "work"}


def test_a_session_goes_to_another_lab_only_where_its_runs_are_to_be_made_anew(
    lab: ForkedLab, other: ForkedLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    script(environment, HECTIQLAB_MODE="offline")
    know(home, other, "other")
    (session,) = [r["session"] for r in json.loads(output(hectiqlab("status", "--json")))]
    refused = hectiqlab("sync", session, "--to", "other")
    assert refused.returncode == 1 and refused.stdout == "Sent 0 events; 201 left.\n", refused
    assert "another one" in refused.stderr and "--to other --as-new-runs" in refused.stderr
    assert runs(lab) == runs(other) == []
    assert hectiqlab("sync", "--to", "other", "--as-new-runs").returncode == 2, "no session is named"
    done = hectiqlab("sync", session, "--to", "other", "--as-new-runs")
    assert done.returncode == 0 and "made anew" in done.stderr, done
    for _ in range(2):
        again = hectiqlab("sync", session, "--to", "other", "--as-new-runs")
        assert (again.returncode, again.stdout) == (0, "Sent 0 events; 0 left.\n"), again
        assert hectiqlab("sync").returncode == 0
    assert steps(other, "away") == list(range(200)) and runs(other) == ["away"] and runs(lab) == []


def test_a_part_of_a_run_goes_to_no_other_lab(
    lab: ForkedLab, other: ForkedLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    environment |= {"HECTIQLAB_SYSTEM_METRICS": "0", "HECTIQLAB_EXIT_TIMEOUT": "0.5"}
    code = LIVING.replace("print(run.flush(60), flush=True)", "")
    process = start_script(code, env=environment)
    try:
        assert process.stdout is not None and process.stdout.readline().startswith(lab.url)
        lab.stop()
        process.communicate("go on\n", timeout=60)
    finally:
        process.kill()
    (report,) = json.loads(output(hectiqlab("status", "--json")))
    os.kill(report["uploader_pid"], 9)
    know(home, other, "other")
    for anew in ([], ["--as-new-runs"]):
        refused = hectiqlab("sync", report["session"], "--to", "other", *anew)
        assert refused.returncode == 1 and "can go there alone" in refused.stderr, refused
    assert runs(other) == []
    lab.port = 0
    lab.start()
    save = home / "credentials"
    save.write_text("")
    know(home, lab, "new home")
    done = hectiqlab("sync", report["session"], "--to", "new home")
    assert done.returncode == 0 and "its lab has moved" in done.stderr, done
    assert steps(lab, "living") == list(range(200))
