"""What the MetaStore knows of files: uploads on their way, blobs, and artifacts, which give a blob a name and a place.

An artifact belongs to a run, or to a project alone ("shared"). The same name (and step) again is a new version; earlier
ones stay. Blob and upload rows say who may know of a digest; whether its bytes are there is the BlobStore's to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

UPLOADS_OF_USER_MAX = 1000  # unfinished ones


@dataclass(frozen=True)
class Upload:
    id: str
    user_id: str
    digest: str
    bytes: int
    expires: float
    finished: bool


@dataclass(frozen=True)
class NewArtifact:
    """What is to be registered. `id` was chosen by the client: the same one again changes nothing."""

    id: str
    run: str | None  # None: shared
    project: str
    name: str
    step: int | None
    digest: str
    bytes: int
    kind: str
    meta: Mapping[str, Any]
    author_id: str
    created: float


@dataclass(frozen=True)
class Artifact:
    id: str
    run: str | None
    project_id: str
    project: str
    name: str
    step: int | None
    version: int
    newest: bool
    digest: str
    bytes: int
    kind: str
    meta: Mapping[str, Any]
    author: str
    created: float


@dataclass(frozen=True)
class ArtifactQuery:
    """By name, then step (none first), then version, the newest first.

    Attributes:
        run: of this run; None: shared ones of `project` (an id).
        after: (name, step, version) of the last artifact of the page before.
    """

    run: str | None = None
    project: str | None = None
    name: str | None = None
    step: int | None = None
    all_versions: bool = False
    limit: int = 100
    after: Sequence[Any] | None = None


class IdTakenError(ValueError):
    """Another artifact has this id."""


class RemovedError(ValueError):
    """Retention removed the version with this id."""


class BlobMissingError(LookupError):
    """The lab has no row for these bytes: they were never sent, or are gone again."""


class TooManyUploadsError(ValueError):
    """The user has as many unfinished uploads as one may have."""


class FilesView(Protocol):
    def upload(self, upload_id: str) -> Upload | None: ...
    def knows_blob(self, user_id: str, digest: str) -> bool:
        """Return whether the user sent these bytes lately, or an artifact or version that can be read has them."""

    def artifact(self, artifact_id: str) -> Artifact | None: ...
    def artifacts(self, query: ArtifactQuery) -> Iterator[Artifact]:
        """Read one by one, as they are asked for."""

    def expired_uploads(self, now: float, limit: int) -> list[Upload]: ...
    def unused_blobs(self, before: float, limit: int) -> list[str]:
        """Return digests that no artifact, no version and no upload has, last used before that time."""

    def is_unused(self, digest: str, before: float) -> bool:
        """Return whether this is one of them."""


class FilesTransaction(FilesView, Protocol):
    def start_upload(self, upload: Upload, now: float) -> Upload:
        """Return the user's unfinished upload of the same bytes, where there is one. Raises TooManyUploadsError."""

    def finish_upload(self, upload_id: str, now: float, expires: float) -> None: ...
    def renew_upload(self, upload_id: str, expires: float) -> None: ...
    def forget_upload(self, upload_id: str) -> None: ...
    def add_artifact(self, new: NewArtifact, now: float) -> bool:
        """False where it is there already. Raises IdTakenError where something else has its id, RemovedError where
        retention removed it, FullError, and BlobMissingError.
        """

    def forget_blob(self, digest: str, before: float) -> bool:
        """Remove its row unless it is in use (again)."""
