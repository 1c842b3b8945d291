"""Who is asking, and what they may do: the dependencies that routes name.

Every route of the API has a guard among its dependencies: the type of a parameter (`TheCaller`, `ReadableRun`, …) or an
entry in `dependencies=`. `check_guarded` refuses to start an application with a route that has none, or that takes the
id of a run or the name of a project without a guard that has looked at it. tests/server/test_permissions.py asks each
route as everybody. Which runs and projects somebody may see and change is decided in permitted.py.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from ...protocol import limits, roles
from ...store.accounts import SCOPE_ALL, SCOPE_METRICS
from ...store.meta import Project, Run
from ..accounts.accounts import Caller
from ..http.connections import CONNECTION, Protocol
from ..http.cookies import session_cookie
from ..http.replies import ApiError
from ..lab import Lab
from ..turns.admission import WHO
from ..turns.pace import current as current_work
from .permitted import (
    find_changeable_run,
    find_project,
    find_run,
    own_project,
    own_project_or_deleted,
    own_run,
    project_to_add_to,
    project_with_role,
)

log = logging.getLogger("hectiqlab.server")

Guarding = TypeVar("Guarding", bound=Callable[..., Any])
NEEDS: dict[Callable[..., Any], str] = {}  # guard → what it asks for, as the permission matrix names it


def guard(need: str) -> Callable[[Guarding], Guarding]:
    """Mark a dependency as one that decides who may pass."""

    def marked(function: Guarding) -> Guarding:
        NEEDS[function] = need
        return function

    return marked


def needs_of(dependant: Dependant) -> set[str]:
    """Return what the guards among these dependencies ask for."""
    return {NEEDS[d.call] for d in _all(dependant) if d.call in NEEDS}


@guard("batch:add")
async def checked_inside() -> None:
    """Guard ingest, which finds out itself who calls, and looks at each batch (ingest_plan.py): a guard that did so
    would cost as much as a small request does.
    """


def _all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for below in dependant.dependencies:
        yield from _all(below)


def check_guarded(route: APIRoute) -> None:
    """Raise RuntimeError for a route without a guard."""
    needs = needs_of(route.dependant)
    about = {need.partition(":")[0] for need in needs}
    missing = "any guard" if not needs else None
    if "{run_id}" in route.path and "run" not in about:
        missing = "a guard that looks at the run, such as ReadableRun"
    if "/projects/{ref}" in route.path and "project" not in about:
        missing = "a guard that looks at the project, such as ReadableProject"
    if missing:
        raise RuntimeError(
            f"{'/'.join(sorted(route.methods or ()))} {route.path} has not {missing} (server/access/access.py)."
        )


def lab_of(request: Request) -> Lab:
    lab: Lab = request.app.state.lab
    return lab


async def the_lab(request: Request) -> Lab:  # async: a plain function would be sent through the thread pool
    return lab_of(request)


def bearer(request: Request) -> str | None:
    """Return the API key that the request bears, if it bears one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


@guard("open")
async def anybody() -> None:
    """Ask nobody who they are."""


@guard("account")
async def caller(request: Request) -> Caller:
    """Return whoever holds the request's API key or cookie. Raises ApiError 400 (protocol), 401, 403 (CSRF, or a key
    that is for one purpose only).
    """
    caller = await _proved(request)
    if caller.scope != SCOPE_ALL:
        raise ApiError(
            403, "key_scope", f"This key is for {caller.scope} alone: make another with `hectiqlab keys create`."
        )
    return caller


async def _proved(request: Request) -> Caller:
    lab = lab_of(request)
    check_protocol(request)
    key = bearer(request)
    if key is not None:
        address = address_of(request)
        caller = lab.accounts.cached(key, address) or await run_in_threadpool(lab.accounts.of_key, key, address)
        if caller is None:
            raise ApiError(
                401,
                "wrong_key",
                "The API key is wrong, revoked or expired: log in again with `hectiqlab add-profile`; where that "
                "fails, an admin of the lab may have disabled the account.",
                {"WWW-Authenticate": "Bearer"},
            )
        _learned(request, lab, caller)
        return caller
    cookie = session_cookie(request.headers, request.scope["root_path"])
    caller = await run_in_threadpool(lab.accounts.of_cookie, cookie, address_of(request)) if cookie else None
    if caller is None:
        raise ApiError(401, "not_logged_in", "Log in, or send an API key.", {"WWW-Authenticate": "Bearer"})
    _learned(request, lab, caller)
    if request.method not in {"GET", "HEAD"} and not _same(request.headers.get("x-csrf-token", ""), caller.csrf or ""):
        raise ApiError(403, "csrf", "The header X-CSRF-Token is missing or wrong: take it from GET /api/v1/me.")
    return caller


def _learned(request: Request, lab: Lab, caller: Caller) -> None:
    """Note whose request it is: for the shares of callers (shares.py), and for the connection. The caller pays for the
    request from here on, also if it began as a stranger's. So whoever begins many at once is not held back for others
    that are themselves.
    """
    lab.shares.callers.learned(caller.proof, caller.user.id)
    request.scope[WHO] = caller.user.id
    work = current_work()
    if work is not None:
        work.who = caller.user.id
    connection: Protocol | None = request.scope.get(CONNECTION)
    if connection is not None:
        connection.proved()


def _same(a: str, b: str) -> bool:
    return hmac.compare_digest(a.encode("utf-8", "surrogatepass"), b.encode())


def check_protocol(request: Request) -> None:
    """Raise ApiError 400 if the client speaks a version of the protocol that this lab does not."""
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


def address_of(request: Request) -> str:
    """Return the client's IP address; "" if it is not known."""
    return request.client.host if request.client else ""


TheLab = Annotated[Lab, Depends(the_lab)]
TheCaller = Annotated[Caller, Depends(caller)]


@guard("lab:admin")
def admin(caller: TheCaller) -> Caller:
    if not caller.user.is_admin:
        raise ApiError(403, "not_admin", "Only an admin of the lab may do this: ask one.")
    return caller


@guard("lab:metrics")
async def scraper(request: Request) -> Caller:
    """Return an admin of the lab, with a key of any scope, or a service account, with a key for metrics."""
    caller = await _proved(request)
    return caller if caller.user.service and caller.scope == SCOPE_METRICS else admin(caller)


@guard("lab:member")
def member(caller: TheCaller) -> Caller:
    if not roles.at_least(caller.user.role, roles.MEMBER):
        raise ApiError(403, "may_not_add", "You are a viewer of this lab: ask an admin for the role of a member.")
    return caller


@guard("lab:adder")
def adder(lab: TheLab, caller: TheCaller) -> Caller:
    """Let in whoever may add to some project."""
    if not roles.at_least(caller.user.role, roles.MEMBER):
        with lab.meta.reading() as view:
            given = view.roles_of(caller.user.id).values()
        if not any(roles.at_least(role, roles.MEMBER) for role in given):
            raise ApiError(403, "may_not_add", "You are a viewer of this lab: ask an admin for the role of a member.")
    return caller


@guard("project:read")
def readable_project(ref: str, lab: TheLab, caller: TheCaller) -> Project:
    return find_project(lab, caller, ref)


@guard("project:add")
def addable_project(ref: str, lab: TheLab, caller: TheCaller) -> Project:
    return project_to_add_to(lab, caller, ref)


@guard("project:admin")
def administered_project(ref: str, lab: TheLab, caller: TheCaller) -> Project:
    return project_with_role(lab, caller, ref, roles.ADMIN)


@guard("project:own")
def owned_project(ref: str, lab: TheLab, caller: TheCaller) -> Project:
    return own_project(lab, caller, ref)


@guard("project:own")
def restorable_project(ref: str, lab: TheLab, caller: TheCaller) -> Project:
    """Return a deleted project of that name or id, or else one that is there."""
    return own_project_or_deleted(lab, caller, ref)


@guard("run:read")
def readable_run(run_id: str, lab: TheLab, caller: TheCaller) -> Run:
    return find_run(lab, caller, run_id)


@guard("run:add")
def addable_run(run_id: str, lab: TheLab, caller: TheCaller) -> Run:
    """Let only the author of a run add to it; for everybody else it is read-only."""
    return own_run(lab, caller, run_id)


@guard("run:change")
def changeable_run(run_id: str, lab: TheLab, caller: TheCaller) -> Run:
    return find_changeable_run(lab, caller, run_id)


@guard("run:change")
def restorable_run(run_id: str, lab: TheLab, caller: TheCaller) -> Run:
    return find_changeable_run(lab, caller, run_id, deleted_too=True)


Anybody = Depends(anybody)
CheckedInside = Depends(checked_inside)
Admin = Annotated[Caller, Depends(admin)]
Scraper = Annotated[Caller, Depends(scraper)]
Member = Annotated[Caller, Depends(member)]
Adder = Annotated[Caller, Depends(adder)]
ReadableProject = Annotated[Project, Depends(readable_project)]
AddableProject = Annotated[Project, Depends(addable_project)]
OwnedProject = Annotated[Project, Depends(owned_project)]
RestorableProject = Annotated[Project, Depends(restorable_project)]
AdministeredProject = Annotated[Project, Depends(administered_project)]
ReadableRun = Annotated[Run, Depends(readable_run)]
AddableRun = Annotated[Run, Depends(addable_run)]
ChangeableRun = Annotated[Run, Depends(changeable_run)]
RestorableRun = Annotated[Run, Depends(restorable_run)]
