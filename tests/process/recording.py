"""Scripts that record logs, and what the lab then has of them."""

from __future__ import annotations

import json
from typing import Any

from .conftest import Site

BEGIN = """
import logging, os, sys
from pyhectiqlab import Run
run = Run(sys.argv[1])
"""


def logs(site: Site, name: str, *options: str) -> list[dict[str, Any]]:
    out = site.cli("logs", name, "--json", *options)
    assert out.returncode == 0, out.stderr
    return [json.loads(line) for line in out.stdout.splitlines()]


def texts(site: Site, name: str, *options: str) -> list[str]:
    return [log["text"] for log in logs(site, name, *options)]


def ran(site: Site, name: str, script: str, status: int = 0, **env: str) -> Any:
    done = site.run(BEGIN + script, name, **env)
    assert done.returncode == status, done.stderr
    return done
