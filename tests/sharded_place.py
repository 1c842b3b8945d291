"""A place for a ShardedPointStore in tests: databases of ClickHouse, a shard each, and one of PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from pyhectiqlab.store.clickhouse import placing
from pyhectiqlab.store.clickhouse.facts_schema import metadata
from pyhectiqlab.store.clickhouse.levels_of_builds import Sizes
from pyhectiqlab.store.clickhouse.schema import BUILT
from pyhectiqlab.store.clickhouse.sharded import ShardedPointStore

from .clickhouse import Server, needs_clickhouse, server
from .clickhouse_place import TINY
from .postgres import cluster, needs_postgres


class ShardedPlace:
    """Several may open it, as labs do. `servers`: of each shard; () for two on the session's own."""

    def __init__(self, servers: Sequence[Server] = ()) -> None:
        needs_clickhouse()
        needs_postgres()
        self.servers = servers or (server(), server())
        self.databases = [its.make_database() for its in self.servers]
        self.facts = cluster().make_database()
        self.facts_url = cluster().url(self.facts)

    @property
    def places(self) -> list[tuple[str, str]]:
        """Return the places in the form that a ShardedPointStore takes."""
        return [(its.url(name), "") for its, name in zip(self.servers, self.databases, strict=True)]

    def open(self, sizes: Sizes = TINY, aside: bool = False) -> ShardedPointStore:
        """Open another store on the same data. The caller closes it."""
        return ShardedPointStore(self.places, self.facts_url, sizes, aside)

    def be_quick(self) -> None:
        """Have what a crash of the machine would lose be of no interest."""
        self._each("ALTER TABLE {} MODIFY SETTING fsync_after_insert = 0, fsync_part_directory = 0", BUILT)

    def empty(self) -> None:
        """Remove all points, which is quicker than to make another place. All stores are closed."""
        self._each("TRUNCATE TABLE {} SYNC", (*BUILT, "series", "counted"))
        cluster().ask(f"TRUNCATE {', '.join(placing.metadata.tables)}", database=self.facts)
        for schema in ("public", *(f"points_{n}" for n in range(2, len(self.databases) + 1))):
            names = [name for name in metadata.tables if name not in {"points_lab", "points_windows"}]
            cluster().ask(f"TRUNCATE {', '.join(f'{schema}.{name}' for name in names)}", database=self.facts)
            cluster().ask(f"DELETE FROM {schema}.points_windows", database=self.facts)
            cluster().ask(f"INSERT INTO {schema}.points_windows (state) VALUES (0)", database=self.facts)

    def _each(self, statement: str, tables: Sequence[str]) -> None:
        for its, name in zip(self.servers, self.databases, strict=True):
            for table in ("arrived", *tables):
                its.ask(statement.format(table), name)

    def remove(self) -> None:
        """Remove the data. All stores are closed, and all servers run."""
        for its, name in zip(self.servers, self.databases, strict=True):
            its.drop_database(name)
        cluster().drop_database(self.facts)
