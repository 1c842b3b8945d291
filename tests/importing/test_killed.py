"""An import that is killed brings what was missing when it is repeated, and nothing twice."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ..exporting.equality import assert_equal, whole
from .conftest import Site, unique
from .kinds import KINDS, prepare
from .test_tensorboard import scalar_event

OWN = {"created", "started", "ended", "last_activity", "relative", "sessions", "history", "attempts", "state_since"}

WITH_FILES = {"wandb", "aim"}  # of the samples that `prepare` makes


def several_requests(kind: str, source: Path) -> None:
    """Add to the files of this tool what makes an import of them more than one request."""
    if kind == "csv":
        source.write_text("step,loss\n" + "".join(f"{step},{step / 3}\n" for step in range(20_500)))
    if kind == "trackio":  # newer releases keep these beside the metrics
        with sqlite3.connect(source) as db:
            db.execute(
                "CREATE TABLE system_metrics (id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, metrics TEXT)"
            )
            db.execute("INSERT INTO system_metrics SELECT id, timestamp, run_name, metrics FROM metrics WHERE id < 3")
    if kind == "tensorboard":
        (source / "b.tfevents").write_bytes(scalar_event("loss", 2) + scalar_event("loss", 3))


def brought(site: Site, project: str) -> dict[str, Any]:
    """Return everything that a lab says of runs from files, except the times when it got them."""
    everything = whole(site, project)
    return {
        part: {name: without(value) for name, value in its.items() if name not in OWN}
        for part, its in everything.items()
    }


def without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without(inner) for name, inner in value.items() if name not in OWN}
    return [without(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", KINDS)
def test_an_import_that_is_killed_goes_on_when_it_is_repeated(site: Site, tmp_path: Path, kind: str) -> None:
    source = prepare(kind, site, tmp_path)
    several_requests(kind, source)
    at_once, killed = unique("at-once"), unique("killed")
    done = site.cli("import", kind, str(source), "-p", at_once)
    for number, point in enumerate(("import.sent", "import.stored" if kind in WITH_FILES else "import.sent")):
        died = tmp_path / f"died-{number}"
        again = site.cli("import", kind, str(source), "-p", killed, HECTIQLAB_CRASH_AT=f"{point}:1:{died}")
        assert again.returncode == -signal.SIGKILL and died.exists(), again
    again = site.cli("import", kind, str(source), "-p", killed)
    assert again.returncode == done.returncode and "Traceback" not in again.stderr, again
    assert_equal(brought(site, killed), brought(site, at_once))
