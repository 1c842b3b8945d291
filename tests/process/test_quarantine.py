"""What a lab does not take any more is moved aside, counted, shown, and put back when somebody says so."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import msgpack
import pytest

from pyhectiqlab.transport.http import LabClient

from .conftest import Site, eventually
from .test_ends import unique

SCRIPT = """
import sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
run.add_metrics("loss", 0.0, 0)
assert run.flush(20)
print("there", flush=True)
sys.stdin.readline()
for n in range(1, 100):
    run.add_metrics("loss", float(n), n)
if len(sys.argv) > 2:
    run.add_artifact(sys.argv[2])
run.flush(20)
"""


def deleted_while_it_logs(site: Site, name: str, *files: Path) -> str:
    """Return the id of a run that was deleted before most of it was sent. Its script has ended."""
    process = site.start(SCRIPT, name, *map(str, files))
    assert process.stdout is not None and process.stdout.readline() == "there\n"
    run = str(site.find(name)["id"])
    with site.client() as client:
        client.delete(f"/runs/{run}")
    process.communicate("go\n", timeout=30)
    assert process.returncode == 0
    eventually(lambda: not site.uploaders(), 30)
    return run


def test_what_was_logged_for_a_run_that_was_deleted_is_put_aside_and_counted(site: Site) -> None:
    name = unique("deleted")
    run = deleted_while_it_logs(site, name)
    (report,) = json.loads(site.cli("status", "--json").stdout)
    assert report["lost"]["deleted"] >= 99 and report["quarantined"]["events"] >= 99
    assert "100 events" in site.cli("status").stdout and "hectiqlab quarantine" in site.cli("status").stdout
    (folder,) = (site.home / "quarantine").iterdir()
    kept = [msgpack.unpackb(path.read_bytes()) for path in folder.glob("*.msgpack")]
    assert {content["reason"] for content in kept} == {"deleted"} and all(content["records"] for content in kept)
    assert site.cli("sync").stdout == "Sent 0 events; 0 left.\n"
    assert name in (shown := site.cli("quarantine").stdout) and "deleted=100" in shown
    assert json.loads(site.cli("quarantine", "--json").stdout)[0]["runs"] == [name]
    verified = site.cli("verify")
    assert verified.returncode == 1 and run in verified.stdout
    assert "in the quarantine: 100 events or files" in verified.stdout


@pytest.mark.parametrize("removed", [False, True], ids=["the session is still there", "the session is gone"])
def test_it_gets_to_the_lab_once_the_run_is_restored(site: Site, tmp_path: Path, removed: bool) -> None:
    name = unique("restored")
    (tmp_path / "model.bin").write_bytes(b"weights")
    run = deleted_while_it_logs(site, name, tmp_path / "model.bin")
    (folder,) = (site.home / "quarantine").iterdir()
    if removed:  # as it is a day after delivery
        shutil.rmtree(site.home / "spool" / folder.name)

    assert site.cli("quarantine", "restore").stdout.startswith("Put back 100 events and 1 file.")
    assert not folder.exists()
    early = site.cli("sync")  # it is still deleted: a line says so and what to do, and it is put aside again
    assert early.returncode == 1 and f"hectiqlab restore {run}" in early.stderr, early.stderr
    assert "100 events" in site.cli("status").stdout and folder.exists()

    with site.client() as client:
        client.post(f"/runs/{run}/restore")
    assert site.cli("quarantine", "restore", folder.name[:6]).returncode == 0
    waits = json.loads(site.cli("status", "--json").stdout)
    assert [(r["state"], r["backlog"], r["files_left"]) for r in waits] == [("waits", 100, 1)]
    done = site.cli("sync")
    assert done.returncode == 0 and "Sent 100 events; 0 left." in done.stdout, done.stderr
    assert [step for step, _, _ in site.points(name, "loss")] == list(range(100))
    assert site.state(name) == "completed"
    with site.client() as client:
        assert [a["name"] for a in client.pages(f"/runs/{run}/artifacts")] == ["model.bin"]
    assert site.cli("quarantine").stdout == "The quarantine is empty.\n"
    assert site.cli("verify", run).returncode == 0


def test_it_is_deleted_for_good_when_somebody_says_so(site: Site) -> None:
    deleted_while_it_logs(site, unique("dropped"))
    (folder,) = (site.home / "quarantine").iterdir()
    assert "named 'zz'" in site.cli("quarantine", "drop", "zz", "--yes").stderr
    assert site.cli("quarantine", "drop", folder.name).returncode == 1 and folder.exists(), "nobody answered"
    assert "Deleted 100 events" in site.cli("quarantine", "drop", folder.name, "--yes").stdout
    assert not folder.exists()


def test_a_project_that_is_missing_is_no_last_word_even_of_an_earlier_version(site: Site) -> None:
    """Earlier versions moved it to the quarantine, as denied, with less about whose it is."""
    name = unique("denied")
    script = "import sys; from pyhectiqlab import Run; Run(sys.argv[1], 'nowhere').add_metrics('loss', 1.0, 0)"
    assert site.run(script, name).returncode == 0
    eventually(lambda: not site.uploaders(), 30)
    (session,) = (site.home / "spool").iterdir()
    folder = site.home / "quarantine" / session.name
    folder.mkdir(parents=True)
    from pyhectiqlab.journal import Data, Keys, Tail
    from pyhectiqlab.spool import SessionDir

    table = b""
    for frame, _ in Tail(session / "journal").read():
        if isinstance(frame, Keys):
            table += frame.table
        elif isinstance(frame, Data):
            kept = {"writer": frame.writer, "run": None, "url": site.lab.url, "reason": "denied"}
            kept |= {"table": table, "records": frame.records}
            (folder / f"{frame.writer}-{frame.first}-{frame.last}.msgpack").write_bytes(msgpack.packb(kept))
    for info in SessionDir(session).writers():
        SessionDir(session).save_writer(info.changed(done=True))
    assert site.cli("quarantine", "restore").returncode == 0
    refused = site.cli("sync")
    assert refused.returncode == 1 and "'nowhere'" in refused.stderr and "--project NAME" in refused.stderr
    assert site.cli("sync", "--create-project").returncode == 0
    assert site.points(name, "loss") == [(0, 1.0, 0)]


def test_what_somebody_may_not_add_any_more_stays_and_is_sent_once_they_may_again(site: Site, tmp_path: Path) -> None:
    name, user, project = unique("role"), unique("eve"), unique("private")
    with site.client() as owner:
        owner.post("/users", {"username": user, "password": "correct horse 7"})
        owner.post("/projects", {"name": project})
        owner.patch(f"/projects/{project}", {"private": True})
        owner.put(f"/projects/{project}/members/{user}", {"role": "member"})
    with LabClient(site.lab.url, auth=(user, "correct horse 7")) as client:
        key = client.post("/keys", {"name": "test"})["key"]
    (tmp_path / "model.bin").write_bytes(b"weights")
    env = {"HECTIQLAB_URL": site.lab.url, "HECTIQLAB_API_KEY": key, "HECTIQLAB_PROJECT": project}
    process = site.start(SCRIPT, name, str(tmp_path / "model.bin"), **env)
    assert process.stdout is not None and process.stdout.readline() == "there\n"
    with site.client() as owner:
        owner.put(f"/projects/{project}/members/{user}", {"role": "viewer"})
    with LabClient(site.lab.url, key) as client:  # a lab may look up the rights of a key some seconds later
        eventually(lambda: client.get(f"/projects/{project}")["role"] == "viewer")
    _, err = process.communicate("go\n", timeout=60)
    # The uploader adds the script's end as it sees it, before the script says what is left or after.
    assert re.search(r"\b(99|100) events and 1 file", err) and "ask an admin" in err and "kept here" in err, err
    eventually(lambda: not site.uploaders(), 30)

    refused = site.cli("sync", **env)
    assert refused.returncode == 1 and "Sent 0 events; 100 left." in refused.stdout, refused
    assert "ask an admin" in refused.stderr and "once the lab takes it again" in refused.stderr
    with site.client() as owner:
        owner.put(f"/projects/{project}/members/{user}", {"role": "member"})
    done = eventually(lambda: (printed := site.cli("sync", **env)).returncode == 0 and printed, 30)
    assert "Sent 100 events; 0 left." in done.stdout, done
    assert site.points(name, "loss") == [(n, float(n), 0) for n in range(100)]
    with site.client() as client:
        assert [a["name"] for a in client.pages(f"/runs/{site.find(name)['id']}/artifacts")] == ["model.bin"]
    assert site.cli("quarantine").stdout == "The quarantine is empty.\n"
