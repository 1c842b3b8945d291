"""A command that gets an API key by a login in the browser: `hectiqlab add-profile --browser`."""

from __future__ import annotations

import math
import time
from typing import Annotated

from fastapi import Path, Request, Response

from ... import settings
from ...store.accounts import TooManyError
from ..access.access import Anybody, TheCaller, TheLab, address_of
from ..accounts import command_logins
from ..accounts.accounts import Caller
from ..http.proxies import place_of
from ..http.replies import ApiError, reply
from ..lab import Lab
from ..models import models, models_accounts
from ..models.answers import answer
from ..turns.bodies import BodyRoute
from .common import Router, answers, base_url

router = Router(tags=["accounts"], route_class=BodyRoute)
INTERVAL_S = 2.0
Code = Annotated[str, Path(max_length=64)]


@router.post(
    "/command-logins",
    status_code=201,
    dependencies=[Anybody],
    response_model=None,
    responses=answers(models_accounts.NewCommandLogin, 201),
)
def begin(body: models_accounts.CommandLoginBody, request: Request, lab: TheLab) -> Response:
    """The command shows `url` and `code`, keeps `secret`, and asks for the key every `interval` seconds."""
    address = address_of(request)
    secret, login = lab.command_logins.begin(body.name, address, place_of(address))
    code = command_logins.shown(login.code)
    begun = {
        "code": code,
        "secret": secret,
        "url": f"{base_url(request)}/command?code={code}",
        "interval": INTERVAL_S,
        "expires_in": settings.LAB_COMMAND_LOGIN_S,
    }
    return reply(begun, 201)


@router.get(
    "/command-logins/{code}", response_model=None, responses=answers(models_accounts.CommandLoginAnswer, 200, 404, 409)
)
def show(code: Code, lab: TheLab, caller: TheCaller) -> Response:
    """Say which command waits with this code."""
    _check(lab, caller)
    login = lab.command_logins.find(code, caller.user.id)
    if login is None:
        raise _unknown()
    return reply(answer(models_accounts.CommandLoginAnswer, login, code=command_logins.shown(login.code)))


@router.put("/command-logins/{code}", response_model=None, responses=answers(models.Empty, 200, 403, 404, 409))
def settle(code: Code, body: models_accounts.CommandLoginChoice, lab: TheLab, caller: TheCaller) -> Response:
    """Give that command a key in the caller's name, or refuse it. Once."""
    _check(lab, caller)
    if lab.command_logins.settle(code, caller.user.id, body.allow) is None:
        raise _unknown()
    return reply({})


@router.post(
    "/command-logins/key",
    dependencies=[Anybody],
    response_model=None,
    responses=answers(models_accounts.CommandLoginState, 200, 403, 404, 409),
)
def poll(body: models_accounts.CommandLoginSecret, request: Request, lab: TheLab) -> Response:
    """Say how a login stands. Once it is confirmed, return its key, which is shown once."""
    login = lab.command_logins.poll(body.secret)
    if login is None:
        raise ApiError(404, "login_not_found", "This login is over: begin another with `hectiqlab add-profile`.")
    if login.refused:
        raise ApiError(403, "login_refused", "The login was refused in the browser.")
    if not login.user_id:
        return reply({"state": "waiting", "username": None, "key": None})
    with lab.meta.reading() as view:
        user = view.user(login.user_id)
    if user is None or user.disabled is not None:
        raise ApiError(403, "login_refused", "The account is disabled: ask an admin of the lab.")
    days = None if lab.sso is None else lab.sso.key_days(user, None)
    expires = None if days is None else time.time() + days * 86_400.0
    caller = Caller(user, via="web", address=address_of(request))
    noted = caller.change("made", f"key {login.name}", "for a command, confirmed in the browser")
    try:
        made, secret = lab.accounts.add_key(user, login.name, expires, noted)
    except TooManyError as e:
        raise ApiError(409, "too_many", str(e)) from None
    key = answer(models.NewKeyAnswer, made, key=secret)
    return reply({"state": "granted", "username": user.username, "key": key})


def _check(lab: Lab, caller: Caller) -> None:
    """Raise ApiError for a key, which is nobody at a browser, and for whoever named too many wrong codes."""
    if not caller.token_hash:
        raise ApiError(409, "no_browser", "An API key confirms nothing: open the page in a browser, and log in there.")
    wait = lab.command_logins.wait_s(caller.user.id)
    if wait > 0:
        seconds = math.ceil(wait)
        raise ApiError(
            429, "throttled", f"Too many wrong codes: try again in {seconds} s.", {"Retry-After": str(seconds)}
        )


def _unknown() -> ApiError:
    return ApiError(404, "code_not_found", "No command waits with this code: it was used, or is over 10 minutes old.")
