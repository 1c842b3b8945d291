"""The part of the MetaStore's interface for models and datasets.

A version of a name in a project is a set of files. The lab knows which runs made and used it.

A version never changes once it is there. Its files are blobs; see artifacts.py for who may know of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..protocol.registry import Version


@dataclass(frozen=True)
class VersionFile:
    path: str
    digest: str
    bytes: int


@dataclass(frozen=True)
class NewVersion:
    """A version to register. The client chose the `id`: the same id again changes nothing. `version` None: the next
    version.
    """

    id: str
    kind: str  # protocol.registry.MODELS or DATASETS
    project: str
    name: str
    version: Version | None
    short_description: str
    description: str
    files: Sequence[VersionFile]
    run: str | None
    author_id: str
    created: float


@dataclass(frozen=True)
class RegisteredVersion:
    id: str
    kind: str
    project_id: str
    project: str
    name: str
    version: Version
    short_description: str
    description: str
    files: int
    bytes: int
    run: str | None  # the run that made it; None also where that run was deleted
    run_name: str | None
    author: str
    created: float
    versions: int  # of the name; 0 where it was not counted
    aliases: tuple[str, ...] = ()
    run_project: str | None = None  # the project of that run, by id
    description_cut: bool = False  # of a list: the description has more than limits.NOTE_CHARS_LISTED characters


@dataclass(frozen=True)
class UsingRun:
    id: str
    name: str
    author: str
    created: float  # when the run first reported the use


class VersionExistsError(ValueError):
    """The name has this version already."""


class TooManyAliasesError(ValueError):
    """The name has as many aliases as it may."""


class RegistryView(Protocol):
    def known_blobs(self, user_id: str, digests: Collection[str]) -> set[str]:
        """Return those of the digests that the user may know of, see FilesView.knows_blob."""

    def version(self, version_id: str) -> RegisteredVersion | None: ...
    def find_version(
        self, kind: str, project: str, name: str, version: Version | str | None
    ) -> RegisteredVersion | None:
        """Return a version by number or alias; None: the latest. It also has how many versions there are."""

    def latest_versions(self, kind: str, project: str, limit: int, after: str) -> Iterator[RegisteredVersion]:
        """Yield the latest version of each name behind `after`, sorted by name. In a list, a description is cut."""

    def versions_of(
        self, kind: str, project: str, name: str, limit: int, before: Version | None
    ) -> Iterator[RegisteredVersion]:
        """Yield the versions of a name, the newest first."""

    def version_files(self, version_id: str) -> list[VersionFile]:
        """Return the files of a version, sorted by path."""

    def version_file(self, version_id: str, path: str) -> VersionFile | None: ...
    def used_by(self, version_id: str, limit: int, seen_by: str | None = None) -> list[UsingRun]:
        """Return the uses of a version, the latest first; none by deleted runs."""

    def made_by_run(self, run: str, limit: int, seen_by: str | None = None) -> Iterator[RegisteredVersion]: ...
    def used_by_run(self, run: str, limit: int, seen_by: str | None = None) -> Iterator[RegisteredVersion]: ...


class RegistryTransaction(RegistryView, Protocol):
    def add_version(self, new: NewVersion, now: float) -> bool:
        """Add a version. Return False where it is there already. Raises VersionExistsError; IdTakenError where
        something else has its id; FullError; and BlobMissingError.
        """

    def add_usage(self, version_id: str, run: str, now: float) -> None: ...
    def set_alias(self, version_id: str, alias: str, user: str, now: float) -> None:
        """Point the alias to this version from now on, and to no other. Raises TooManyAliasesError."""

    def remove_alias(self, kind: str, project: str, name: str, alias: str) -> bool:
        """Remove an alias. Return whether there was one."""
