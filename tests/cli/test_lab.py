"""The commands, and reading from Python, against a real lab."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import pty
import stat
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import pytest
import requests

from pyhectiqlab import read, search_runs
from pyhectiqlab.errors import AuthenticationError, ConflictError, NotFoundError
from pyhectiqlab.profile import load_profiles
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport import LabClient

from ..commands import command
from ..labs import ForkedLab
from .conftest import Hectiqlab, error_line, output

VALUES = [0.1, math.nan, math.inf, -math.inf, 1e300, -0.0, 5e-324, 1 / 3]
STEPS = [
    0,
    5,
    3,
    3,
    -1,
    2**63 - 1,
    -(2**63),
    7,
]  # late, repeated, backward and extreme: all are kept, in order of arrival
PASSWORD = "a password of the owner"
START = 1_700_000_000.0


@dataclass
class Filled:
    """A lab with two projects. `twice` is a name that two runs have; `digits` has points of two ranks."""

    lab: RealLab
    username: str
    digits: dict[str, Any]


def attach(client: LabClient, name: str, project: str, rank: int = 0) -> dict[str, Any]:
    request = {
        "name": name,
        "project": project,
        "create_project": True,
        "session": "00ff",
        "rank": rank,
        "world_size": 2,
    }
    client_facts = {"host": "gpu-7", "pid": 4242, "client_time": START, "client_version": "0", "restart": None}
    return client.attach({**request, **client_facts}, timeout_s=10)


def send(
    client: LabClient, attached: dict[str, Any], rank: int, key: str, steps: list[int], values: list[float]
) -> None:
    n = len(steps)
    series = {
        "key": key,
        "seq": struct.pack(f"<{n}I", *range(n)),
        "step": struct.pack(f"<{n}q", *steps),
        "value": struct.pack(f"<{n}d", *values),
        "time": struct.pack(f"<{n}d", *(START + i / 1e6 for i in range(n))),
    }
    writer = f"{rank:02x}{abs(hash(key)) % 2**32:08x}".ljust(32, "0")
    batch = {"writer": writer, "run": attached["run"]["id"], "rank": rank, "attempt": attached["attempt"]}
    batch |= {"first": 1, "last": n, "series": [series], "events": []}
    body = msgpack.packb({"v": 1, "session": "00ff", "clock": time.time(), "batches": [batch]})
    assert [r["status"] for r in client.ingest(body)["results"]] == [200]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("lab")
    with ForkedLab(folder / "data", folder / "home") as lab, LabClient(lab.url, lab.api_key) as client:
        username = client.get("/me")["user"]["username"]
        changed = requests.put(f"{lab.url}/api/v1/me/password", headers=lab.headers, json={"password": PASSWORD})
        assert changed.status_code == 200
        digits = attach(client, "digits", "vision")
        send(client, digits, 0, "train/loss", STEPS, VALUES)
        send(client, digits, 0, "long", list(range(2500)), [0.5] * 2500)
        send(client, attach(client, "digits", "vision", rank=1), 1, "train/loss", [1], [2.0])
        attach(client, "twice", "vision")
        attach(client, "twice", "sound")
        yield Filled(lab, username, digits["run"])


@pytest.fixture
def at_lab(
    filled: Filled, environment: dict[str, str], hectiqlab: Hectiqlab, monkeypatch: pytest.MonkeyPatch
) -> Hectiqlab:
    """Give `hectiqlab`, and Python in this process, the lab's address and key in the environment."""
    environment |= {"HECTIQLAB_URL": filled.lab.url, "HECTIQLAB_API_KEY": filled.lab.api_key}
    for name, value in environment.items():
        if name.startswith("HECTIQLAB_"):
            monkeypatch.setenv(name, value)
    return hectiqlab


def exact(value: object) -> tuple[str, float]:
    """Return a value in a form that distinguishes NaN from no NaN, and -0.0 from 0.0."""
    number = float(value)  # type: ignore[arg-type]
    return ("nan", 0.0) if math.isnan(number) else (str(math.copysign(1, number)), number)


def strict(text: str) -> Any:
    def refuse(token: str) -> None:
        raise AssertionError(f"a bare {token}")

    return json.loads(text, parse_constant=refuse)


def test_projects_are_listed_with_their_ids(filled: Filled, at_lab: Hectiqlab) -> None:
    lines = output(at_lab("projects")).splitlines()
    assert f"[{filled.digits['project']['id']}] vision" in lines
    by_name = {p["name"]: p for p in strict(output(at_lab("projects", "--json")))}
    assert by_name["vision"]["runs"] == 2 and by_name["sound"]["runs"] == 1
    assert {p.name: p.id for p in read.projects()} == {name: p["id"] for name, p in by_name.items()}


def test_runs_are_listed_newest_first(filled: Filled, at_lab: Hectiqlab) -> None:
    printed = strict(output(at_lab("runs", "--json")))
    assert [(r["name"], r["project"]) for r in printed] == [
        ("twice", "sound"),
        ("twice", "vision"),
        ("digits", "vision"),
    ]
    digits = printed[-1]
    assert digits["id"] == filled.digits["id"] and digits["author"] and digits["points"] == len(STEPS) + 2501
    assert {"state", "started", "ended", "duration", "url", "last", "tags", "note"} <= set(digits)
    assert "profile" not in digits, "it has the API key"
    assert output(at_lab("runs")).splitlines()[-1].split()[:3] == [digits["id"], "digits", "vision"]


def test_runs_tell_how_they_came_to_their_state(filled: Filled, at_lab: Hectiqlab) -> None:
    (digits,) = strict(output(at_lab("runs", "-f", "digits", "--json")))
    assert digits["state_why"] and digits["state_rank"] is None
    assert output(at_lab("runs", "-f", "digits", "--why")).splitlines()[-1].endswith(digits["state_why"])
    history = read.run("digits").history
    assert (history[-1].state, history[-1].why, history[-1].rank) == (digits["state"], digits["state_why"], None)


def test_runs_can_be_narrowed_down(filled: Filled, at_lab: Hectiqlab) -> None:
    def names(*args: str) -> list[str]:
        return [run["name"] for run in strict(output(at_lab("runs", "--json", *args)))]

    assert names("sound") == ["twice"]
    assert names(filled.digits["project"]["id"]) == ["twice", "digits"]
    assert names("--limit", "2") == ["twice", "twice"]
    assert names("--state", "failed") == []
    assert names("-f", "digi points>=2000") == names("--filter", "name~DIGI") == ["digits"]
    assert names("vision", "--sort", "metric.train/loss.max") == ["digits", "twice"]
    assert [run.name for run in search_runs(text="digi")] == ["digits"]
    refused = at_lab("runs", "-f", "stat=failed")
    assert refused.returncode == 2 and "did you mean state" in refused.stderr
    assert "nowhere" in error_line(at_lab("runs", "nowhere"))


@pytest.mark.parametrize("ref", ["id", "url", "name"])
def test_every_raw_point_comes_back_exactly(filled: Filled, at_lab: Hectiqlab, ref: str) -> None:
    lines = output(at_lab("metrics", filled.digits[ref], "train/loss", "--format", "jsonl")).splitlines()
    points = [strict(line) for line in lines]
    assert [list(p) for p in points] == [["key", "step", "value", "time", "rank", "attempt"]] * len(points)
    assert [p["step"] for p in points] == [*STEPS, 1]
    assert [exact(p["value"]) for p in points] == [exact(v) for v in [*VALUES, 2.0]]
    assert [p["value"] for p in points[1:4]] == ["NaN", "Infinity", "-Infinity"]
    assert [p["rank"] for p in points] == [0] * len(STEPS) + [1]
    assert points[3]["time"] == START + 3e-6


def test_csv_holds_the_same_points(at_lab: Hectiqlab) -> None:
    rows = list(csv.DictReader(io.StringIO(output(at_lab("metrics", "digits", "train/loss", "--format", "csv")))))
    assert list(rows[0]) == ["key", "step", "value", "time", "rank", "attempt"]
    assert [(int(r["step"]), exact(r["value"])) for r in rows] == [
        (s, exact(v)) for s, v in zip([*STEPS, 1], [*VALUES, 2.0], strict=True)
    ]


def test_the_table_holds_the_same_points(at_lab: Hectiqlab) -> None:
    header, *lines = output(at_lab("metrics", "digits", "train/loss")).splitlines()
    assert header.split() == ["STEP", "VALUE", "TIME", "RANK", "ATTEMPT"]
    assert [(int(line.split()[0]), exact(line.split()[1])) for line in lines] == [
        (s, exact(v)) for s, v in zip([*STEPS, 1], [*VALUES, 2.0], strict=True)
    ]


def test_points_of_one_rank_or_attempt(filled: Filled, at_lab: Hectiqlab) -> None:
    def steps(*args: str) -> list[int]:
        text = output(at_lab("metrics", "digits", "train/loss", "--format", "jsonl", *args))
        return [strict(line)["step"] for line in text.splitlines()]

    assert steps("--rank", "1") == [1]
    assert steps("--rank", "0", "--attempt", "1") == STEPS
    assert steps("--rank", "5") == steps("--attempt", "9") == []


def test_a_long_series_comes_whole(at_lab: Hectiqlab) -> None:
    assert len(output(at_lab("metrics", "digits", "long", "--format", "csv")).splitlines()) == 2501


def test_without_a_key_the_keys_are_listed(at_lab: Hectiqlab) -> None:
    keys = strict(output(at_lab("metrics", "digits", "--json")))
    assert [(k["key"], k["count"]) for k in keys] == [("long", 2500), ("train/loss", len(STEPS) + 1)]
    assert (keys[1]["step_min"], keys[1]["step_max"]) == (min(STEPS), max(STEPS))
    assert (keys[1]["min"], keys[1]["max"]) == (-0.0, 1e300)
    assert "train/loss" in output(at_lab("metrics", "digits"))


def test_all_keys_of_a_run_are_exported_to_a_file(at_lab: Hectiqlab, tmp_path: Path) -> None:
    target = tmp_path / "points.csv"
    output(at_lab("metrics", "digits", "-o", str(target)))
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert {row["key"] for row in rows} == {"long", "train/loss"} and len(rows) == 2501 + len(STEPS)
    assert output(at_lab("metrics", "digits", "--format", "csv")) == target.read_text()
    output(at_lab("metrics", "digits", "long", "-o", str(tmp_path / "points.parquet")))
    assert (tmp_path / "points.parquet").read_bytes()[:4] == b"PAR1"
    refused = at_lab("metrics", "digits", "-o", str(tmp_path / "points.xls"))
    assert refused.returncode == 2 and "no format" in refused.stderr
    assert "'none'" in error_line(at_lab("metrics", "digits", "none", "-o", str(tmp_path / "none.csv")))
    assert {path.name for path in tmp_path.iterdir()} == {"points.csv", "points.parquet"}


def test_what_does_not_exist_is_told(at_lab: Hectiqlab) -> None:
    assert "nosuch" in error_line(at_lab("metrics", "nosuch", "k"))
    assert "'train/los'" in error_line(at_lab("metrics", "digits", "train/los"))
    done = at_lab("metrics", "digits", "--rank", "1")
    assert done.returncode == 2 and "KEY" in done.stderr


def test_a_name_of_several_runs_is_not_guessed(at_lab: Hectiqlab) -> None:
    ids = [run["id"] for run in strict(output(at_lab("runs", "--json"))) if run["name"] == "twice"]
    message = error_line(at_lab("metrics", "twice"))
    assert all(run in message for run in ids)
    with pytest.raises(ConflictError):
        read.run("twice")
    assert read.run(ids[0]).name == "twice"


def test_a_wrong_key_is_told_with_a_next_step(at_lab: Hectiqlab) -> None:
    done = at_lab("runs", HECTIQLAB_API_KEY="hl_wrong")
    assert "add-profile" in error_line(done) and "hl_wrong" not in done.stderr


def test_python_reads_the_same(filled: Filled, at_lab: Hectiqlab) -> None:
    run = read.run("digits")
    assert {run.id, read.run(filled.digits["id"]).id, read.run(filled.digits["url"]).id} == {filled.digits["id"]}
    assert run.keys() == ["long", "train/loss"]
    points = list(run.iter_points("train/loss", rank=0))
    assert [p.step for p in points] == STEPS
    assert [exact(p.value) for p in points] == [exact(v) for v in VALUES]
    columns = run.series("train/loss", rank=0)
    assert list(columns.step) == STEPS and columns.time_us[1] == int(START * 1e6) + 1
    assert list(columns.time) == [point.time for point in points]  # in seconds, like all times
    assert sum(1 for _ in run.iter_points("long")) == len(run.series("long").value) == 2500
    assert exact(run.last["train/loss"])
    assert filled.lab.api_key not in repr(run)
    with pytest.raises(NotFoundError, match="it has long, train/loss"):
        run.series("nosuch")


def test_add_profile_from_standard_input_logs_in(filled: Filled, hectiqlab: Hectiqlab, home: Path) -> None:
    given = ["--url", filled.lab.url + "/", "--username", filled.username, "--password-stdin"]
    said = output(hectiqlab("add-profile", *given, input=PASSWORD + "\n"))
    assert filled.lab.url in said and PASSWORD not in said
    saved = load_profiles(home / "credentials")["default"]
    assert (saved.url, saved.username) == (filled.lab.url, filled.username) and saved.api_key_uuid
    assert stat.S_IMODE((home / "credentials").stat().st_mode) == 0o600
    assert saved.secret_api_key not in said
    assert "vision" in output(hectiqlab("projects"))

    assert "'other'" in output(hectiqlab("add-profile", *given, "--name", "other", input=PASSWORD))
    output(hectiqlab("remove-profile", "other", "--revoke"))
    assert list(load_profiles(home / "credentials")) == ["default"]
    output(hectiqlab("remove-profile", "default", "--revoke"))
    with LabClient(filled.lab.url, saved.secret_api_key) as revoked, pytest.raises(AuthenticationError):
        revoked.get("/me")


def test_a_wrong_password_is_told_and_nothing_saved(filled: Filled, hectiqlab: Hectiqlab, home: Path) -> None:
    given = ["--url", filled.lab.url, "--username", filled.username, "--password-stdin"]
    assert "user name and password" in error_line(hectiqlab("add-profile", *given, input="not this one\n"))
    assert not home.exists()


def test_add_profile_asks_on_a_terminal_without_showing_the_password(
    filled: Filled, environment: dict[str, str], home: Path
) -> None:
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        command("add-profile"), env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    seen = b""
    answers = [
        (b"Address", filled.lab.url),
        (b"User name", filled.username),
        (b"Password", "not this one"),
        (b"Password", PASSWORD),
        (b"Name of the profile", "mine"),
    ]
    for question, answer in answers:
        asked = b""
        while question not in asked or not asked.rstrip().endswith(b":"):
            asked += os.read(ours, 4096)
        seen += asked
        os.write(ours, answer.encode() + b"\n")
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # on Linux this means that the other end was closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    assert running.wait(30) == 0, seen
    assert b"user name and password" in seen
    assert PASSWORD.encode() not in seen and b"not this one" not in seen
    assert load_profiles(home / "credentials")["mine"].secret_api_key
