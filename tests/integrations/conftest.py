"""The real frameworks, each in a script of its own, against the real lab. Nothing is downloaded."""

from __future__ import annotations

import uuid
from typing import Any

from ..process.conftest import Site, lab, site

__all__ = ["Site", "config_of", "lab", "site", "unique"]


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def config_of(site: Site, name: str) -> dict[str, Any]:
    with site.client() as client:
        return client.config(site.find(name)["id"])
