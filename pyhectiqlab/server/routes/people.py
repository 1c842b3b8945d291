"""For admins: anybody's API keys, those of service accounts, handing over what a user has, and deleting a user."""

from __future__ import annotations

import contextlib
import time

from fastapi import Response

from ...base.texts import counted
from ...errors import StoreError
from ...store.accounts import SCOPE_ALL, LastAdminError, NoHeirError, TooManyError
from ..access.access import Admin, TheLab
from ..http.replies import ApiError, reply
from ..models import models, models_accounts
from ..models.answers import answer
from ..turns.bodies import BodyRoute
from .common import Router, answers, find_user

router = Router(tags=["accounts"], route_class=BodyRoute)


@router.get("/users/{username}/keys", response_model=None, responses=answers(models.Keys, 200, 403, 404))
def list_keys_of(username: str, lab: TheLab, caller: Admin) -> Response:
    """The API keys of a user that are not revoked: what they are called, and when they were last used."""
    user = find_user(lab, username)
    with contextlib.suppress(StoreError):  # a full disk: they are listed as they were last known
        lab.accounts.store_use()
    with lab.meta.reading() as view:
        keys = view.keys(user.id)
    return reply({"items": [answer(models.KeyAnswer, key) for key in keys], "next": None})


@router.post(
    "/users/{username}/keys",
    status_code=201,
    response_model=None,
    responses=answers(models.NewKeyAnswer, 201, 403, 404, 409),
)
def make_key_of(username: str, body: models_accounts.ServiceKeyBody, lab: TheLab, caller: Admin) -> Response:
    """Make a key of a service account; people make their own. The key is shown once."""
    user = find_user(lab, username)
    if not user.service:
        raise ApiError(409, "not_service", f"{user.username!r} is a person, and makes their own keys: POST /keys.")
    if user.disabled is not None:
        raise ApiError(409, "disabled", f"{user.username!r} is disabled: enable it first.")
    expires = None if body.days is None else time.time() + body.days * 86_400.0
    details = (
        f"for {body.scope} alone" if body.scope != SCOPE_ALL else "",
        f"for {counted(body.days, 'day')}" if body.days else "",
    )
    detail = ", ".join(filter(None, details))
    noted = caller.change("made", f"key {body.name}, service account {user.username}", detail)
    try:
        made, secret = lab.accounts.add_key(user, body.name, expires, noted, scope=body.scope)
    except TooManyError as e:
        raise ApiError(409, "too_many", str(e)) from None
    return reply(answer(models.NewKeyAnswer, made, key=secret), 201)


@router.delete("/users/{username}/keys/{key_id}", response_model=None, responses=answers(models.Empty, 200, 403, 404))
def revoke_key_of(username: str, key_id: str, lab: TheLab, caller: Admin) -> Response:
    """Whatever uses it reaches the lab no more."""
    user = find_user(lab, username)
    with lab.meta.reading() as view:
        name = {key.id: key.name for key in view.keys(user.id)}.get(key_id)
    noted = caller.change("revoked", f"key {name} ({key_id[:64]}), user {user.username}")
    if name is None or not lab.accounts.revoke_key(user, key_id, noted):
        raise ApiError(404, "key_not_found", f"{user.username!r} has no such key.")
    return reply({})


@router.post(
    "/users/{username}/hand-over",
    response_model=None,
    responses=answers(models_accounts.HandedOverAnswer, 200, 403, 404, 409),
)
def hand_over(username: str, body: models_accounts.HandOverBody, lab: TheLab, caller: Admin) -> Response:
    """Make another user the author of the user's runs, also of somebody who was deleted. What is still on its way in
    their name is not taken any more, so runs that are going on stay theirs.
    """
    user, heir = find_user(lab, username, deleted_too=True), find_user(lab, body.to)
    what = "the runs and projects" if body.projects else "the runs"
    noted = caller.change(f"handed over {what}", f"user {user.username}", f"to {heir.username}")
    try:
        done = lab.accounts.change(lambda tx: tx.hand_over(user.id, heir.id, time.time(), body.projects), noted)
    except NoHeirError as e:
        raise ApiError(409, "no_heir", str(e)) from None
    return reply(answer(models_accounts.HandedOverAnswer, done))


@router.delete("/users/{username}", response_model=None, responses=answers(models.Empty, 200, 403, 404, 409))
def delete_user(username: str, lab: TheLab, caller: Admin) -> Response:
    """Delete a user for good: keys, web sessions, invites and roles end. What the user made stays, with their name on
    it, which nobody else can take.
    """
    user = find_user(lab, username)
    if user.id == caller.user.id:
        raise ApiError(409, "yourself", "Nobody deletes themselves: ask another admin of the lab.")
    what = "service account" if user.service else "user"
    try:
        lab.accounts.change(
            lambda tx: tx.delete_user(user.id, time.time()), caller.change("deleted", f"{what} {user.username}")
        )
    except LastAdminError as e:
        raise ApiError(409, "last_admin", str(e)) from None
    return reply({})
