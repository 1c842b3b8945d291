"""`status` and `sync` over what real scripts left behind."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from pyhectiqlab.profile import load_profiles, save_profile
from pyhectiqlab.spool import SessionDir
from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient
from pyhectiqlab.uploader.lease import Lease
from pyhectiqlab.uploader.sync import PLAIN, Outcome, has_unsent, sync_one
from pyhectiqlab.uploader.uploader import Uploader

from ..labs import ForkedLab
from ..scripts import run_script, start_script
from ..waiting import eventually
from .conftest import Hectiqlab, output

SCRIPT = """
from pyhectiqlab import Run

run = Run("kept", project="p", should_create_project=True)
for step in range(500):
    run.add_metrics("loss", 1 / (step + 1), step)
"""


def script(environment: dict[str, str], **variables: str) -> None:
    done = run_script(SCRIPT, env={**environment, **variables})
    assert (done.returncode, done.stdout) == (0, ""), done


def steps(hectiqlab: Hectiqlab) -> list[int]:
    lines = output(hectiqlab("metrics", "kept", "loss", "--format", "jsonl")).splitlines()
    return [json.loads(line)["step"] for line in lines]


def test_what_was_logged_offline_or_without_a_lab_is_shown_and_sent(
    lab: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    environment |= {"HECTIQLAB_URL": lab.url, "HECTIQLAB_API_KEY": lab.api_key}
    script(environment, HECTIQLAB_MODE="offline")
    reports = json.loads(output(hectiqlab("status", "--json")))
    assert [(r["state"], r["runs"]) for r in reports] == [("waits", ["kept"])]
    shown = output(hectiqlab("status"))
    assert reports[0]["session"] in shown and "hectiqlab sync" in shown

    lab.stop()
    failed = hectiqlab("sync")
    assert failed.returncode == 1 and "Error: session" in failed.stderr and "cannot be reached" in failed.stderr
    lab.start()

    done = hectiqlab("sync")
    assert done.returncode == 0 and done.stdout.endswith("; 0 left.\n"), done
    assert steps(hectiqlab) == list(range(500))
    assert "Nothing waits" in output(hectiqlab("status"))
    assert output(hectiqlab("sync")) == "Sent 0 events; 0 left.\n"


def test_what_a_lab_that_was_down_missed_is_sent_later(
    lab: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    environment |= {"HECTIQLAB_URL": lab.url, "HECTIQLAB_API_KEY": lab.api_key}
    before = len(steps(hectiqlab))
    lab.stop()
    script(environment)
    assert [r["state"] for r in json.loads(output(hectiqlab("status", "--json")))] == ["waits"]
    lab.start()
    assert hectiqlab("sync").returncode == 0
    assert len(steps(hectiqlab)) == before + 500


def test_what_the_lab_takes_between_a_turn_and_the_question_what_is_left_is_put_away_as_well(
    known: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine let this happen: the sync said that nothing is left, and the next one had it all to send again."""
    script(environment, HECTIQLAB_MODE="offline")
    ask = Uploader.has_work

    def has_work_later(uploader: Uploader) -> bool:
        eventually(lambda: all(s.acked == 501 and uploader.events.told_end(s) for s in uploader.streams))
        return ask(uploader)

    monkeypatch.setattr(Uploader, "has_work", has_work_later)
    monkeypatch.setenv("HECTIQLAB_HOME", str(home))
    (session,) = (s for s in SessionDir.everywhere() if has_unsent(s))
    assert sync_one(session, PLAIN) == Outcome(501, 0)
    assert not has_unsent(session)
    assert output(hectiqlab("sync")) == "Sent 0 events; 0 left.\n"


def kept(environment: dict[str, str], name: str, project: str = "p", **variables: str) -> str:
    """Run a script that cannot send what it logs, and so keeps it. Return what it printed."""
    script = f"""
from pyhectiqlab import Run
run = Run({name!r}, {project!r}, should_create_project={project == "p"})
run.add_metrics("loss", 1.0, 0)
print(run.mode, run.close(20))
"""
    done = run_script(script, env={**environment, **variables})
    assert (done.returncode, done.stdout) == (0, "kept True\n"), done
    assert done.stderr.count("hectiqlab sync") >= 1, "it is promised that a sync sends it"
    return done.stderr


def runs(hectiqlab: Hectiqlab, project: str) -> set[str]:
    return {run["name"] for run in json.loads(output(hectiqlab("runs", project, "--json")))}


@pytest.fixture
def known(lab: RealLab, home: Path) -> RealLab:
    """Return the lab, after writing its profile into the home of this test."""
    home.mkdir()
    (home / "credentials").write_bytes(lab.credentials.read_bytes())
    (home / "credentials").chmod(0o600)
    return lab


def test_a_project_that_is_missing_is_not_the_last_word(
    known: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab
) -> None:
    said = kept(environment, "early", "playgruond")
    assert "playgruond" in said and "--project NAME" in said
    for _ in range(2):
        refused = hectiqlab("sync")
        assert refused.returncode == 1 and refused.stdout == "Sent 0 events; 2 left.\n", refused
        assert "No project named 'playgruond'" in refused.stderr and "--create-project" in refused.stderr
    assert [r["state"] for r in json.loads(output(hectiqlab("status", "--json")))] == ["waits"]
    assert "no lab has it yet; 2 events wait" in hectiqlab("verify").stdout
    assert hectiqlab("sync", "--create-project").returncode == 0
    assert runs(hectiqlab, "playgruond") == {"early"}

    kept(environment, "unwanted", "no-such")
    (waits,) = json.loads(output(hectiqlab("status", "--json")))
    assert hectiqlab("sync", "--drop").returncode == 2
    assert hectiqlab("sync", waits["session"], "--drop").returncode == 1, "nobody said yes"
    assert "2 events" in output(hectiqlab("sync", waits["session"], "--drop", "--yes"))
    assert json.loads(output(hectiqlab("status", "--json"))) == []

    kept(environment, "astray", "playgroumd")
    assert hectiqlab("sync", "--project", "playgruond").returncode == 0
    assert runs(hectiqlab, "playgruond") == {"early", "astray"}


def test_of_several_only_what_its_own_project_does_not_take_goes_to_another(
    known: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab
) -> None:
    assert hectiqlab("projects").returncode == 0
    script(environment, HECTIQLAB_MODE="offline")
    kept(environment, "homeless", "no-such")
    assert hectiqlab("sync", "--project", "playgruond").returncode == 0
    assert "homeless" in runs(hectiqlab, "playgruond") and "kept" not in runs(hectiqlab, "playgruond")


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"HECTIQLAB_URL": "http://127.0.0.1:9", "HECTIQLAB_API_KEY": "{key}"}, id="port"),
        pytest.param({"HECTIQLAB_URL": "http://127.0.0.1:9", "HECTIQLAB_API_KEY": "wrong"}, id="port and key"),
        pytest.param({"HECTIQLAB_URL": "https://lab.invalid", "HECTIQLAB_API_KEY": "wrong"}, id="name"),
        pytest.param({"HECTIQLAB_URL": "lab.invalid", "HECTIQLAB_API_KEY": "{key}"}, id="scheme"),
        pytest.param({"HECTIQLAB_URL": "{url}", "HECTIQLAB_API_KEY": "wrong"}, id="key"),
        pytest.param({"HECTIQLAB_PROFILE": "lcoal"}, id="profile"),
    ],
)
def test_what_was_kept_by_a_mistake_is_sent_by_a_plain_sync(
    known: RealLab,
    environment: dict[str, str],
    hectiqlab: Hectiqlab,
    wrong: dict[str, str],
    request: pytest.FixtureRequest,
) -> None:
    name = f"mistaken {request.node.callspec.id}"
    kept(environment, name, **{k: v.format(url=known.url, key=known.api_key) for k, v in wrong.items()})
    done = hectiqlab("sync")
    assert (done.returncode, done.stdout) == (0, "Sent 2 events; 0 left.\n"), done
    assert name in runs(hectiqlab, "p")


def test_an_address_that_was_corrected_in_the_profile_is_enough(
    known: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    right = (home / "credentials").read_text()
    (home / "credentials").write_text(right.replace(known.url, "http://127.0.0.1:9") + right.replace("[local]", "[b]"))
    kept(environment, "corrected", HECTIQLAB_PROFILE="local")
    (home / "credentials").write_text(right)
    assert hectiqlab("sync").returncode == 0
    assert "corrected" in runs(hectiqlab, "p")


def test_where_several_labs_can_have_been_meant_it_is_asked_which(
    known: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    save_profile(
        "other", url="http://127.0.0.1:8", username="a", secret_api_key="k", api_key_uuid="", path=home / "credentials"
    )
    for name, to in (("by profile", "local"), ("by address", known.url)):
        kept(environment, name, HECTIQLAB_URL="http://127.0.0.1:9", HECTIQLAB_API_KEY="wrong")
        asked = hectiqlab("sync")
        assert asked.returncode == 1 and "--to PROFILE" in asked.stderr, asked
        assert f"local ({known.url}), other (http://127.0.0.1:8)" in asked.stderr
        assert hectiqlab("sync", "--to", to).returncode == 0
        arrived = json.loads(output(hectiqlab("--profile", "local", "runs", "p", "--json")))
        assert name in {run["name"] for run in arrived}


def test_what_was_meant_for_a_lab_that_may_be_down_goes_to_no_other_unasked(
    known: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab
) -> None:
    """192.0.2.0/24 is nobody's: no answer, as from a lab whose machine is off."""
    kept(environment, "theirs", HECTIQLAB_URL="http://192.0.2.1:8080", HECTIQLAB_API_KEY="theirs")
    asked = hectiqlab("sync")
    assert asked.returncode == 1 and "add-profile --url http://192.0.2.1:8080" in asked.stderr, asked
    assert "theirs" not in runs(hectiqlab, "p")


def test_a_lab_is_known_at_another_port_and_another_lab_is_not_taken_for_it(
    environment: dict[str, str], hectiqlab: Hectiqlab, home: Path, tmp_path: Path
) -> None:
    lab = ForkedLab(tmp_path / "data", home)
    lab.start()
    script(environment, HECTIQLAB_MODE="offline")
    lab.stop()
    first, lab.port = lab.port, 0
    there = ForkedLab(tmp_path / "other", tmp_path / "elsewhere")  # another lab is where the first was
    there.port = first
    there.start()
    try:
        lab.start()
        assert lab.port != first and load_profiles(home / "credentials")["local"].url == lab.url
        assert hectiqlab("sync").returncode == 0
        assert steps(hectiqlab) == list(range(500))
        lab.stop()

        mine = (home / "credentials").read_text()
        script(environment, HECTIQLAB_MODE="offline")
        (home / "credentials").write_bytes(there.credentials.read_bytes())
        away = hectiqlab("sync")
        assert away.returncode == 1 and "No profile is for the lab" in away.stderr and "; 501 left" in away.stdout
        (home / "credentials").write_bytes(there.credentials.read_bytes() + mine.replace("local", "old").encode())
        lab.start()  # it does not find its own key in `local`, and writes a profile of another name beside it
        assert hectiqlab("sync").returncode == 0
        lines = output(hectiqlab("--profile", "old", "metrics", "kept", "loss", "--format", "jsonl"))
        assert lines.count("\n") == 1000
    finally:
        lab.kill()
        there.kill()


@pytest.mark.parametrize("older", ["credentials", "spool"])
def test_what_an_older_version_wrote_finds_its_lab_at_another_port_too(
    environment: dict[str, str], hectiqlab: Hectiqlab, home: Path, tmp_path: Path, older: str
) -> None:
    """It knew no ids: the labs of the profiles are asked who they are, or whether they have the run."""
    lab = ForkedLab(tmp_path / "data", home)
    lab.start()
    code = """
import sys
from pyhectiqlab import Run
run = Run("moved", "p", True)
assert run.flush(20)
print("up", flush=True)
sys.stdin.readline()
run.add_metrics("loss", 1.0, 7)
"""
    environment |= {"HECTIQLAB_EXIT_TIMEOUT": "0.5", "HECTIQLAB_SYSTEM_METRICS": "0"}
    process = start_script(code, env=environment)
    try:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        lab.stop()
        process.communicate("go\n", timeout=60)
        (report,) = json.loads(output(hectiqlab("status", "--json")))
        os.kill(report["uploader_pid"], signal.SIGKILL)
        # So that there is more than one profile to ask about.
        other = ForkedLab(tmp_path / "other", tmp_path / "elsewhere")
        other.start()
        lab.port = 0
        lab.start()
        credentials = (home / "credentials").read_text()
        without = "".join(line for line in credentials.splitlines(True) if not line.startswith("lab_id"))
        theirs = other.credentials.read_text().replace("[local]", "[other]")
        (home / "credentials").write_text((without if older == "credentials" else credentials) + theirs)
        if older == "spool":
            (session,) = SessionDir.all(home / "spool")
            for path in session.writers_dir.iterdir():
                description = json.loads(path.read_text())
                path.write_text(json.dumps({k: v for k, v in description.items() if k not in ("lab_id", "key_mark")}))
        done = hectiqlab("sync")
        assert done.returncode == 0 and "; 0 left" in done.stdout, done
        assert '"step": 7' in output(hectiqlab("--profile", "local", "metrics", "moved", "loss", "--format", "jsonl"))
        other.stop()
    finally:
        process.kill()
        lab.kill()


def test_what_living_scripts_have_is_counted_and_waited_for(
    environment: dict[str, str], hectiqlab: Hectiqlab, home: Path, tmp_path: Path
) -> None:
    lab = ForkedLab(tmp_path / "data", home)
    lab.start()
    code = """
import sys
from pyhectiqlab import Run
run = Run("alive", "p", True)
assert run.flush(20)
print("up", flush=True)
sys.stdin.readline()
for n in range(45):
    run.add_metrics("loss", 1.0, n)
print("logged", flush=True)
sys.stdin.readline()
"""
    environment["HECTIQLAB_SYSTEM_METRICS"] = "0"  # otherwise they would be counted, too
    process = start_script(code, env=environment)
    try:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "up\n"
        lab.stop()
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline() == "logged\n"
        away = hectiqlab("sync")
        assert away.returncode == 1 and away.stdout == "Sent 0 events; 45 left.\n", away
        assert "sends its 45 events by itself" in away.stderr and "nothing listens there" in away.stderr
        assert f"hectiqlab server --port {lab.port}" in away.stderr
        lab.start()
        there = hectiqlab("sync")
        assert there.returncode == 0 and there.stdout.endswith("; 0 left.\n"), there
        assert process.poll() is None
        lines = output(hectiqlab("metrics", "alive", "loss", "--format", "jsonl")).splitlines()
        assert [json.loads(line)["step"] for line in lines] == list(range(45)), "they are there when it says so"
    finally:
        process.communicate("end\n", timeout=60)
        lab.kill()


def test_a_machine_that_no_session_is_of_is_told_with_those_there_are(
    known: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab
) -> None:
    script(environment, HECTIQLAB_MODE="offline")
    gone = hectiqlab("sync", "--host-gone", "node-9")
    assert gone.returncode == 1 and gone.stdout == ""
    assert "machine named 'node-9'" in gone.stderr and f"{os.uname().nodename} (1 with something left)" in gone.stderr
    assert "is this machine" in hectiqlab("sync", "--host-gone", os.uname().nodename).stderr


def test_a_name_that_the_lab_refuses_is_told_with_what_to_do(
    known: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    script(environment, HECTIQLAB_MODE="offline")
    (session,) = SessionDir.all(home / "spool")
    eventually(lambda: not Lease(session.path).is_held(), 60)
    for info in session.writers():  # as a client wrote it that accepted any name
        session.save_writer(info.changed(attach={**info.attach, "name": "a\tb"}))
    refused = hectiqlab("sync")
    assert refused.returncode == 1 and "holds a character" in refused.stderr
    assert f"hectiqlab sync {session.name[:8]} --name NAME" in refused.stderr
    assert hectiqlab("sync", session.name, "--name", "a name").returncode == 0
    assert "a name" in runs(hectiqlab, "p")


def test_a_run_of_somebody_else_is_sent_under_another_name(
    known: RealLab, environment: dict[str, str], hectiqlab: Hectiqlab, home: Path
) -> None:
    script(environment)  # `kept` is the owner's
    mine = (home / "credentials").read_text()
    with LabClient(known.url, known.api_key) as client:
        client.post("/users", {"username": "eve", "password": "correct horse 7"})
    with LabClient(known.url, auth=("eve", "correct horse 7")) as client:
        key = client.post("/keys", {"name": "test"})["key"]
    (home / "credentials").write_text(mine.replace(known.api_key, key))
    script(environment, HECTIQLAB_MODE="offline")
    refused = hectiqlab("sync")
    assert refused.returncode == 1 and "belongs to" in refused.stderr and "--name NAME" in refused.stderr
    (session,) = [r["session"] for r in json.loads(output(hectiqlab("status", "--json")))]
    assert hectiqlab("sync", "--name", "eves").returncode == 2
    assert hectiqlab("sync", session, "--name", "eves").returncode == 0
    assert "eves" in runs(hectiqlab, "p")
