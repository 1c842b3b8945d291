"""What a browser opens: the web app's files, and the one-time login link."""

from __future__ import annotations

import html
import mimetypes
import os
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from ..access.access import TheLab
from ..http.gzipped import is_known, packed_file, takes_gzip
from ..http.replies import ApiError, reply
from ..writing.refusals import NAME as REFUSED
from .accounts import set_cookie

router = APIRouter(include_in_schema=False)
BASE = '<base href="/" />'  # in index.html: what its other addresses are relative to
STATIC = Path(__file__).resolve().parent.parent / "static"
PAGES = (
    "login",
    "projects",
    "runs",
    "compare",
    "account",
    "admin",
    "invite",
    "command",
)  # whose paths the web app's own router knows


def _plain_page(title: str, text: str, status: int) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<h1>{html.escape(title)}</h1><p>{text}</p></html>",
        status,
    )


@router.api_route("/livez", methods=["GET", "HEAD"])
async def livez() -> Response:
    """200 while the lab answers at all: whoever restarts it where this fails does not restart it for a full disk."""
    return reply({"status": "ok"})


@router.api_route("/readyz", methods=["GET", "HEAD"])
async def readyz(lab: TheLab) -> Response:
    """200 while the lab takes what it is sent; 503 where its writes are refused, such as on a full disk, and where it
    is about to stop. Of several labs on the same data: 200 while the database can be reached.
    """
    if lab.draining:
        return reply({"status": "stopping"}, 503)
    needed = {lab.writer.loop.trouble.name}
    # Of several labs none takes points while ClickHouse is away. Pages work, and a balancer would find no lab at all.
    needed.add(REFUSED if lab.peers.loop is None else lab.peers.loop.trouble.name)
    failing = {one.name: one.since for one in lab.failing() if one.name in needed}
    return reply({"status": "failing", "failing": failing}, 503) if failing else reply({"status": "ok"})


@router.api_route("/healthz", methods=["GET", "HEAD"])
async def healthz(lab: TheLab) -> Response:
    """200 while the lab takes and answers. What of its other work fails is named; its log says why."""
    failing = {one.name: one.since for one in lab.failing()}
    if not failing:
        return reply({"status": "ok"})
    return reply({"status": "failing", "failing": failing}, 503 if lab.writer.loop.failing else 200)


@router.get("/login-link")
def login_link(request: Request, lab: TheLab, token: Annotated[str, Query(max_length=256)] = "") -> Response:
    """Logs in, once, and goes to the app."""
    root_path = request.scope["root_path"]
    user = lab.accounts.use_login_link(token)
    if user is None:
        return _plain_page(
            "This link was used already, or is too old",
            "On the lab's machine, <code>hectiqlab login-link</code> prints a new one. With a password, "
            f"<a href='{root_path}/login'>log in</a>.",
            410,
        )
    response = RedirectResponse(f"{root_path}/", 303)
    set_cookie(request, response, lab.accounts.open_web_session(user)[0])
    return response


def _index(root_path: str, status: int = 200) -> Response:
    index = STATIC / "index.html"
    if not index.is_file():
        return _plain_page(
            "The web app is not built",
            "Run <code>scripts/build-web</code> in the clone, install from there again unless the lab runs in it, then "
            "reload this page. "
            f"The lab itself works: see <a href='{root_path}/api/v1/openapi.json'>its API</a>.",
            status,
        )
    page = index.read_text().replace(BASE, f'<base href="{root_path}/" />')
    return HTMLResponse(page, status, headers={"Cache-Control": "no-cache"})


def _file(request: Request, path: Path, hashed: bool) -> Response:
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if hashed else "no-cache",
        "Vary": "Accept-Encoding",
    }
    asked = request.headers
    # A range is one of the file's own bytes.
    packed = packed_file(path) if takes_gzip(asked.get("accept-encoding", "")) and "range" not in asked else None
    if packed is None:
        return FileResponse(path, headers=headers)
    headers["ETag"] = packed.etag
    if is_known(asked.get("if-none-match", ""), packed.etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(packed.content, headers=headers, media_type=mimetypes.guess_type(path)[0] or "text/plain")


@router.api_route("/{path:path}", methods=["GET", "HEAD"])
def page(request: Request, path: str) -> Response:
    first = path.partition("/")[0]
    if path == "" or first in PAGES:
        return _index(request.scope["root_path"])
    if first != "api" and "\0" not in path:
        wanted = Path(os.path.normpath(STATIC / path))
        if wanted.is_relative_to(STATIC) and os.path.isfile(wanted):  # False for a name too long
            return _file(request, wanted, hashed=first == "assets")  # Vite names these by their content
        if "text/html" in request.headers.get("accept", ""):  # somebody's browser: the app says that there is none
            return _index(request.scope["root_path"], 404)
    raise ApiError(404, "not_found", f"Nothing is at /{path[:200]}.")
