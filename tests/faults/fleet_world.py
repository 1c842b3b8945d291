"""The world of one lane against a fleet: three labs on PostgreSQL, ClickHouse and S3; each request goes to another lab.

The engines are those of the session of tests, so one such world runs at a time. Points may be on several shards, each a
ClickHouse of its own. Files reach S3 through a proxy of its own, which can spoil that way.
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

from ..clickhouse import Server, needs_clickhouse
from ..clickhouse import server as clickhouse
from ..labs import ForkedLab
from ..nursery import Nursery
from ..postgres import cluster, needs_postgres
from ..seaweedfs import needs_s3, seaweedfs
from .proxy import Proxy
from .world import LOST_AFTER_S, World

LABS = 3
CONNECTIONS = 6  # of each lab to PostgreSQL


def needs_engines() -> None:
    """Skip the test where one is missing; under CI that is a failure."""
    needs_postgres()
    needs_clickhouse()
    needs_s3()


@cache
def servers_of(shards: int) -> list[Server]:
    """Return a ClickHouse for each shard: the session's own, and others beside it."""
    return [clickhouse(), *(Server() for _ in range(shards - 1))]


class FleetWorld(World):
    def __init__(
        self, folder: Path, seed: int, *, nurseries: tuple[Nursery, Nursery] | None = None, shards: int = 1
    ) -> None:
        self.database = cluster().make_database()
        self.shards = [(its, its.make_database()) for its in servers_of(shards)]
        self.s3_proxy = Proxy(int(seaweedfs().url.rpartition(":")[2]), seed)
        super().__init__(folder, seed, nurseries=nurseries)

    def _make_labs(self, env: dict[str, str]) -> list[ForkedLab]:
        endpoint = f"http://127.0.0.1:{self.s3_proxy.port}"
        options = {
            "database": cluster().url(self.database),
            "points": " ".join(its.url(name) for its, name in self.shards),
            "files": seaweedfs().address(endpoint=endpoint),
            "database-connections": str(CONNECTIONS),
            "lost-after": str(LOST_AFTER_S),
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [
            ForkedLab(None, self.folder / f"labhome{n}", *arguments, env=env, its_nursery=self._labs)
            for n in range(LABS)
        ]

    def one(self, rng: random.Random) -> ForkedLab:
        return rng.choice(self.labs)

    def one_shard(self, rng: random.Random) -> tuple[Server, str]:
        """Return a ClickHouse, and the schema in PostgreSQL that says which of its points count."""
        n = rng.randrange(len(self.shards))
        return self.shards[n][0], "public" if n == 0 else f"points_{n + 1}"

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a statement in the labs' PostgreSQL."""
        return cluster().ask(statement, *values, database=self.database)

    def close(self, *, keep: bool = False) -> None:
        super().close(keep=keep)
        self.s3_proxy.close()
        cluster().drop_database(self.database)
        for its, name in self.shards:
            its.drop_database(name)
