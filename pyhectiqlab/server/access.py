"""Who is asking, and what they may do: the dependencies that routes name.

Every route of the API has a guard among its dependencies: the type of a parameter (`TheCaller`, `ReadableRun`, …) or an
entry in `dependencies=`. `check_guarded` refuses to start an application with a route that has none, or that takes the
id of a run or the name of a project without a guard that has looked at it. tests/server/test_permissions.py asks each
route as everybody.

To somebody without a role in a private project, its content does not exist: the answer is 404, as for a name that
nobody ever used.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from ..errors import StoreError
from ..protocol import limits, roles
from ..protocol.usernames import folded
from ..store.accounts import SCOPE_ALL, SCOPE_METRICS, Change
from ..store.meta import Project, Run, User
from .accounts import Caller
from .connections import CONNECTION, Protocol
from .cookies import session_cookie
from .lab import Lab
from .near import near_project
from .replies import ApiError

log = logging.getLogger("hectiqlab.server")

KEPT_SLASH = "\x1f"  # in a part of a path that is a project's name, see rootpath.py
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
            f"{'/'.join(sorted(route.methods or ()))} {route.path} has not {missing} (server/access.py)."
        )


def lab_of(request: Request) -> Lab:
    lab: Lab = request.app.state.lab
    return lab


async def the_lab(request: Request) -> Lab:  # async: a plain function would be sent through the thread pool
    return lab_of(request)


def bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


@guard("open")
async def anybody() -> None:
    """Ask nobody who they are."""


@guard("account")
async def caller(request: Request) -> Caller:
    """Whoever holds the request's API key or cookie. Raises ApiError 401, 403 (CSRF, a key of a scope), 400
    (protocol).
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
    """Tell the shares of callers (shares.py), and the connection, whose request it is."""
    lab.shares.callers.learned(caller.proof, caller.user.id)
    connection: Protocol | None = request.scope.get(CONNECTION)
    if connection is not None:
        connection.proved()


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
    """Return the user. Blocks while the password is hashed. Raises ApiError 401 or 429."""
    name = folded(username)  # else each way to write it would have guesses of its own
    wait = lab.logins.begin(name, address)
    if wait > 0:
        seconds = math.ceil(wait)
        raise ApiError(
            429, "throttled", f"Too many wrong passwords: try again in {seconds} s.", {"Retry-After": str(seconds)}
        )
    user = lab.accounts.check_password(username, password)
    if user is None:
        _note_failure(lab, username, address)
        raise ApiError(401, "wrong_password", "The username or the password is wrong, or the account is disabled.")
    lab.logins.succeeded(name, address)
    if lab.sso is not None and (why := lab.sso.why_no_password(user)):
        raise ApiError(403, "use_sso", why)
    return user


def _note_failure(lab: Lab, username: str, address: str) -> None:
    """Note a failed login in the metrics and in the audit log. An unknown name is not written down: somebody may have
    typed their password there.
    """
    lab.metrics.failed_logins.inc()
    if not lab.logins.takes_note():
        return
    with lab.meta.reading() as view:
        user = view.user_named(username)
    who = "" if user is None else user.username
    subject = "an unknown user" if user is None else f"user {who}"
    noted = Change(time.time(), who, "password", address, "failed to log in as", subject)
    try:
        lab.write(lambda tx: tx.note_changes([noted]))
    except StoreError as e:  # on a full disk the answer is the same
        log.warning("a failed login as %s from %s is not in the audit log: %s", subject, address, e)


def basic(request: Request) -> tuple[str, str] | None:
    """Return username and password of HTTP Basic, if the request has it. Raises ApiError 401."""
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


def find_project(lab: Lab, caller: Caller, ref: str) -> Project:
    """Return a project by name or id. Blocks on the database. Raises ApiError 404."""
    return _project(lab, caller, ref)[0]


def _project(lab: Lab, caller: Caller, ref: str) -> tuple[Project, str]:
    ref = ref.replace(KEPT_SLASH, "/")
    with lab.meta.reading() as view:
        project = view.project(ref)
        role = None if project is None else view.role_in(project.id, caller.user.id)
        near = near_project(view, caller.user.id, ref) if role is None else ""
    if project is None or role is None:
        raise ApiError(404, "project_not_found", f"No project named {ref[:100]!r}: see `hectiqlab projects`.{near}")
    return project, role


def find_run(lab: Lab, caller: Caller, run_id: str, *, deleted_too: bool = False) -> Run:
    """Return a run by id. Blocks on the database. Raises ApiError 404, 410."""
    return _run(lab, caller, run_id, deleted_too)[0]


def check_readable(lab: Lab, caller: Caller, ids: Iterable[str]) -> None:
    """Raise ApiError 404, 410 about the first run that the caller may not read. Blocks on the database, once for all of
    them.
    """
    for run_id, (run, role) in _some(lab, caller, list(dict.fromkeys(ids))).items():
        _there(run, role, run_id)


def _some(lab: Lab, caller: Caller, ids: Sequence[str]) -> dict[str, tuple[Run | None, str | None]]:
    """Return each run, and the caller's role in its project; None where there is none. One view for all of them."""
    with lab.meta.reading() as view:
        runs = {run.id: run for run in view.some_runs(ids)}
        projects = {run.project_id for run in runs.values()}
        own = {project: view.role_in(project, caller.user.id, deleted_too=True) for project in projects}
    return {run_id: (run, own[run.project_id]) if (run := runs.get(run_id)) else (None, None) for run_id in ids}


def _run(lab: Lab, caller: Caller, run_id: str, deleted_too: bool = False) -> tuple[Run, str]:
    with lab.meta.reading() as view:
        run = view.run(run_id)
        role = None if run is None else view.role_in(run.project_id, caller.user.id, deleted_too=True)
    return _there(run, role, run_id, deleted_too)


def _there(run: Run | None, role: str | None, run_id: str, deleted_too: bool = False) -> tuple[Run, str]:
    """Return run and role, if there are both. Raises ApiError 404, 410."""
    if run is None or role is None:
        raise ApiError(404, "run_not_found", f"No run has the id {run_id[:64]!r}: see `hectiqlab runs`.")
    if run.deleted is not None and not deleted_too:
        raise ApiError(410, "run_deleted", f"The run {run.name!r} ({run.id}) was deleted.")
    return run, role


def own_run(lab: Lab, caller: Caller, run_id: str) -> Run:
    """Return a run that the caller may add to. Raises ApiError 403, 404, 410."""
    run, role = _run(lab, caller, run_id)
    if run.author_id != caller.user.id:
        raise ApiError(403, "not_yours", f"The run belongs to {run.author}: only they add to it.")
    if not roles.at_least(role, roles.MEMBER):
        raise ApiError(403, "may_not_add", f"You are a viewer of the project {run.project!r}: ask an admin of it.")
    return run


def may_change(role: str | None, caller: Caller, run: Run) -> bool:
    """Return whether the caller may rename, tag, delete and restore a run, and set its note: its author while a
    member, and admins.
    """
    needed = roles.MEMBER if run.author_id == caller.user.id else roles.ADMIN
    return roles.at_least(role, needed)


def changeable_runs(lab: Lab, caller: Caller, ids: Sequence[str], deleted_too: Collection[str] = ()) -> dict[str, Run]:
    """Return runs that the caller may change, by id. Blocks on the database. Raises ApiError 403, 404, 410 about the
    first that they may not. `deleted_too`: those of them that may be deleted.
    """
    runs: dict[str, Run] = {}
    for run_id, (there, role_there) in _some(lab, caller, ids).items():
        runs[run_id], role = _there(there, role_there, run_id, run_id in deleted_too)
        _check_changeable(runs[run_id], role, caller)
    return runs


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
    return _project(lab, caller, ref)[0]


@guard("project:add")
def addable_project(ref: str, lab: TheLab, caller: TheCaller) -> Project:
    return _with_role(lab, caller, ref, roles.MEMBER)


@guard("project:admin")
def administered_project(ref: str, lab: TheLab, caller: TheCaller) -> Project:
    return _with_role(lab, caller, ref, roles.ADMIN)


@guard("project:own")
def owned_project(ref: str, lab: TheLab, caller: TheCaller) -> Project:
    project, _ = _project(lab, caller, ref)
    check_owner(caller, project)
    return project


def project_to_add_to(lab: Lab, caller: Caller, ref: str) -> Project:
    """Return a project that takes runs of the caller. Blocks on the database. Raises ApiError 403, 404."""
    return _with_role(lab, caller, ref, roles.MEMBER)


def check_owner(caller: Caller, project: Project) -> None:
    """Raise ApiError 403 for everybody but a project's owner and admins of the lab."""
    if project.owner_id != caller.user.id and not caller.user.is_admin:
        raise ApiError(403, "not_owner", f"The project {project.name!r} belongs to {project.owner}: ask them.")


@guard("project:own")
def restorable_project(ref: str, lab: TheLab, caller: TheCaller) -> Project:
    """A project that is deleted, or else one that is there."""
    ref = ref.replace(KEPT_SLASH, "/")
    with lab.meta.reading() as view:
        project = view.deleted_project(ref)
        role = None if project is None else view.role_in(project.id, caller.user.id, deleted_too=True)
    if project is None or role is None:
        return owned_project(ref, lab, caller)
    check_owner(caller, project)
    return project


def _with_role(lab: Lab, caller: Caller, ref: str, needed: str) -> Project:
    project, role = _project(lab, caller, ref)
    if not roles.at_least(role, needed):
        raise ApiError(
            403,
            "may_not_add",
            f"You are a {role} of the project {project.name!r}; this needs the role {needed!r}: ask an admin of it.",
        )
    return project


@guard("run:read")
def readable_run(run_id: str, lab: TheLab, caller: TheCaller) -> Run:
    return _run(lab, caller, run_id)[0]


@guard("run:add")
def addable_run(run_id: str, lab: TheLab, caller: TheCaller) -> Run:
    """Let only the author of a run add to it; for everybody else it is read-only."""
    return own_run(lab, caller, run_id)


@guard("run:change")
def changeable_run(run_id: str, lab: TheLab, caller: TheCaller) -> Run:
    return _changeable(lab, caller, run_id, deleted_too=False)


@guard("run:change")
def restorable_run(run_id: str, lab: TheLab, caller: TheCaller) -> Run:
    return _changeable(lab, caller, run_id, deleted_too=True)


def _changeable(lab: Lab, caller: Caller, run_id: str, deleted_too: bool) -> Run:
    run, role = _run(lab, caller, run_id, deleted_too)
    _check_changeable(run, role, caller)
    return run


def _check_changeable(run: Run, role: str, caller: Caller) -> None:
    if not may_change(role, caller, run):
        whose = f"The run {run.name!r} ({run.id}) belongs to {run.author}"
        raise ApiError(403, "not_yours", f"{whose}: ask them, or an admin of its project.")


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
