"""`hectiqlab import` against the real lab."""

from __future__ import annotations

import json
from typing import Any

from ..integrations.conftest import unique
from ..process.conftest import Site, lab, site

__all__ = ["Site", "imported", "lab", "points", "site", "unique"]


def imported(site: Site, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    """Return what `hectiqlab import … --json` printed."""
    done = site.cli("import", *arguments, "--json")
    assert done.returncode == code, done
    printed: list[dict[str, Any]] = json.loads(done.stdout)
    return printed


def points(site: Site, name: str, key: str) -> list[tuple[int, float, float]]:
    """Return (step, value, time in seconds) of every raw point in order of arrival."""
    with site.client() as client:
        pages = client.points(site.find(name)["id"], key)
        return [(s, v, t) for p in pages for s, v, t in zip(p.step, p.value, p.time, strict=True)]
