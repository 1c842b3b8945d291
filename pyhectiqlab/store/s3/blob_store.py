"""The BlobStore in a bucket of S3: `blobs/ab/cd/<digest>` for blobs, `uploads/<id>/…` for parts of unfinished uploads.

Any number of processes work on one bucket, and the bucket alone knows what was received (parts.py): an upload that
begins at one process goes on at any other. At its end S3 joins the parts to one object, by itself, without the bytes
passing here once more. An object appears whole or not at all.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, cast

from ...errors import ConfigurationError, StoreError
from ..addresses import lacking, other_generation
from ..blobs import NoRoomError, UploadBusyError
from .bucket import UPLOAD_ID, Bucket
from .client import MissingError
from .parts import SIZES, Sizes
from .reading import S3File
from .settings import S3Settings
from .upload import S3Upload

if TYPE_CHECKING:
    from .upload import Hashed

HASHES_MAX = 1024  # running digests of uploads between two requests, some 200 bytes each
OWNER = "lab"  # the object that says whose prefix it is
GENERATION = "generation"  # … and of which generation of that lab
PROBE = "check"


class S3BlobStore:
    """A BlobStore in a bucket, for any number of processes. Making it asks nothing of the bucket: see `claim`."""

    def __init__(self, settings: S3Settings, sizes: Sizes = SIZES) -> None:
        self.settings = settings
        self.bucket = Bucket(settings, sizes)
        self.client = self.bucket.client
        self.counts = self.client.counts
        self._lock = threading.Lock()
        self._open: set[str] = set()
        self._hashes: OrderedDict[str, Hashed] = OrderedDict()  # upload → its parts, their hash

    def claim(self, lab: str, generation: str = "", has_files: bool = False) -> None:
        """Note in the bucket that the prefix is this lab's, or see that it is: two labs in one prefix would remove each
        other's files.

        Args:
            lab: the lab's id.
            generation: of the lab; "": any.
            has_files: whether the lab's rows name files, so that the prefix must not be empty.

        Raises ConfigurationError where it is another lab's, or another generation's; StoreError, also where it is empty
        and should not be.
        """
        owner, its = self._look(lab, generation, has_files)
        if not owner:
            with self.client.errors():
                self.bucket.put_new(self.bucket.key(OWNER), lab.encode())
            self._look(lab, generation)  # another lab may have done so at the same moment
        if generation and not its:
            self.note_generation(generation)

    def look(self, lab: str, generation: str, has_files: bool = False) -> None:
        """Find out whether this lab may have the prefix, and may write there. Leaves nothing behind. Raises what
        `claim` raises.
        """
        self._look(lab, generation, has_files)
        with suppress(NoRoomError):
            self._note(PROBE, "may a lab write here?")
            self.bucket.remove(self.bucket.key(PROBE))

    def note_generation(self, generation: str) -> None:
        """Note in the bucket that the prefix is of this generation of its lab. Raises StoreError."""
        self._note(GENERATION, generation)

    def _look(self, lab: str, generation: str, has_files: bool = False) -> tuple[str, str]:
        with self.client.errors():
            self.client.s3.head_bucket(Bucket=self.client.bucket)
        owner = self._noted(OWNER)
        if owner and owner != lab:
            raise ConfigurationError(
                f"{self.settings.name} has the files of another lab (its id is {owner!r}, this one's {lab!r}): "
                "name another prefix."
            )
        if has_files and not owner and next(self.digests(), None) is None:
            raise StoreError(lacking(self.settings.name, "files", "the prefix"))
        its = self._noted(GENERATION) if generation else ""
        if its and its != generation:
            raise ConfigurationError(other_generation(f"{self.settings.name} has the files", "a prefix"))
        return owner, its

    def _noted(self, name: str) -> str:
        with suppress(MissingError), self.client.errors():
            answer = self.client.s3.get_object(Bucket=self.client.bucket, Key=self.bucket.key(name))
            return str(answer["Body"].read(64).decode())
        return ""

    def _note(self, name: str, words: str) -> None:
        with self.client.errors():
            self.bucket.put(self.bucket.key(name), words.encode())

    # Uploads

    def open_upload(self, upload: str) -> S3Upload:
        self.bucket.upload_key(upload)
        with self._lock:
            if upload in self._open:
                raise UploadBusyError("Another request sends to this upload at this moment: try again.")
            self._open.add(upload)
            hashed = self._hashes.pop(upload, None)
        try:
            return S3Upload(self.bucket, upload, hashed, self._give_back)
        except MissingError:  # another process went on meanwhile
            self._give_back(upload, None)
            raise UploadBusyError("Another request sends to this upload at this moment: try again.") from None
        except BaseException:
            self._give_back(upload, hashed)
            raise

    def received(self, upload: str) -> int:
        return self.bucket.chain(upload).offset

    def abort(self, upload: str) -> None:
        self.bucket.upload_key(upload)
        with self._lock:
            if upload in self._open:
                raise UploadBusyError("Another request sends to this upload at this moment: try again.")
            self._hashes.pop(upload, None)
        self.bucket.remove_parts(upload)

    def _give_back(self, upload: str, hashed: Hashed | None) -> None:
        """Take back the digest of an upload that is closed. `hashed`: its full parts and their digest so far."""
        with self._lock:
            self._open.discard(upload)
            if hashed is not None and hashed[0]:
                self._hashes[upload] = hashed
                while len(self._hashes) > HASHES_MAX:
                    self._hashes.popitem(last=False)

    def sweep(self, before: float, known: Callable[[str], bool]) -> None:
        newest: dict[str, float] = {}
        prefix = self.bucket.key("uploads/")
        for item in self.bucket.listed("uploads/"):
            upload = item["Key"][len(prefix) :].partition("/")[0]
            newest[upload] = max(newest.get(upload, 0.0), _time(item["LastModified"]))
        for upload, last in newest.items():
            if last < before and UPLOAD_ID.fullmatch(upload) and not known(upload):
                self.bucket.remove_parts(upload)
        with self.client.errors():
            pages = self.client.s3.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.client.bucket, Prefix=self.bucket.key("blobs/")
            )
            joins = [join for page in pages for join in page.get("Uploads", ())]
        for join in joins:
            if _time(join["Initiated"]) < before:
                self.bucket.end_join(join["Key"], join["UploadId"])

    # Blobs

    def has(self, digest: str) -> bool:
        return self.bucket.has(digest)

    def size(self, digest: str) -> int:
        return self.bucket.size(digest)

    def open(self, digest: str, start: int = 0) -> BinaryIO:
        return cast(BinaryIO, S3File(self.client, self.bucket.path(digest), start, digest))

    def address(self, digest: str, disposition: str, media_type: str) -> str | None:
        if self.settings.downloads != "signed":
            return None
        with self.client.errors():
            signed = self.client.signing.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self.client.bucket,
                    "Key": self.bucket.path(digest),
                    "ResponseContentDisposition": disposition,
                    "ResponseContentType": media_type,
                },
                ExpiresIn=int(self.settings.signed_s),
            )
        return str(signed)

    def delete(self, digest: str) -> None:
        self.bucket.remove(self.bucket.path(digest))

    def digests(self) -> Iterator[str]:
        for item in self.bucket.listed("blobs/"):
            yield item["Key"].rpartition("/")[2]

    def room(self) -> int | None:
        return None

    def largest(self) -> int | None:
        return self.bucket.sizes.largest

    def close(self) -> None:
        self.bucket.close()


def _time(when: datetime) -> float:
    return when.timestamp()
