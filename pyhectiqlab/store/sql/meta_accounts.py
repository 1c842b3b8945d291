"""SQL of the MetaStore for accounts: users, API keys, sessions of the web app, one-time login links."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, case, delete, func, insert, or_, select, update

from ...protocol import roles
from ...protocol.usernames import folded, skeleton
from ..accounts import (
    INVITES_MAX,
    KEYS_OF_USER_MAX,
    SCOPE_ALL,
    ApiKey,
    Invite,
    LastAdminError,
    ServiceAccountError,
    TooManyError,
    User,
    WebSession,
)
from ..meta import NameTakenError
from .dialect import exclude, upsert
from .meta_members import MembersSql
from .meta_schema import api_keys, invites, lab, login_links, members, users, views, web_sessions
from .share import Share


def put_lab_value(conn: Connection, key: str, value: str | None) -> None:
    """Set a value of the lab; None: remove it."""
    if value is None:
        conn.execute(delete(lab).where(lab.c.key == key))
        return
    statement = upsert(conn, lab)
    statement = statement.on_conflict_do_update(index_elements=["key"], set_={"value": statement.excluded.value})
    conn.execute(statement, {"key": key, "value": value})


def _user(row: Any) -> User:
    return User(
        row.id,
        row.username,
        row.role,
        row.created,
        row.password_hash,
        row.disabled,
        row.service,
        row.deleted,
        row.last_seen,
    )


class AccountsSql(Share):
    """The topic accounts of SqlMeta."""

    def lab_value(self, key: str) -> str | None:
        return self.conn.execute(select(lab.c.value).where(lab.c.key == key)).scalar()

    def set_lab_value(self, key: str, value: str) -> None:
        put_lab_value(self.conn, key, value)

    def user(self, user_id: str) -> User | None:
        row = self.conn.execute(select(users).where(users.c.id == user_id)).first()
        return _user(row) if row else None

    def user_named(self, username: str, deleted_too: bool = False) -> User | None:
        named = select(users) if deleted_too else select(users).where(users.c.deleted.is_(None))
        row = self.conn.execute(named.where(users.c.username == username)).first()
        if row is not None:
            return _user(row)
        wanted = folded(username)
        names = self.conn.execute(named.with_only_columns(users.c.username)).scalars()
        same = [name for name in names if folded(name) == wanted]  # an older lab may have several
        return self.user_named(same[0], deleted_too) if len(same) == 1 else None

    def _usernames(self) -> list[str]:
        """Return the names of all users, also of deleted ones: nobody must be taken for them."""
        return list(self.conn.execute(select(users.c.username)).scalars())

    def owner(self) -> User | None:
        owners_first = case((users.c.role == roles.OWNER, 0), else_=1)
        admins = users.c.role.in_(roles.ADMINS), users.c.disabled.is_(None), users.c.service.is_(False)
        row = self.conn.execute(select(users).where(*admins).order_by(owners_first, users.c.created)).first()
        return _user(row) if row else None

    def users(self) -> list[User]:
        there = select(users).where(users.c.deleted.is_(None))
        return [_user(row) for row in self.conn.execute(there.order_by(users.c.username))]

    def add_user(self, username: str, role: str, password_hash: str | None, now: float, service: bool = False) -> User:
        exclude(self.conn, "usernames")
        same, alike_too = folded(username), skeleton(username)
        for taken in self._usernames():
            if folded(taken) == same or skeleton(taken) == alike_too:
                alike = (
                    "" if taken == username else f", which is read as {username!r}: choose a name that nobody mistakes"
                )
                raise NameTakenError(f"A user named {taken!r} exists already{alike}.")
        user = User(secrets.token_hex(4), username, role, now, None if service else password_hash, service=service)
        self.conn.execute(
            insert(users).values(
                id=user.id,
                username=username,
                role=role,
                created=now,
                password_hash=user.password_hash,
                service=service,
            )
        )
        return user

    def make_owner(self, username: str, now: float) -> User:
        exclude(self.conn, "usernames")
        return self.owner() or self.add_user(username, roles.OWNER, None, now)

    def _check_person(self, user_id: str) -> None:
        name = self.conn.execute(select(users.c.username).where(users.c.id == user_id, users.c.service)).scalar()
        if name is not None:
            raise ServiceAccountError(f"{name!r} is a service account: it can only have API keys.")

    def set_password(self, user_id: str, password_hash: str) -> None:
        self._check_person(user_id)
        self.conn.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))
        self.end_web_sessions(user_id)
        self.conn.execute(delete(login_links).where(login_links.c.user_id == user_id))

    def set_role(self, user_id: str, role: str) -> None:
        exclude(self.conn, "admins")
        self.conn.execute(update(users).where(users.c.id == user_id).values(role=role))
        self._check_admins()
        if role not in roles.ADMINS:
            self._end_invites_of(user_id)

    def set_disabled(self, user_id: str, at: float | None) -> None:
        exclude(self.conn, "admins")
        exclude(self.conn, "keys", user_id)
        before = self.conn.execute(select(users.c.disabled).where(users.c.id == user_id)).scalar()
        if before is None and at is None:
            return
        its = (users.c.id == user_id) & users.c.deleted.is_(None)
        self.conn.execute(update(users).where(its).values(disabled=at))
        self._check_admins()
        self._end_ways_in(user_id, at if at is not None else before)
        if at is not None:
            self._end_invites_of(user_id)

    def delete_user(self, user_id: str, now: float) -> None:
        exclude(self.conn, "admins")
        exclude(self.conn, "keys", user_id)
        self._end_invites_of(user_id)
        self.conn.execute(
            update(users)
            .where(users.c.id == user_id)
            .values(deleted=now, disabled=now, password_hash=None, role=roles.VIEWER)
        )
        self._check_admins()
        self._end_ways_in(user_id, now)
        self.conn.execute(delete(members).where(members.c.user_id == user_id))
        self.conn.execute(delete(views).where(views.c.author_id == user_id, views.c.shared.is_(False)))

    def _end_ways_in(self, user_id: str, at: float | None) -> None:
        self.conn.execute(
            update(api_keys).where(api_keys.c.user_id == user_id, api_keys.c.revoked.is_(None)).values(revoked=at)
        )
        self.end_web_sessions(user_id)
        self.conn.execute(delete(login_links).where(login_links.c.user_id == user_id))

    def _end_invites_of(self, user_id: str) -> None:
        """End the invites that a user made: a former admin must not come back by one of them."""
        name = select(users.c.username).where(users.c.id == user_id).scalar_subquery()
        self.conn.execute(delete(invites).where(invites.c.created_by == name))

    def _check_admins(self) -> None:
        if self.owner() is None:  # the error undoes what the transaction changed
            raise LastAdminError("Nobody else is an admin of this lab: make somebody one first.")

    # API keys

    def user_of_key(self, key_hash: str, now: float) -> tuple[User, ApiKey] | None:
        row = self.conn.execute(
            select(
                users,
                api_keys.c.id.label("key_id"),
                api_keys.c.name,
                api_keys.c.created.label("key_created"),
                api_keys.c.expires,
                api_keys.c.scope,
            )
            .join(api_keys, api_keys.c.user_id == users.c.id)
            .where(
                api_keys.c.hash == key_hash,
                api_keys.c.revoked.is_(None),
                or_(api_keys.c.expires.is_(None), api_keys.c.expires > now),
                users.c.disabled.is_(None),
            )
        ).first()
        return (
            (_user(row), ApiKey(row.key_id, row.name, row.key_created, row.expires, scope=row.scope)) if row else None
        )

    def users_of_keys(self, hashes: Collection[str], now: float) -> dict[str, User]:
        rows = self.conn.execute(
            select(users, api_keys.c.hash)
            .join(api_keys, api_keys.c.user_id == users.c.id)
            .where(
                api_keys.c.hash.in_(hashes),
                api_keys.c.revoked.is_(None),
                or_(api_keys.c.expires.is_(None), api_keys.c.expires > now),
                users.c.disabled.is_(None),
            )
        )
        return {row.hash: _user(row) for row in rows}

    def keys(self, user_id: str) -> list[ApiKey]:
        rows = self.conn.execute(
            select(api_keys)
            .where(api_keys.c.user_id == user_id, api_keys.c.revoked.is_(None))
            .order_by(api_keys.c.created)
        )
        return [ApiKey(row.id, row.name, row.created, row.expires, row.last_used, row.scope) for row in rows]

    def add_key(
        self, user_id: str, name: str, key_hash: str, now: float, expires: float | None = None, scope: str = SCOPE_ALL
    ) -> ApiKey:
        exclude(self.conn, "keys", user_id)
        of_user = api_keys.c.user_id == user_id, api_keys.c.revoked.is_(None)
        if self.conn.execute(select(func.count()).where(*of_user)).scalar_one() >= KEYS_OF_USER_MAX:
            raise TooManyError(f"A user has at most {KEYS_OF_USER_MAX} API keys: revoke some first.")
        key = ApiKey(secrets.token_hex(8), name, now, expires, scope=scope)
        self.conn.execute(
            insert(api_keys).values(
                id=key.id, user_id=user_id, name=name, hash=key_hash, created=now, expires=expires, scope=scope
            )
        )
        return key

    def revoke_key(self, user_id: str, key_id: str, now: float) -> bool:
        done = self.conn.execute(
            update(api_keys)
            .where(api_keys.c.id == key_id, api_keys.c.user_id == user_id, api_keys.c.revoked.is_(None))
            .values(revoked=now)
        )
        return done.rowcount > 0

    def keys_used(self, used: Mapping[str, float]) -> None:
        seen: dict[str, float] = {}
        for key_id, at in sorted(used.items()):
            its_user = (
                update(api_keys).where(api_keys.c.id == key_id).values(last_used=at).returning(api_keys.c.user_id)
            )
            user_id = self.conn.execute(its_user).scalar()
            if user_id is not None:
                seen[user_id] = max(at, seen.get(user_id, at))
        for user_id, at in sorted(seen.items()):
            self._seen(user_id, at)

    def _seen(self, user_id: str, at: float) -> None:
        older = or_(users.c.last_seen.is_(None), users.c.last_seen < at)
        self.conn.execute(update(users).where(users.c.id == user_id, older).values(last_seen=at))

    # Web sessions, login links, invites

    def web_session(self, token_hash: str, now: float) -> WebSession | None:
        row = self.conn.execute(
            select(users, web_sessions.c.csrf, web_sessions.c.expires, web_sessions.c.last_used)
            .join(web_sessions, web_sessions.c.user_id == users.c.id)
            .where(web_sessions.c.hash == token_hash, web_sessions.c.expires > now, users.c.disabled.is_(None))
        ).first()
        return WebSession(_user(row), row.csrf, row.expires, row.last_used) if row else None

    def users_of_web_sessions(self, hashes: Collection[str], now: float, idle_before: float) -> dict[str, User]:
        rows = self.conn.execute(
            select(users, web_sessions.c.hash)
            .join(web_sessions, web_sessions.c.user_id == users.c.id)
            .where(
                web_sessions.c.hash.in_(hashes),
                web_sessions.c.expires > now,
                web_sessions.c.last_used >= idle_before,
                users.c.disabled.is_(None),
            )
        )
        return {row.hash: _user(row) for row in rows}

    def add_web_session(self, user_id: str, token_hash: str, csrf: str, now: float, expires: float) -> None:
        self._check_person(user_id)
        self._seen(user_id, now)
        self.conn.execute(
            insert(web_sessions).values(
                hash=token_hash, user_id=user_id, csrf=csrf, created=now, expires=expires, last_used=now
            )
        )

    def web_session_used(self, token_hash: str, now: float) -> None:
        used = update(web_sessions).where(web_sessions.c.hash == token_hash).values(last_used=now)
        user_id = self.conn.execute(used.returning(web_sessions.c.user_id)).scalar()
        if user_id is not None:
            self._seen(user_id, now)

    def end_web_sessions(self, user_id: str) -> None:
        self.conn.execute(delete(web_sessions).where(web_sessions.c.user_id == user_id))

    def end_web_session(self, token_hash: str) -> None:
        self.conn.execute(delete(web_sessions).where(web_sessions.c.hash == token_hash))

    def add_login_link(self, user_id: str, token_hash: str, now: float, expires: float) -> None:
        self._check_person(user_id)
        self.conn.execute(insert(login_links).values(hash=token_hash, user_id=user_id, created=now, expires=expires))

    def use_login_link(self, token_hash: str, now: float) -> User | None:
        done = self.conn.execute(
            update(login_links)
            .where(login_links.c.hash == token_hash, login_links.c.used.is_(None), login_links.c.expires > now)
            .values(used=now)
        )
        if not done.rowcount:
            return None
        row = self.conn.execute(
            select(users)
            .join(login_links, login_links.c.user_id == users.c.id)
            .where(login_links.c.hash == token_hash, users.c.disabled.is_(None))
        ).first()
        return _user(row) if row else None

    def add_invite(self, role: str, token_hash: str, created_by: str, now: float, expires: float) -> Invite:
        exclude(self.conn, "invites")
        if len(self.invites(now)) >= INVITES_MAX:
            raise TooManyError(f"{INVITES_MAX} invites are open: take some back first.")
        invite = Invite(secrets.token_hex(8), role, now, created_by, expires)
        self.conn.execute(
            insert(invites).values(
                id=invite.id, hash=token_hash, role=role, created=now, created_by=created_by, expires=expires
            )
        )
        return invite

    def invites(self, now: float) -> list[Invite]:
        rows = self.conn.execute(select(invites).where(invites.c.expires > now).order_by(invites.c.created))
        return [Invite(row.id, row.role, row.created, row.created_by, row.expires) for row in rows]

    def invite(self, token_hash: str, now: float) -> Invite | None:
        row = self.conn.execute(select(invites).where(invites.c.hash == token_hash, invites.c.expires > now)).first()
        return Invite(row.id, row.role, row.created, row.created_by, row.expires) if row else None

    def end_invite(self, invite_id: str) -> bool:
        return self.conn.execute(delete(invites).where(invites.c.id == invite_id)).rowcount > 0

    def forget_expired(self, now: float, idle_s: float, audit_before: float) -> None:
        exclude(self.conn, "expired accounts")
        idle = web_sessions.c.last_used <= now - idle_s
        self.conn.execute(delete(web_sessions).where(or_(web_sessions.c.expires <= now, idle)))
        self.conn.execute(delete(login_links).where(or_(login_links.c.expires <= now, login_links.c.used.is_not(None))))
        self.conn.execute(delete(invites).where(invites.c.expires <= now))
        self.share(MembersSql).trim_audit(audit_before)
