"""Shortcuts for scripts. All of them block on the network, within the bounds of `transport.http.LabClient`."""

from __future__ import annotations

import os
from pathlib import Path

from .config import Config

__all__ = ["delete_run", "download_existing_run_artifact", "restore_run", "run_config"]


def download_existing_run_artifact(
    artifact_uuid: str, savepath: str | os.PathLike[str] = "./", *, overwrite: bool = False
) -> Path:
    """Download an artifact of any run or project, and return the path of the file.

    An interrupted call continues where it was when it is repeated. The file takes its name once it is complete and its
    SHA-256 is right.

    Args:
        artifact_uuid: its uuid.
        savepath: a file; or a folder, which exists or ends with a slash.
        overwrite: replace another file at that place.

    Raises:
        ConfigurationError: no lab is known.
        LabRequestError: the lab does not give it (NotFoundError …).
        FileExistsError: another file is there and `overwrite` is False.
        OSError: the file cannot be written.
    """
    from .transport.connecting import client_of, find_profile
    from .transport.file_download import download
    from .transport.http import quoted

    with client_of(find_profile()) as lab:
        lab.handshake()
        return download(lab, lab.get(f"/artifacts/{quoted(artifact_uuid)}"), savepath, overwrite=overwrite)


def delete_run(run_id: str) -> None:
    """Delete a run with everything that it logged. `restore_run` restores it within 7 days.

    Args:
        run_id: its id, the link of its page, or its name if only one run has it.

    Raises what `run_config` raises, and PermissionDeniedError if the run is somebody else's and you are no admin of its
    project.
    """
    from .read import run

    run(run_id).delete()


def restore_run(run_id: str) -> None:
    """Restore a deleted run, within 7 days.

    Raises what `delete_run` raises, and ConflictError if another run has its name by now.
    """
    from .read import deleted_run

    deleted_run(run_id).restore()


def run_config(run_id: str, attempt: int | None = None) -> Config:
    """Return the config of a run. Its values have the types that they went in with.

    Args:
        run_id: its id, the link of its page, or its name if only one run has it.
        attempt: the config that this attempt stored, or if it stored none, the attempt before it. None: the configs of
            all attempts, merged; where several stored a value, the newest one's.

    Raises:
        ConfigurationError: no lab is known.
        LabRequestError: it cannot be read: NotFoundError, ConflictError if several runs have the name …
    """
    from .transport.connecting import client_of, find_profile

    with client_of(find_profile()) as lab:
        lab.handshake()
        run = lab.get("/runs/resolve", {"ref": run_id})
        return Config(lab.config(str(run["id"]), attempt))
