"""Versions of models and datasets: what the lab answers about them, checked before it is used."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..protocol.registry import LATEST, file_paths, registry_name, version_of
from .answers import not_a_lab
from .files import TRIES, retried
from .http import LabClient, quoted
from .projects import project_path


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
    """Return a version, by number or alias, with its files, checked; None: the latest. Raises LabRequestError.
    Blocks.
    """
    below = f"/{kind}/{quoted(name)}/versions/{quoted(version or 'latest')}"
    version_row: dict[str, Any] = retried(lambda _: client.get(project_path(client, project) + below), tries, sleep)
    contents_of(client, version_row)
    aliases = version_row.get("aliases", ())
    asked = version in {None, LATEST, version_row["version"]} or (isinstance(aliases, list) and version in aliases)
    if version_row["name"] != name or not asked or version_row.get("kind") != kind:
        raise not_a_lab(client.url, "it answers with another version than the one it was asked for")
    return version_row


def contents_of(client: LabClient, version: Any) -> dict[str, tuple[str, int]]:
    """Return path → (digest, bytes), checked, as they come from elsewhere. Raises NotALabError."""
    try:
        files = {f["path"]: (f["digest"], f["bytes"]) for f in version["contents"]}
        file_paths(files)
        right = len(files) == len(version["contents"]) and all(
            isinstance(d, str) and d.isalnum() and isinstance(n, int) and n >= 0 for d, n in files.values()
        )
        if not (right and isinstance(version["uuid"], str) and isinstance(version["project"]["id"], str)):
            raise ValueError
        registry_name(version["name"])
        version_of(version["version"])
    except (LookupError, TypeError, ValueError, AttributeError):
        raise not_a_lab(client.url, "it describes a version in another way") from None
    return files


def set_alias(
    client: LabClient,
    project: str,
    kind: str,
    name: str,
    alias: str,
    version: str | None,
    *,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
) -> str:
    """Point an alias to a version (a number or another alias; None: the latest). Return the number that it has now.

    Raises LabRequestError. Blocks.
    """
    below, body = f"/{kind}/{quoted(name)}/aliases/{quoted(alias)}", {"version": version or LATEST}
    answer = retried(lambda _: client.put(project_path(client, project) + below, body), tries, sleep)
    try:
        return str(version_of(answer["version"]))
    except (LookupError, TypeError, ValueError):
        raise not_a_lab(client.url, "its answer to an alias has another shape") from None


def remove_alias(client: LabClient, project: str, kind: str, name: str, alias: str) -> None:
    """Remove an alias. Raises LabRequestError (NotFoundError: there is none). Blocks."""
    client.delete(f"{project_path(client, project)}/{kind}/{quoted(name)}/aliases/{quoted(alias)}")
