"""scripts/fleet, without what it installs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..clickhouse import needs_clickhouse
from ..ports import free_port
from ..postgres import needs_postgres
from ..seaweedfs import needs_s3
from ..server.nginx import NGINX
from ..test_quickstart import environment

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(NGINX is None, reason="needs nginx")
@pytest.mark.parametrize("shards", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_training_through_labs_on_all_three_engines_is_completed(tmp_path: Path, shards: int) -> None:
    for needs in (needs_postgres, needs_clickhouse, needs_s3):
        needs()
    command = [sys.executable, "-m", "tests.fleet.up", "--labs", "2", "--once", "--seconds", "1"]
    command += ["--port", str(free_port()), "--shards", str(shards)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout
    assert "/login-link?token=" in done.stdout and "completed, 12,210 points" in done.stdout
    assert ("2 shards of ClickHouse" in done.stdout) == (shards == 2)
