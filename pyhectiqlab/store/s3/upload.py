"""S3Upload: an open upload: bytes gathered to parts, read back if not all of them passed here, and joined at last."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from ...base import crashpoints
from ...errors import StoreError
from ..blobs import WrongDigestError, checked
from .bucket import Bucket
from .client import MissingError
from .parts import Part, new_part

if TYPE_CHECKING:
    from hashlib import _Hash

    Hashed = tuple[tuple[Part, ...], _Hash]  # full parts of an upload, and their digest

AHEAD = 4  # parts that are read back at once


class S3Upload:
    """A BlobUpload. Bytes that do not fill a part wait in memory until `keep` or `close`, which make an object of them.

    The digest of full parts is computed while they pass, if this process receives all of them. Otherwise `verify` reads
    them back, once: the state of a SHA-256 cannot be handed from one process to another, and S3 has digests of parts
    only.
    """

    def __init__(
        self, bucket: Bucket, upload: str, hashed: Hashed | None, give_back: Callable[[str, Hashed | None], None]
    ) -> None:
        """`hashed`: the full parts whose digest this process has, and that digest. `give_back`: called with the same
        when the upload is closed. Raises MissingError if another process changes the upload at this moment.
        """
        chain = bucket.chain(upload)
        self._bucket, self._upload, self._give_back = bucket, upload, give_back
        self._lock = threading.Lock()
        self._closed = False
        self._verified: tuple[str, int] | None = None  # digest, bytes
        self._full = list(chain.full)
        self._tails = [*([] if chain.tail is None else [chain.tail]), *chain.passed]  # the longest first
        self._kept = chain.tail.bytes if chain.tail is not None else 0  # of what waits, this much is in an object
        self._waiting = bytearray(bucket.read_part(upload, chain.tail)) if chain.tail is not None else bytearray()
        self._sent = sum(part.bytes for part in self._full)
        if hashed is not None and hashed[0] == chain.full:
            self._hash: _Hash | None = hashed[1]
        else:
            self._hash = None if self._full else hashlib.sha256()

    @property
    def offset(self) -> int:
        return self._sent + len(self._waiting)

    def append(self, data: bytes) -> None:
        with self._lock:
            if self._closed:
                raise ValueError("the upload is closed")
            self._waiting += data
            while len(self._waiting) >= (size := self._bucket.sizes.full_bytes(len(self._full))):
                part = new_part(len(self._full), size)
                body = bytes(memoryview(self._waiting)[:size])
                self._bucket.write_part(self._upload, part, body)
                crashpoints.passing("s3.part_sent")
                if self._hash is not None:
                    self._hash.update(body)
                del self._waiting[:size]
                self._full.append(part)
                self._sent += size
                self._kept = 0
                self._forget_tails()

    def keep(self) -> None:
        with self._lock:
            self._keep()

    def _keep(self) -> None:
        if len(self._waiting) == self._kept:
            return
        part = new_part(len(self._full), len(self._waiting))
        self._bucket.write_part(self._upload, part, bytes(self._waiting))
        self._kept = part.bytes
        self._forget_tails()
        self._tails = [part]

    def _forget_tails(self) -> None:
        """Remove tails whose bytes another part has."""
        with suppress(StoreError):  # they are removed with the upload at the latest
            for part in self._tails:
                self._bucket.remove_part(self._upload, part)
        self._tails = []

    def verify(self, digest: str) -> None:
        checked(digest)
        with self._lock:
            try:
                running = self._read_back() if self._hash is None else self._hash.copy()
            except MissingError:
                if not self._bucket.has(digest):
                    raise _ended() from None
                self._verified = (digest, self.offset)  # by the process that made the blob of it
                return
            running.update(self._waiting)
            actual = running.hexdigest()
            if actual != digest:
                self._end()
                raise WrongDigestError(f"the received bytes have the digest {actual}, not {digest}")
            self._verified = (digest, self.offset)

    def _read_back(self) -> _Hash:
        running = hashlib.sha256()
        left = iter(self._full)
        ahead: deque[Future[bytes]] = deque()
        try:
            for part in left:
                ahead.append(self._bucket.pool.submit(self._bucket.read_part, self._upload, part))
                if len(ahead) == AHEAD:
                    running.update(ahead.popleft().result())
            while ahead:
                running.update(ahead.popleft().result())
        finally:
            for reading in ahead:
                reading.cancel()
        return running

    def finish(self, digest: str) -> None:
        if self._verified != (digest, self.offset):
            self.verify(digest)
        with self._lock:
            crashpoints.passing("s3.placing")
            if self._full:
                self._join(digest)
            else:
                self._bucket.write_blob(digest, bytes(self._waiting))
            crashpoints.passing("s3.placed")
            self._end()

    def _join(self, digest: str) -> None:
        """Have S3 make one object of the parts. Another process may do the same now, or has done it."""
        if self._bucket.has(digest):
            return
        try:
            self._bucket.join(self._upload, self._full, bytes(self._waiting), digest)
        except (MissingError, StoreError) as e:
            if self._bucket.has(digest):
                return
            if isinstance(e, MissingError):
                raise _ended() from None
            raise

    def _end(self) -> None:
        """Forget the upload, and give its parts back."""
        self._waiting.clear()
        self._full, self._tails, self._sent, self._kept = [], [], 0, 0
        self._hash = hashlib.sha256()
        with suppress(StoreError):  # `sweep` removes what is left
            self._bucket.remove_parts(self._upload)

    def close(self) -> None:
        """Keep what was received. Safe twice; raises StoreError where it cannot be kept."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._keep()
            finally:
                hashed = None if self._hash is None else (tuple(self._full), self._hash)
                self._give_back(self._upload, hashed)
                self._waiting.clear()

    def __enter__(self) -> S3Upload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except StoreError:
            if kind is None:
                raise


def _ended() -> StoreError:
    return StoreError("The upload was ended by another request meanwhile: send the file again.")
