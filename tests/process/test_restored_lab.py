"""A lab restored from yesterday's backup: living runs go back by themselves, delivered ones by a sync; what is kept
nowhere any more is counted and shown. `hectiqlab verify` tells before and after.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from .conftest import Site, eventually
from .test_artifacts import artifacts
from .test_ends import unique

SCRIPT = """
import sys
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
    (told,) = json.loads(site.cli("verify", name, "--json").stdout)
    found: dict[str, Any] = told
    return found


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
    told = site.cli("verify")
    assert told.returncode == 1 and "the lab lacks" in told.stdout and "hectiqlab sync" in told.stdout
    synced = site.cli("sync")
    assert synced.returncode == 0 and "the lab lacks" in synced.stderr, synced
    assert steps(site, name) == list(range(1500))
    assert verified(site, name)["agrees"] and site.state(name) == "completed"
    assert site.cli("sync").stdout == "Sent 0 events; 0 left.\n"


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
    assert synced.returncode == 0 and "told as lost" in synced.stderr and synced.stdout == "Sent 0 events; 0 left.\n"
    assert steps(site, name) == list(range(10))
    losses = site.find(name)["losses"]
    assert losses["lab_restored"] >= 500
    told = site.cli("verify", name)
    assert told.returncode == 0 and "lab_restored" in told.stdout, told


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
    """One bit of one value, in the store's own file."""
    import sqlite3

    with sqlite3.connect(site.lab.data_dir / "points.db") as connection:
        (row, data), *_ = connection.execute("SELECT id, data FROM head UNION ALL SELECT id, data FROM chunk_data")
        table = "head" if connection.execute("SELECT count(*) FROM head").fetchone()[0] else "chunk_data"
        changed = bytearray(data)
        changed[-1] ^= 1
        connection.execute(f"UPDATE {table} SET data = ? WHERE id = ?", (bytes(changed), row))
    connection.close()
