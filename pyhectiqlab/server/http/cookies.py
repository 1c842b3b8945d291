"""The cookie of a web session, and how it is found among the cookies of everything else on the host.

Anybody may send 32 KiB of cookies. Python takes milliseconds to parse them, and before 3.11.10 seconds where they are
full of backslashes (CVE-2024-7592). So the lab's own two are found by a search, and routes see no other. No I/O.
"""

from __future__ import annotations

import re
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.types import Scope

COOKIE = "hectiqlab_session"
SSO_COOKIE = "hectiqlab_sso"


def cookie_name(root_path: str) -> str:
    """Return the cookie's name, which differs below each root path: the cookie of a lab at the root of the same host is
    sent here too.
    """
    return COOKIE + root_path.replace("/", "_")


def session_cookie(headers: Headers, root_path: str) -> str | None:
    """Return the value of the cookie, the last one of its name; None without one that the lab could have given."""
    return _last(cookie_name(root_path), headers)


def sso_cookie_name(root_path: str) -> str:
    """Return the name of the cookie of a browser that is on its way through single sign-on."""
    return SSO_COOKIE + root_path.replace("/", "_")


def sso_cookie(headers: Headers, root_path: str) -> str | None:
    return _last(sso_cookie_name(root_path), headers)


def _last(name: str, headers: Headers) -> str | None:
    values = _pattern(name).findall(";".join(headers.getlist("cookie")))
    return values[-1] if values else None


def without_others(scope: Scope) -> Scope:
    """Return the scope of a request with no cookies but those two."""
    if not any(name == b"cookie" for name, _ in scope["headers"]):
        return scope
    root_path, had = scope["root_path"], Headers(scope=scope)
    headers = [(k, v) for k, v in scope["headers"] if k != b"cookie"]
    for name, value in (
        (cookie_name(root_path), session_cookie(had, root_path)),
        (sso_cookie_name(root_path), sso_cookie(had, root_path)),
    ):
        if value is not None:
            headers.append((b"cookie", f"{name}={value}".encode()))
    return {**scope, "headers": headers}


@lru_cache(8)
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|;)\s*{re.escape(name)}\s*=\s*([0-9A-Za-z_-]{{1,128}})\s*(?=;|$)")
