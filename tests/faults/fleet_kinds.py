"""Kinds of faults that strike a fleet: its labs and its engines. Trainers and networks meet those of kinds.py."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from typing import cast

from ..postgres import cluster
from ..seaweedfs import seaweedfs
from . import kinds as of_all
from .fleet_world import FleetWorld
from .kinds import STRIKE_S, Fault, met, stopped
from .world import until

FleetFault = Callable[[FleetWorld, random.Random], bool]
LAB_POINTS = ["lab.planned", "lab.points", "lab.committed", "points.noted", "points.inserted", "points.settled"]
# Faults of the only lab on a machine, of its folder or its SQLite.
OF_ONE_LAB = {
    *("kill_lab", "kill_all", "crash_lab", "stop_lab", "lab_restarted", "lab_down_long", "lab_down_at_start"),
    *("lab_from_backup", "lab_statements", "lab_db_full", "lab_threads"),
}
S3_KINDS = ("reset_request", "reset_reply", "lost_reply", "slow_reply", "error_500", "unavailable", "refused")


def one_lab_killed(world: FleetWorld, rng: random.Random) -> bool:
    lab = world.one(rng)
    lab.kill()
    time.sleep(rng.uniform(0.0, 1.5))  # the others go on
    world.start_lab(lab)
    return True


def all_labs_killed(world: FleetWorld, rng: random.Random) -> bool:
    for lab in world.labs:
        lab.kill()
    for lab in world.labs:
        world.start_lab(lab)
    return True


def one_lab_restarted(world: FleetWorld, rng: random.Random) -> bool:
    """Restart one lab. It drains: everything that it took is answered."""
    lab = world.one(rng)
    lab.stop(signal.SIGTERM)
    world.start_lab(lab)
    return True


def one_lab_stopped(world: FleetWorld, rng: random.Random) -> bool:
    with stopped(world.one(rng).pid):
        time.sleep(rng.uniform(0.1, 1.5))
    return True


def one_lab_crashed(world: FleetWorld, rng: random.Random) -> bool:
    """Crash one lab at a crash point, such as between an insert and its note."""
    lab = world.one(rng)
    marker = world.folder / f"lab{rng.randrange(1 << 40):x}.crashed"
    lab.stop()
    before = dict(lab.env)
    lab.env["HECTIQLAB_CRASH_AT"] = f"{rng.choice(LAB_POINTS)}:{rng.randint(1, 3)}:{marker}"
    try:
        world.start_lab(lab)
    finally:
        lab.env = before
    world.wake()
    struck = bool(until(lambda: not lab.running, STRIKE_S))
    lab.kill()
    world.start_lab(lab)
    return struck


def postgres_restarted(world: FleetWorld, rng: random.Random) -> bool:
    cluster().stop()
    time.sleep(rng.uniform(0.0, 2.0))
    cluster().start()
    return True


def postgres_connections_ended(world: FleetWorld, rng: random.Random) -> bool:
    """End the connections as a failover or an administrator does."""
    ended = world.ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
        "pg_backend_pid()"
    )
    return bool(ended)


def clickhouse_killed(world: FleetWorld, rng: random.Random) -> bool:
    """Kill a ClickHouse; if there are several shards, one of them."""
    its, _ = world.one_shard(rng)
    its.kill()
    time.sleep(rng.uniform(0.0, 2.0))
    its.start()
    return True


def clickhouse_killed_in_an_insert(world: FleetWorld, rng: random.Random) -> bool:
    """Kill ClickHouse after an insert was noted, when nobody knows whether it was done."""
    its, schema = world.one_shard(rng)
    pending = f"SELECT 1 FROM {schema}.points_blocks WHERE state = 0 LIMIT 1"
    world.wake()
    struck = bool(until(lambda: world.ask(pending), STRIKE_S))
    its.kill()
    time.sleep(rng.uniform(0.0, 1.0))
    its.start()
    return struck


def clickhouse_away_at_start(world: FleetWorld, rng: random.Random) -> bool:
    """Start a lab while a ClickHouse, or one shard of several, is away."""
    its, _ = world.one_shard(rng)
    lab = world.one(rng)
    its.kill()
    try:
        lab.kill()
        world.start_lab(lab)
        time.sleep(rng.uniform(0.0, 1.0))
    finally:
        its.start()
    return True


def s3_killed(world: FleetWorld, rng: random.Random) -> bool:
    seaweedfs().stop()
    time.sleep(rng.uniform(0.0, 1.0))
    seaweedfs().start()
    return True


def _s3(kind: str) -> FleetFault:
    def fault(world: FleetWorld, rng: random.Random) -> bool:
        return met(world, world.s3_proxy, kind, rng.uniform(0.0, 0.5))

    return fault


def fleet_kinds() -> dict[str, Fault]:
    """Return every fault that strikes a running fleet, by name."""
    own: list[FleetFault] = [
        one_lab_killed, all_labs_killed, one_lab_restarted, one_lab_stopped, one_lab_crashed,
        postgres_restarted, postgres_connections_ended,
        clickhouse_killed, clickhouse_killed_in_an_insert, clickhouse_away_at_start, s3_killed,
    ]  # fmt: skip
    faults = {fault.__name__: fault for fault in own} | {f"s3_{kind}": _s3(kind) for kind in S3_KINDS}
    others = {name: fault for name, fault in of_all.kinds().items() if name not in OF_ONE_LAB}
    return others | {name: _of_world(fault) for name, fault in faults.items()}


def _of_world(fault: FleetFault) -> Fault:
    return lambda world, rng: fault(cast(FleetWorld, world), rng)
