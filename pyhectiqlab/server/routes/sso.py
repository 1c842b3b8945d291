"""Single sign-on: to the provider and back; for admins: which person of the provider is which user."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Annotated, Any, NoReturn
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from ... import settings
from ...base.texts import clean
from ...errors import StoreError
from ...store.accounts import Change
from ...store.meta import MetaTransaction, User
from ...store.sso import LinkTakenError
from ..access.access import Admin, Anybody, TheLab, address_of
from ..accounts.accounts import hash_token
from ..http.cookies import session_cookie, sso_cookie, sso_cookie_name
from ..http.proxies import place_of
from ..http.replies import ApiError, reply
from ..lab import Lab
from ..models import models, models_accounts
from ..sso.refusals import RefusedError, Why
from ..sso.service import SingleSignOn
from ..turns.bodies import BodyRoute
from .accounts import set_cookie
from .common import Router, answers, base_url, find_user

log = logging.getLogger("hectiqlab.server")
router = Router(tags=["accounts"], route_class=BodyRoute)
CALLBACK = "/api/v1/sso/callback"
GUESSES = frozenset(
    {"stale", "untrusted"}
)  # what somebody may try often until it works; the others are told who they are
Text = Annotated[str, Query(max_length=4096)]
_REDIRECTS: dict[int | str, dict[str, Any]] = {
    303: {"description": "To the provider, or to a page of the lab."},
    422: {"model": models.ErrorAnswer},
    429: {"model": models.ErrorAnswer},
}


def safe_next(then: str) -> str:
    """Return a path of the lab's own pages to go to: `then` where it is one, as web/src/base/route.ts has it."""
    if not then.startswith("/") or re.match(r"/[/\\]", then) or re.search(r"[\x00-\x1f]", then):
        return "/"  # "//host" and "/\host" are other sites to a browser, which first drops control characters
    return "/" if then.startswith(("/login", "/api/")) else then


@router.get("/sso/login", dependencies=[Anybody], response_class=Response, responses=_REDIRECTS)
def begin(request: Request, lab: TheLab, then: Annotated[str, Query(alias="next", max_length=4096)] = "/") -> Response:
    """Send a browser to the provider's login."""
    root_path, then = request.scope["root_path"], safe_next(then)
    cookie = sso_cookie(request.headers, root_path) or secrets.token_urlsafe(32)  # several tabs share one
    try:
        sso = _sso(lab)
        _check_address(lab, request)
        state, login = sso.pending.begin(cookie, place_of(address_of(request)), base_url(request) + CALLBACK, then)
        address = sso.provider.address_of_login(state, login)
    except RefusedError as e:
        return _refused(request, lab, e, then)
    response = RedirectResponse(address, 303)
    response.set_cookie(
        sso_cookie_name(root_path),
        cookie,
        max_age=int(settings.LAB_SSO_LOGIN_S),
        path=f"{root_path}/api/v1/sso",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.get("/sso/callback", dependencies=[Anybody], response_class=Response, responses=_REDIRECTS)
def come_back(
    request: Request,
    lab: TheLab,
    state: Annotated[str, Query(max_length=256)] = "",
    code: Text = "",
    error: Text = "",
    error_description: Text = "",
    iss: Text | None = None,
) -> Response:
    """Take the browser back from the provider after its login."""
    then, subject = "/", ""
    try:
        sso = _sso(lab)
        _check_address(lab, request)
        login = sso.pending.take(state, sso_cookie(request.headers, request.scope["root_path"]) or "")
        if login is None:
            raise RefusedError("stale", "no such login is under way in that browser")
        then = login.then
        if error or not code:
            why: Why = "unreachable" if error in {"server_error", "temporarily_unavailable"} else "denied"
            raise RefusedError(why, f"the provider answered {error or 'nothing'} {error_description}"[:300])
        person = sso.provider.person(login, code, iss)
        subject = person.subject
        user = sso.people.admit(person, address_of(request))
    except RefusedError as e:
        return _refused(request, lab, e, then, subject)
    if old := session_cookie(request.headers, request.scope["root_path"]):
        lab.accounts.end_web_session_of(old)
    token, _ = lab.accounts.open_web_session(user, sso.session_s)
    sso.opened(hash_token(token), person.id_token)
    response = RedirectResponse(request.scope["root_path"] + then, 303)
    set_cookie(request, response, token)
    return response


def _sso(lab: Lab) -> SingleSignOn:
    if lab.sso is None:
        raise RefusedError("off", "the lab has no single sign-on")
    return lab.sso


def _check_address(lab: Lab, request: Request) -> None:
    wait = lab.logins.wait_of_address_s(address_of(request))
    if wait > 0:
        raise RefusedError("throttled", f"too many failures from this address: it waits for {wait:.0f} s")


def _refused(request: Request, lab: Lab, error: RefusedError, then: str, subject: str = "") -> Response:
    """Send the browser to the login page, which has a sentence for each reason. More is in the lab's log, and in the
    audit log.
    """
    address = address_of(request)
    person = clean(subject) or "somebody"
    log.warning("single sign-on of %s from %s is refused (%s): %s", person, address, error.why, error)
    if error.why in GUESSES:
        lab.logins.failed_at(address)
    if error.why not in {"unreachable", "misconfigured", "off", "throttled"}:
        lab.metrics.failed_logins.inc()
        _note(lab, error, subject, address)
    where = f"{request.scope['root_path']}/login"
    return RedirectResponse(_url(where, sso=error.why, next=then), 303)


def _url(path: str, **query: str) -> str:
    return f"{path}?{urlencode({name: value for name, value in query.items() if value != '/'})}"


def _note(lab: Lab, error: RefusedError, subject: str, address: str) -> None:
    if not lab.logins.takes_note():
        return
    user = lab.sso.people.known(subject) if lab.sso is not None and subject else None
    who = "" if user is None else user.username
    stranger = f"a person of the provider ({clean(subject)})" if subject else "nobody"
    named = stranger if user is None else f"user {who}"
    noted = Change(time.time(), who, "sso", address, "failed to log in as", named, f"{error.why}: {error}")
    try:
        lab.write(lambda tx: tx.note_changes([noted]))
    except StoreError as e:  # on a full disk the answer is the same
        log.warning("a failed login of %s from %s is not in the audit log: %s", named, address, e)


# For admins


@router.put(
    "/users/{username}/sso",
    response_model=None,
    responses=answers(models_accounts.SsoLinkAnswer, 200, 403, 404, 409),
)
def link(username: str, body: models_accounts.SsoLinkBody, lab: TheLab, caller: Admin) -> Response:
    """Let a person of the provider log in as this user, whatever the provider calls them. `subject`: the provider's
    identifier of the person (`sub`), which a refused login leaves in the audit log.
    """
    sso, user = _of_admin(lab, username)
    issuer, subject = sso.options.issuer, body.subject
    try:
        lab.accounts.change(
            lambda tx: tx.link_sso(issuer, subject, user.id, time.time()),
            caller.change("linked", f"user {user.username}", f"to {subject} at {issuer}"),
        )
    except LinkTakenError as e:
        raise ApiError(409, "link_taken", str(e)) from None
    return reply({"username": user.username, "issuer": issuer, "subject": subject})


@router.delete("/users/{username}/sso", response_model=None, responses=answers(models.Empty, 200, 403, 404, 409))
def unlink(username: str, lab: TheLab, caller: Admin) -> Response:
    """Let nobody log in as this user by single sign-on. Ends their web sessions."""
    sso, user = _of_admin(lab, username)

    def unlinked(tx: MetaTransaction) -> bool:
        there = tx.unlink_sso(sso.options.issuer, user.id)
        tx.end_web_sessions(user.id)
        return there is not None

    if not lab.accounts.change(unlinked, caller.change("unlinked", f"user {user.username}")):
        raise ApiError(404, "not_linked", f"{user.username} is not a person of the provider.")
    return reply({})


def _of_admin(lab: Lab, username: str) -> tuple[SingleSignOn, User]:
    if lab.sso is None:
        _no_sso()
    user = find_user(lab, username)
    if user.service:
        raise ApiError(409, "service_account", f"{user.username!r} is a service account, and logs in nowhere.")
    return lab.sso, user


def _no_sso() -> NoReturn:
    raise ApiError(409, "no_sso", "This lab has no single sign-on: start it with --oidc-issuer.")
