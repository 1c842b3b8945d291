"""Read back the files of a run, and the models and datasets that it made or used."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..profile import Profile
from .shapes import asking, from_item


@dataclass(frozen=True)
class Artifact:
    """One version of a file.

    Attributes:
        step: its step; None if it has none.
        version: 1, 2, …, counted for each name and step. `newest` is True for the last one.
        digest: its SHA-256, hex.
    """

    uuid: str
    name: str
    step: int | None
    version: int
    newest: bool = field(repr=False)
    bytes: int
    digest: str = field(repr=False)
    kind: str
    meta: dict[str, Any] = field(repr=False)
    author: str = field(repr=False)
    created: float = field(repr=False)
    url: str = field(repr=False)
    _profile: Profile = field(repr=False, compare=False)

    def download(self, path: str | os.PathLike[str] = "./", *, overwrite: bool = False) -> Path:
        """Download the file to `path`: a file; or a folder, which exists or ends with a slash. Return the file.

        Blocks on the network. Continues where an interrupted call stopped. The file gets its name once it is complete
        and its SHA-256 is right.

        Raises:
            FileExistsError: another file is there.
            OSError: the file cannot be written.
            LabRequestError: the lab does not give it.
        """
        from ..transport.file_download import download

        item = {"uuid": self.uuid, "name": self.name, "digest": self.digest, "bytes": self.bytes}
        with asking(self._profile) as lab:
            return download(lab, item, path, overwrite=overwrite)


@dataclass(frozen=True)
class Version:
    """One version of a model or a dataset. `kind`: "models" or "datasets"."""

    uuid: str
    kind: str
    name: str
    version: str
    short_description: str
    files: int
    bytes: int
    author: str
    created: float = field(repr=False)
    project: str
    project_id: str = field(repr=False)
    _profile: Profile = field(repr=False, compare=False)

    def download(self, save_path: str | os.PathLike[str] = "./", *, overwrite: bool = False) -> Path:
        """Download its files into the folder `save_path`/NAME-VERSION and return that folder. Blocks on the network.

        Works as `Run.download_mlmodel`, but the lab notes no usage.
        """
        from ..transport.registry import find_version
        from ..transport.registry_download import download_version

        with asking(self._profile) as lab:
            version = find_version(lab, self.project_id, self.kind, self.name, self.version)
            return Path(download_version(lab, version, save_path, overwrite=overwrite))


@dataclass(frozen=True)
class Lineage:
    """The versions of models, or of datasets, that a run `made` and those that it `used`."""

    made: list[Version]
    used: list[Version]


def artifact_of(item: dict[str, Any], profile: Profile) -> Artifact:
    return from_item(Artifact, item, _profile=profile)


def version_of(item: dict[str, Any], profile: Profile) -> Version:
    project = item["project"]
    return from_item(Version, item, project=project["name"], project_id=project["id"], _profile=profile)
