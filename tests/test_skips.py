"""CI fails where a test is skipped for something that is missing there and should not be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .skips import LISTED, missing, unlisted

ROOT = Path(__file__).resolve().parents[1]


def test_a_reason_says_what_is_missing() -> None:
    said = {
        "Skipped: Lightning is not installed: pip install '.[integrations]'": "Lightning",
        "Skipped: could not import 'torchtitan.components.metrics': No module named 'torchtitan'":
            "torchtitan.components.metrics",
        "no nginx on this machine": "nginx",
        "!!! no pgbouncer on this machine": "pgbouncer",
        "needs the right to mount a small disk: run as root": None,
        "this file system shares blocks: writing in place does no harm": None,
    }  # fmt: skip
    assert {reason: missing(reason) for reason in said} == said
    assert unlisted(said) == ["!!! no pgbouncer on this machine", "no nginx on this machine"] and "lightning" in LISTED


def test_a_run_of_ci_fails_where_a_test_is_skipped_for_an_engine_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('name', ['ray', 'seaweedfs'])\n"
        "def test_it(name): pytest.skip(f'{name} is not installed')\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.skips", "--rootdir", str(tmp_path), str(tmp_path)]
    codes = {}
    for ci in ("true", "false"):
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "CI": ci}, capture_output=True, text=True)
        codes[ci] = done.returncode
        assert ("seaweedfs is not installed" in done.stdout) == (ci == "true"), done.stdout + done.stderr
    assert codes == {"true": 1, "false": 0}
