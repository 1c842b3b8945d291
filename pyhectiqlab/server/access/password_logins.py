"""Logins by a user name and a password: how many may be tried, what is noted of those that fail."""

from __future__ import annotations

import base64
import binascii
import logging
import math
import time

from fastapi import Request

from ...errors import StoreError
from ...protocol.usernames import folded
from ...store.accounts import Change
from ...store.meta import User
from ..http.replies import ApiError
from ..lab import Lab

log = logging.getLogger("hectiqlab.server")


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
        raise ApiError(401, "wrong_password", "The Authorization header is not HTTP Basic.")
    return username, password
