"""Scripts that call other trackers, against the real lab."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.standins import site as hook_folder

from ..process.conftest import Site, lab, site

__all__ = [
    "Site",
    "assert_same_floats",
    "beside",
    "config_of",
    "event_values",
    "instead",
    "lab",
    "last_points",
    "media_of",
    "run_with",
    "site",
]

HOOK = str(Path(hook_folder.__file__).parent)


def run_with(site: Site, script: str, *arguments: str, cwd: Path | None = None, **env: str) -> str:
    """Run a script with the hook, as below `hectiqlab run`. Return what it printed; it must end well."""
    path = os.pathsep.join([HOOK, *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {**site.env, "PYTHONPATH": path, **env}
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    done = subprocess.run(command, env=variables, cwd=cwd, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout + "\n" + done.stderr


def instead(site: Site, trackers: str, script: str, *arguments: str, cwd: Path | None = None, **env: str) -> str:
    return run_with(site, script, *arguments, cwd=cwd, HECTIQLAB_INSTEAD_OF=trackers, **env)


def beside(site: Site, trackers: str, script: str, *arguments: str, cwd: Path | None = None, **env: str) -> str:
    return run_with(site, script, *arguments, cwd=cwd, HECTIQLAB_BESIDE=trackers, **env)


def event_values(folder: Path) -> dict[str, dict[int, float]]:
    """Return what the event files of TensorBoard below a folder have: 32 bits of each value."""
    from tensorboardX.proto.event_pb2 import Event

    kept: dict[str, dict[int, float]] = {}
    for path in sorted(folder.rglob("*tfevents*")):
        data, at = path.read_bytes(), 0
        while at + 12 <= len(data):  # uint64 length, CRC-32, an event, CRC-32
            size = int.from_bytes(data[at : at + 8], "little")
            event = Event()
            event.ParseFromString(data[at + 12 : at + 12 + size])
            at += 16 + size
            for value in event.summary.value:
                if value.WhichOneof("value") == "simple_value":
                    kept.setdefault(value.tag, {})[event.step] = value.simple_value
    return kept


def assert_same_floats(kept: dict[str, dict[int, float]], mirrored: dict[str, dict[int, float]]) -> None:
    """Compare with 32 bits of each value."""
    assert kept and kept.keys() <= mirrored.keys()
    for key, points in kept.items():
        assert mirrored[key] == pytest.approx(points, rel=1e-6, nan_ok=True), key


def config_of(site: Site, name: str) -> dict[str, Any]:
    with site.client() as client:
        return client.config(site.find(name)["id"])


def last_points(site: Site, name: str) -> dict[str, dict[int, float]]:
    """Return the last value of each key at each step."""
    with site.client() as client:
        keys = [item["key"] for item in client.pages(f"/runs/{site.find(name)['id']}/keys", {})]
    return {key: {step: value for step, value, _ in site.points(name, key)} for key in keys}


def media_of(site: Site, name: str) -> dict[str, list[str]]:
    """Return kind → names of what is shown by step."""
    with site.client() as client:
        items = list(client.pages(f"/runs/{site.find(name)['id']}/media", {}))
    kinds: dict[str, list[str]] = {}
    for item in items:
        kinds.setdefault(item["kind"], []).append(item["name"])
    return {kind: sorted(set(names)) for kind, names in kinds.items()}
