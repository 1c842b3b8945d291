"""S3Client: the calls to a bucket that the store makes, with each failure as a StoreError of one line."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import botocore.session
from botocore import exceptions, handlers
from botocore.config import Config

from ...errors import ConfigurationError, EngineAwayError, StoreError
from ..blobs import NoRoomError
from ..engine_counts import EngineCounts
from .settings import S3Settings

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 20.0
TRIES = 3
CONNECTIONS_MAX = 32
DOWN_S = 2.0  # after a failure to reach the server, calls fail at once for so long
PROBE_S = 15.0  # … or while one call tries whether it is back
REGION = "us-east-1"  # for servers that have no regions
RIGHTS = (
    "s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload, and on the bucket ListBucket, "
    "ListBucketMultipartUploads"
)
UNREACHED = (
    exceptions.ConnectionError,
    exceptions.HTTPClientError,  # time-outs, TLS, ends in the middle
    exceptions.ResponseStreamingError,
    exceptions.IncompleteReadError,
    OSError,
)
_BAD_CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
}
_OTHER_REGION = {"301", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
_FULL = {"507", "QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "QuotaExceededException"}


class MissingError(KeyError):
    """There is no such object, or no such upload of parts."""


class S3Client:
    """Safe for several threads. Every call blocks on the network, for at most about TRIES × READ_TIMEOUT_S, and raises
    StoreError.

    `s3`: botocore's client; call it inside `errors()`. `signing`: a client with the address by which others reach the
    server. `first`: what has to be done before any other call, such as to look whose bucket it is; each call tries it
    until it has succeeded.
    """

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings
        self.bucket = settings.bucket
        self._lock = threading.Lock()
        self._retry_at, self._why = 0.0, ""
        self.first: Callable[[], object] | None = None
        self._first_lock, self._doing_first = threading.RLock(), False
        self.counts = EngineCounts()
        self.s3 = self._client(settings.endpoint)
        self.signing = self._client(settings.public_endpoint) if settings.public_endpoint else self.s3
        self.encryption: dict[str, str] = {}  # arguments of calls that make objects
        if settings.encryption:
            self.encryption["ServerSideEncryption"] = settings.encryption
        if settings.kms_key:
            self.encryption["SSEKMSKeyId"] = settings.kms_key

    def _client(self, endpoint: str) -> Any:
        settings = self.settings
        path_style = settings.path_style == "yes" or (settings.path_style == "" and settings.endpoint != "")
        keys = settings.credentials() or (None, None)
        session = botocore.session.get_session()
        try:
            client = session.create_client(
                "s3",
                endpoint_url=endpoint or None,
                region_name=settings.region or session.get_config_variable("region") or REGION,
                aws_access_key_id=keys[0],
                aws_secret_access_key=keys[1],
                config=Config(
                    signature_version="s3v4",
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=READ_TIMEOUT_S,
                    retries={"mode": "standard", "total_max_attempts": TRIES},
                    max_pool_connections=CONNECTIONS_MAX,
                    tcp_keepalive=True,
                    # Bodies have an MD5 (`body`), which every server compares. Newer checksums not all of them know.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    s3={"addressing_style": "path" if path_style else "auto"},
                ),
            )
        except (exceptions.BotoCoreError, ValueError) as e:
            raise StoreError(f"{settings.name} cannot be used ({_one_line(e)}): correct its options.") from None
        # Bodies are small enough to be sent at once. To ask first takes a round trip, and some proxies cannot answer.
        client.meta.events.unregister("before-call.s3", handlers.add_expect_header)
        return client

    @staticmethod
    def body(data: bytes) -> dict[str, object]:
        """Return the arguments for a body. The server refuses one that was changed on its way."""
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        return {"Body": data, "ContentMD5": base64.b64encode(digest).decode()}

    def close(self) -> None:
        self.s3.close()
        self.signing.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise failures as StoreError, and what is not there as MissingError. While the server is out of reach, fail
        at once, as threads of the lab that wait for it could do nothing else.
        """
        if self.first is not None:
            self._do_first()
        with self.counts.call(MissingError), self._as_store_error():
            yield

    def _do_first(self) -> None:
        with self._first_lock:
            if self.first is None or self._doing_first:  # done meanwhile, or it is what calls
                return
            self._doing_first = True
            try:
                self.first()
                self.first = None
            except ConfigurationError as e:
                raise StoreError(str(e)) from None
            finally:
                self._doing_first = False

    @contextmanager
    def _as_store_error(self) -> Iterator[None]:
        self._enter()
        try:
            yield
        except exceptions.ClientError as e:
            answer = e.response.get("ResponseMetadata", {})
            if answer.get("HTTPStatusCode", 0) < 500:
                self._reached()
            raise self._refusal(e) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.CredentialRetrievalError):
            self._reached()
            raise StoreError(
                f"There are no credentials for {self.settings.name}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "or access-key-file and secret-key-file."
            ) from None
        except UNREACHED as e:
            raise self._unreached(_one_line(e)) from None
        except exceptions.BotoCoreError as e:
            self._reached()
            raise StoreError(f"{self.settings.name} cannot be used: {_one_line(e)}.") from None
        else:
            self._reached()

    def _enter(self) -> None:
        with self._lock:
            if self._why:
                now = time.monotonic()
                if now < self._retry_at:
                    raise EngineAwayError(self._why)
                self._retry_at = now + PROBE_S  # this call tries

    def _reached(self) -> None:
        if self._why:
            with self._lock:
                self._why = ""

    def _unreached(self, why: str) -> EngineAwayError:
        settings = self.settings
        with self._lock:
            self._why = (
                f"The lab's files are out of reach for now: {settings.server} with {settings.name} does not answer "
                f"({why}). Nothing else is concerned: see that it runs and can be reached from the lab."
            )
            self._retry_at = time.monotonic() + DOWN_S
            return EngineAwayError(self._why)

    def _refusal(self, error: exceptions.ClientError) -> Exception:
        """Return the error for an answer of 3xx, 4xx or 5xx."""
        settings = self.settings
        code = str(error.response.get("Error", {}).get("Code", ""))
        answer = error.response.get("ResponseMetadata", {})
        status = answer.get("HTTPStatusCode", 0)
        does = error.operation_name
        if code == "NoSuchBucket" or (does == "HeadBucket" and status == 404):
            return StoreError(
                f"There is no bucket {settings.bucket!r} at {settings.server}: make it, or name another one."
            )
        if status == 404:
            return MissingError(code)
        if code in _BAD_CREDENTIALS:
            return StoreError(f"{settings.server} refuses the credentials ({code}): correct them.")
        if code in _OTHER_REGION or status == 301:
            region = answer.get("HTTPHeaders", {}).get("x-amz-bucket-region") or error.response["Error"].get("Region")
            is_in = f"is in the region {region}: set region={region}" if region else "is in another region: set region"
            return StoreError(f"The bucket {settings.bucket!r} {is_in}.")
        if code == "RequestTimeTooSkewed":
            return StoreError(f"{settings.server} refuses the lab's requests, as its clock is off: set the clock.")
        if code in _FULL or status == 507:
            return NoRoomError(f"{settings.name} is full: make room there.")
        if does == "HeadBucket" and status in {401, 403}:  # it says no more
            return StoreError(
                f"{settings.server} refuses the keys for {settings.name}: correct them, or allow their user {RIGHTS}."
            )
        if status in {401, 403}:
            return StoreError(f"The lab has no right to {does} in {settings.name}: allow its user {RIGHTS}.")
        if status >= 500 or status == 429 or code in {"SlowDown", "RequestTimeout"}:
            return self._unreached(f"{does}: {code or status}")
        return StoreError(f"{settings.server} refuses {does} in {settings.name} ({_one_line(error)}).")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
