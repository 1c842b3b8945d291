"""The cookie of a web session, and how it is found among the cookies of everything else on the host.

Anybody may send 32 KiB of cookies. Python takes milliseconds to parse them, and before 3.11.10 seconds where they are
full of backslashes (CVE-2024-7592). So the lab's is found by a search, and routes see no other. No I/O.
"""

from __future__ import annotations

import re
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.types import Scope

COOKIE = "hectiqlab_session"


def cookie_name(root_path: str) -> str:
    """Return the cookie's name, which differs below each root path: the cookie of a lab at the root of the same host is
    sent here too.
    """
    return COOKIE + root_path.replace("/", "_")


def session_cookie(headers: Headers, root_path: str) -> str | None:
    """Return the value of the cookie, the last one of its name; None without one that the lab could have given."""
    values = _pattern(root_path).findall(";".join(headers.getlist("cookie")))
    return values[-1] if values else None


def without_others(scope: Scope) -> Scope:
    """Return the scope of a request with no cookie but that one."""
    if not any(name == b"cookie" for name, _ in scope["headers"]):
        return scope
    value = session_cookie(Headers(scope=scope), scope["root_path"])
    headers = [(k, v) for k, v in scope["headers"] if k != b"cookie"]
    if value is not None:
        headers.append((b"cookie", f"{cookie_name(scope['root_path'])}={value}".encode()))
    return {**scope, "headers": headers}


@lru_cache(8)
def _pattern(root_path: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|;)\s*{re.escape(cookie_name(root_path))}\s*=\s*([0-9A-Za-z_-]{{1,128}})\s*(?=;|$)")
