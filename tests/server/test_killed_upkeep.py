"""A lab that is killed in its own upkeep starts again and has lost nothing.

Upkeep: migration, compaction, purge, removal of unused files.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest
import requests
from sqlalchemy import text

from pyhectiqlab.errors import LabError
from pyhectiqlab.store.sql.meta_migrations import MIGRATIONS
from pyhectiqlab.store.sql.meta_projects import RUNS_AT_ONCE
from pyhectiqlab.testing.lab import RealLab

from ..stores import sql
from .api import Api, batch, new_id, wait_until
from .test_artifacts import add
from .test_uploads import digest_of, keep

OLD = Path(__file__).parents[1] / "compat" / "lab-1.sql"
OLD_RUN = "fcb583dcb1aa"
POINTS = 40_000  # more than a head holds


def killed_at(lab: RealLab, point: str, nth: int, marker: Path) -> None:
    """Start the lab, and wait until it has died at the point."""
    lab.env["HECTIQLAB_CRASH_AT"] = f"{point}:{nth}:{marker}"
    try:
        lab.start()
        wait_until(lambda: not lab.running, 30)
    except LabError:
        pass  # it died before it answered
    finally:
        lab.kill()
        del lab.env["HECTIQLAB_CRASH_AT"]
    assert marker.exists(), f"the lab did not come by {point}"


@pytest.mark.parametrize(
    "nth",
    [
        pytest.param(1, marks=pytest.mark.slow),
        len(MIGRATIONS) // 2,
        pytest.param(len(MIGRATIONS) - 1, marks=pytest.mark.slow),
    ],
)
def test_killed_in_a_migration(own_lab: RealLab, tmp_path: Path, nth: int) -> None:
    own_lab.data_dir.mkdir(parents=True)
    database = sqlite3.connect(own_lab.data_dir / "lab.db")
    database.executescript(OLD.read_text())
    database.close()
    killed_at(own_lab, "upkeep.migrated", nth, tmp_path / "died")
    database = sqlite3.connect(own_lab.data_dir / "lab.db")
    assert database.execute("SELECT max(version) FROM migrations").fetchone() == (1,), "all steps or none"
    database.close()
    api = Api.of(own_lab.start())
    run = api.run(OLD_RUN)
    assert (run["name"], run["points"]) == ("kept", 3)


@pytest.mark.parametrize("nth", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_killed_in_a_compaction(own_lab: RealLab, tmp_path: Path, nth: int) -> None:
    marker = tmp_path / "died"
    own_lab.env["HECTIQLAB_CRASH_AT"] = f"upkeep.compacting:{nth}:{marker}"
    api = Api.of(own_lab.start())
    run, writer = api.attach()["run"]["id"], new_id()
    acked = 0
    while not marker.exists() and acked < 8 * POINTS:
        try:
            api.ingest(batch(run, writer, acked + 1, acked + POINTS))
        except OSError:  # the lab died
            break
        acked += POINTS
    wait_until(marker.exists, 60)
    wait_until(lambda: not own_lab.running, 30)
    del own_lab.env["HECTIQLAB_CRASH_AT"]
    api = Api.of(own_lab.start())
    api.ingest(batch(run, writer, acked + 1, acked + POINTS))  # what nobody acknowledged is sent again
    steps = api.steps(run)
    assert steps == list(range(1, acked + POINTS + 1)), "each once"


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("upkeep.run_dropped", marks=pytest.mark.slow),
        "upkeep.dropping",
        pytest.param("upkeep.blob_deleted", marks=pytest.mark.slow),
    ],
)
def test_killed_in_a_garbage_collection(own_lab: RealLab, tmp_path: Path, point: str) -> None:
    api = Api.of(own_lab.start())
    run, gone = api.attach()["run"]["id"], api.attach()["run"]["id"]
    kept, shared, lost, lone = (os.urandom(1000) for _ in range(4))
    for where, name, data in (
        (run, "kept", kept),
        (run, "shared", shared),
        (gone, "shared", shared),
        (gone, "x", lost),
    ):
        add(api, f"/runs/{where}", name, data)
    keep(api, lone)
    api.ingest(batch(run, new_id(), 1, 100), batch(gone, new_id(), 1, 100))
    api.call("DELETE", f"/runs/{gone}")
    own_lab.stop()
    with sql(own_lab.data_dir) as conn:  # long ago
        for statement in (
            "UPDATE runs SET deleted = 1 WHERE deleted IS NOT NULL",
            "UPDATE blobs SET used = 1",
            "DELETE FROM uploads",
        ):
            conn.execute(text(statement))
    killed_at(own_lab, point, 1, tmp_path / "died")

    api = Api.of(own_lab.start())
    files = own_lab.data_dir / "blobs"
    bytes_of = {digest_of(data) for data in (kept, shared, lost, lone)}

    def stored() -> set[str]:
        return {path.name for path in files.rglob("*") if path.name in bytes_of}

    wait_until(lambda: stored() == {digest_of(kept), digest_of(shared)}, 30)
    for name, data in (("kept", kept), ("shared", shared)):
        artifact = api.get(f"/runs/{run}/artifacts", name=name)["items"][0]
        assert api.raw("GET", f"/artifacts/{artifact['uuid']}/content").content == data
    assert len(api.steps(run)) == 100
    own_lab.stop()
    with sql(own_lab.data_dir) as conn:
        rows = set(conn.execute(text("SELECT digest FROM blobs")).scalars())
    assert rows == stored(), "neither bytes without a row, nor a row without bytes"


@pytest.mark.parametrize("point", ["upkeep.deleted_with_project", "upkeep.restored_with_project"])
def test_killed_while_a_project_with_many_runs_goes_or_comes_back(own_lab: RealLab, tmp_path: Path, point: str) -> None:
    """Before and behind the kill it is deleted with all its runs, and it can be restored with all of them."""
    api = Api.of(own_lab.start())
    runs, project = 2 * RUNS_AT_ONCE + 1, api.attach()["run"]["project"]["id"]
    own_lab.stop()
    with sql(own_lab.data_dir) as conn:
        columns = [row[1] for row in conn.execute(text("PRAGMA table_info(runs)")) if row[1] not in ("id", "name")]
        others = ", ".join(columns)
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {runs})"
        conn.execute(
            text(f"{numbers} INSERT INTO runs (id, name, {others}) SELECT 'r' || i, 'r' || i, {others} FROM n, runs")
        )
    if point == "upkeep.restored_with_project":
        api = Api.of(own_lab.start())
        api.call("DELETE", f"/projects/{project}")
        own_lab.stop()
    marker = tmp_path / "died"
    own_lab.env["HECTIQLAB_CRASH_AT"] = f"{point}:2:{marker}"
    api = Api.of(own_lab.start())
    with contextlib.suppress(requests.ConnectionError):
        if point == "upkeep.restored_with_project":
            api.raw("POST", f"/projects/{project}/restore")
        else:
            api.call("DELETE", f"/projects/{project}")
    wait_until(marker.exists, 60)
    wait_until(lambda: not own_lab.running, 30)
    del own_lab.env["HECTIQLAB_CRASH_AT"]

    api = Api.of(own_lab.start())
    assert api.raw("GET", f"/projects/{project}").status_code == 404
    assert api.raw("GET", f"/runs/r{runs}").status_code == 410

    def deleted() -> int:
        with sql(own_lab.data_dir) as conn:
            return int(conn.execute(text("SELECT count(*) FROM runs WHERE deleted IS NOT NULL")).scalar_one())

    wait_until(lambda: deleted() == runs, 30)
    assert api.call("POST", f"/projects/{project}/restore")["id"] == project
    assert deleted() == 0 and api.get(f"/runs/r{runs}")["id"] == f"r{runs}"
    own_lab.stop()
