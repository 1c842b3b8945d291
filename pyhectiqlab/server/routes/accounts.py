"""One's own account: logging in and out, the password, API keys."""

from __future__ import annotations

import contextlib
import time
from typing import Annotated

from fastapi import Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from ...base.texts import counted
from ...errors import StoreError
from ...store.accounts import SCOPE_ALL, SCOPE_METRICS, ServiceAccountError, TooManyError
from ...store.meta import User
from ..access.access import Anybody, TheCaller, TheLab, address_of, check_protocol, guard
from ..access.access import caller as find_caller
from ..access.password_logins import basic, log_in
from ..accounts.accounts import WEB_SESSION_S, Caller
from ..http.cookies import cookie_name, session_cookie
from ..http.replies import ApiError, reply
from ..lab import Lab
from ..models import models, models_accounts
from ..models.answers import answer, login_answer
from ..turns.bodies import BodyRoute
from .common import Router, answers, base_url

router = Router(tags=["accounts"], route_class=BodyRoute)


def set_cookie(request: Request, response: Response, token: str) -> None:
    response.set_cookie(
        cookie_name(request.scope["root_path"]),
        token,
        max_age=int(WEB_SESSION_S),
        path=request.scope["root_path"] or "/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def logged_in(request: Request, lab: Lab, user: User, status: int = 200) -> Response:
    """A new web session, and the end of the one that the request came with: nobody goes on in a cookie that somebody
    else may have put there.
    """
    if old := session_cookie(request.headers, request.scope["root_path"]):
        lab.accounts.end_web_session_of(old)
    token, csrf = lab.accounts.open_web_session(user)
    response = reply(login_answer(user, csrf, lab.alerts()), status)
    set_cookie(request, response, token)
    return response


def bad_password(error: ValueError) -> ApiError:
    return ApiError(422, "bad_password", str(error))


@router.post("/login", dependencies=[Anybody], response_model=None, responses=answers(models.LoginAnswer, 200, 429))
def login(body: models.LoginBody, request: Request, lab: TheLab) -> Response:
    """Sets the session cookie."""
    return logged_in(request, lab, log_in(lab, body.username, body.password, address_of(request)))


@router.post("/logout", response_model=None, responses=answers(models.LogoutAnswer, 200, 403))
def logout(request: Request, lab: TheLab, caller: TheCaller) -> Response:
    there = None
    if caller.token_hash:
        lab.accounts.close_web_session(caller)
        if lab.sso is not None:
            there = lab.sso.logged_out(caller.token_hash, f"{base_url(request)}/login")
    return _without_cookie(request, next=there)


@router.post("/logout/everywhere", response_model=None, responses=answers(models.Empty, 200, 403))
def logout_everywhere(request: Request, lab: TheLab, caller: TheCaller) -> Response:
    """Ends all web sessions of the caller. API keys go on working."""
    lab.accounts.change(
        lambda tx: tx.end_web_sessions(caller.user.id),
        caller.change("logged out everywhere", f"user {caller.user.username}"),
    )
    return _without_cookie(request)


def _without_cookie(request: Request, **body: str | None) -> Response:
    response = reply(body)
    response.delete_cookie(cookie_name(request.scope["root_path"]), path=request.scope["root_path"] or "/")
    return response


@router.get("/me", response_model=None, responses=answers(models.LoginAnswer))
def me(lab: TheLab, caller: TheCaller) -> Response:
    return reply(login_answer(caller.user, caller.csrf, lab.alerts()))


@router.put("/me/password", response_model=None, responses=answers(models.LoginAnswer, 200, 403, 409, 429))
def set_password(body: models_accounts.PasswordBody, request: Request, lab: TheLab, caller: TheCaller) -> Response:
    """Requires the current password. Ends the user's other web sessions; this one goes on with a new cookie."""
    user = caller.user
    if lab.sso is not None and (why := lab.sso.why_no_password(user)):
        raise ApiError(403, "use_sso", why)
    if user.password_hash is not None:
        if body.current is None:
            raise ApiError(403, "wrong_password", "Give the current password too, as `current`.")
        try:
            log_in(lab, user.username, body.current, address_of(request))
        except ApiError as e:
            if e.status_code == 429:
                raise
            raise ApiError(403, "wrong_password", "The current password is wrong.") from None
    try:
        lab.accounts.set_password(user, body.password, caller.change("changed the password", f"user {user.username}"))
    except ServiceAccountError as e:
        raise ApiError(409, "service_account", str(e)) from None
    except ValueError as e:
        raise bad_password(e) from None
    if not caller.token_hash:
        return reply(login_answer(user, None, lab.alerts()))
    return logged_in(request, lab, user)


@guard("account")
async def key_maker(request: Request, lab: TheLab) -> Caller:
    """`hectiqlab add-profile` has no key yet: it proves itself by HTTP Basic."""
    check_protocol(request)
    credentials = basic(request)
    if credentials is None:
        return await find_caller(request)
    address = address_of(request)
    return Caller(await run_in_threadpool(log_in, lab, *credentials, address), via="password", address=address)


@router.post("/keys", status_code=201, response_model=None, responses=answers(models.NewKeyAnswer, 201, 403, 409, 429))
def make_key(body: models_accounts.KeyBody, lab: TheLab, caller: Annotated[Caller, Depends(key_maker)]) -> Response:
    """The key is shown once. Takes HTTP Basic too."""
    days = body.days if lab.sso is None else lab.sso.key_days(caller.user, body.days)
    expires = None if days is None else time.time() + days * 86_400.0
    if body.scope == SCOPE_METRICS and not caller.user.is_admin:
        raise ApiError(403, "not_admin", "Only an admin of the lab may read its metrics: ask one for a key.")
    details = (
        f"for {body.scope} alone" if body.scope != SCOPE_ALL else "",
        f"for {counted(days, 'day')}" if days else "",
    )
    noted = caller.change("made", f"key {body.name}", ", ".join(filter(None, details)))
    try:
        made, secret = lab.accounts.add_key(caller.user, body.name, expires, noted, scope=body.scope)
    except TooManyError as e:
        raise ApiError(409, "too_many", str(e)) from None
    return reply(answer(models.NewKeyAnswer, made, key=secret), 201)


@router.get("/keys", response_model=None, responses=answers(models.Keys))
def list_keys(lab: TheLab, caller: TheCaller) -> Response:
    """Your own."""
    with contextlib.suppress(StoreError):  # a full disk: they are listed as they were last known
        lab.accounts.store_use()
    with lab.meta.reading() as view:
        keys = view.keys(caller.user.id)
    items = [answer(models.KeyAnswer, key) for key in keys]
    return reply({"items": items, "next": None})


@router.delete("/keys/{key_id}", response_model=None, responses=answers(models.Empty, 200, 403, 404))
def revoke_key(key_id: str, lab: TheLab, caller: TheCaller) -> Response:
    with lab.meta.reading() as view:
        named = {k.id: k.name for k in view.keys(caller.user.id)}.get(key_id)
    noted = caller.change("revoked", f"key {named} ({key_id[:64]})")
    if named is None or not lab.accounts.revoke_key(caller.user, key_id, noted):
        raise ApiError(404, "key_not_found", "You have no such key.")
    return reply({})
