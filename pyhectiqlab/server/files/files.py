"""Files: what happens to uploads, blobs and artifacts between their routes and the two stores.

The order keeps both stores in step: a blob's row is written before its first byte arrives and removed after its bytes
are. So a crash leaves rows without bytes, which tidying removes. It never leaves bytes without a row, or an artifact
without its bytes.

Several processes may do so at once. Nobody removes bytes while an upload of them is there, finished or not, or while an
artifact or a version has them. So it is enough that nothing begins to use bytes between the look whether something uses
them and their removal. The storage's FilesLock is for that.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ... import settings
from ...base import crashpoints
from ...base.texts import size_text
from ...errors import StoreError
from ...store.artifacts import (
    Artifact,
    BlobMissingError,
    IdTakenError,
    NewArtifact,
    RemovedError,
    TooManyUploadsError,
    Upload,
)
from ...store.blobs import BlobStore, BlobUpload, NoRoomError, UploadBusyError, WrongDigestError
from ...store.meta import MetaStore, MetaTransaction
from ...store.quotas import QuotaExceededError
from ...store.registry import NewVersion, RegisteredVersion, VersionExistsError
from ...store.storage import FilesLock
from ..http.replies import ApiError
from ..transacts import Transacts
from .room import FULL, Room

log = logging.getLogger("hectiqlab.server")

KEEP_UPLOADS_S = 7 * 86_400.0  # an unfinished upload is kept so long after its last byte
RENEW_S = 3600.0  # … which is noted to the hour
KEEP_FINISHED_S = 86_400.0  # whoever sent a file may register it this long without sending it again
KEEP_UNUSED_S = 86_400.0  # a blob that nothing refers to is kept so long
TIDY_EVERY_S = 60.0
SWEEP_EVERY_S = 3600.0
TIDY_AT_ONCE = 100  # uploads, and blobs, in one step
TIDY_S = 0.5  # of one turn, while there is more to do
_REFUSALS: dict[type[Exception], tuple[int, str]] = {  # why something is not registered → status, code
    IdTakenError: (409, "id_taken"),
    VersionExistsError: (409, "version_exists"),
    BlobMissingError: (409, "blob_missing"),
    RemovedError: (410, "version_removed"),
}


class Files:
    """Safe for several threads. Every method blocks on the stores; raises StoreError, and ApiError for a wrong
    request.
    """

    def __init__(self, meta: MetaStore, blobs: BlobStore, write: Transacts, lock: FilesLock) -> None:
        self.meta, self.blobs, self._write, self._lock = meta, blobs, write, lock
        self.room = Room(blobs.room)
        self.writers = ThreadPoolExecutor(settings.LAB_FILE_WRITERS, "hectiqlab-files")
        self._tidy_at = self._sweep_at = 0.0

    def known_bytes(self, user_id: str, digest: str) -> int | None:
        """Return the size of a blob that the user may know of. None: there is no such blob."""
        with self.meta.reading() as view:
            known = view.knows_blob(user_id, digest)
        try:
            return self.blobs.size(digest) if known else None
        except KeyError:
            return None

    def start(self, user_id: str, digest: str, size: int, project_id: str | None = None) -> Upload:
        """Return a new upload, or the user's unfinished one of the same bytes. `project_id`: the project whose quota
        the bytes will count for, if it is known; `register` checks again.
        """
        largest = self.blobs.largest()
        if largest is not None and size > largest:
            raise ApiError(413, "too_large", f"The lab's bucket takes files of up to {size_text(largest)}: split it.")
        try:
            self.room.check(user_id, size)
        except NoRoomError:
            raise full() from None
        now = time.time()
        new = Upload(secrets.token_hex(16), user_id, digest, size, now + KEEP_UPLOADS_S, False)

        def start(tx: MetaTransaction) -> Upload:
            tx.check_quota(None, {digest: size})
            if project_id is not None and tx.role_in(project_id, user_id) is not None:
                tx.check_quota(project_id, {digest: size})
            return tx.start_upload(new, now)

        try:
            with self._lock.using():
                return self._write(start)
        except TooManyUploadsError as e:
            raise ApiError(429, "too_many_uploads", str(e), {"Retry-After": "60"}) from None
        except QuotaExceededError as e:
            raise self.over_quota(e) from None

    def over_quota(self, error: QuotaExceededError) -> ApiError:
        """Return the error to answer with. Blocks on the database."""
        with self.meta.reading() as view:
            owner = view.owner()
        what = "The lab" if error.project is None else f"The project {error.project!r}"
        held, more = size_text(error.use.used), size_text(error.more)
        return ApiError(
            413,
            "quota_exceeded",
            f"{what} holds {held} of the {size_text(error.use.quota or 0)} that its files may take, so {more} more are "
            f"not stored: ask {'its owner' if owner is None else owner.username} for more (hectiqlab admin quota).",
        )

    def upload(self, user_id: str, upload_id: str) -> Upload:
        with self.meta.reading() as view:
            upload = view.upload(upload_id)
        if upload is None or upload.user_id != user_id:
            raise _no_upload()
        return upload

    def renew(self, upload: Upload, received: BlobUpload) -> None:
        """Keep what came, and note that its last byte came now."""
        received.keep()
        now = time.time()
        if upload.expires < now + KEEP_UPLOADS_S - RENEW_S:  # a commit for each piece of a file would slow it down
            self._write(lambda tx: tx.renew_upload(upload.id, now + KEEP_UPLOADS_S))

    def offset(self, upload: Upload) -> int:
        return upload.bytes if upload.finished else min(self.blobs.received(upload.id), upload.bytes)

    def finish(self, upload: Upload, received: BlobUpload) -> None:
        """Check the digest of a whole upload and make it a blob. Blocks until the disk has all of it."""
        try:
            received.verify(upload.digest)
        except WrongDigestError as e:
            self._write(lambda tx: tx.forget_upload(upload.id))
            raise ApiError(
                460, "checksum_mismatch", f"The file did not arrive as it was announced ({e}): send it again."
            ) from None
        received.finish(upload.digest)
        now = time.time()
        if not self._write(lambda tx: tx.finish_upload(upload.id, now, now + KEEP_FINISHED_S)):
            raise _no_upload()

    def end(self, upload: Upload) -> None:
        if not upload.finished:
            self._abort(upload)
        self._write(lambda tx: tx.forget_upload(upload.id))

    def _abort(self, upload: Upload) -> None:
        try:
            self.blobs.abort(upload.id)
        except UploadBusyError as e:
            raise busy(e) from None

    def register(self, new: NewArtifact) -> tuple[Artifact, bool]:
        """Return the artifact, and whether it is new."""
        fresh = self._register(
            new.author_id, new.project, {(new.digest, new.bytes)}, lambda tx: tx.add_artifact(new, time.time())
        )
        with self.meta.reading() as view:
            artifact = view.artifact(new.id)
        if artifact is None:
            raise ApiError(410, "run_deleted", "The run was deleted meanwhile.")
        return artifact, fresh

    def register_version(self, new: NewVersion) -> tuple[RegisteredVersion, bool]:
        """Return the version of a model or dataset, and whether it is new."""
        contents = {(file.digest, file.bytes) for file in new.files}
        fresh = self._register(new.author_id, new.project, contents, lambda tx: tx.add_version(new, time.time()))
        with self.meta.reading() as view:
            version = view.version(new.id)
        assert version is not None  # a version never goes
        return version, fresh

    def _register(
        self, user_id: str, project_id: str, contents: set[tuple[str, int]], add: Callable[[MetaTransaction], bool]
    ) -> bool:
        """Give blobs a name, by `add`, and return whether it is new.

        Args:
            contents: digest and size of each blob. The user has to know of all of them.
        """

        def checked(tx: MetaTransaction) -> bool:
            tx.check_quota(project_id, dict(contents))
            return add(tx)

        digests = {digest for digest, _ in contents}
        there = all(self.writers.map(self._has, *zip(*contents, strict=True)))  # asks a bucket about several at once
        with self._lock.using():  # no tidying between the look who uses the bytes and one more that does
            with self.meta.reading() as view:
                known = there and view.known_blobs(user_id, digests) >= digests
            if not known:
                which = "these" if len(contents) == 1 else "all of these"
                raise ApiError(409, "blob_missing", f"The lab does not have {which} bytes: upload them first.")
            try:
                return self._write(checked)
            except QuotaExceededError as e:
                raise self.over_quota(e) from None
            except tuple(_REFUSALS) as e:
                raise ApiError(*_REFUSALS[type(e)], str(e)) from None

    def _has(self, digest: str, size: int) -> bool:
        try:
            return self.blobs.size(digest) == size
        except KeyError:
            return False

    def tidy(self, now: float) -> None:
        """Remove some uploads that expired and some blobs that nothing refers to. Does nothing most of the time."""
        if now < self._tidy_at <= now + TIDY_EVERY_S:
            return
        self._tidy_at = now + TIDY_EVERY_S
        if not now < self._sweep_at <= now + SWEEP_EVERY_S:
            self._sweep_at = now + SWEEP_EVERY_S
            self.blobs.sweep(now - KEEP_UNUSED_S, self._is_upload)
        deadline = time.monotonic() + TIDY_S
        while self._tidy_some(now):
            if time.monotonic() > deadline:
                self.tidy_soon()
                return

    def tidy_soon(self) -> None:
        """Have the next call of `tidy` do something."""
        self._tidy_at = 0.0

    def _tidy_some(self, now: float) -> bool:
        """Remove some of each kind, and return whether there may be more that can go now."""
        with self.meta.reading() as view:
            expired = view.expired_uploads(now, TIDY_AT_ONCE)
            unused = view.unused_blobs(now - KEEP_UNUSED_S, TIDY_AT_ONCE)
        for upload in expired:
            try:
                self.blobs.abort(upload.id)
            except UploadBusyError:
                continue  # bytes come for it just now: the next tidying looks again
            self._forget_upload(upload.id)
        if not unused:
            return False
        with self._lock.tried() as free:  # a backup has read which files there are, and still copies them
            for digest in unused if free else ():
                with self._lock.removing():
                    with self.meta.reading() as view:
                        idle = view.is_unused(digest, now - KEEP_UNUSED_S)
                    if idle:
                        self.blobs.delete(digest)
                        crashpoints.passing("upkeep.blob_deleted")
                        self._forget_blob(digest, now - KEEP_UNUSED_S)
            return free and len(unused) == TIDY_AT_ONCE

    def _is_upload(self, upload_id: str) -> bool:
        with self.meta.reading() as view:
            return view.upload(upload_id) is not None

    def _forget_upload(self, upload_id: str) -> None:
        self._write(lambda tx: tx.forget_upload(upload_id))

    def _forget_blob(self, digest: str, before: float) -> bool:
        return self._write(lambda tx: tx.forget_blob(digest, before))


def _no_upload() -> ApiError:
    return ApiError(404, "upload_not_found", "No upload of yours has this id: it expired, or never was.")


def full() -> ApiError:
    return ApiError(507, "disk_full", FULL, {"Retry-After": "60"})


def busy(error: UploadBusyError) -> ApiError:
    return ApiError(423, "upload_busy", str(error), {"Retry-After": "1"})


def not_stored(error: StoreError) -> ApiError | StoreError:
    """Return the error to answer with when bytes could not be stored."""
    if isinstance(error, NoRoomError):
        return full()
    return busy(error) if isinstance(error, UploadBusyError) else error
