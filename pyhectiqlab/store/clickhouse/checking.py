"""Checking: what an administrator wants to know of the two engines before a lab runs on them, and while one does."""

from __future__ import annotations

import hashlib
import os
import socket
import statistics
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import inspect, text

from ...errors import LabError
from . import facts, schema
from .client import ClickHouse
from .facts import Facts

ROUNDS = 5
SLOW_MS = 50
PARTS_MANY = 300  # parts of one partition that are worth a warning; ClickHouse slows inserts down at 1,000
STUCK_S = 600


class Finding(NamedTuple):
    """One thing that was checked. `fine`: nothing is to be done about it. `what`: one line, with what to do if it is
    not fine.
    """

    fine: bool
    what: str


def check(place: str, facts_place: str) -> list[Finding]:
    """Return what there is to say: reached, version, rights, schema, latency, work that is stuck. Changes nothing but
    a table that it makes and drops. Raises ConfigurationError where an address is none.
    """
    clickhouse, its_facts = ClickHouse(place), Facts(facts_place)
    try:
        steps: list[Callable[[ClickHouse, Facts], list[Finding]]] = [_reached, _rights, _schema, _latency, work]
        findings: list[Finding] = []
        for step in steps:
            try:
                findings += step(clickhouse, its_facts)
            except LabError as e:
                return [*findings, Finding(False, str(e))]  # later checks would fail for the same reason
        return findings
    finally:
        clickhouse.close()
        its_facts.close()


def _reached(clickhouse: ClickHouse, _: Facts) -> list[Finding]:
    version = clickhouse.text("SELECT version()")
    return [Finding(True, f"ClickHouse at {clickhouse.address} is reached, version {version}.")]


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


def _rights(clickhouse: ClickHouse, _: Facts) -> list[Finding]:
    try_rights(clickhouse)
    return [Finding(True, f"User {clickhouse.address.user!r} of ClickHouse has the rights that the lab needs.")]


def _schema(clickhouse: ClickHouse, its_facts: Facts) -> list[Finding]:
    with its_facts.reading() as conn:
        if not inspect(conn).has_table("points_lab"):
            return [Finding(True, "There are no tables of points yet: the first lab makes them.")]
        lab_id = facts.one(conn, "SELECT value FROM points_lab WHERE key = 'id'")
        version = facts.one(conn, "SELECT value FROM points_lab WHERE key = 'schema'")
    schema.check(clickhouse, lab_id)
    return [Finding(True, f"The tables of points are those of this version (schema {version}), in both engines.")]


def _latency(clickhouse: ClickHouse, its_facts: Facts) -> list[Finding]:
    def ask_facts() -> None:
        with its_facts.reading() as conn:
            conn.execute(text("SELECT 1")).all()

    findings = []
    for name, ask in (("ClickHouse", lambda: clickhouse.text("SELECT 1")), ("PostgreSQL", ask_facts)):
        ms = 1e3 * statistics.median(_timed(ask) for _ in range(ROUNDS))
        advice = "" if ms <= SLOW_MS else ": each chart asks it two or three times; bring the lab closer to it"
        findings.append(Finding(ms <= SLOW_MS, f"{name} answers in {ms:.1f} ms{advice}."))
    return findings


def _timed(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def work(clickhouse: ClickHouse, its_facts: Facts) -> list[Finding]:
    """Return findings about the parts of tables, and about points that are not sorted yet."""
    with its_facts.reading() as conn:
        if not inspect(conn).has_table("points_lab"):
            return []
        waiting = facts.one(
            conn,
            """SELECT coalesce(max(extract(epoch FROM now() - b.changed)), 0) FROM points_blocks b
                JOIN points_windows w ON w.id = b.window WHERE w.state < 2 AND b.state = 1""",
        )
    most = int(
        clickhouse.text(
            "SELECT max(n) FROM (SELECT count() AS n FROM system.parts WHERE active AND database = currentDatabase()"
            " GROUP BY table, partition)"
        )
        or 0
    )
    findings = [Finding(True, f"A partition has at most {most} parts.")]
    if most > PARTS_MANY:
        advice = "ClickHouse cannot keep up, give it CPU or a faster disk"
        findings = [Finding(False, f"A partition has {most} parts: {advice}.")]
    if waiting > 2 * STUCK_S:
        findings.append(
            Finding(False, f"Points have waited for {int(waiting)} s to be sorted: see the log of the labs for why.")
        )
    return findings
