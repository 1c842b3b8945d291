"""What an administrator wants to know of a ClickHouse: whether its user has the rights, and what is stuck."""

from __future__ import annotations

import hashlib
import os
import socket
import threading

from . import facts
from .client import ClickHouse
from .facts import Facts

PARTS_MANY = 300  # parts of one partition that are worth a warning; ClickHouse slows inserts down at 1,000
STUCK_S = 1200


def try_rights(clickhouse: ClickHouse) -> None:
    """Make a table, and drop it. Several labs may do so at once. Raises StoreError where the user may not do what a lab
    has to.
    """
    # The same name each time for the same process of the same machine: without the right to drop, few tables stay.
    its_own = f"{socket.gethostname()} {os.getpid()} {threading.get_native_id()}"
    table = f"hectiqlab_check_{hashlib.sha256(its_own.encode()).hexdigest()[:12]}"
    clickhouse.do(f"CREATE TABLE IF NOT EXISTS {table} (x UInt8) ENGINE = MergeTree PARTITION BY x ORDER BY x")
    clickhouse.do(f"INSERT INTO {table} VALUES (1)")
    clickhouse.do(f"ALTER TABLE {table} DROP PARTITION 1")
    clickhouse.do(f"DROP TABLE {table}")
    clickhouse.text("SELECT count() FROM system.parts WHERE database = currentDatabase()")


def troubles(clickhouse: ClickHouse, its_facts: Facts) -> list[str]:
    """Return what is wrong with the tables of a lab, each with what to do: too many parts, points that nobody sorts."""
    wrong = []
    most = int(
        clickhouse.text(
            "SELECT max(n) FROM (SELECT count() AS n FROM system.parts WHERE active AND database = currentDatabase()"
            " GROUP BY table, partition)"
        )
        or 0
    )
    if most > PARTS_MANY:
        wrong.append(f"A partition has {most} parts: ClickHouse cannot keep up, give it CPU or a faster disk.")
    with its_facts.reading() as conn:
        waiting = facts.one(
            conn,
            """SELECT coalesce(max(extract(epoch FROM now() - b.changed)), 0) FROM points_blocks b
                JOIN points_windows w ON w.id = b.window WHERE w.state < 2 AND b.state = 1""",
        )
        labs_run = facts.one(
            conn,
            """SELECT coalesce(max(extract(epoch FROM now() - backend_start)), 0) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name LIKE 'hectiqlab peers %'""",
        )
    if min(waiting, labs_run) > STUCK_S:  # while no lab runs, nobody sorts
        wrong.append(f"Points have waited for {int(waiting)} s to be sorted: see the log of the labs for why.")
    return wrong
