"""Totals over the whole lab, for whoever watches it."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from .meta_schema import blobs, runs


class TotalsSql:
    """The totals' share of SqlMeta."""

    conn: Connection

    def runs_by_state(self) -> dict[str, int]:
        found = self.conn.execute(
            select(runs.c.state, func.count()).where(runs.c.deleted.is_(None)).group_by(runs.c.state)
        )
        return {row.state: row[1] for row in found}

    def stored_bytes(self) -> int:
        """Of files, each counted once."""
        return int(self.conn.execute(select(func.coalesce(func.sum(blobs.c.bytes), 0))).scalar_one())
