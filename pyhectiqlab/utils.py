"""Short cuts that scripts import by this name. All of them wait for the network, within the bounds of `LabClient`."""

from __future__ import annotations

from .config import Config

__all__ = ["run_config"]


def run_config(run_id: str) -> Config:
    """The config of a run, named by its id, the link of its page, or its name where only one has it.

    Values have the types that they went in with. Raises ConfigurationError where no lab is known, LabRequestError
    (NotFoundError, ConflictError where several have the name) where it cannot be told.
    """
    from .profile import resolve
    from .transport.http import LabClient

    profile = resolve()
    with LabClient(profile.url, profile.secret_api_key) as lab:
        lab.handshake()
        run = lab.get("/runs/resolve", {"ref": run_id})
        return Config(lab.config(str(run["id"])))
