"""Chaos: episodes of faults against a real world, each followed by an audit; several at once, all from one seed.

An episode is a lab's life of some ten seconds with a few trainers in it: which surroundings they are born into and what
strikes them is drawn from `seed:episode` alone, so a failing one is played again by itself. Its moments are not: what
the processes are doing when a fault strikes is up to the machine.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..nursery import Nursery
from .audit import Audit
from .fleet_kinds import fleet_kinds
from .fleet_world import FleetWorld
from .kinds import FLAVOURS, HARMLESS, flavours, kinds
from .ledger import SLOWEST_US
from .trainer import ENDINGS
from .world import Trainer, World, patience, start_nurseries, until

CARDS = 28  # faults in an episode: those that strike, and trainers that are born into trouble
BORN = 2  # trainers that start with it
AT_ONCE_MAX = 5
DELIVERED_WITHIN_S = 45.0  # on a machine that does nothing else; see `patience`
EXIT_WITHIN_S = 20.0  # the bounds of the exit itself are 5 s and EXIT_TIMEOUT_S; as above


@dataclass
class Result:
    faults: Counter[str] = field(default_factory=Counter)
    drawn: Counter[str] = field(default_factory=Counter)  # those that struck and those that found nobody
    seconds: Counter[str] = field(default_factory=Counter)  # seconds of wall time, by what took them
    problems: list[str] = field(default_factory=list)
    trainers: int = 0
    events: int = 0
    files: int = 0
    acknowledged: int = 0  # writes of accounts, keys, projects and files
    lost: int = 0
    doubled: int = 0
    episodes: int = 0
    slowest_call_s: float = 0.0
    slowest_exit_s: float = 0.0

    def add(self, other: Result) -> None:
        self.faults += other.faults
        self.drawn += other.drawn
        self.seconds += other.seconds
        self.problems += other.problems
        for name in ("trainers", "events", "files", "acknowledged", "lost", "doubled", "episodes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.slowest_call_s = max(self.slowest_call_s, other.slowest_call_s)
        self.slowest_exit_s = max(self.slowest_exit_s, other.slowest_exit_s)


class Schedule:
    """What happens in which episode: a deck of kinds of faults and of flavours of trainers.

    Without a tally kinds take turns, in another order each time round. With one, an episode gets the kinds that struck
    least so far; its deck is then told when it fails, since it does not follow from the seed alone.
    """

    def __init__(self, seed: int, only: list[str] | None = None, fleet: bool = False, shards: int = 1) -> None:
        self.seed, self.fleet, self.shards = seed, fleet, shards
        self.kinds = fleet_kinds() if fleet else kinds()
        names = [*self.kinds, *(f for f in flavours() if f not in HARMLESS)]
        self.names = [name for name in names if only is None or name in only]

    def deck(self, episode: int, struck: Counter[str] | None = None) -> list[str]:
        rng = random.Random(f"{self.seed}:deck:{episode}")
        if struck is None:
            return [self._turn(i) for i in range(episode * CARDS, (episode + 1) * CARDS)]
        lot = {name: rng.random() for name in self.names}
        lacking = sorted(self.names, key=lambda name: (struck[name], lot[name]))[:CARDS]
        rng.shuffle(lacking)
        return lacking

    def _turn(self, i: int) -> str:
        lap, place = divmod(i, len(self.names))
        order = self.names[:]
        random.Random(f"{self.seed}:{lap}").shuffle(order)
        return order[place]

    def rng(self, episode: int) -> random.Random:
        return random.Random(f"{self.seed}:{episode}")

    def world(self, folder: Path, seed: int, nurseries: tuple[Nursery, Nursery]) -> World:
        """Make one for an episode. Blocks until its labs answer."""
        if self.fleet:
            return FleetWorld(folder, seed, nurseries=nurseries, shards=self.shards)
        return World(folder, seed, nurseries=nurseries)


class Episode:
    """One: `run` blocks until it was audited."""

    def __init__(
        self, schedule: Schedule, number: int, deck: list[str], folder: Path, nurseries: tuple[Nursery, Nursery], *,
        verbose: bool = False,
    ) -> None:  # fmt: skip
        self.number, self.deck, self.folder, self.verbose = number, deck, folder, verbose
        self._nurseries, self._kinds = nurseries, schedule.kinds
        self._make_world = schedule.world
        self.rng = schedule.rng(number)
        self.result = Result(episodes=1)
        self.story: list[str] = []
        self._began = time.monotonic()

    def tell(self, text: str) -> None:
        self.story.append(f"{time.monotonic() - self._began:6.2f} s  {text}")
        if self.verbose:
            print(f"episode {self.number}: {self.story[-1]}", flush=True)

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.result.seconds[what] += time.monotonic() - began

    def run(self) -> Result:
        with self._timed("(begin)"):
            world = self._make_world(self.folder, self.rng.randrange(1 << 30), self._nurseries)
        try:
            self._play(world)
            self._end(world)
        except Exception:
            self.result.problems.append(f"the harness failed: {traceback.format_exc()}")
        finally:
            if self.result.problems:
                self.result.problems += ["what happened:", *self.story]
            world.close()
        return self.result

    def _play(self, world: World) -> None:
        rng = self.rng
        harmless = sorted(HARMLESS)
        for i in range(BORN):
            self._bear(world, f"t{i}", harmless[(self.number + i) % len(harmless)], secure=i == 0)
        for i, name in enumerate(self.deck):
            going_on = [t for t in world.alive() if not t.told_at]
            for trainer in going_on[: max(0, len(going_on) - AT_ONCE_MAX)]:
                self._tell_to_end(world, trainer)
            with self._timed("(opens)"):
                if len(going_on) < 2:
                    self._bear(world, f"r{i}", "plain", secure=rng.random() < 0.3)
                until(lambda: all(t.opened for t in world.alive()), 10)
            time.sleep(rng.uniform(0.0, 0.2))
            with self._timed(name):
                if name in FLAVOURS:
                    struck = self._bear(world, f"f{i}", name, secure=rng.random() < 0.2)
                else:
                    struck = self._kinds[name](world, rng)
            self.result.faults[name] += struck
            self.result.drawn[name] += 1
            self.tell(f"{name}{'' if struck else ' (struck nobody)'}")
        with self._timed("(opens)"):
            until(lambda: all(t.opened for t in world.alive()), 10)
        time.sleep(0.5)  # so that those born last meet what they were born for

    def _bear(self, world: World, name: str, flavour: str, *, secure: bool) -> bool:
        trainer = world.start(f"e{self.number}{name}", flavour, self.rng.randrange(1 << 30), secure=secure)
        self.tell(f"{trainer.ident} begins: {flavour}")
        return True

    def _tell_to_end(self, world: World, trainer: Trainer) -> None:
        ending = self.rng.randrange(len(ENDINGS))
        self.tell(f"{trainer.ident} shall end: {ENDINGS[ending]}")
        world.tell_to_end(trainer, ending)

    def _end(self, world: World) -> None:
        for trainer in world.alive():
            if not trainer.told_at:
                self._tell_to_end(world, trainer)
        with self._timed("(ends)"):
            limit = EXIT_WITHIN_S * patience()
            until(lambda: not world.alive(), limit)
        for trainer in world.alive():
            self._problem(trainer, f"has not ended within {limit:.0f} s: {trainer.output()[-1000:]}")
            world.kill(trainer)
        self.result.faults["crash_uploader"] += sum(marker.exists() for marker in world.crashes)
        with self._timed("(delivery)"):
            limit = DELIVERED_WITHIN_S * patience()
            deadline = time.monotonic() + limit
            for trainer in list(world.trainers):
                self._deliver(world, trainer, deadline, limit)
        self.result.problems += world.problems
        world.clerk.stop()
        self.result.acknowledged += world.clerk.acknowledged
        with self._timed("(audit)"):
            gone = world.clerk.audit()
        self.result.lost += len(gone)
        self.result.problems += [f"acknowledged to an admin: {line}" for line in gone]
        with self._timed("(audit)"), world.client() as lab:
            for trainer in list(world.trainers):
                audit = Audit(lab, trainer)
                self.result.problems += audit.problems
                self.result.trainers += 1
                for name in ("events", "lost", "doubled", "files"):
                    setattr(self.result, name, getattr(self.result, name) + getattr(audit, name))

    def _deliver(self, world: World, trainer: Trainer, deadline: float, limit: float) -> None:
        """Wait for the uploader of a trainer that has ended. If it has none, a sync does its work."""
        self.result.slowest_call_s = max(self.result.slowest_call_s, trainer.ledger.words[SLOWEST_US] / 1e6)
        if trainer.told_at and trainer.ended_at:
            self.result.slowest_exit_s = max(self.result.slowest_exit_s, trainer.ended_at - trainer.told_at)
        said = ""
        while not trainer.is_done():
            until(lambda: trainer.is_done() or trainer.uploader() is None, 2)
            if not trainer.is_done():
                said = world.sync(trainer)
                self.tell(f"a sync of {trainer.ident}: {said.strip()}")
            if time.monotonic() > deadline and not trainer.is_done():
                self._problem(trainer, f"is not delivered within {limit:.0f} s: {said} {trainer.logs()[-2000:]}")
                return
        until(lambda: trainer.uploader() is None, 10)

    def _problem(self, trainer: Trainer, text: str) -> None:
        self.result.problems.append(f"{trainer.ident} ({trainer.flavour}) {text}")


def run_chaos(
    seconds: float, seed: int, *, lanes: int = 3, only: list[str] | None = None, episodes: list[int] | None = None,
    deck: list[str] | None = None, verbose: bool = False, fleet: bool = False, shards: int = 1,
) -> Result:  # fmt: skip
    """Plays episodes until the time is over (or those given), `lanes` at once. Prints failures as they come.

    Args:
        deck: the faults of those given, in place of the seed's.
        fleet: against labs on PostgreSQL, ClickHouse and S3; `lanes` is 1 then.
        shards: how many ClickHouses those labs have.
    """
    schedule = Schedule(seed, only, fleet, shards)
    total = Result()
    under_way: Counter[str] = Counter()
    waiting = iter(episodes if episodes is not None else range(1 << 30))
    lock = threading.Lock()
    deadline = time.monotonic() + seconds
    folder = Path(tempfile.mkdtemp(prefix="hectiqlab-chaos-"))
    folder.chmod(0o755)
    nurseries = start_nurseries()

    def lane() -> None:
        while episodes is not None or time.monotonic() < deadline:
            with lock:
                number = next(waiting, None)
                if number is None:
                    return
                cards = deck or schedule.deck(number, total.faults + under_way if episodes is None else None)
                under_way.update(cards)
            try:
                result = Episode(schedule, number, cards, folder / str(number), nurseries, verbose=verbose).run()
            except Exception:  # the harness itself failed: nothing was tried
                result = Result(problems=traceback.format_exc().splitlines())
            with lock:
                under_way.subtract(cards)
                total.add(result)
                if result.problems:
                    again = f"--fleet --shards {shards} " if fleet else ""
                    again += f"--seed {seed} --replay {number} --deck {' '.join(cards)}"
                    print(f"\nepisode {number} failed; again: scripts/chaos {again}", flush=True)
                    print("\n".join(f"  {line}" for line in result.problems), flush=True)

    threads = [threading.Thread(target=lane) for _ in range(lanes)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for nursery in nurseries:
            nursery.close()
    if not total.problems:
        shutil.rmtree(folder, ignore_errors=True)
    return total
