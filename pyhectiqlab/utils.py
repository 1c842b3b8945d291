"""Short cuts that scripts import by this name. All of them wait for the network, within the bounds of `LabClient`."""

from __future__ import annotations

import os
from pathlib import Path

from .config import Config

__all__ = ["delete_run", "download_existing_run_artifact", "restore_run", "run_config"]


def download_existing_run_artifact(
    artifact_uuid: str, savepath: str | os.PathLike[str] = "./", *, overwrite: bool = False
) -> Path:
    """Brings an artifact of any run or project to `savepath`: a file, or a folder, which exists or ends with a
    slash. Returns the file.

    A call that was interrupted goes on where it was when it is repeated; the file takes its name once it is whole and
    compared with its SHA-256. Raises ConfigurationError where no lab is known, LabRequestError (NotFoundError …) where
    the lab does not give it, FileExistsError where another file is there and `overwrite` is False, OSError.
    """
    from .profile import resolve
    from .transport.file_download import download
    from .transport.http import LabClient, quoted

    profile = resolve()
    with LabClient(profile.url, profile.secret_api_key) as lab:
        lab.handshake()
        return download(lab, lab.get(f"/artifacts/{quoted(artifact_uuid)}"), savepath, overwrite=overwrite)


def delete_run(run_id: str) -> None:
    """Deletes a run, named by its id, the link of its page, or its name where only one has it, with all that it logged.

    `restore_run` takes that back within 7 days. Raises as `run_config`, and PermissionDeniedError where the run is
    somebody else's and you are no admin of its project.
    """
    from .read import run

    run(run_id).delete()


def restore_run(run_id: str) -> None:
    """Takes the deletion of a run back, within 7 days. Raises as `delete_run`, and ConflictError where another run has
    its name by now.
    """
    from .read import deleted_run

    deleted_run(run_id).restore()


def run_config(run_id: str, attempt: int | None = None) -> Config:
    """The config of a run, named by its id, the link of its page, or its name where only one has it: what all its
    attempts told, the newest one's values where several told one. With `attempt`, what this one told itself, or where
    it told none, the one before it.

    Values have the types that they went in with. Raises ConfigurationError where no lab is known, LabRequestError
    (NotFoundError, ConflictError where several have the name) where it cannot be told.
    """
    from .profile import resolve
    from .transport.http import LabClient

    profile = resolve()
    with LabClient(profile.url, profile.secret_api_key) as lab:
        lab.handshake()
        run = lab.get("/runs/resolve", {"ref": run_id})
        return Config(lab.config(str(run["id"]), attempt))
