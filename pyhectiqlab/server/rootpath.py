"""Root path: a lab that a proxy serves below a path of a host, not at the host's root."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import ConfigurationError
from .access.permitted import KEPT_SLASH
from .routes.pages import PAGES

# The first parts of the lab's own paths. If one of them were the root path, nobody could tell whether a proxy removed
# it.
OURS = {"api", "assets", "login-link", "healthz", "livez", "readyz", "icon.svg", *PAGES}
_PROJECTS = "/api/v1/projects/"
_PROJECT = re.compile(f"{_PROJECTS}([^/]+)(.*)", re.DOTALL)
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")


def checked(root_path: str) -> str:
    """Return "" or "/…" without a slash at its end. Raises ConfigurationError."""
    path = root_path.rstrip("/")
    if path and not _PATH.fullmatch(path):
        raise ConfigurationError(
            f"--root-path {root_path!r} is not a path: give one such as /hectiqlab, of letters, digits, - and _."
        )
    if path and path.split("/")[1] in OURS:
        raise ConfigurationError(f"--root-path {root_path!r} begins like a path of the lab's own: choose another.")
    return path


def with_kept_slashes(path: str, raw_path: bytes) -> str:
    """Return `path` with KEPT_SLASH for each slash that is a part of a project's name
    (`/projects/team%2Fvision/artifacts`), so that it parts nothing. No name can hold KEPT_SLASH.
    """
    match = _PROJECT.search(raw_path.partition(b"?")[0].decode("ascii", "replace"))
    if match is None or not path.startswith(_PROJECTS):
        return path
    name, rest = re.sub("%2[fF]", KEPT_SLASH, match[1]), match[2]
    return _PROJECTS + unquote(name) + unquote(rest)


class RootPath:
    """ASGI middleware, the outermost. Proxies either take the path off a request or leave it; behind this, `path` is
    always the lab's own and `root_path` what was before it, from which Starlette makes `base_url`.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self.app, self.root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            if path == self.root_path or path.startswith(f"{self.root_path}/"):
                path = path[len(self.root_path) :] or "/"
            if b"%2f" in scope.get("raw_path", b"").lower():
                path = with_kept_slashes(path, scope["raw_path"])
            scope = {**scope, "path": path, "root_path": self.root_path}
        await self.app(scope, receive, send)
