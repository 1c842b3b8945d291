"""The plainest BlobStore that keeps the promises of store/blobs.py as long as its process lives."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import BinaryIO

from ..store.blobs import NoRoomError, UploadBusyError, WrongDigestError, checked


class MemoryBlobStore:
    """Blobs in a dict.

    Args:
        capacity: bytes of blobs and uploads it takes in all; None: any number.
    """

    def __init__(self, capacity: int | None = None) -> None:
        self.capacity = capacity
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.open_now: set[str] = set()

    def open_upload(self, upload: str) -> MemoryUpload:
        if upload in self.open_now:
            raise UploadBusyError("Another request sends to this upload at this moment: try again.")
        self.open_now.add(upload)
        self.uploads.setdefault(upload, b"")
        return MemoryUpload(self, upload)

    def received(self, upload: str) -> int:
        return len(self.uploads.get(upload, b""))

    def abort(self, upload: str) -> None:
        if upload in self.open_now:
            raise UploadBusyError("Another request sends to this upload at this moment: try again.")
        self.uploads.pop(upload, None)

    def has(self, digest: str) -> bool:
        return checked(digest) in self.blobs

    def size(self, digest: str) -> int:
        return len(self.blobs[checked(digest)])

    def open(self, digest: str, start: int = 0) -> BinaryIO:
        return io.BytesIO(self.blobs[checked(digest)][start:])

    def delete(self, digest: str) -> None:
        self.blobs.pop(checked(digest), None)

    def digests(self) -> Iterator[str]:
        yield from list(self.blobs)

    def room(self) -> int | None:
        return (
            None
            if self.capacity is None
            else self.capacity - sum(map(len, [*self.blobs.values(), *self.uploads.values()]))
        )

    def largest(self) -> int | None:
        return None

    def address(self, digest: str, disposition: str, media_type: str) -> str | None:
        return None

    def sweep(self, before: float, known: Callable[[str], bool]) -> None:
        pass

    def close(self) -> None:
        pass


class MemoryUpload:
    def __init__(self, store: MemoryBlobStore, upload: str) -> None:
        self._store, self._upload = store, upload

    @property
    def offset(self) -> int:
        return self._store.received(self._upload)

    def append(self, data: bytes) -> None:
        if self._upload not in self._store.open_now:
            raise ValueError("the upload is closed")
        room = self._store.room()
        fits = data if room is None else data[:room]
        self._store.uploads[self._upload] += fits
        if len(fits) < len(data):
            raise NoRoomError("The lab cannot store files (No space left on device): make room on its disk.")

    def keep(self) -> None:
        pass

    def verify(self, digest: str) -> None:
        actual = hashlib.sha256(self._store.uploads[self._upload]).hexdigest()
        if actual != checked(digest):
            del self._store.uploads[self._upload]
            raise WrongDigestError(f"the received bytes have the digest {actual}, not {digest}")

    def finish(self, digest: str) -> None:
        self.verify(digest)
        self._store.blobs[digest] = self._store.uploads.pop(self._upload)

    def close(self) -> None:
        self._store.open_now.discard(self._upload)

    def __enter__(self) -> MemoryUpload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
