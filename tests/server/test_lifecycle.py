"""The lab as a process: killed, restarted, started twice, on a port in use, on a newer database, on a full disk."""

from __future__ import annotations

import json
import random
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import requests
from sqlalchemy import text

from pyhectiqlab.errors import LabError
from pyhectiqlab.server.lab import Lab
from pyhectiqlab.store.opening import open_storage
from pyhectiqlab.testing.lab import RealLab

from ..commands import run_command
from ..labs import ForkedLab
from ..stores import sql
from .api import Api, batch, events_batch, new_id, wait_until


def failed_start(lab: RealLab, *arguments: str) -> tuple[int, list[str]]:
    """Return (exit status, lines on stderr) of a lab on the same data and home that cannot start."""
    done = run_command("server", "--data", str(lab.data_dir), *arguments, env=lab.env)
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def test_what_was_acked_survives_kills_at_random_moments_exactly_once(
    own_lab: RealLab, rng_that_stays: random.Random
) -> None:
    """A client that repeats what was not acked, as the uploader does, against a lab killed again and again."""
    api = Api.of(own_lab.start())
    generation = api.get("/handshake")["generation"]
    run, writer, size = api.attach(session="ab")["run"]["id"], new_id(), 50
    said = new_id()
    api.ingest(events_batch(run, said, 1, [("state", {"state": "training"})]), session="ab")
    acked = 0
    for _ in range(4):
        killer = threading.Timer(rng_that_stays.uniform(0.05, 0.4), own_lab.kill)
        killer.start()
        while True:
            first = acked + 1
            one = batch(run, writer, first, first + size - 1)
            one["last"] += 1
            one["events"] = [[size, "log", 1, {"text": str(first)}]]
            try:
                (result,) = api.ingest(one, session="ab")
            except requests.RequestException:
                break
            assert result["status"] == 200 and result["cursor"] == first + size, result
            acked = result["cursor"]
        killer.join()
        own_lab.start()
        held = [w["cursor"] for w in api.get(f"/runs/{run}/writers")["items"] if w["writer"] == writer]
        assert acked <= max(held, default=0) <= acked + size + 1
        assert api.state(run) == "training" and api.get("/handshake")["generation"] == generation
    # A kill between the two commits leaves points whose batch is not acked yet: sending it again completes it.
    (result,) = api.ingest(one, session="ab")
    last = result["cursor"]
    assert last == acked + size + 1
    assert api.steps(run) == [n for n in range(1, last + 1) if n % (size + 1)]
    logs = []
    after: dict[str, str] = {}
    while True:
        page = api.get(f"/runs/{run}/events", limit=1000, kind="log", **after)
        logs += [e["seq"] for e in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert logs == [n for n in range(1, last + 1) if n % (size + 1) == 0]


def test_a_batch_that_only_the_point_store_has_is_applied_in_full_when_it_is_repeated(own_lab: RealLab) -> None:
    """A kill between the two commits, made by taking the second one back."""
    api = Api.of(own_lab.start())
    run, writer = api.attach(session="ab")["run"]["id"], new_id()
    api.ingest(batch(run, writer, 1, 10), session="ab")
    one = batch(run, writer, 11, 20)
    one["last"], one["events"] = 21, [[10, "note", 1, {"text": "hello"}]]
    api.ingest(one, session="ab")
    own_lab.kill()
    with sql(own_lab.data_dir) as conn:
        for statement in (
            "UPDATE writers SET cursor = 10",
            "DELETE FROM events",
            "UPDATE runs SET points = 10, note = ''",
        ):
            conn.execute(text(statement))
    own_lab.start()
    # Meanwhile the client cuts its batches differently: a part, then more than before.
    assert [r["cursor"] for r in api.ingest(batch(run, writer, 11, 15), session="ab")] == [15]
    more = batch(run, writer, 16, 20)
    more["last"], more["events"] = 21, [[5, "note", 1, {"text": "hello"}]]
    longer = batch(run, writer, 22, 30)
    assert api.statuses(more, longer, session="ab") == [200, 200]
    assert api.steps(run) == [*range(1, 21), *range(22, 31)]
    answer = api.run(run)
    assert (answer["note"], answer["events"], answer["points"]) == ("hello", 1, 29)


def test_a_longer_cut_over_what_the_point_store_has_adds_only_the_rest(own_lab: RealLab) -> None:
    api = Api.of(own_lab.start())
    run, writer = api.attach(session="ab")["run"]["id"], new_id()
    api.ingest(batch(run, writer, 1, 10), session="ab")
    own_lab.kill()
    with sql(own_lab.data_dir) as conn:
        conn.execute(text("UPDATE writers SET cursor = 4"))
        conn.execute(text("UPDATE runs SET points = 4"))
    own_lab.start()
    assert api.statuses(batch(run, writer, 5, 15), batch(run, writer, 16, 20), session="ab") == [200, 200]
    assert api.steps(run) == list(range(1, 21))
    assert api.run(run)["points"] == 20


def test_a_point_store_restored_from_a_backup_makes_the_client_go_back(own_lab: RealLab) -> None:
    api = Api.of(own_lab.start())
    run, writer = api.attach(session="ab")["run"]["id"], new_id()
    api.ingest(batch(run, writer, 1, 10), session="ab")
    own_lab.stop()
    saved = {p.name: p.read_bytes() for p in own_lab.data_dir.glob("points.db*")}
    own_lab.start()
    api.ingest(batch(run, writer, 11, 20), session="ab")
    own_lab.stop()
    for path in own_lab.data_dir.glob("points.db*"):
        path.unlink()
    for name, content in saved.items():
        (own_lab.data_dir / name).write_bytes(content)
    own_lab.start()
    (result,) = api.ingest(batch(run, writer, 21, 30), session="ab")
    assert (result["status"], result["cursor"]) == (409, 10)
    assert api.statuses(batch(run, writer, 11, 30), session="ab") == [200]
    assert api.steps(run) == list(range(1, 31))


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0_and_soon(own_lab: RealLab, sig: signal.Signals) -> None:
    own_lab.start()
    idle = requests.Session()
    idle.get(f"{own_lab.url}/healthz", timeout=30)
    began = time.monotonic()
    assert own_lab.stop(sig) == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in own_lab.log()


def test_a_second_lab_on_the_same_data_names_the_first(own_lab: RealLab) -> None:
    own_lab.start()
    status, lines = failed_start(own_lab, "--port", "0")
    assert status == 1 and len(lines) == 1
    assert str(own_lab.pid) in lines[0] and "in use" in lines[0]


def test_of_labs_started_at_once_one_serves(tmp_path: Path) -> None:
    labs = [ForkedLab(tmp_path / "data", tmp_path / "home") for _ in range(3)]
    outcomes: list[bool] = []

    def start(lab: RealLab) -> None:
        try:
            lab.start()
            outcomes.append(True)
        except LabError as e:
            assert "in use" in str(e)
            outcomes.append(False)

    threads = [threading.Thread(target=start, args=(lab,)) for lab in labs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False, False, True]
    for lab in labs:
        lab.kill()


def test_a_port_in_use_is_told_in_one_line(own_lab: RealLab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, lines = failed_start(own_lab, "--port", str(port))
    assert status == 1 and len(lines) == 1
    assert str(port) in lines[0] and "--port" in lines[0]
    assert not own_lab.credentials.exists()


@pytest.mark.parametrize("file", ["lab.db", "points.db"])
def test_a_database_of_a_newer_version_is_told_and_left_alone(own_lab: RealLab, file: str) -> None:
    Lab(open_storage(own_lab.data_dir)).stop()
    with closing(sqlite3.connect(own_lab.data_dir / file)) as db, db:
        if file == "lab.db":
            db.execute("INSERT INTO migrations VALUES (999, 'of the future', 0)")
        else:
            db.execute("PRAGMA user_version = 999")
    status, lines = failed_start(own_lab, "--port", "0")
    assert status == 1 and len(lines) == 1, lines
    assert "newer" in lines[0]


def test_another_address_than_loopback_needs_a_password(own_lab: RealLab, tmp_path: Path) -> None:
    status, lines = failed_start(own_lab, "--host", "0.0.0.0", "--port", "0")
    assert status == 1 and len(lines) == 1
    assert "--set-password" in lines[0]
    secret = tmp_path / "password"
    secret.write_text("a long password\n")
    words = ("server", "--data", str(own_lab.data_dir), "--set-password", "--password-file", str(secret))
    done = run_command(*words, env=own_lab.env)
    assert done.returncode == 0, done.stderr
    owner = done.stdout.split()[0]
    own_lab.arguments = ("--host", "0.0.0.0")
    own_lab.start()
    assert own_lab.login_link is None
    url = f"http://127.0.0.1:{own_lab.port}/api/v1"
    made = requests.post(f"{url}/keys", auth=(owner, "a long password"), json={"name": "k"}, timeout=30)
    assert made.status_code == 201
    anywhere = requests.get(f"{url}/handshake", headers={"Host": "lab.example"}, timeout=30)
    assert anywhere.status_code == 200


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs prlimit")
def test_a_full_disk_refuses_what_it_cannot_keep_serves_reads_and_recovers(own_lab: RealLab) -> None:
    """The lab's files may not grow beyond a limit until it is lifted, as on a full disk."""
    api = Api.of(own_lab.start())
    run, writer = api.attach(session="ab")["run"]["id"], new_id()
    cursor = 50_000  # so many that the file of points is the largest, and the first that cannot grow
    api.ingest(batch(run, writer, 1, cursor), session="ab")
    size = max(p.stat().st_size for p in own_lab.data_dir.glob("points.db*"))
    hard = resource.prlimit(own_lab.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(own_lab.pid, resource.RLIMIT_FSIZE, (size + 4096, hard))
    refused = None
    for _ in range(100):
        (result,) = api.ingest(batch(run, writer, cursor + 1, cursor + 5000), session="ab")
        if result["status"] == 503:
            refused = result
            break
        cursor = result["cursor"]
    assert refused is not None
    assert api.run(run)["points"] == cursor
    assert len(api.points(run)) == cursor
    assert api.raw("POST", "/projects", json={"name": "x" * 400}).status_code in {201, 503}
    resource.prlimit(own_lab.pid, resource.RLIMIT_FSIZE, (hard, hard))
    wait_until(lambda: api.statuses(batch(run, writer, cursor + 1, cursor + 10), session="ab") == [200])
    assert api.steps(run) == list(range(1, cursor + 11))
    assert "Traceback" not in own_lab.log()


def test_it_tells_machines_and_people_where_it_is(own_lab: RealLab) -> None:
    own_lab.start()
    wait_until(lambda: "\n" in own_lab.log())  # it may answer before it has said where it is
    printed = json.loads(own_lab.log().splitlines()[0])
    assert set(printed) == {"url", "login_link", "data", "profile"}
    own_lab.stop()
    command = [sys.executable, "-m", "pyhectiqlab", "server", "--data", str(own_lab.data_dir), "--port", "0"]
    process = subprocess.Popen(command, env=own_lab.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        assert first.startswith("Lab: http://127.0.0.1:")
        assert second.startswith("Open in your browser (one time, 15 minutes): http://127.0.0.1:")
        assert "/login-link?token=" in second
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and errors == ""
