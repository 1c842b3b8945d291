"""What is wrong at `Run(...)` is said in one line, and training goes on.

Offline, dry and read-only mode; a sync pushes what was kept.
"""

from __future__ import annotations

import json
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyhectiqlab.profile import save_profile
from pyhectiqlab.transport.http import LabClient

from ..ports import free_port
from .conftest import Site, eventually
from .test_ends import unique

SCRIPT = """
import sys, time
from pyhectiqlab import Run
start = time.monotonic()
run = Run(sys.argv[1])
print(run.mode, run.action_mode, flush=True)
for step in range(100):
    run.add_metrics("loss", float(step), step)
run.add_metrics({"a": 1, "b": 2}, step=1)
run.add_config({"lr": 0.1})
run.set_note("a note")
run.training()
print(run, file=sys.stderr)
"""


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Start a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepted: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    accepted.append(listening.accept()[0])
            except OSError:
                return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    for connection in accepted:
        connection.close()


def lines_of_ours(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("hectiqlab:")]


@pytest.mark.parametrize(
    ("what", "variables", "says"),
    [
        ("no such profile", {"HECTIQLAB_PROFILE": "nope"}, "'nope' is not in"),
        ("a wrong key", {"HECTIQLAB_URL": "{lab}", "HECTIQLAB_API_KEY": "secret-but-wrong"}, "key is wrong"),
        (
            "nobody there",
            {"HECTIQLAB_URL": "http://127.0.0.1:{free}", "HECTIQLAB_API_KEY": "x"},
            "nothing listens there",
        ),
        ("a bad address", {"HECTIQLAB_URL": "htp:/x", "HECTIQLAB_API_KEY": "x"}, "htp:/x"),
        ("a name without scheme", {"HECTIQLAB_URL": "lab.invalid", "HECTIQLAB_API_KEY": "x"}, "put https://"),
        ("a name that nobody has", {"HECTIQLAB_URL": "http://lab.invalid", "HECTIQLAB_API_KEY": "x"}, "is not known"),
        ("a corrupt file", {"HECTIQLAB_CREDENTIALS": "{corrupt}"}, "corrupt"),
        ("no profile at all", {"HECTIQLAB_CREDENTIALS": "{absent}"}, "hectiqlab add-profile"),
        ("an unknown project", {"HECTIQLAB_PROJECT": "no-such-project"}, "no-such-project"),
        ("a bad setting", {"HECTIQLAB_MODE": "sometimes"}, "HECTIQLAB_MODE"),
    ],
)
def test_a_wrong_configuration_is_said_once_and_what_was_logged_is_kept_for_a_sync(
    site: Site, tmp_path: Path, what: str, variables: dict[str, str], says: str
) -> None:
    name = unique("kept")
    (tmp_path / "corrupt").write_text("[local\nurl = ")
    (tmp_path / "corrupt").chmod(0o600)
    words = {
        "lab": site.lab.url,
        "free": str(free_port()),
        "corrupt": str(tmp_path / "corrupt"),
        "absent": str(tmp_path / "absent"),
    }
    wrong = {k: v.format(**words) for k, v in variables.items()}
    done = site.run(SCRIPT, name, **wrong)
    assert (done.returncode, done.stdout) == (0, "kept dry\n"), done.stderr
    said = lines_of_ours(done.stderr)
    assert len(said) == 1 and says in said[0] and "hectiqlab sync" in said[0], done.stderr
    assert (
        wrong.get("HECTIQLAB_API_KEY", "wrong key") not in said[0].replace("a wrong key", "") or what != "a wrong key"
    )
    # When it is put right, a sync brings everything: every event, the config, the note, and the end.
    right = {"HECTIQLAB_URL": site.lab.url, "HECTIQLAB_API_KEY": site.lab.api_key}
    if what == "an unknown project":
        with site.client() as client:
            client.post("/projects", {"name": "no-such-project"})
    synced = site.cli("sync", **right)
    assert synced.returncode == 0, synced.stderr
    assert [step for step, _, _ in site.points(name, "loss")] == list(range(100))
    run = site.find(name)
    assert (run["state"], run["config"], run["note"]) == ("completed", {"lr": 0.1}, "a note")
    assert "0 left" in site.cli("sync", **right).stdout


def test_an_address_that_lacks_its_scheme_is_taken_for_what_it_can_only_be(site: Site) -> None:
    name = unique("no scheme")
    url = site.lab.url.removeprefix("http://")
    done = site.run(SCRIPT, name, HECTIQLAB_URL=url, HECTIQLAB_API_KEY=site.lab.api_key)
    assert (done.returncode, done.stdout) == (0, "online read-write\n"), done.stderr


def test_a_run_that_is_deleted_while_it_logs_is_told_at_the_end(site: Site) -> None:
    name = unique("deleted")
    script = (
        SCRIPT + "assert run.flush(20); print(run.id, flush=True); sys.stdin.readline()\nrun.add_metrics('a', 2, 2)"
    )
    process = site.start(script, name)
    assert process.stdout is not None
    run = [process.stdout.readline().strip() for _ in range(2)][1]
    with site.client() as client:
        client.delete(f"/runs/{run}")
    _, err = process.communicate("go\n", timeout=60)
    (said,) = lines_of_ours(err)
    assert "was deleted" in said and f"hectiqlab restore {run}" in said and "hectiqlab quarantine restore" in said
    assert "2 events" in said, "what is not there is counted: the point, and the end"


def test_a_lab_that_never_answers_costs_a_bounded_time(site: Site, silent_server: str) -> None:
    start = time.monotonic()
    done = site.run(SCRIPT, unique("silent"), HECTIQLAB_URL=silent_server, HECTIQLAB_API_KEY="x", timeout=90)
    assert (done.returncode, done.stdout) == (0, "kept dry\n")
    assert time.monotonic() - start < 60
    assert len(lines_of_ours(done.stderr)) == 1


def test_nothing_is_kept_where_that_is_not_wanted(site: Site) -> None:
    done = site.run(SCRIPT, "x", HECTIQLAB_PROFILE="nope", HECTIQLAB_KEEP_DRY="0")
    assert (done.returncode, done.stdout) == (0, "dry dry\n")
    assert len(lines_of_ours(done.stderr)) == 1 and "sync" not in done.stderr
    assert not list(site.home.glob("spool/*/writers/*"))


def test_dry_runs_drop_everything_and_say_nothing(site: Site) -> None:
    for script, env in (
        (SCRIPT.replace("sys.argv[1])", "sys.argv[1], dry=True)"), {}),
        (SCRIPT, {"HECTIQLAB_MODE": "dry"}),
    ):
        done = site.run(script, "x", **env)
        assert (done.returncode, done.stdout, lines_of_ours(done.stderr)) == (0, "dry dry\n", [])
    assert not site.home.exists()


def test_offline_runs_are_journaled_without_a_lab_and_synced_later(site: Site) -> None:
    name = unique("offline")
    # As on a node without a network: no profile, no lab, and flush waits for the journal.
    done = site.run(
        SCRIPT + "print(run.flush(20), run.url)",
        name,
        HECTIQLAB_MODE="offline",
        HECTIQLAB_CREDENTIALS=str(site.home / "absent"),
    )
    assert (done.returncode, done.stdout) == (0, "offline read-write\nTrue None\n"), done.stderr
    assert lines_of_ours(done.stderr) == []
    eventually(lambda: not site.uploaders())
    (report,) = json.loads(site.cli("status", "--json").stdout)
    assert (report["mode"], report["runs"], report["queued_bytes"]) == ("offline", [name], 0)
    assert report["backlog"] >= 105
    synced = site.cli("sync")
    assert synced.returncode == 0, synced.stderr
    assert [step for step, _, _ in site.points(name, "loss")] == list(range(100))
    assert site.state(name) == "completed"


def test_an_offline_run_that_fails_is_failed_at_the_lab_after_the_sync(site: Site) -> None:
    name = unique("offline")
    done = site.run(SCRIPT + "raise ValueError('x')", name, HECTIQLAB_MODE="offline")
    assert done.returncode == 1
    eventually(lambda: not site.uploaders())
    assert site.cli("sync").returncode == 0
    assert site.state(name) == "failed"


def test_a_kept_session_whose_script_still_runs_is_synced_by_its_own_uploader(site: Site) -> None:
    name = unique("living")
    process = site.start(SCRIPT + "sys.stdin.read()", name, HECTIQLAB_MODE="offline")
    assert process.stdout is not None
    process.stdout.readline()
    eventually(lambda: site.uploaders())
    synced = site.cli("sync")
    assert synced.returncode == 0, synced.stderr
    assert [step for step, _, _ in site.points(name, "loss")] == list(range(100))
    process.communicate(timeout=20)
    assert site.ended(name)["state"] == "completed"


def test_the_mode_says_whether_what_is_not_pushed_is_kept_and_print_says_the_same(site: Site) -> None:
    script = """
        import sys
        from pyhectiqlab import Run
        run = Run(sys.argv[1], dry=len(sys.argv) > 2)
        shown = dict(line.strip().split(": ", 1) for line in str(run).splitlines()[1:])
        print(run.mode, shown["mode"], f"mode={run.mode!r}" in repr(run), run.dry_mode, run.action_mode)
        """
    nobody = {"HECTIQLAB_URL": "http://127.0.0.1:9", "HECTIQLAB_API_KEY": "x"}
    for arguments, env, said in (
        ([], {}, "online online True False read-write"),
        ([], {"HECTIQLAB_MODE": "offline"}, "offline offline True False read-write"),
        ([], nobody, "kept kept True True dry"),
        ([], {**nobody, "HECTIQLAB_KEEP_DRY": "0"}, "dry dry True True dry"),
        (["dry"], {}, "dry dry True True dry"),
    ):
        done = site.run(script, unique("words"), *arguments, **env)
        assert (done.returncode, done.stdout) == (0, said + "\n"), done.stderr


def test_what_a_living_script_keeps_by_mistake_goes_where_the_sync_says(site: Site) -> None:
    """Its own uploader sends it, in the environment of the script and not in that of the sync."""
    name, project = unique("living"), unique("early")
    wrong = {"HECTIQLAB_URL": "http://127.0.0.1:9", "HECTIQLAB_API_KEY": "wrong", "HECTIQLAB_PROJECT": project}
    process = site.start(SCRIPT + "sys.stdin.read()", name, **wrong)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("kept")
    eventually(lambda: site.uploaders())
    refused = site.cli("sync")
    assert refused.returncode == 1 and f"No project named '{project}'" in refused.stderr, refused
    synced = site.cli("sync", "--create-project")
    assert synced.returncode == 0, synced
    assert [step for step, _, _ in site.points(name, "loss")] == list(range(100))
    assert process.poll() is None
    process.communicate(timeout=20)
    assert site.ended(name)["state"] == "completed"


def test_the_run_of_somebody_else_is_read_only(site: Site) -> None:
    name, other = unique("theirs"), unique("bob")
    with site.client() as client:
        client.post("/users", {"username": other, "password": "correct horse 7"})
    with LabClient(site.lab.url, auth=(other, "correct horse 7")) as client:
        key = client.post("/keys", {"name": "test"})["key"]
    assert site.run(SCRIPT, name).returncode == 0
    before = site.ended(name)
    done = site.run(
        SCRIPT + "run.failed(); assert run.read_only and run.close()",
        name,
        HECTIQLAB_URL=site.lab.url,
        HECTIQLAB_API_KEY=key,
    )
    assert (done.returncode, done.stdout) == (0, "read-only read-only\n"), done.stderr
    (said,) = lines_of_ours(done.stderr)
    assert "belongs to" in said and "read-only" in said
    after = site.find(name)
    assert (after["points"], after["state"]) == (before["points"], before["state"])


def test_a_home_that_cannot_be_written_is_said_and_all_arrives_from_temporary_storage(
    site: Site, tmp_path: Path
) -> None:
    name = unique("no_home")
    (tmp_path / "home").write_text("a file where the folder should be")
    (tmp_path / "tmp").mkdir()
    done = site.run(SCRIPT, name, HECTIQLAB_CREDENTIALS=str(site.lab.credentials), TMPDIR=str(tmp_path / "tmp"))
    assert (done.returncode, done.stdout) == (0, "online read-write\n"), done.stderr
    (line,) = lines_of_ours(done.stderr)
    assert str(tmp_path / "home") in line and str(tmp_path / "tmp") in line
    assert len(list(tmp_path.glob("tmp/hectiqlab-*/home-*/spool/*"))) == 1
    eventually(lambda: site.state(name) == "completed")


def test_the_spool_is_private(site: Site) -> None:
    site.run(SCRIPT, unique("private"))
    for path in [site.home / "spool", *(site.home / "spool").rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_a_profile_is_chosen_by_its_variable(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    for name, url in (("one", "http://127.0.0.1:9"), ("two", site.lab.url)):
        save_profile(name, url=url, username="u", secret_api_key=site.lab.api_key, api_key_uuid="", path=path)
    name = unique("profile")
    env = {"HECTIQLAB_CREDENTIALS": str(path), "HECTIQLAB_PROFILE": "two"}
    done = site.run(SCRIPT, name, **env)
    assert done.stdout == "online read-write\n", done.stderr
    assert site.ended(name)["state"] == "completed"


def test_an_offline_run_has_its_own_start_and_end_and_not_those_of_the_sync(site: Site) -> None:
    name = unique("times")
    before = time.time()
    assert site.run(SCRIPT, name, HECTIQLAB_MODE="offline").returncode == 0
    (session,) = site.sessions()
    eventually(lambda: (session / "lease").exists() and not site.uploaders())  # an uploader came, and has gone
    after = time.time()
    request_s = 2.0  # at most, on a machine with neighbours: the lab takes that for a difference between the clocks
    time.sleep(after + request_s - time.time())  # so that the time of the sync would be seen if it counted
    assert site.cli("sync").returncode == 0
    run = site.find(name)
    assert before - 0.1 <= run["started"] <= run["ended"] <= after + request_s
