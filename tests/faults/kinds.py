"""Kinds of faults: what each does to a world. One function a kind; the network's come from the proxy.

A fault returns whether it struck: a kill that found nobody, or a spoiled network on which nothing was sent, is not
counted. It leaves the world healed, but for what it killed.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import requests

from pyhectiqlab.base.crashpoints import POINTS
from pyhectiqlab.journal import Data, Journal
from pyhectiqlab.spool import SessionDir

from . import jobs, proxy
from .ledger import CLOCK_S, DISK, NO_DNS
from .sick import FULL, INTERRUPT, RAISE, STRUCK
from .world import Trainer, World, can_mount, until

Fault = Callable[[World, random.Random], bool]
BOOT_S = 120.0
STRIKE_S = 6.0  # how long a spoiled network waits for somebody to meet it
OF_UPLOADER = [
    p for p in POINTS if p.startswith(("recover.", "drain.", "journal.", "send.", "end.", "finish.", "files."))
]
ALWAYS_PASSED = [p for p in OF_UPLOADER if p not in {"drain.direct", "send.attached", "journal.released"}]
# For the uploader of one run.
PASSED_ONCE = {"recover.read", "journal.opened", "end.told", "finish.synced", "finish.unlinked"}
LAB_POINTS = ["lab.planned", "lab.points", "lab.committed"]
FLAVOURS = (
    "plain",
    "threads",
    "signals",
    "fork_in_put",
    "forks_of_forks",
    "forks_64",
    "spawned",
    "no_locks",
    "descriptors",
    "processes",
    "shm_tiny",
    "shm_full",
    "shm_missing",
    "home_full",
    "home_read_only",
    "clock",
    "budget",
)
HARMLESS = {"plain", "threads", "spawned"}  # flavours that are no faults
NEED_MOUNTS = {"shm_tiny", "shm_full", "home_full", "home_read_only"}


def flavours() -> list[str]:
    """Return the flavours that this machine allows."""
    allowed = set(FLAVOURS)
    if not can_mount():
        allowed -= NEED_MOUNTS
    if os.geteuid() != 0:
        allowed.discard("processes")
    return [f for f in FLAVOURS if f in allowed]


def _one(world: World, rng: random.Random, fit: Callable[[Trainer], bool] = lambda t: True) -> Trainer | None:
    items = [t for t in world.alive() if t.opened and fit(t)]
    return rng.choice(items) if items else None


# Kills ---------------------------------------------------------------------------------------------------------------


def kill_trainer(world: World, rng: random.Random) -> bool:
    trainer = _one(world, rng)
    return trainer is not None and world.kill(trainer)


def kill_young_trainer(world: World, rng: random.Random) -> bool:
    """Kill a trainer that has just begun, perhaps inside Run(...)."""
    trainer = world.start(f"young{rng.randrange(1 << 40):x}", "plain", rng.randrange(1 << 30))
    time.sleep(rng.random() * 0.2)
    return world.kill(trainer)


def kill_uploader(world: World, rng: random.Random) -> bool:
    trainer = _one(world, rng, lambda t: t.uploader() is not None)
    return trainer is not None and world.kill(trainer, uploader=True, trainer_too=False)


def kill_both(world: World, rng: random.Random) -> bool:
    trainer = _one(world, rng)
    return trainer is not None and world.kill(trainer, uploader=True)


def kill_lab(world: World, rng: random.Random) -> bool:
    world.lab.kill()
    world.start_lab()
    return True


def kill_all(world: World, rng: random.Random) -> bool:
    """Kill every trainer, every uploader and the lab at once."""
    os.kill(world.lab.pid, signal.SIGKILL)
    victims = world.alive()
    for trainer in victims:
        world.kill(trainer, uploader=True)
    world.lab.kill()
    world.start_lab()
    return bool(victims)


def crash_uploader(world: World, rng: random.Random) -> bool:
    """Start a trainer whose uploader dies at a crash point."""
    point = rng.choice(ALWAYS_PASSED)
    name = f"crash{rng.randrange(1 << 40):x}"
    marker = world.folder / f"{name}.crashed"
    nth = 1 if point in PASSED_ONCE else rng.randint(1, 3)
    world.start(name, "plain", rng.randrange(1 << 30), crash=f"{point}:{nth}:{marker}")
    if until(marker.exists, 1.0):
        return True
    world.crashes.append(marker)  # perhaps later: it is counted at the end
    return False


def crash_lab(world: World, rng: random.Random) -> bool:
    marker = world.folder / f"lab{rng.randrange(1 << 40):x}.crashed"
    world.lab.stop()
    before = dict(world.lab.env)
    world.lab.env["HECTIQLAB_CRASH_AT"] = f"{rng.choice(LAB_POINTS)}:{rng.randint(1, 3)}:{marker}"
    try:
        world.start_lab()
    finally:
        world.lab.env = before
    world.wake()
    struck = bool(until(lambda: not world.lab.running, STRIKE_S))
    world.lab.kill()
    world.start_lab()
    return struck


# Stops ---------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process inside the block."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def stop_trainer(world: World, rng: random.Random) -> bool:
    trainer = _one(world, rng)
    if trainer is None:
        return False
    with stopped(trainer.pid):
        time.sleep(rng.uniform(0.1, 0.8))
    return True


def stop_uploader(world: World, rng: random.Random) -> bool:
    """Stop an uploader for a moment, or for so long that the trainer kills it and starts another."""
    trainer = _one(world, rng, lambda t: t.uploader() is not None)
    holder = trainer.uploader() if trainer else None
    if holder is None:
        return False
    with stopped(holder.pid):
        time.sleep(rng.choice((0.1, 0.5, 1.5)))
    return True


def stop_lab(world: World, rng: random.Random) -> bool:
    with stopped(world.lab.pid):
        time.sleep(rng.uniform(0.1, 1.2))
    return True


# The lab -------------------------------------------------------------------------------------------------------------


def lab_restarted(world: World, rng: random.Random) -> bool:
    world.lab.restart()
    return True


def lab_down_long(world: World, rng: random.Random) -> bool:
    world.lab.stop(rng.choice((signal.SIGTERM, signal.SIGKILL)))
    time.sleep(rng.uniform(2.0, 4.0))
    world.start_lab()
    return True


def lab_down_at_start(world: World, rng: random.Random) -> bool:
    """Start a trainer without a lab: it keeps what it logs, and a sync sends it."""
    name = f"early{rng.randrange(1 << 40):x}"
    world.prepare(name)
    world.lab.kill()
    trainer = world.start(name, "plain", rng.randrange(1 << 30))
    until(lambda: trainer.opened, 10)
    time.sleep(rng.uniform(0.1, 0.5))
    world.start_lab()
    return trainer.opened


def lab_statements(world: World, rng: random.Random) -> bool:
    """Interrupt SQLite in the middle of statements of the lab's writer. It rolls back by itself."""
    before, begun, times = world.sick[STRUCK], time.monotonic(), rng.randint(5, 20)
    while time.monotonic() < begun + STRIKE_S and world.sick[STRUCK] < before + times:
        if not world.sick[INTERRUPT]:
            world.sick[INTERRUPT] = rng.randint(1, 60)
        time.sleep(0.005)
    world.sick[INTERRUPT] = 0
    return world.sick[STRUCK] > before


def lab_db_full(world: World, rng: random.Random) -> bool:
    """Keep lab.db from growing."""
    before = world.sick[STRUCK]
    world.sick[FULL] = 1
    until(lambda: world.sick[STRUCK] > before, STRIKE_S)
    time.sleep(rng.uniform(0.0, 0.8))
    world.sick[FULL] = 0
    return world.sick[STRUCK] > before


def lab_threads(world: World, rng: random.Random) -> bool:
    """Let every thread of the lab raise, and say so. Then all of them work again."""
    before = world.sick[STRUCK]
    world.sick[RAISE] = 1
    until(lambda: world.sick[STRUCK] > before + 5, STRIKE_S)
    world.sick[RAISE] = 0
    if not until(lambda: _is_well(world.lab.url), 60):
        raise AssertionError(f"the lab's threads do not work again: {world.lab.log()[-2000:]}")
    return world.sick[STRUCK] > before


def _is_well(url: str) -> bool:
    """Return whether the lab says that it is well. A lab on a busy machine that is slow to say so is asked again."""
    try:
        return bool(requests.get(f"{url}/healthz", timeout=5).json() == {"status": "ok"})
    except requests.Timeout:
        return False


def lab_from_backup(world: World, rng: random.Random) -> bool:
    """Put the lab back to an earlier copy of its data. Trainers whose runs are in that copy go on."""
    with world.clerk.pausing():  # what the clerk did after the copy would rightly be gone
        return _put_back(world, rng)


def _put_back(world: World, rng: random.Random) -> bool:
    for trainer in world.trainers:
        if not trainer.alive:
            if not trainer.is_done():
                world.sync(trainer)
            if not until(trainer.is_done, 10):
                return False
    if any(not t.opened for t in world.alive()) or not world.alive():
        return False
    going_on = world.alive()
    copy = world.folder / "backup"
    world.lab.kill()
    shutil.copytree(world.lab.data_dir, copy)
    world.start_lab()
    time.sleep(rng.uniform(1.0, 2.0))
    world.lab.kill()
    shutil.rmtree(world.lab.data_dir)
    copy.rename(world.lab.data_dir)
    world.start_lab()
    for trainer in world.trainers:
        trainer.met.add("lab_from_backup")
    for trainer in going_on:
        # Perhaps everything was delivered in between: then it sends nothing by itself, and a sync asks.
        if not trainer.alive:
            world.sync(trainer)
    return True


def key_revoked(world: World, rng: random.Random) -> bool:
    """Revoke a key. Training goes on; the user is told what to do; with a new key everything is delivered."""
    trainer = _one(world, rng, lambda t: t.uploader() is not None and not t.secure)
    if trainer is None:
        return False
    with world.client() as lab:
        lab.delete(f"/keys/{trainer.key_id}")

    def said() -> bool:
        return "add-profile" in trainer.logs()

    struck = bool(until(said, STRIKE_S))
    world.new_key(trainer)
    world.wake()
    return struck


# The machine ---------------------------------------------------------------------------------------------------------


def dns(world: World, rng: random.Random) -> bool:
    """Let no name be known any more. Those who are connected lose their connection."""
    living = [t for t in world.alive() if t.opened]
    for trainer in living:
        trainer.ledger.words[NO_DNS] = 1
    world.proxy.start("reset_request")
    before = world.proxy.hits
    until(lambda: world.proxy.hits > before, 2)
    world.proxy.stop()
    time.sleep(rng.uniform(0.3, 1.0))
    for trainer in living:
        trainer.ledger.words[NO_DNS] = 0
    return bool(living)


def _disk(number: int) -> Fault:
    def fault(world: World, rng: random.Random) -> bool:
        trainer = _one(world, rng, lambda t: t.flavour not in ("home_read_only", "spawned"))
        if trainer is None:
            return False
        trainer.met.add("disk")
        trainer.ledger.words[DISK] = number
        time.sleep(rng.uniform(0.6, 1.6))
        trainer.ledger.words[DISK] = 0
        return True

    return fault


def clock_set(world: World, rng: random.Random) -> bool:
    """Set the clock of a trainer and its uploader back or forward, by seconds or by years."""
    trainer = _one(world, rng, lambda t: t.flavour == "clock")
    if trainer is None:
        trainer = world.start(f"clock{rng.randrange(1 << 40):x}", "clock", rng.randrange(1 << 30))
        until(lambda: trainer.opened, 10)
    for _ in range(2):
        trainer.ledger.words[CLOCK_S] = rng.choice((-86_400 * 365 * 3, -3600, -5, 5, 3600, 86_400 * 365 * 3))
        time.sleep(0.3)
    return True


def power_loss(world: World, rng: random.Random) -> bool:
    """Cut the power of a trainer's machine. What was synced survives, perhaps a part of the rest, and no memory."""
    trainer = _one(world, rng, lambda t: t.flavour in ("plain", "threads", "signals") and not t.met)
    if trainer is None:
        trainer = world.start(f"power{rng.randrange(1 << 40):x}", "plain", rng.randrange(1 << 30))
        until(lambda: trainer.opened, 10)
        time.sleep(rng.uniform(0.5, 2.5))
    world.kill(trainer, uploader=True)
    if (again := trainer.uploader()) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(again.pid, signal.SIGKILL)
    synced = {}
    for line in (trainer.folder / "synced").read_text().splitlines():
        inode, size = line.split()
        synced[int(inode)] = int(size)
    for session in trainer.sessions():
        _lose_unsynced(session, synced, rng)
        trainer.durable |= _journaled(session)
    trainer.durable.setdefault("", 0)
    return True


def _lose_unsynced(session: SessionDir, synced: dict[int, int], rng: random.Random) -> None:
    for info in list(session.writers()):
        Path(info.queue).unlink(missing_ok=True)
    for path in [p for p in session.path.rglob("*") if p.is_file() and not p.is_symlink()]:
        stat = path.stat()
        sure = synced.get(stat.st_ino, 0)
        if sure >= stat.st_size:
            continue
        kept = rng.randint(sure, stat.st_size)
        data = path.read_bytes()[:kept]
        if rng.random() < 0.3:  # a block that was allocated and never written
            data = data[:sure] + bytes(len(data) - sure)
        path.write_bytes(data)
        os.utime(path, (stat.st_atime, stat.st_mtime - BOOT_S))  # it takes a machine a while to come back


def _journaled(session: SessionDir) -> dict[str, int]:
    """Return, by writer, the last event in its journal before which nothing is missing."""
    last: dict[str, int] = {}
    journal = Journal(session.path / "journal")
    for frame, _ in journal.recover():
        if isinstance(frame, Data):
            last[frame.writer] = max(last.get(frame.writer, 0), frame.last)
    return last


# The network ---------------------------------------------------------------------------------------------------------


def _network(kind: str) -> Fault:
    def fault(world: World, rng: random.Random) -> bool:
        if kind.startswith("tls_") and not any(t.secure for t in world.alive()):
            world.start(f"secure{rng.randrange(1 << 40):x}", "plain", rng.randrange(1 << 30), secure=True)
            time.sleep(0.5)
        if kind == "html_413":
            for trainer in world.trainers:
                trainer.met.add(kind)
        return met(world, world.proxy, kind, rng.uniform(0.0, 0.8))

    return fault


def met(world: World, network: proxy.Proxy, kind: str, longer_s: float) -> bool:
    """Spoil a network until somebody has met the fault, and a while longer; return whether anybody has."""
    before = network.hits
    network.start(kind)
    world.wake()
    if kind == "refused":  # no connection reaches the proxy, which could be counted
        time.sleep(1.0)
    else:
        until(lambda: network.hits > before, STRIKE_S)
    time.sleep(longer_s)
    network.stop()
    return network.hits > before


def kinds() -> dict[str, Fault]:
    """Return every fault that strikes a running world, by name."""
    own: list[Fault] = [
        kill_trainer, kill_young_trainer, kill_uploader, kill_both, kill_lab, kill_all, crash_uploader, crash_lab,
        stop_trainer, stop_uploader, stop_lab, lab_restarted, lab_down_long, lab_down_at_start, lab_from_backup,
        lab_statements, lab_db_full, lab_threads,
        key_revoked, dns, clock_set, power_loss,
        jobs.helper_and_restart, jobs.rank_killed, jobs.children_by_name,
    ]  # fmt: skip
    by_name = {fault.__name__: fault for fault in own}
    by_name |= {"disk_full": _disk(1), "disk_over_quota": _disk(2), "disk_read_only": _disk(3)}
    network = [k for k in proxy.KINDS if shutil.which("openssl") or not k.startswith("tls_")]
    return by_name | {kind: _network(kind) for kind in network}
