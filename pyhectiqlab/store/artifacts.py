"""What the MetaStore knows of files: uploads under way, blobs, and artifacts, which give a blob a name and a place.

An artifact belongs to a run, or to a project alone ("shared"). If its name (and step) comes again, that is a new
version; earlier versions stay. The rows of blobs and uploads say who may know of a digest. The BlobStore says whether
its bytes are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

UPLOADS_OF_USER_MAX = 1000  # unfinished uploads that a user may have


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
    """An artifact to register. The client chose the `id`: the same id again changes nothing."""

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
    """A query for artifacts, sorted by name, then step (none first), then version, the newest first.

    Attributes:
        run: artifacts of this run; None: shared ones of `project` (an id).
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
    """The lab has no row for these bytes: they were never sent, or were removed again."""


class TooManyUploadsError(ValueError):
    """The user has as many unfinished uploads as one may have."""


class FilesView(Protocol):
    def upload(self, upload_id: str) -> Upload | None: ...
    def knows_blob(self, user_id: str, digest: str) -> bool:
        """Return whether the user sent these bytes lately, or can read an artifact or version that has them."""

    def artifact(self, artifact_id: str) -> Artifact | None: ...
    def artifacts(self, query: ArtifactQuery) -> Iterator[Artifact]:
        """Yield the artifacts. They are read one by one."""

    def expired_uploads(self, now: float, limit: int) -> list[Upload]: ...
    def unused_blobs(self, before: float, limit: int) -> list[str]:
        """Return digests that no artifact, version or upload has, and that were last used before that time."""

    def is_unused(self, digest: str, before: float) -> bool:
        """Return whether `unused_blobs` would return this digest."""


class FilesTransaction(FilesView, Protocol):
    def start_upload(self, upload: Upload, now: float) -> Upload:
        """Start an upload. If the user has an unfinished upload of the same bytes, return that one. Raises
        TooManyUploadsError.
        """

    def finish_upload(self, upload_id: str, now: float, expires: float) -> bool:
        """Note that all bytes of an upload are there. Return False where it was forgotten meanwhile."""

    def renew_upload(self, upload_id: str, expires: float) -> None: ...
    def forget_upload(self, upload_id: str) -> None: ...
    def add_artifact(self, new: NewArtifact, now: float) -> bool:
        """Add an artifact. Return False where it is there already. Raises IdTakenError where another artifact has its
        id, RemovedError where retention removed it, FullError, and BlobMissingError.
        """

    def forget_blob(self, digest: str, before: float) -> bool:
        """Remove the row of a blob, unless it is in use (again)."""
