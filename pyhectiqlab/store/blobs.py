"""BlobStore: the interface to bytes by their SHA-256: files that runs, projects, models and datasets refer to.

What every implementation guarantees:

- *Verified*: a blob is visible under a digest only where its bytes have that digest.
- *Durable on return*: once `finish` returned, the blob survives a power failure.
- *Immutable*: the bytes of a digest never change; finishing the same digest twice keeps one blob.
- *Never partial*: an unfinished upload is never visible as a blob.
- *Resumable*: an upload keeps what it had when `keep` or `close` returned, or `received` said so, when its process is
killed; it can be opened again, by whichever process has the store, and goes on behind that. (After a power failure it
may hold wrong bytes; then `finish` refuses them.)

Every method may block on the disk or the network and raise StoreError. Methods may be called from several threads. One
upload is open once at a time in a process. If another process has it open, too, what either acknowledged is kept, and
the blob is still what its digest says. Digests are 64 lower-case hex digits; ids of uploads are 1 to 64 of [0-9a-z].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import BinaryIO, Protocol

from ..errors import StoreError

_DIGEST = re.compile(r"[0-9a-f]{64}")


class NoRoomError(StoreError):
    """The store is full. Bytes of this call may be missing; those of earlier calls are kept."""


class UploadBusyError(StoreError):
    """Another call writes to the upload now."""


class WrongDigestError(ValueError):
    """The received bytes have another digest; the upload is removed."""


class BlobUpload(Protocol):
    """An open upload. A context manager: at its end, what was received is kept."""

    @property
    def offset(self) -> int:
        """Bytes received so far, also by earlier processes."""

    def append(self, data: bytes) -> None:
        """Add bytes behind `offset`. Raises NoRoomError; `offset` then says how many of them were taken. Raises
        ValueError where it is closed.
        """

    def keep(self) -> None:
        """Make all that was received survive this process, so that any process can go on with it. Raises StoreError."""

    def verify(self, digest: str) -> None:
        """Do the long part of `finish`, but for making a blob: compare the digest. If another process received some,
        all of it is read again. Raises WrongDigestError, after which the upload is gone.
        """

    def finish(self, digest: str) -> None:
        """Make what was received the blob of this digest, durably, and end the upload. It is verified unless `verify`
        did that. Raises WrongDigestError, after which the upload is gone.
        """

    def close(self) -> None:
        """Call `keep`, then close the upload. Raises StoreError if not all could be kept; the upload is closed even
        then.
        """

    def __enter__(self) -> BlobUpload: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BlobStore(Protocol):
    def open_upload(self, upload: str) -> BlobUpload:
        """Return the upload of this id, a new one where there is none. Raises UploadBusyError."""

    def received(self, upload: str) -> int:
        """Return how many bytes an unfinished upload has; 0 where there is none."""

    def abort(self, upload: str) -> None:
        """Remove an unfinished upload, if there is one. Raises UploadBusyError."""

    def has(self, digest: str) -> bool: ...
    def size(self, digest: str) -> int:
        """Return how many bytes a blob has. Raises KeyError where there is no such blob."""

    def open(self, digest: str, start: int = 0) -> BinaryIO:
        """Open the blob's bytes from `start` on; the caller closes the file. Raises KeyError where there is no such
        blob.
        """

    def delete(self, digest: str) -> None:
        """Remove the blob, if there is one. A reader that has it open can read on, or gets a StoreError."""

    def digests(self) -> Iterator[str]:
        """Yield every digest, in no order. Blobs that come or go meanwhile may be missing."""

    def room(self) -> int | None:
        """Return how many more bytes can be stored; None: unknown."""

    def largest(self) -> int | None:
        """Return how many bytes a blob may have; None: any number. Never blocks."""

    def address(self, digest: str, disposition: str, media_type: str) -> str | None:
        """Return a URL at which whoever has it can read the blob for a while, with these values of Content-Disposition
        and Content-Type. None: the blob has to be read here.
        """

    def sweep(self, before: float, known: Callable[[str], bool]) -> None:
        """Remove what processes that were killed left: uploads that are not `known`, and whatever they had begun. Only
        what they left before that time.
        """

    def close(self) -> None: ...


def checked(digest: str) -> str:
    """Return the digest if it is one, as it becomes part of a path. Raises ValueError."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError("a digest is 64 lower-case hex digits")
    return digest
