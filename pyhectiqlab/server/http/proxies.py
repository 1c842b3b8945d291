"""Proxies: from which address, and with which scheme, a request really came if a proxy stands before the lab.

Each proxy appends the address that it was asked from to X-Forwarded-For, and anybody may send one that is filled
already. So the header is read from its right end: what a trusted proxy appended is true, and the first address that is
no trusted proxy's is the caller. What is left of it was said by the caller, and is never believed: the limits of logins
count by address.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import ConfigurationError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
ANY = "*"


@dataclass(frozen=True)
class Trusted:
    """The proxies whose word about the addresses before them counts.

    Attributes:
        networks: of proxies.
        whoever: whoever connects to the lab is one; not who connected to them.
    """

    networks: tuple[Network, ...] = ()
    whoever: bool = False

    @classmethod
    def parsed(cls, text: str) -> Trusted:
        """Parse addresses and networks by commas, or `*`. Raises ConfigurationError."""
        words = [word.strip() for word in text.split(",") if word.strip()]
        try:
            networks = tuple(ipaddress.ip_network(word, strict=False) for word in words if word != ANY)
        except ValueError as e:
            raise ConfigurationError(
                f"--behind-proxy {text!r} is not understood ({e}): it takes addresses or networks such as 10.0.0.7 or "
                "10.0.0.0/8, by commas, or * for whoever connects."
            ) from None
        return cls(networks, ANY in words)

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def address_in(text: str) -> Address | None:
    """Return the address in `1.2.3.4`, `1.2.3.4:80`, `::1` or `[::1]:80`; None for anything else."""
    word = text.strip()
    if word.startswith("["):
        word = word[1:].partition("]")[0]
    elif word.count(":") == 1:
        word = word.partition(":")[0]
    try:
        address = ipaddress.ip_address(word)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@functools.lru_cache(4096)
def place_of(address: str) -> str:
    """Return what limits go by: an IPv4 address; of IPv6 the network of 64 bits, all of which one customer has."""
    parsed = address_in(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address if parsed is None else str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def caller_address(peer: str, forwarded: str, trusted: Trusted) -> str:
    """Return who asked, by what the peer and the proxies before it appended to X-Forwarded-For."""
    here = address_in(peer)
    if not trusted.whoever and (here is None or here not in trusted):
        return peer
    caller = peer
    for word in reversed(forwarded.split(",")):
        address = address_in(word)
        if address is None:  # a proxy that does not tell: whom it spoke for is not known
            return caller
        caller = str(address)
        if address not in trusted:
            return caller
    return caller


class BehindProxy:
    """ASGI middleware, the outermost: gives the scope the caller's address and scheme."""

    def __init__(self, app: ASGIApp, trusted: Trusted) -> None:
        self.app, self.trusted = app, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("client"):
            peer, port = scope["client"]
            headers = Headers(scope=scope)
            address = address_in(peer)
            if self.trusted.whoever or (address is not None and address in self.trusted):
                caller = caller_address(peer, ",".join(headers.getlist("x-forwarded-for")), self.trusted)
                said = headers.getlist("x-forwarded-proto")
                scheme = said[-1].rpartition(",")[2].strip().lower() if said else ""
                scope = {**scope, "client": (caller, port if caller == peer else 0)}
                if scheme in {"http", "https"}:
                    scope["scheme"] = scheme
        await self.app(scope, receive, send)
