"""What schemathesis needs to know of this lab: bodies that are not JSON. Loaded by test_fuzz.py's subprocess."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgpack
import schemathesis


@schemathesis.serializer("application/x-msgpack")
def as_msgpack(context: Any, value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, default=str)
    return packed


@schemathesis.serializer("application/offset+octet-stream")
def as_bytes(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Skip a URL of more than 64 KiB, which the HTTP server itself refuses before the lab sees it."""
    if len(urlencode(case.query or {}, doseq=True)) > 60_000:
        case.query = {
            name: value[:4] if isinstance(value, list) else str(value)[:4000] for name, value in case.query.items()
        }
