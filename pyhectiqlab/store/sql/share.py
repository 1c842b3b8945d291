"""The base class of the topics of the SQL MetaStore: statements over one connection, in a view or a transaction."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import Connection

from ..meta import Changes

S = TypeVar("S", bound="Share")


class Share:
    """A topic of MetaView and MetaTransaction. `SqlMeta` has all of them. A topic that needs another one names it:
    `self.share(RunsSql).run(run_id)`. It calls no method of `self` that is not its own.
    """

    def __init__(self, conn: Connection, changes: Changes) -> None:
        self.conn, self.changes = conn, changes

    def share(self, topic: type[S]) -> S:
        """Return another topic, over the same connection."""
        return topic(self.conn, self.changes)
