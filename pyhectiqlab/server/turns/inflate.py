"""Inflate: takes the Content-Encoding off the body of a request of ingest, and weighs it while it comes.

So 15 KiB of gzip that would be a gigabyte of values are refused before most of them are bytes. Pure; blocks for as long
as it works.
"""

from __future__ import annotations

import zlib

from ... import settings
from ...protocol import limits
from ..http.replies import ApiError
from .weight import Scale

_TAKEN = 64 << 10  # bytes of a body that zlib gets at once, as it copies the input that it did not use
_BLOCK = 256 << 10  # bytes that are inflated before they are weighed


def opened(body: bytes, encoding: str) -> tuple[bytes | bytearray, int]:
    """Return the body without its encoding, and the bytes that its values would take in memory.

    Raises ApiError as soon as that is known: it is not gzip, or over INGEST_BYTES_MAX bytes, or its values are over
    LAB_DECODED_BYTES_MAX.
    """
    scale = Scale(settings.LAB_DECODED_BYTES_MAX)
    plain = body if encoding in ("", "identity") else _inflated(body, encoding, scale)
    scale.weigh(plain, whole=True)
    _check(scale)
    return plain, scale.weight


def _inflated(body: bytes, encoding: str, scale: Scale) -> bytearray:
    if encoding != "gzip":
        raise ApiError(
            415, "unsupported_encoding", f"Content-Encoding {encoding[:32]!r} is not taken: send gzip or none."
        )
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    plain = bytearray()
    for start in range(0, len(body), _TAKEN):
        rest = body[start : start + _TAKEN]
        while rest:
            try:
                plain += inflater.decompress(rest, _BLOCK)
            except zlib.error:
                raise ApiError(400, "bad_body", "The body is not a gzip stream.") from None
            if len(plain) > limits.INGEST_BYTES_MAX:
                most = limits.INGEST_BYTES_MAX
                raise ApiError(413, "too_large", f"The body is over {most} bytes once inflated: send less at once.")
            scale.weigh(plain, whole=False)
            _check(scale)
            if inflater.eof:
                if inflater.unused_data or start + _TAKEN < len(body):
                    raise _cut_off()
                return plain
            rest = inflater.unconsumed_tail
    raise _cut_off()


def _check(scale: Scale) -> None:
    if scale.weight > scale.most:
        raise ApiError(413, "too_large", f"The values of the body take over {scale.most} bytes: send less.")


def _cut_off() -> ApiError:
    return ApiError(400, "bad_body", "The gzip stream is truncated, or something follows it.")
