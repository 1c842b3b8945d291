"""Bucket: the objects below the prefix of a store, their names, and all that is done to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, cast

from botocore.exceptions import ClientError

from ...base import crashpoints
from ...errors import StoreError
from ..blobs import checked
from .client import MissingError, S3Client
from .parts import Chain, Part, Sizes, chain, part_of
from .settings import S3Settings

AT_ONCE = 8  # parts that are joined, read back or removed at the same time
UPLOAD_ID = re.compile(r"[0-9a-z]{1,64}")


class Bucket:
    """Safe for several threads. Every call blocks on the network and raises StoreError."""

    def __init__(self, settings: S3Settings, sizes: Sizes) -> None:
        self.settings, self.sizes = settings, sizes
        self.client = S3Client(settings)
        self.pool = ThreadPoolExecutor(AT_ONCE, "hectiqlab-s3")

    def close(self) -> None:
        self.pool.shutdown()
        self.client.close()

    # Names

    def key(self, name: str) -> str:
        return self.settings.key(name)

    def path(self, digest: str) -> str:
        """Return the key of a blob."""
        checked(digest)
        return self.key(f"blobs/{digest[:2]}/{digest[2:4]}/{digest}")

    def upload_key(self, upload: str) -> str:
        """Return what the keys of an upload's parts begin with."""
        if not UPLOAD_ID.fullmatch(upload):
            raise ValueError("the id of an upload is 1 to 64 of 0-9 and a-z")
        return self.key(f"uploads/{upload}/")

    # Parts of uploads

    def chain(self, upload: str) -> Chain:
        return chain((part for _, part in self.parts(upload)), self.sizes)

    def parts(self, upload: str) -> Iterator[tuple[str, Part]]:
        prefix = self.upload_key(upload)
        for item in self.listed(f"uploads/{upload}/"):
            part = part_of(item["Key"][len(prefix) :], item["Size"])
            if part is not None:
                yield item["Key"], part

    def read_part(self, upload: str, part: Part) -> bytes:
        with self.client.errors():
            body = self.client.s3.get_object(Bucket=self.client.bucket, Key=self.upload_key(upload) + part.name)
            return cast(bytes, body["Body"].read())

    def write_part(self, upload: str, part: Part, data: bytes) -> None:
        with self.client.errors():
            self.put(self.upload_key(upload) + part.name, data)

    def remove_part(self, upload: str, part: Part) -> None:
        self.remove(self.upload_key(upload) + part.name)

    def remove_parts(self, upload: str) -> None:
        """Remove all parts of an upload, also those that other processes sent."""
        list(self.pool.map(self.remove, [key for key, _ in self.parts(upload)]))

    def join(self, upload: str, parts: Sequence[Part], tail: bytes, digest: str) -> None:
        """Make one object of parts and the bytes behind them. Raises MissingError where one of them is gone."""
        key, s3 = self.path(digest), self.client.s3
        with self.client.errors():
            made = s3.create_multipart_upload(Bucket=self.client.bucket, Key=key, **self.client.encryption)["UploadId"]
        crashpoints.passing("s3.joining")
        whole = {"Bucket": self.client.bucket, "Key": key, "UploadId": made}

        def copy(part: Part) -> str:
            source = {"Bucket": self.client.bucket, "Key": self.upload_key(upload) + part.name}
            with self.client.errors():
                copied = s3.upload_part_copy(**whole, PartNumber=part.number + 1, CopySource=source)
            return str(copied["CopyPartResult"]["ETag"])

        try:
            tags = list(self.pool.map(copy, parts))
            if tail:
                with self.client.errors():
                    tags.append(s3.upload_part(**whole, PartNumber=len(parts) + 1, **self.client.body(tail))["ETag"])
            listed = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
            with self.client.errors():
                s3.complete_multipart_upload(**whole, MultipartUpload={"Parts": listed})
        except BaseException:
            with suppress(StoreError):
                self.end_join(key, made)
            raise

    def end_join(self, key: str, join: str) -> None:
        with suppress(MissingError), self.client.errors():
            self.client.s3.abort_multipart_upload(Bucket=self.client.bucket, Key=key, UploadId=join)

    # Blobs

    def write_blob(self, digest: str, data: bytes) -> None:
        with self.client.errors():
            self.put(self.path(digest), data)

    def has(self, digest: str) -> bool:
        try:
            self.size(digest)
        except KeyError:
            return False
        return True

    def size(self, digest: str) -> int:
        key = self.path(digest)
        try:
            with self.client.errors():
                return int(self.client.s3.head_object(Bucket=self.client.bucket, Key=key)["ContentLength"])
        except MissingError:
            raise KeyError(digest) from None

    # Objects

    def listed(self, below: str) -> Iterator[dict[str, Any]]:
        """Yield what the server tells of each object below a name."""
        arguments = {"Bucket": self.client.bucket, "Prefix": self.key(below)}
        while True:
            with self.client.errors():
                page = self.client.s3.list_objects_v2(**arguments)
            yield from page.get("Contents", ())
            if not page.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def put(self, key: str, data: bytes) -> None:
        self.client.s3.put_object(
            Bucket=self.client.bucket, Key=key, **self.client.body(data), **self.client.encryption
        )

    def put_new(self, key: str, data: bytes) -> None:
        """Make an object, unless it is there. (If the server does not know this condition, two processes that call this
        at once may both write.)
        """
        try:
            self.client.s3.put_object(
                Bucket=self.client.bucket, Key=key, IfNoneMatch="*", **self.client.body(data), **self.client.encryption
            )
        except ClientError as e:
            status = e.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status in {400, 501}:
                self.put(key, data)
            elif status not in {409, 412}:  # somebody else made it, or is about to
                raise

    def remove(self, key: str) -> None:
        with suppress(MissingError), self.client.errors():
            self.client.s3.delete_object(Bucket=self.client.bucket, Key=key)
