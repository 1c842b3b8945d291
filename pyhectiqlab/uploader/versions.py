"""Versions of models and datasets that a call left in the spool, each as a folder: to the lab, with their aliases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..capture import ownership
from ..capture.snapshot import ChangedError
from ..spool import FileRequest
from ..transport.files import Progress
from ..transport.http import LabClient
from ..transport.registry import set_alias
from ..transport.registry_upload import NewVersion, upload_version


def send_version(
    client: LabClient, request: FileRequest, folder: Path, run: dict[str, Any], hashed: Progress, progress: Progress
) -> dict[str, Any]:
    """Send what the lab lacks of a version, name it, and set its aliases. Return the lab's answer. Safe to repeat: the
    request's id stands for the version.

    Raises LabRequestError, OSError, ChangedError for a folder that cannot be what was kept, and what `hashed` and
    `progress` raise.
    """
    if problem := ownership.folder_problem(folder):
        raise ChangedError(problem)
    kind, project = request.target, str(run["project"]["id"])
    try:
        new = NewVersion.of(kind, folder, request.name, None, request.meta.get("short_description"))
    except ValueError as e:
        raise ChangedError(str(e)) from None
    version = upload_version(
        client,
        project,
        new,
        run=str(run["id"]),
        ident=request.id,
        created=request.created,
        hashed=hashed,
        progress=progress,
        tries=1,
    )
    for alias in request.meta.get("aliases", ()):
        set_alias(client, project, kind, request.name, alias, version["version"], tries=1)
    return version
