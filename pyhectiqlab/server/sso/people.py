"""From a person of the provider to a user of the lab: who is let in, under which name, and with which roles."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Mapping

from ...base.texts import clean
from ...protocol import roles
from ...protocol.usernames import new_username
from ...store.accounts import Change, LastAdminError
from ...store.meta import MetaStore, MetaTransaction, NameTakenError, User
from ...store.sso import SsoLink
from ..accounts.accounts import Accounts
from ..models.models import name_checked
from .options import NO_ACCESS, SsoOptions, claim_of
from .provider import Person
from .refusals import RefusedError

log = logging.getLogger("hectiqlab.server")

GROUPS_MAX = 10_000
VIA = "sso"


class People:
    """Methods block on the database."""

    def __init__(self, options: SsoOptions, meta: MetaStore, accounts: Accounts) -> None:
        self._options, self._meta, self._accounts = options, meta, accounts

    def admit(self, person: Person, address: str) -> User:
        """Return this person's user, with the roles that their groups give set. Raises RefusedError, StoreError."""
        options = self._options
        user = self.known(person.subject)
        groups = self._groups(person)
        role = options.role_of(groups)
        missing = self._missing(person)
        if role == NO_ACCESS or missing:
            if user is not None:
                self._end_sessions(user, address)
            raise RefusedError("no_group", missing or self._no_role(person, groups))
        name = "" if user is not None else self._new_name(person)

        def admitted(tx: MetaTransaction) -> User:
            now = time.time()
            its = tx.sso_link(options.issuer, person.subject)
            notes: list[Change] = []

            def noted(action: str, subject: str, detail: str) -> None:
                notes.append(Change(now, its_user.username, VIA, address, action, subject, detail))

            if its is None:
                its_user = tx.add_user(name, role, None, now)
                its = tx.link_sso(options.issuer, person.subject, its_user.id, now)
                noted("added", f"user {name}", f"as {role}, who is {person.subject} at {options.issuer}")
            else:
                its_user = _existing(tx, its)
                if its_user.disabled is not None:
                    return its_user
                if options.roles and its_user.role not in {role, roles.OWNER} and _given(tx, its_user, role):
                    noted("changed the role", f"user {its_user.username}", f"now {role}, by their groups")
            given, changed = _projects(tx, its, options.roles_in_projects(groups))
            for project, its_role in changed.items():
                noted(
                    "changed the role",
                    f"project {project}, user {its_user.username}",
                    f"now {its_role}, by their groups" if its_role else "no longer a member, by their groups",
                )
            tx.sso_logged_in(its, given, now)
            tx.note_changes(notes)
            return tx.user(its_user.id) or its_user

        try:
            admitted_user = self._accounts.change(admitted)
        except NameTakenError as e:
            command = f"hectiqlab admin sso link {shlex.quote(name)} {shlex.quote(clean(person.subject))}"
            raise RefusedError("name_taken", f"{e} If it is that person, an admin links them: {command}") from None
        if admitted_user.disabled is not None:
            raise RefusedError("disabled", f"the user {admitted_user.username} is disabled")
        return admitted_user

    def known(self, subject: str) -> User | None:
        """Return the user who a person of the provider is."""
        with self._meta.reading() as view:
            link = view.sso_link(self._options.issuer, subject)
            return None if link is None else view.user(link.user_id)

    def is_linked(self, user: User) -> bool:
        with self._meta.reading() as view:
            return view.sso_link_of(self._options.issuer, user.id) is not None

    def _groups(self, person: Person) -> list[str]:
        claim = self._options.groups_claim
        value = claim_of(person.claims, claim)
        elsewhere = person.claims.get("_claim_names")
        if value is None and isinstance(elsewhere, Mapping) and claim in elsewhere:
            log.warning("%s is in more groups than the provider puts into a token: use its app roles", person.subject)
        if isinstance(value, str):
            return [value]
        return [group for group in value[:GROUPS_MAX] if isinstance(group, str)] if isinstance(value, list) else []

    def _no_role(self, person: Person, groups: list[str]) -> str:
        claim = self._options.groups_claim
        if claim_of(person.claims, claim) is None:
            return f"the provider tells no claim {claim}: see --oidc-groups-claim and --oidc-scopes"
        return f"none of their groups has a role (the claim {claim}: {_shown(groups)})"

    def _missing(self, person: Person) -> str:
        """Return which claim is not as it must be; "" where all are."""
        for name, wanted in self._options.required.items():
            value = claim_of(person.claims, name)
            values = value if isinstance(value, list) else [value]
            if wanted not in ["true" if v is True else "false" if v is False else str(v) for v in values]:
                return f"the claim {name} is {str(value)[:200]!r}, not {wanted!r}"
        return ""

    def _new_name(self, person: Person) -> str:
        """Return the name of a new user. Raises RefusedError."""
        options = self._options
        if not options.makes_users:
            raise RefusedError("no_account", "they are no user here, and --oidc-no-new-users makes none")
        value = claim_of(person.claims, options.name_claim)
        if options.name_claim == "email" and person.claims.get("email_verified") is not True:
            raise RefusedError("no_name", "the provider has not verified the mail that would be their name")
        if not isinstance(value, str) or not value:
            raise RefusedError("no_name", f"the provider tells no {options.name_claim}, which is to be their name")
        try:
            return new_username(name_checked(value))
        except ValueError as e:
            raise RefusedError("no_name", f"{value[:100]!r} is not a username: {e}") from None

    def _end_sessions(self, user: User, address: str) -> None:
        """End the web sessions of somebody who may not log in any more. Their keys are left to an admin."""
        noted = Change(time.time(), user.username, VIA, address, "lost the access of", f"user {user.username}", "")
        self._accounts.change(lambda tx: tx.end_web_sessions(user.id), noted)


def _existing(tx: MetaTransaction, link: SsoLink) -> User:
    user = tx.user(link.user_id)
    assert user is not None  # users never go
    return user


def _given(tx: MetaTransaction, user: User, role: str) -> bool:
    """Give a user the role of their groups. False: nobody else is an admin."""
    try:
        with tx.undoable():
            tx.set_role(user.id, role)
    except LastAdminError:
        log.warning("%s stays an admin, whatever their groups are: nobody else is one", user.username)
        return False
    return True


def _projects(
    tx: MetaTransaction, link: SsoLink, wanted: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str | None]]:
    """Give the user what their groups give in projects, and take what these gave last and give no more. What somebody
    gave by hand stays, unless groups give more. Return (project id → role that is the groups', name → what changed).
    """
    there = tx.roles_of(link.user_id)
    given: dict[str, str] = {}
    changed: dict[str, str | None] = {}
    for name, role in wanted.items():
        project = tx.project(name)
        if project is None:
            log.warning("the project %r, which --oidc-project names, does not exist yet", name)
            continue
        own = there.get(project.id)
        by_hand = own is not None and own != link.given.get(project.id)
        if by_hand and roles.at_least(own, role):
            continue
        given[project.id] = role
        if own != role:
            tx.set_member(project.id, link.user_id, role)
            changed[name] = role
    for project_id, role in link.given.items():
        if project_id not in given and there.get(project_id) == role:
            gone = tx.project(project_id)
            tx.set_member(project_id, link.user_id, None)
            changed[project_id if gone is None else gone.name] = None
    return given, changed


def _shown(groups: list[str]) -> str:
    return ", ".join(groups[:10])[:300] + (", …" if len(groups) > 10 else "") if groups else "empty"
