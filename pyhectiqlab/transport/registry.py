"""What the lab tells of versions of models and datasets: asked for, and checked before anything is made of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..protocol.registry import file_paths, registry_name, version_of
from .answers import not_a_lab
from .files import TRIES, retried
from .http import LabClient, quoted


def find_version(
    client: LabClient,
    project: str,
    kind: str,
    name: str,
    version: str | None,
    *,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[str, Any]:
    """A version with its files, checked; None: the latest. Raises LabRequestError. Blocks."""
    where = f"/projects/{quoted(project)}/{kind}/{quoted(name)}/versions/{quoted(version or 'latest')}"
    found: dict[str, Any] = retried(lambda _: client.get(where), tries, sleep)
    contents_of(client, found)
    if found["name"] != name or version not in {None, found["version"]} or found.get("kind") != kind:
        raise not_a_lab(client.url, "it tells of another version than the one it was asked for")
    return found


def contents_of(client: LabClient, version: Any) -> dict[str, tuple[str, int]]:
    """Path → digest and bytes, checked: they come from elsewhere. Raises NotALabError."""
    try:
        files = {f["path"]: (f["digest"], f["bytes"]) for f in version["contents"]}
        file_paths(files)
        right = len(files) == len(version["contents"]) and all(
            isinstance(d, str) and d.isalnum() and isinstance(n, int) and n >= 0 for d, n in files.values()
        )
        if not (right and isinstance(version["uuid"], str)):
            raise ValueError
        registry_name(version["name"])
        version_of(version["version"])
    except (LookupError, TypeError, ValueError, AttributeError):
        raise not_a_lab(client.url, "it tells of a version in another way") from None
    return files
