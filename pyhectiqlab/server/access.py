"""Who is asking, and what they may do: the dependencies that routes name."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from ..protocol import limits
from ..store.meta import Project, Run, User
from .accounts import Caller
from .lab import Lab
from .replies import ApiError

COOKIE = "hectiqlab_session"


def lab_of(request: Request) -> Lab:
    lab: Lab = request.app.state.lab
    return lab


async def the_lab(request: Request) -> Lab:  # async: a plain function would be sent through the thread pool
    return lab_of(request)


def bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def caller(request: Request) -> Caller:
    """Whoever holds the request's API key or cookie. Raises ApiError 401, 403 (CSRF), 400 (protocol)."""
    lab = lab_of(request)
    check_protocol(request)
    key = bearer(request)
    if key is not None:
        found = lab.accounts.cached(key) or await run_in_threadpool(lab.accounts.of_key, key)
        if found is None:
            raise ApiError(
                401,
                "wrong_key",
                "The API key is wrong or revoked: log in again with `hectiqlab add-profile`.",
                {"WWW-Authenticate": "Bearer"},
            )
        return found
    cookie = request.cookies.get(COOKIE)
    found = await run_in_threadpool(lab.accounts.of_cookie, cookie) if cookie else None
    if found is None:
        raise ApiError(401, "not_logged_in", "Log in, or send an API key.", {"WWW-Authenticate": "Bearer"})
    if request.method not in {"GET", "HEAD"} and not _same(request.headers.get("x-csrf-token", ""), found.csrf or ""):
        raise ApiError(403, "csrf", "The header X-CSRF-Token is missing or wrong: take it from GET /api/v1/me.")
    return found


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode("utf-8", "surrogatepass"), b.encode())


def check_protocol(request: Request) -> None:
    version = request.headers.get("hectiqlab-protocol")
    if version is None:
        return
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise ApiError(400, "protocol_unsupported", "Hectiqlab-Protocol is a number.")
    if not limits.PROTOCOL_MIN <= int(version) <= limits.PROTOCOL_VERSION:
        raise ApiError(
            400,
            "protocol_unsupported",
            f"This lab speaks protocol {limits.PROTOCOL_MIN} to {limits.PROTOCOL_VERSION}, not {version}: "
            "upgrade the older side.",
        )


def log_in(lab: Lab, username: str, password: str, address: str) -> User:
    """Blocks while the password is hashed. Raises ApiError 401 or 429."""
    # By name and address together: a stranger who guesses does not lock the owner out from elsewhere.
    who = f"{username}@{address}"
    wait = max(lab.names.wait_s(who), lab.addresses.wait_s(address))
    if wait > 0:
        seconds = math.ceil(wait)
        raise ApiError(
            429, "throttled", f"Too many wrong passwords: try again in {seconds} s.", {"Retry-After": str(seconds)}
        )
    user = lab.accounts.check_password(username, password)
    if user is None:
        lab.names.failed(who)
        lab.addresses.failed(address)
        raise ApiError(401, "wrong_password", "The username or the password is wrong.")
    lab.names.succeeded(who)
    return user


def basic(request: Request) -> tuple[str, str] | None:
    """Username and password of HTTP Basic, if the request has it."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, colon, password = base64.b64decode(token.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        raise ApiError(401, "wrong_password", "The Authorization header is no HTTP Basic.")
    return username, password


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


def find_project(lab: Lab, ref: str) -> Project:
    """By name or id. Blocks on the database. Raises ApiError 404."""
    with lab.meta.reading() as view:
        project = view.project(ref)
    if project is None:
        raise ApiError(404, "project_not_found", f"No project named {ref[:100]!r}: see `hectiqlab projects`.")
    return project


def find_run(lab: Lab, run_id: str) -> Run:
    """Blocks on the database. Raises ApiError 404, 410. Everybody with an account may read every run."""
    with lab.meta.reading() as view:
        run = view.run(run_id)
    if run is None:
        raise ApiError(404, "run_not_found", f"No run has the id {run_id[:64]!r}: see `hectiqlab runs`.")
    if run.deleted is not None:
        raise ApiError(410, "run_deleted", f"The run {run.name!r} ({run.id}) was deleted.")
    return run


TheLab = Annotated[Lab, Depends(the_lab)]
TheCaller = Annotated[Caller, Depends(caller)]
