"""A lab restored from yesterday's backup gets back what the machines still have.

Living runs go back by themselves, delivered ones by a sync. What is kept nowhere any more is counted and shown.
`hectiqlab verify` tells before and after.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.errors import NotFoundError
from pyhectiqlab.spool import SessionDir

from .conftest import Site, eventually
from .test_artifacts import artifacts
from .test_ends import unique

SCRIPT = """
import sys, time
from pyhectiqlab import Run
run, n = Run(sys.argv[1]), 0
for line in sys.stdin:
    for _ in range(int(line)):
        run.add_metrics("loss", float(n), n)
        n += 1
    print(run.flush(30), flush=True)
"""


def log(process: Any, points: int) -> None:
    process.stdin.write(f"{points}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "True\n"


def back_up(site: Site) -> None:
    site.lab.stop()
    shutil.copytree(site.lab.data_dir, site.home.parent / "backup")
    site.lab.start()


def restore(site: Site) -> None:
    site.lab.kill()
    shutil.rmtree(site.lab.data_dir)
    shutil.copytree(site.home.parent / "backup", site.lab.data_dir)
    site.lab.start()


def steps(site: Site, name: str) -> list[int]:
    return [step for step, _, _ in site.points(name, "loss")]


def verified(site: Site, name: str) -> dict[str, Any]:
    report: dict[str, Any]
    (report,) = json.loads(site.cli("verify", name, "--json").stdout)
    return report


def test_a_delivered_run_is_refilled_by_a_sync_and_verify_tells_before_and_after(own_site: Site) -> None:
    site, name = own_site, unique("restored")
    process = site.start(SCRIPT, name)
    log(process, 1000)
    back_up(site)
    log(process, 500)
    process.communicate(timeout=30)
    eventually(lambda: not site.uploaders())
    before = verified(site, name)
    assert before["agrees"] and before["writers"][0]["compared"] == before["writers"][0]["journaled"]
    restore(site)
    assert steps(site, name) == list(range(1000))
    missing = verified(site, name)
    assert not missing["agrees"] and missing["writers"][0]["gap"] >= 500
    printed = site.cli("verify")
    assert printed.returncode == 1 and "the lab lacks" in printed.stdout and "hectiqlab sync" in printed.stdout
    synced = site.cli("sync")
    assert synced.returncode == 0 and "the lab lacks" in synced.stderr, synced
    assert steps(site, name) == list(range(1500))
    assert verified(site, name)["agrees"] and site.state(name) == "completed"
    assert site.cli("sync").stdout == "Sent 0 events; 0 left.\n"


def test_a_delivered_run_whose_uploader_was_killed_before_it_wrote_that_down_is_refilled(own_site: Site) -> None:
    """status.json tells of an ack a moment later than the writer's own file tells that all was delivered."""
    site, name = own_site, unique("behind")
    process = site.start(SCRIPT, name)
    log(process, 100)
    back_up(site)
    log(process, 400)
    process.communicate(timeout=30)
    eventually(lambda: not site.uploaders())
    (session,) = SessionDir.all(site.home / "spool")
    status = json.loads((session.path / "status.json").read_text())
    for writer in status["writers"].values():
        writer["acked"] = min(writer["acked"], 100)
    (session.path / "status.json").write_text(json.dumps(status))
    restore(site)
    site.cli("sync")
    assert steps(site, name) == list(range(500))


def test_a_run_that_the_backup_does_not_know_is_made_again_while_it_lives(own_site: Site) -> None:
    site, name = own_site, unique("unknown")
    back_up(site)
    process = site.start(SCRIPT, name)
    log(process, 1000)
    restore(site)
    log(process, 500)
    process.communicate(timeout=30)
    assert site.ended(name, 30)["state"] == "completed"
    assert steps(site, name) == list(range(1500))
    assert site.find(name)["losses"] == {}


CHILD_AND_CLOSED = """
import os, sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
run.add_metrics("loss", 0.0, 0)
print(run.flush(30), flush=True)
sys.stdin.readline()
if not os.fork():
    for n in range(500):
        run.add_metrics("child", float(n), n)
    os._exit(0)
os.wait()
with Run(sys.argv[1] + "-closed") as closed:
    for n in range(500):
        closed.add_metrics("loss", float(n), n)
print(run.flush(30), flush=True)
sys.stdin.readline()
run.add_metrics("loss", 1.0, 1)
print(run.flush(30), flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("known", [True, False])
def test_what_ended_processes_and_closed_runs_of_a_living_session_had_delivered_is_sent_again(
    own_site: Site, known: bool
) -> None:
    """Nothing more comes from them, by which the lab could tell that it lacks what it had. Once with a backup that
    knows of the run, once with one that knows of nothing.
    """
    site, name = own_site, unique("child")
    if not known:
        back_up(site)
    process = site.start(CHILD_AND_CLOSED, name)
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "True\n"
    if known:
        back_up(site)

    def go_on() -> None:
        process.stdin.write("\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        assert process.stdout.readline() == "True\n"  # type: ignore[union-attr]

    def child_delivered() -> bool:
        with contextlib.suppress(NotFoundError):
            return len(site.points(name, "child")) == len(site.points(f"{name}-closed", "loss")) == 500
        return False

    go_on()
    eventually(child_delivered)
    eventually(lambda: sum(w.done for s in SessionDir.all(site.home / "spool") for w in s.writers()) == 2)
    restore(site)
    go_on()
    eventually(child_delivered)
    assert [step for step, _, _ in site.points(name, "child")] == list(range(500))
    assert [step for step, _, _ in site.points(f"{name}-closed", "loss")] == list(range(500))
    process.communicate("\n", timeout=30)
    assert site.ended(name)["state"] == "completed" and steps(site, name) == [0, 1]
    assert site.state(f"{name}-closed") == "completed"
    assert site.find(name)["losses"] == {} and site.find(f"{name}-closed")["losses"] == {}


def test_an_uploader_whose_last_work_is_a_file_asks_before_it_ends(own_site: Site, tmp_path: Path) -> None:
    """Its events were acknowledged before the lab went back, and no other event comes from which the lab could tell."""
    site, name = own_site, unique("file-last")
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(9 << 20))
    script = SCRIPT.replace("for line in sys.stdin:", "print(run.flush(30), flush=True)\nfor line in sys.stdin:")
    process = site.start(script + f"run.add_artifact({str(large)!r})\nprint(flush=True)\ntime.sleep(60)", name)
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "True\n"
    back_up(site)
    log(process, 500)
    site.lab.kill()
    process.stdin.close()
    process.stdin = None
    assert process.stdout.readline() == "\n"
    process.kill()
    process.communicate(timeout=30)
    restore(site)
    eventually(lambda: not site.uploaders(), 30)
    assert [a["name"] for a in artifacts(site, name)] == ["large.bin"]
    assert steps(site, name) == list(range(500))
    run = site.find(name)
    assert (run["state"], run["attempt"]) == ("killed", 1), site.logs()


def test_what_is_kept_nowhere_any_more_is_a_loss_with_its_reason(own_site: Site) -> None:
    site, name = own_site, unique("released")
    process = site.start(SCRIPT, name)
    log(process, 10)
    back_up(site)
    log(process, 500)
    process.communicate(timeout=30)
    eventually(lambda: not site.uploaders())
    for segment in site.home.glob("spool/*/journal/*.seg"):
        segment.unlink()
    restore(site)
    synced = site.cli("sync")
    assert (
        synced.returncode == 0 and "reported as lost" in synced.stderr and synced.stdout == "Sent 0 events; 0 left.\n"
    )
    assert steps(site, name) == list(range(10))
    losses = site.find(name)["losses"]
    assert losses["lab_restored"] >= 500
    printed = site.cli("verify", name)
    assert printed.returncode == 0 and "lab_restored" in printed.stdout, printed


FILES = """
import sys
from pathlib import Path
from pyhectiqlab import Run
run = Run(sys.argv[1])
for name in ("before", "same", "changed", "removed"):
    path = Path(sys.argv[2]) / name
    path.write_text(name * 1000)
    run.add_artifact(path)
    run.add_metrics("loss", 1.0, 0)
    assert run.flush(30)
    if name == "before":
        print("now", flush=True)
        sys.stdin.readline()
"""


def test_files_are_sent_again_where_they_are_what_they_were_and_else_counted(own_site: Site, tmp_path: Path) -> None:
    site, name = own_site, unique("files")
    process = site.start(FILES, name, str(tmp_path))
    assert process.stdout.readline() == "now\n"
    back_up(site)
    process.communicate("\n", timeout=60)
    eventually(lambda: not site.uploaders())
    (tmp_path / "changed").write_text("another " * 1000)
    (tmp_path / "removed").unlink()
    restore(site)
    assert [a["name"] for a in artifacts(site, name)] == ["before"]
    synced = site.cli("sync")
    assert "the lab lacks 3 files" in synced.stderr, synced
    assert [a["name"] for a in artifacts(site, name)] == ["before", "same"]
    assert site.find(name)["losses"] == {"lab_restored": 2}
    again = site.cli("sync")
    assert again.returncode == 0 and "lacks" not in again.stderr, again
    assert site.find(name)["losses"] == {"lab_restored": 2}, "told once"


def test_verify_finds_a_value_that_is_not_the_same(own_site: Site) -> None:
    site, name = own_site, unique("differs")
    process = site.start(SCRIPT, name)
    log(process, 100)
    process.communicate(timeout=30)
    eventually(lambda: not site.uploaders())
    assert verified(site, name)["agrees"]
    site.lab.stop()
    _damage(site)
    site.lab.start()
    (writer,) = verified(site, name)["writers"]
    ((first, last, what),) = writer["differs"]
    assert first == 1 and last >= 100 and "not the same" in what
    assert site.cli("verify", name).returncode == 1


def _damage(site: Site) -> None:
    """Write another value into the store's own file, with a checksum that fits: as if the wrong one had been sent."""
    import sqlite3
    from dataclasses import replace

    from pyhectiqlab.store.sqlite_points import arrivals

    with sqlite3.connect(site.lab.data_dir / "points.db") as connection:
        number, data = connection.execute("SELECT id, data FROM arrived ORDER BY length(data) DESC").fetchone()
        batch = arrivals.unpack(number, "", "", 0, data)
        value = batch.columns[0].value.copy()
        value[0] += 1.0
        columns = [replace(batch.columns[0], value=value), *batch.columns[1:]]
        data = arrivals.pack(
            batch.rank, batch.attempt, batch.first, batch.last, columns, sum(len(c.step) for c in columns)
        )
        connection.execute("UPDATE arrived SET data = ? WHERE id = ?", (data, number))
    connection.close()
