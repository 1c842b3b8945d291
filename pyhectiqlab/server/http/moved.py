"""Redirects from former addresses of this lab, permanently, to the same path at its present address.

So links that were printed before lead to the right page, and clients, which recognise the lab by its id, go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import ConfigurationError
from ...profile import same_address

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class OldAddress:
    """A port that the lab also listens at (`host` is ""), or a name and port in Host headers, and the path below it."""

    host: str
    port: int
    path: str = ""

    @classmethod
    def parsed(cls, word: str, now: str) -> OldAddress:
        """Parse a URL or a port. Raises ConfigurationError, also if it is the present address."""
        if word.isascii() and word.isdigit() and 0 < int(word[:6]) < 65536:
            return cls("", int(word))
        try:
            parts = urlsplit(word)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
        except ValueError:
            parts, port = urlsplit(""), 0
        if not parts.hostname or not port or parts.query or parts.fragment or parts.username is not None:
            raise ConfigurationError(
                f"--moved-from {word!r} is not an address: give the one where the lab was, such as "
                "https://old.example.org, or a port of this machine."
            )
        if same_address(word, now):
            raise ConfigurationError(
                f"--moved-from {word!r} is where the lab is now: give its new address with --public-url."
            )
        return cls(parts.hostname, port, parts.path.rstrip("/"))

    def holds(self, scope: Scope) -> bool:
        """Return whether the request was sent there."""
        if not self.host:
            return bool(scope.get("server") and scope["server"][1] == self.port)
        try:
            asked = urlsplit(f"{scope['scheme']}://{Headers(scope=scope).get('host', '')}")
            port = asked.port or _DEFAULT_PORTS.get(scope["scheme"], 0)
        except ValueError:
            return False
        path: str = scope["path"]
        return (asked.hostname, port) == (self.host, self.port) and (path + "/").startswith(self.path + "/")


class Moved:
    """ASGI middleware. Args: to: where the lab is now, without a slash at its end."""

    def __init__(self, app: ASGIApp, old: tuple[OldAddress, ...], to: str) -> None:
        self.app, self.old, self.to = app, old, to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for address in self.old:
                if address.holds(scope):
                    await send(
                        {
                            "type": "http.response.start",
                            "status": 308,
                            "headers": [(b"location", self._target(scope, address)), (b"content-length", b"0")],
                        }
                    )
                    await send({"type": "http.response.body", "body": b""})
                    return
        await self.app(scope, receive, send)

    def _target(self, scope: Scope, address: OldAddress) -> bytes:
        path = (scope.get("raw_path") or quote(scope["path"]).encode()).partition(b"?")[0]
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        return self.to.encode() + path[len(address.path) :] + query
