"""The MetaStore on an SQL database, through SQLAlchemy Core: SQLite, or PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Connection

from ..engine_counts import EngineCounts
from ..meta import Changes
from . import engines
from .meta_accounts import AccountsSql
from .meta_attaching import AttachingSql
from .meta_batches import BatchesSql
from .meta_configs import ConfigsSql
from .meta_edits import EditsSql
from .meta_files import FilesSql
from .meta_forks import ForksSql
from .meta_imports import ImportsSql
from .meta_media import MediaSql
from .meta_members import MembersSql
from .meta_migrations import is_current, not_current, upgrade
from .meta_notices import NoticesSql
from .meta_people import PeopleSql
from .meta_projects import ProjectsSql
from .meta_purging import PurgingSql
from .meta_quotas import QuotasSql
from .meta_registry import RegistrySql
from .meta_retention import RetentionSql
from .meta_runs import RunsSql
from .meta_search import SearchSql
from .meta_sessions import SessionsSql
from .meta_sso import SsoSql
from .meta_states import StatesSql
from .meta_totals import TotalsSql
from .meta_views import ViewsSql

LOOK_EVERY_S = 1.0


class SqlMeta(
    AccountsSql,
    MembersSql,
    PeopleSql,
    SsoSql,
    ProjectsSql,
    RunsSql,
    PurgingSql,
    SearchSql,
    ConfigsSql,
    EditsSql,
    StatesSql,
    AttachingSql,
    SessionsSql,
    ImportsSql,
    BatchesSql,
    FilesSql,
    ForksSql,
    MediaSql,
    RegistrySql,
    NoticesSql,
    QuotasSql,
    RetentionSql,
    TotalsSql,
    ViewsSql,
):
    """MetaView and MetaTransaction over one connection: all topics together. No topic knows of the others through
    `self`.
    """

    def __init__(self, conn: Connection) -> None:
        super().__init__(conn, Changes())

    def undoable(self) -> AbstractContextManager[object]:
        return self.conn.begin_nested()

    def prove_whole(self) -> None:
        engines.prove_whole(self.conn)


class SqlMetaStore:
    """A MetaStore in a file of SQLite, or in a database of PostgreSQL. Opening creates or migrates its tables.

    Args:
        place: the file, or the URL of the database: postgresql://USER@HOST/NAME.
        migrate: False beside a running lab, whose tables must not change: StoreError where they would.
        readers: connections that read, at most.

    Raises ConfigurationError, NewerSchemaError, StoreError. Blocks on the database, and while another lab migrates it.
    """

    def __init__(self, place: Path | str, migrate: bool = True, readers: int | None = None) -> None:
        self._place = place
        self.engines = engines.open_engines(place, not migrate, readers)
        self._look_at = 0.0  # monotonic: when to look for free pages again, which costs some 0.1 ms
        try:
            if self._is_current():
                self.engines.begin()
                return
            with self.writing() as tx:
                if not migrate and not is_current(tx.conn):
                    raise not_current(tx.conn)
                upgrade(tx.conn)
        except BaseException:
            self.close()
            raise

    @property
    def counts(self) -> EngineCounts | None:
        """What was asked of the server; None: there is none."""
        return self.engines.counts

    def _is_current(self) -> bool:
        """Return whether the tables are there as they should be. It only reads, as the disk may be full; a database
        that is not there yet is not made.
        """
        if isinstance(self._place, Path) and not self._place.exists():
            return False
        with self.reading() as view:
            return is_current(view.conn)

    @contextmanager
    def reading(self) -> Iterator[SqlMeta]:
        with self.engines.reading() as conn:
            yield SqlMeta(conn)

    @contextmanager
    def writing(self) -> Iterator[SqlMeta]:
        with self.engines.writing() as conn:
            tx = SqlMeta(conn)
            yield tx
            tx.prove_whole()

    def maintain(self, seconds_max: float = 0.1, saving: bool = False) -> bool:
        now = time.monotonic()
        if now < self._look_at:
            return False
        more = self.engines.give_back(seconds_max, saving)
        self._look_at = 0.0 if more else now + LOOK_EVERY_S
        return more

    def wrong_pages(self, go_on: Callable[[], bool]) -> list[int]:
        """See Storage.find_damage: numbers of pages."""
        return self.engines.wrong_pages(go_on)

    def close(self) -> None:
        self.engines.close()
