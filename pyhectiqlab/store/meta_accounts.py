"""SQL of the MetaStore for accounts: users, API keys, sessions of the web app, one-time login links."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update

from .meta import ApiKey, NameTakenError, User, WebSession
from .meta_schema import api_keys, lab, login_links, users, web_sessions


def _user(row: Any) -> User:
    return User(row.id, row.username, row.role, row.created, row.password_hash)


class AccountsSql:
    """The accounts' share of a MetaTransaction over one connection."""

    conn: Connection

    def lab_value(self, key: str) -> str | None:
        return self.conn.execute(select(lab.c.value).where(lab.c.key == key)).scalar()

    def set_lab_value(self, key: str, value: str) -> None:
        self.conn.execute(delete(lab).where(lab.c.key == key))
        self.conn.execute(insert(lab).values(key=key, value=value))

    def user(self, user_id: str) -> User | None:
        row = self.conn.execute(select(users).where(users.c.id == user_id)).first()
        return _user(row) if row else None

    def user_named(self, username: str) -> User | None:
        row = self.conn.execute(select(users).where(users.c.username == username)).first()
        return _user(row) if row else None

    def owner(self) -> User | None:
        row = self.conn.execute(select(users).where(users.c.role == "owner").order_by(users.c.created)).first()
        return _user(row) if row else None

    def users(self) -> list[User]:
        return [_user(row) for row in self.conn.execute(select(users).order_by(users.c.username))]

    def add_user(self, username: str, role: str, password_hash: str | None, now: float) -> User:
        if self.user_named(username):
            raise NameTakenError(f"A user named {username!r} exists already.")
        user = User(secrets.token_hex(4), username, role, now, password_hash)
        self.conn.execute(
            insert(users).values(id=user.id, username=username, role=role, created=now, password_hash=password_hash)
        )
        return user

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Ends the user's web sessions too: whoever changes a password wants others out."""
        self.conn.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))
        self.conn.execute(delete(web_sessions).where(web_sessions.c.user_id == user_id))

    def user_of_key(self, key_hash: str) -> User | None:
        row = self.conn.execute(
            select(users)
            .join(api_keys, api_keys.c.user_id == users.c.id)
            .where(api_keys.c.hash == key_hash, api_keys.c.revoked.is_(None))
        ).first()
        return _user(row) if row else None

    def keys(self, user_id: str) -> list[ApiKey]:
        rows = self.conn.execute(
            select(api_keys)
            .where(api_keys.c.user_id == user_id, api_keys.c.revoked.is_(None))
            .order_by(api_keys.c.created)
        )
        return [ApiKey(row.id, row.name, row.created) for row in rows]

    def add_key(self, user_id: str, name: str, key_hash: str, now: float) -> ApiKey:
        key = ApiKey(secrets.token_hex(8), name, now)
        self.conn.execute(insert(api_keys).values(id=key.id, user_id=user_id, name=name, hash=key_hash, created=now))
        return key

    def revoke_key(self, user_id: str, key_id: str, now: float) -> bool:
        done = self.conn.execute(
            update(api_keys)
            .where(api_keys.c.id == key_id, api_keys.c.user_id == user_id, api_keys.c.revoked.is_(None))
            .values(revoked=now)
        )
        return done.rowcount > 0

    def web_session(self, token_hash: str, now: float) -> WebSession | None:
        row = self.conn.execute(
            select(users, web_sessions.c.csrf, web_sessions.c.expires)
            .join(web_sessions, web_sessions.c.user_id == users.c.id)
            .where(web_sessions.c.hash == token_hash, web_sessions.c.expires > now)
        ).first()
        return WebSession(_user(row), row.csrf, row.expires) if row else None

    def add_web_session(self, user_id: str, token_hash: str, csrf: str, now: float, expires: float) -> None:
        self.conn.execute(
            insert(web_sessions).values(hash=token_hash, user_id=user_id, csrf=csrf, created=now, expires=expires)
        )

    def end_web_session(self, token_hash: str) -> None:
        self.conn.execute(delete(web_sessions).where(web_sessions.c.hash == token_hash))

    def add_login_link(self, user_id: str, token_hash: str, now: float, expires: float) -> None:
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
            select(users).join(login_links, login_links.c.user_id == users.c.id).where(login_links.c.hash == token_hash)
        ).first()
        return _user(row) if row else None

    def forget_expired(self, now: float) -> None:
        """Removes web sessions and login links that can no longer be used."""
        self.conn.execute(delete(web_sessions).where(web_sessions.c.expires <= now))
        self.conn.execute(delete(login_links).where(or_(login_links.c.expires <= now, login_links.c.used.is_not(None))))
