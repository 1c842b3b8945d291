"""S3File: the bytes of a blob from some place on, as a file that is read once, forwards."""

from __future__ import annotations

import io
import time
from contextlib import suppress
from typing import Any

from ...errors import StoreError
from .client import UNREACHED, MissingError, S3Client

TRIES = 4  # in a row that bring no byte
PAUSE_S = 0.5


class S3File(io.RawIOBase):
    """The bytes of a blob, for one thread. If the connection breaks, or the server closes it because the reader is
    slow, reading goes on at the same place, as a blob never changes. Raises StoreError if that fails, or the blob is
    gone.
    """

    def __init__(self, client: S3Client, key: str, start: int, digest: str) -> None:
        """Raises KeyError where there is no such blob."""
        self._client, self._key, self._at = client, key, start
        self._body: Any = None
        self._size = start
        try:
            self._open()
        except MissingError:
            raise KeyError(digest) from None

    def _open(self) -> None:
        with self._client.errors():
            if self._at == 0:
                answer = self._client.s3.get_object(Bucket=self._client.bucket, Key=self._key)
                self._size = answer["ContentLength"]
            else:
                size = self._client.s3.head_object(Bucket=self._client.bucket, Key=self._key)["ContentLength"]
                self._size = size
                if self._at >= size:
                    return
                answer = self._client.s3.get_object(
                    Bucket=self._client.bucket, Key=self._key, Range=f"bytes={self._at}-"
                )
            self._body = answer["Body"]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        tries = 0
        while True:
            try:
                if self._body is None:
                    self._open()
                data = self._body.read(min(len(buffer), self._size - self._at))
                if not data:
                    raise ConnectionResetError("it ends in the middle of a file")
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
            except MissingError:
                raise StoreError("The file was removed while it was read.") from None
            except (StoreError, *UNREACHED) as e:
                self._close_body()
                tries += 1
                if tries == TRIES:
                    raise (e if isinstance(e, StoreError) else StoreError(f"A file cannot be read on: {e}.")) from None
                time.sleep(PAUSE_S * tries)

    def _close_body(self) -> None:
        if self._body is not None:
            with suppress(Exception):  # the connection is given up: whatever closing it says, there is nothing to do
                self._body.close()
            self._body = None

    def close(self) -> None:
        self._close_body()
        super().close()
