"""What every request passes first: the Host it was sent to, the size of its body, and the headers of its answer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ... import settings
from ...protocol import limits
from .cookies import without_others
from .replies import ApiError, error_body

JSON_BYTES_MAX = 1 << 20
INGEST_PATH = "/api/v1/ingest"
UPLOADS = "/api/v1/uploads/"  # PATCH: a file's bytes go to disk as they come, so the disk is their bound
VERSIONS = re.compile(r"/api/v1/projects/[^/]+/(?:models|datasets)/[^/]+/versions")  # POST: names 10,000 files
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # a login link must not travel on as a referrer
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": (
        # Inline styles, which run nothing: plotly draws figures with them.
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
}


def host_name(host: str) -> str:
    """Return the name in a Host header, without its port, in lower case."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") and ":" in host else host
    return name.lower()


class Guard:
    """ASGI middleware.

    Args:
        hosts: names under which this lab may be asked; None: any. On loopback it is the short list of its own names:
            a page of another site whose name was made to point at 127.0.0.1 (DNS rebinding) would otherwise share the
            lab's origin.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None) -> None:
        self.app = app
        self.hosts = frozenset(h.lower() for h in hosts) if hosts is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = without_others(scope)
        headers = Headers(scope=scope)
        limit = _limit(scope)
        refused = self._refused(scope, headers, limit)
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    answer.setdefault("Cache-Control", "no-store")
            await send(message)

        if refused is not None:
            await _answer(send_with_headers, refused)
            return
        got = 0

        async def receive_bounded() -> Message:
            nonlocal got
            message = await receive()
            if message["type"] == "http.request":
                got += len(message.get("body", b""))
                if got > limit:
                    raise too_large(limit)
            return message

        try:
            await self.app(scope, receive_bounded, send_with_headers)
        except ApiError as e:
            if started:
                raise
            await _answer(send_with_headers, e)

    def _refused(self, scope: Scope, headers: Headers, limit: float) -> ApiError | None:
        host = headers.get("host", "")
        if self.hosts is not None and host_name(host) not in self.hosts:
            return ApiError(
                421, "wrong_host", f"This lab does not answer as {host[:100]!r}: use the address it printed."
            )
        origin = headers.get("origin")
        if scope["method"] not in {"GET", "HEAD", "OPTIONS"}:
            # Whoever has a cookie sends a CSRF token too (access.py); this also keeps other sites from logging somebody
            # in as somebody else. Programs send neither header.
            foreign = origin is not None and not _same_host(origin, host)
            if foreign or headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
                return ApiError(403, "cross_origin", "The request came from a page of another site.")
        if scope["query_string"].count(b"&") >= settings.LAB_QUERY_FIELDS_MAX:
            return ApiError(422, "bad_request", f"The address has over {settings.LAB_QUERY_FIELDS_MAX} fields.")
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > limit:
            return too_large(limit)
        return None


def _limit(scope: Scope) -> float:
    """Return how many bytes the body of a request may have."""
    if scope["method"] == "PATCH" and scope["path"].startswith(UPLOADS):
        return math.inf
    large = scope["path"] == INGEST_PATH or (scope["method"] == "POST" and VERSIONS.fullmatch(scope["path"]))
    return limits.INGEST_BYTES_MAX if large else JSON_BYTES_MAX


def too_large(limit: float) -> ApiError:
    return ApiError(
        413, "too_large", f"The body is over {limit:.0f} bytes: send less at once.", {"Connection": "close"}
    )


def _same_host(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


async def _answer(send: Send, error: ApiError) -> None:
    body = json.dumps(error_body(error.status_code, error.code, error.detail)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(k.lower().encode(), v.encode()) for k, v in (error.headers or {}).items()]
    await send({"type": "http.response.start", "status": error.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
