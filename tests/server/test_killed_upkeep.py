"""A lab that is killed in its own upkeep (migration, compaction, purge, garbage collection) starts again and has lost
nothing.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from pyhectiqlab.errors import LabError
from pyhectiqlab.store.sql.meta_migrations import MIGRATIONS
from pyhectiqlab.testing.lab import RealLab

from ..stores import sql
from .api import Api, batch, new_id, wait_until
from .test_artifacts import add
from .test_uploads import digest_of, keep

OLD = Path(__file__).parents[1] / "compat" / "lab-1.sql"
OLD_RUN = "fcb583dcb1aa"
POINTS = 40_000  # more than a head holds


def killed_at(lab: RealLab, point: str, nth: int, marker: Path) -> None:
    """Starts the lab and waits until it died at the point."""
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
