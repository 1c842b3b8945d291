"""For admins: users, invites, and the audit log. For people who were invited: making an account."""

from __future__ import annotations

import time

from fastapi import Request, Response

from ...protocol import roles
from ...store.accounts import LastAdminError, ServiceAccountError, TooManyError
from ...store.meta import MetaTransaction, NameTakenError
from ..access.access import Admin, Anybody, TheCaller, TheLab, address_of
from ..accounts.accounts import hash_token
from ..http.replies import ApiError, cursor_in, cursor_out, reply
from ..lab import Lab
from ..models import models, models_accounts
from ..models.answers import answer, user_answer
from ..turns.bodies import BodyRoute
from .accounts import bad_password, logged_in
from .common import LIMIT, After, Limit, Router, answers, base_url, find_user

router = Router(tags=["accounts"], route_class=BodyRoute)


@router.get("/users", response_model=None, responses=answers(models.Users))
def list_users(lab: TheLab, caller: TheCaller) -> Response:
    """Everybody with an account may see who else has one: whoever shares a project has to name them."""
    with lab.meta.reading() as view:
        users = view.users()
        links = [] if lab.sso is None else view.sso_links(lab.sso.options.issuer)
    subjects = {link.user_id: link.subject for link in links}
    return reply({"items": [user_answer(u, caller.user.is_admin, subjects.get(u.id)) for u in users], "next": None})


@router.post("/users", status_code=201, response_model=None, responses=answers(models.UserAnswer, 201, 403, 409))
def make_user(body: models_accounts.UserBody, lab: TheLab, caller: Admin) -> Response:
    if body.service != (body.password is None):
        raise ApiError(422, "invalid", "Give a person a `password`, and a service account (`service`) none.")
    hashed = None if body.password is None else _hashed(lab, body.password)
    what = "service account" if body.service else "user"
    try:
        user = lab.accounts.change(
            lambda tx: tx.add_user(body.username, body.role, hashed, time.time(), body.service),
            caller.change("added", f"{what} {body.username}", f"as {body.role}"),
        )
    except NameTakenError as e:
        raise ApiError(409, "name_taken", str(e)) from None
    return reply(user_answer(user, to_admin=True), 201)


@router.patch("/users/{username}", response_model=None, responses=answers(models.UserAnswer, 200, 403, 404, 409))
def change_user(username: str, body: models_accounts.UserChangeBody, lab: TheLab, caller: Admin) -> Response:
    """Change what is given. A disabled user's keys and web sessions end at once, and for good. There is always an
    admin.
    """
    user = find_user(lab, username)
    user_id, subject = user.id, f"user {user.username}"
    hashed = None if body.password is None else _hashed(lab, body.password)
    notes = []
    if body.role is not None:
        notes.append(caller.change("changed the role", subject, f"now {body.role}"))
    if body.disabled is not None:
        notes.append(caller.change("disabled" if body.disabled else "enabled", subject))
    if hashed is not None:
        notes.append(caller.change("reset the password", subject))

    def change(tx: MetaTransaction) -> None:
        if body.role is not None:
            tx.set_role(user_id, body.role)
        if body.disabled is not None:
            tx.set_disabled(user_id, time.time() if body.disabled else None)
        if hashed is not None:
            tx.set_password(user_id, hashed)

    try:
        lab.accounts.change(change, *notes)
    except LastAdminError as e:
        raise ApiError(409, "last_admin", str(e)) from None
    except ServiceAccountError as e:
        raise ApiError(409, "service_account", str(e)) from None
    with lab.meta.reading() as view:
        changed = view.user(user_id)
    assert changed is not None  # their rows never go
    return reply(user_answer(changed, to_admin=True))


def _hashed(lab: Lab, password: str) -> str:
    try:
        return lab.accounts.hash_password(password)
    except ValueError as e:
        raise bad_password(e) from None


# Invites


def _check_passwords(lab: Lab, role: str) -> None:
    """Raise ApiError where nobody of that role has a password."""
    if lab.sso is not None and lab.sso.options.only_sso and role not in roles.ADMINS:
        raise ApiError(409, "use_sso", f"Only admins have passwords in this lab: log in by {lab.sso.options.name}.")


@router.get("/invites", response_model=None, responses=answers(models_accounts.Invites, 200, 403))
def list_invites(lab: TheLab, caller: Admin) -> Response:
    """The open ones."""
    with lab.meta.reading() as view:
        invites = view.invites(time.time())
    return reply({"items": [answer(models_accounts.InviteAnswer, invite) for invite in invites], "next": None})


@router.post(
    "/invites", status_code=201, response_model=None, responses=answers(models_accounts.NewInviteAnswer, 201, 403, 409)
)
def make_invite(body: models_accounts.InviteBody, request: Request, lab: TheLab, caller: Admin) -> Response:
    """A link with which one person makes an account for themselves, within a week. It is shown once."""
    _check_passwords(lab, body.role)
    try:
        invite, token = lab.accounts.new_invite(
            body.role, caller.user.username, caller.change("invited", f"a {body.role}")
        )
    except TooManyError as e:
        raise ApiError(409, "too_many", str(e)) from None
    url = f"{base_url(request)}/invite#{token}"  # behind #: no server's log ever sees it
    return reply(answer(models_accounts.NewInviteAnswer, invite, token=token, url=url), 201)


@router.delete("/invites/{invite_id}", response_model=None, responses=answers(models.Empty, 200, 403, 404))
def take_back_invite(invite_id: str, lab: TheLab, caller: Admin) -> Response:
    done = lab.accounts.change(
        lambda tx: tx.end_invite(invite_id), caller.change("took back", f"invite {invite_id[:64]}")
    )
    if not done:
        raise ApiError(404, "invite_not_found", "No open invite has this id: it was used, or is too old.")
    return reply({})


@router.post(
    "/invites/accept",
    status_code=201,
    dependencies=[Anybody],
    response_model=None,
    responses=answers(models.LoginAnswer, 201, 404, 409, 429),
)
def accept_invite(body: models_accounts.AcceptBody, request: Request, lab: TheLab) -> Response:
    """Make an account, once, and log in."""
    address = address_of(request)
    with lab.meta.reading() as view:
        invite = view.invite(hash_token(body.token), time.time())
    if invite is not None:
        _check_passwords(lab, invite.role)
    try:
        user = lab.accounts.accept_invite(body.token, body.username, body.password, address)
    except ValueError as e:
        if isinstance(e, NameTakenError):
            raise ApiError(409, "name_taken", str(e)) from None
        raise bad_password(e) from None
    if user is None:
        raise ApiError(404, "invite_not_found", "The invite was used, taken back, or is over a week old: ask for one.")
    return logged_in(request, lab, user, 201)


@router.get("/audit", response_model=None, responses=answers(models_accounts.Changes, 200, 403))
def audit(lab: TheLab, caller: Admin, limit: Limit = LIMIT, after: After = None) -> Response:
    """List who changed what, when and from where, the newest first. Entries are kept for 400 days, and 200,000 entries
    at most.
    """
    before = cursor_in(after, int)
    with lab.meta.reading() as view:
        changes = view.changes_told(limit + 1, before[0] if before else None)
    items = [answer(models_accounts.ChangeAnswer, change) for change in changes[:limit]]
    return reply({"items": items, "next": cursor_out([changes[limit - 1].id]) if len(changes) > limit else None})
