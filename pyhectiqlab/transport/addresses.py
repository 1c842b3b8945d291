"""Addresses of labs: whether a text can be one, and whether it is this machine's."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..base.texts import address
from ..errors import ConfigurationError
from .answers import one_line

PREFIX = "/api/v1"  # of all paths of the API
LAB_PORT = 8080  # where `hectiqlab server` listens by default


def clean_url(url: str) -> str:
    """Return the address of a lab without a trailing slash. Raises ConfigurationError when it cannot be one."""
    cleaned = address(url)
    try:
        parts = urlsplit(cleaned)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_ok = urlsplit(""), False
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "The address of a lab holds no user name or password: log in with `hectiqlab add-profile`."
        )
    right = parts.scheme in {"http", "https"} and parts.hostname and not parts.query and not parts.fragment
    if not (right and port_ok) or any(c.isspace() or not c.isprintable() for c in cleaned):
        mend = "" if "://" in cleaned else "put https:// or http:// in front; "
        raise ConfigurationError(
            f"{one_line(url)!r} is not the address of a lab: {mend}it looks like http://127.0.0.1:8080 or "
            "https://lab.example.com."
        )
    return cleaned.removesuffix(PREFIX)


def is_loopback(host: str) -> bool:
    """Return whether `host` names this machine itself."""
    return host == "localhost" or host.endswith(".localhost") or host.startswith("127.") or host == "::1"
