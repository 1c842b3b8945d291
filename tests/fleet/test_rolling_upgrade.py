"""Two versions of a lab at once on the same engines: an older one, out of this repository's history, and this one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import IO

import pytest
import requests

from pyhectiqlab.store.sql.meta_migrations import MIGRATIONS
from pyhectiqlab.testing.lab import RealLab

from ..clickhouse import needs_clickhouse, server
from ..labs import ForkedLab
from ..ports import free_port
from ..postgres import cluster, needs_postgres
from ..process.conftest import Site, _nothing_stays
from ..process.test_restored_lab import SCRIPT, log, steps
from ..server.nginx import NGINX
from .fleet_labs import balancer

ROOT = Path(__file__).resolve().parents[2]
OLD = "0fe448f~1"  # of schema 25, the first ones that knew ClickHouse
OLD_SCHEMA = 25


class OldLab(RealLab):
    """A lab of the code in a folder."""

    def __init__(self, code: Path, home: Path, *arguments: str) -> None:
        super().__init__(None, home, *arguments)
        self.code = code
        self.env["PYTHONPATH"] = str(code)

    def _spawn(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=self.env,
            cwd=self.code,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def old_code(folder: Path) -> Path:
    """Return the package as it was. Skip the test without a history, as in an archive."""
    packed = folder.with_suffix(".zip")
    done = subprocess.run(["git", "archive", "-o", str(packed), OLD, "pyhectiqlab"], cwd=ROOT, capture_output=True)
    if done.returncode:
        pytest.skip(f"!!! no history with {OLD} here: nothing shows that labs of two versions serve at once")
    shutil.unpack_archive(packed, folder)
    return folder


def test_a_training_goes_on_while_a_newer_lab_migrates_and_the_older_one_serves_until_it_stops(tmp_path: Path) -> None:
    needs_postgres()
    needs_clickhouse()
    if NGINX is None:
        pytest.skip("no nginx on this machine")
    database, points = cluster().make_database(), server().make_database()

    def schema() -> object:
        return cluster().ask("SELECT max(version) FROM migrations", database=database)[0][0]

    url = f"http://127.0.0.1:{free_port()}"
    engines = ("--database", cluster().url(database), "--points", server().url(points))
    options = (*engines, "--files", f"folder:{tmp_path}/files", "--public-url", url)
    old = OldLab(old_code(tmp_path / "old"), tmp_path / "oldhome", *options)
    new = ForkedLab(None, tmp_path / "newhome", *options)
    new.port = free_port()
    old.start()
    site = Site(old, tmp_path / "home")
    try:
        with balancer(tmp_path / "nginx", [old.url, f"http://127.0.0.1:{new.port}"], int(url.rpartition(":")[2])):
            process = site.start(SCRIPT, "rolled")
            log(process, 200)
            assert schema() == OLD_SCHEMA
            new.start()
            assert schema() == len(MIGRATIONS) > OLD_SCHEMA
            for lab in (old, new):
                assert requests.get(f"{lab.url}/readyz", timeout=30).status_code == 200
            for _ in range(8):  # by turns to both
                log(process, 50)
            for lab in (old, new):
                its = requests.get(f"{lab.url}/api/v1/runs", headers=old.headers, timeout=30).json()["items"]
                assert [(run["name"], run["points"]) for run in its] == [("rolled", 600)]
            old.stop()
            log(process, 100)
            process.communicate(timeout=60)
            site.lab = new
            assert site.ended("rolled")["state"] == "completed"
            assert steps(site, "rolled") == list(range(700))
    finally:
        old.kill()
        new.kill()
        _nothing_stays(site)
