"""Logging in and out, API keys, users."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from ...store.meta import NameTakenError
from .. import models
from ..access import COOKIE, TheCaller, TheLab, address_of, basic, check_protocol, log_in
from ..access import caller as find_caller
from ..accounts import WEB_SESSION_S, Caller
from ..replies import ApiError, reply
from .common import answers, user_told

router = APIRouter(tags=["accounts"])


def set_cookie(request: Request, response: Response, token: str) -> None:
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(WEB_SESSION_S),
        path="/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


@router.post("/login", response_model=None, responses=answers(models.LoginAnswer, 200, 429))
def login(body: models.LoginBody, request: Request, lab: TheLab) -> Response:
    """Sets the session cookie."""
    user = log_in(lab, body.username, body.password, address_of(request))
    token, csrf = lab.accounts.open_web_session(user)
    response = reply({"user": user_told(user), "csrf": csrf})
    set_cookie(request, response, token)
    return response


@router.post("/logout", response_model=None, responses=answers(models.Empty, 200, 403))
def logout(lab: TheLab, caller: TheCaller) -> Response:
    if caller.token_hash:
        lab.accounts.close_web_session(caller)
    response = reply({})
    response.delete_cookie(COOKIE, path="/")
    return response


@router.get("/me", response_model=None, responses=answers(models.LoginAnswer))
def me(caller: TheCaller) -> Response:
    return reply({"user": user_told(caller.user), "csrf": caller.csrf})


@router.put("/me/password", response_model=None, responses=answers(models.Empty, 200, 403))
def set_password(body: models.PasswordBody, lab: TheLab, caller: TheCaller) -> Response:
    """Ends all web sessions of the user, this one too."""
    try:
        lab.accounts.set_password(caller.user, body.password)
    except ValueError as e:
        raise ApiError(422, "bad_password", str(e)) from None
    return reply({})


async def key_maker(request: Request, lab: TheLab) -> Caller:
    """`hectiqlab add-profile` has no key yet: it proves itself by HTTP Basic."""
    check_protocol(request)
    credentials = basic(request)
    if credentials is None:
        return await find_caller(request)
    return Caller(await run_in_threadpool(log_in, lab, *credentials, address_of(request)))


@router.post("/keys", status_code=201, response_model=None, responses=answers(models.NewKeyAnswer, 201, 403, 429))
def make_key(body: models.NameBody, lab: TheLab, caller: Annotated[Caller, Depends(key_maker)]) -> Response:
    """The key is shown once. Takes HTTP Basic too."""
    made, secret = lab.accounts.add_key(caller.user, body.name)
    return reply({"id": made.id, "name": made.name, "created": made.created, "key": secret}, 201)


@router.get("/keys", response_model=None, responses=answers(models.Keys))
def list_keys(lab: TheLab, caller: TheCaller) -> Response:
    """Your own."""
    with lab.meta.reading() as view:
        keys = view.keys(caller.user.id)
    return reply({"items": [{"id": k.id, "name": k.name, "created": k.created} for k in keys], "next": None})


@router.delete("/keys/{key_id}", response_model=None, responses=answers(models.Empty, 200, 403, 404))
def revoke_key(key_id: str, lab: TheLab, caller: TheCaller) -> Response:
    if not lab.accounts.revoke_key(caller.user, key_id):
        raise ApiError(404, "key_not_found", "You have no such key.")
    return reply({})


@router.get("/users", response_model=None, responses=answers(models.Users))
def list_users(lab: TheLab, caller: TheCaller) -> Response:
    with lab.meta.reading() as view:
        users = view.users()
    return reply({"items": [user_told(u) for u in users], "next": None})


@router.post("/users", status_code=201, response_model=None, responses=answers(models.UserAnswer, 201, 403, 409))
def make_user(body: models.UserBody, lab: TheLab, caller: TheCaller) -> Response:
    """For admins."""
    if not caller.user.is_admin:
        raise ApiError(403, "not_admin", "Only an admin of the lab makes users: ask one.")
    try:
        hashed = lab.accounts.hash_password(body.password)
    except ValueError as e:
        raise ApiError(422, "bad_password", str(e)) from None
    try:
        user = lab.write(lambda tx: tx.add_user(body.username, body.role, hashed, time.time()))
    except NameTakenError as e:
        raise ApiError(409, "name_taken", str(e)) from None
    return reply(user_told(user), 201)
