"""SQL of the MetaStore for single sign-on: which person of which provider is which user of the lab."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update

from ..sso import LinkTakenError, SsoLink
from .dialect import exclude
from .meta_schema import sso_links
from .share import Share


def _link(row: Any) -> SsoLink:
    return SsoLink(row.issuer, row.subject, row.user_id, row.created, row.last_login, json.loads(row.given))


class SsoSql(Share):
    """The share of single sign-on of a MetaTransaction over one connection."""

    def sso_link(self, issuer: str, subject: str) -> SsoLink | None:
        return self._one(sso_links.c.issuer == issuer, sso_links.c.subject == subject)

    def sso_link_of(self, issuer: str, user_id: str) -> SsoLink | None:
        return self._one(sso_links.c.issuer == issuer, sso_links.c.user_id == user_id)

    def _one(self, *where: ColumnElement[bool]) -> SsoLink | None:
        row = self.conn.execute(select(sso_links).where(*where)).first()
        return None if row is None else _link(row)

    def sso_links(self, issuer: str) -> list[SsoLink]:
        rows = select(sso_links).where(sso_links.c.issuer == issuer).order_by(sso_links.c.user_id)
        return [_link(row) for row in self.conn.execute(rows)]

    def link_sso(self, issuer: str, subject: str, user_id: str, now: float) -> SsoLink:
        exclude(self.conn, "links of single sign-on")
        there = self.sso_link(issuer, subject)
        if there is not None and there.user_id != user_id:
            raise LinkTakenError(
                "That person of the provider is another user of the lab already: unlink that one first."
            )
        of_user = self.sso_link_of(issuer, user_id)
        if of_user is not None and of_user.subject != subject:
            raise LinkTakenError("The user is linked to another person of the provider: unlink them first.")
        if there is not None:
            return there
        values = {"issuer": issuer, "subject": subject, "user_id": user_id, "created": now}
        self.conn.execute(insert(sso_links).values(values))
        return SsoLink(**values)  # type: ignore[arg-type]

    def unlink_sso(self, issuer: str, user_id: str) -> SsoLink | None:
        there = self.sso_link_of(issuer, user_id)
        done = self.conn.execute(delete(sso_links).where(sso_links.c.issuer == issuer, sso_links.c.user_id == user_id))
        return there if done.rowcount else None

    def sso_logged_in(self, link: SsoLink, given: Mapping[str, str], now: float) -> None:
        self.conn.execute(
            update(sso_links)
            .where(sso_links.c.issuer == link.issuer, sso_links.c.subject == link.subject)
            .values(last_login=now, given=json.dumps(dict(given)))
        )
