"""A place for a ClickHousePointStore in tests: a database of the session's ClickHouse and one of its PostgreSQL."""

from __future__ import annotations

from typing import ClassVar

from pyhectiqlab.store.clickhouse.facts_schema import metadata
from pyhectiqlab.store.clickhouse.levels_of_builds import Sizes
from pyhectiqlab.store.clickhouse.point_store import ClickHousePointStore
from pyhectiqlab.store.clickhouse.schema import BUILT

from .clickhouse import needs_clickhouse, server
from .postgres import cluster, needs_postgres

# These sizes are so small that a few dozen points make windows, builds, nodes and merges.
TINY = Sizes(
    window_points=8,
    window_s=0.0,
    node_points=4,
    nodes_from=8,
    fan_in=2,
    merged_points_max=400,
    grace_s=0.0,
    settle_s=0.0,
)


class ClickHousePlace:
    """Several may open it, as labs do."""

    _free: ClassVar[list[tuple[str, str]]] = []  # databases without rows, of places that were removed

    def __init__(self) -> None:
        needs_clickhouse()
        needs_postgres()
        self.database, self.facts = self._free.pop() if self._free else self._new()
        self.url, self.facts_url = server().url(self.database), cluster().url(self.facts)

    @staticmethod
    def _new() -> tuple[str, str]:
        names = server().make_database(), cluster().make_database()
        ClickHousePointStore(server().url(names[0]), cluster().url(names[1])).close()
        for table in ("arrived", *BUILT):  # nobody minds what a crash of the machine would lose here
            server().ask(
                f"ALTER TABLE {table} MODIFY SETTING fsync_after_insert = 0, fsync_part_directory = 0", names[0]
            )
        return names

    def open(self, sizes: Sizes = TINY) -> ClickHousePointStore:
        """Open another store on the same data. The caller closes it."""
        return ClickHousePointStore(self.url, self.facts_url, sizes)

    def ask(self, statement: str) -> str:
        """Return what ClickHouse answers."""
        return server().ask(statement, self.database)

    def remove(self) -> None:
        """Remove the data. All stores are closed."""
        for table in ("arrived", *BUILT, "series", "counted"):
            self.ask(f"TRUNCATE TABLE {table} SYNC")
        tables = ", ".join(name for name in metadata.tables if name not in {"points_lab", "points_windows"})
        cluster().ask(f"TRUNCATE {tables}", database=self.facts)
        cluster().ask("DELETE FROM points_windows", database=self.facts)
        cluster().ask("INSERT INTO points_windows (state) VALUES (0)", database=self.facts)
        self._free.append((self.database, self.facts))
