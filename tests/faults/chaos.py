"""Chaos: episodes of faults against a real world, each followed by an audit; several at once, all from one seed.

An episode is a lab's life of some ten seconds with a few trainers in it: which surroundings they are born into and what
strikes them is drawn from `seed:episode` alone, so a failing one is played again by itself. Its moments are not: what
the processes are doing when a fault strikes is up to the machine.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .audit import Audit
from .kinds import HARMLESS, flavours, kinds
from .trainer import ENDINGS
from .world import Trainer, World, until

FAULTS = 10  # in an episode
BORN = 3  # trainers at its start
AT_ONCE_MAX = 6
DELIVERED_WITHIN_S = 60.0
EXIT_WITHIN_S = 45.0  # the exit's own bounds (5 s and EXIT_TIMEOUT_S), on a machine that does much else


@dataclass
class Result:
    faults: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    trainers: int = 0
    events: int = 0
    files: int = 0
    lost: int = 0
    doubled: int = 0
    episodes: int = 0
    slowest_call_s: float = 0.0
    slowest_exit_s: float = 0.0

    def add(self, other: Result) -> None:
        self.faults += other.faults
        self.problems += other.problems
        for name in ("trainers", "events", "files", "lost", "doubled", "episodes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.slowest_call_s = max(self.slowest_call_s, other.slowest_call_s)
        self.slowest_exit_s = max(self.slowest_exit_s, other.slowest_exit_s)


class Schedule:
    """What happens in which episode. Kinds take turns, in another order each time round, so that all come as often."""

    def __init__(self, seed: int, only: list[str] | None = None) -> None:
        self.seed = seed
        self._kinds = [k for k in kinds() if only is None or k in only]
        self._flavours = [f for f in flavours() if only is None or f in only] or ["plain"]

    def _turn(self, names: list[str], what: str, at: int, count: int) -> list[str]:
        chosen = []
        for i in range(at, at + count):
            lap, place = divmod(i, len(names))
            order = names[:]
            random.Random(f"{self.seed}:{what}:{lap}").shuffle(order)
            chosen.append(order[place])
        return chosen

    def faults(self, episode: int) -> list[str]:
        return self._turn(self._kinds, "faults", episode * FAULTS, FAULTS) if self._kinds else []

    def flavours(self, episode: int) -> list[str]:
        return self._turn(self._flavours, "flavours", episode * BORN, BORN)

    def rng(self, episode: int) -> random.Random:
        return random.Random(f"{self.seed}:{episode}")


class Episode:
    """One: `run` blocks until it was audited."""

    def __init__(self, schedule: Schedule, number: int, folder: Path, *, verbose: bool = False) -> None:
        self.schedule, self.number, self.verbose = schedule, number, verbose
        self.folder = folder
        self.rng = schedule.rng(number)
        self.result = Result(episodes=1)
        self.story: list[str] = []
        self._began = time.monotonic()

    def tell(self, text: str) -> None:
        self.story.append(f"{time.monotonic() - self._began:6.2f} s  {text}")
        if self.verbose:
            print(f"episode {self.number}: {self.story[-1]}", flush=True)

    def run(self) -> Result:
        world = World(self.folder, self.rng.randrange(1 << 30))
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
        for i, flavour in enumerate(self.schedule.flavours(self.number)):
            trainer = world.start(f"e{self.number}t{i}", flavour, rng.randrange(1 << 30), secure=i == 0)
            self.tell(f"{trainer.ident} begins: {flavour}")
            if flavour not in HARMLESS:
                self.result.faults[flavour] += 1
        until(lambda: all(t.opened for t in world.alive()), 20)
        for i, name in enumerate(self.schedule.faults(self.number)):
            if len(world.alive()) < 2:
                world.start(f"e{self.number}r{i}", "plain", rng.randrange(1 << 30), secure=rng.random() < 0.3)
                until(lambda: all(t.opened for t in world.alive()), 10)
            elif len(world.alive()) > AT_ONCE_MAX:
                self._tell_to_end(world, world.alive()[0])
            time.sleep(rng.uniform(0.0, 0.4))
            struck = kinds()[name](world, rng)
            self.result.faults[name] += struck
            self.tell(f"{name}{'' if struck else ' (struck nobody)'}")

    def _tell_to_end(self, world: World, trainer: Trainer) -> None:
        ending = self.rng.randrange(len(ENDINGS))
        self.tell(f"{trainer.ident} shall end: {ENDINGS[ending]}")
        world.tell_to_end(trainer, ending)

    def _end(self, world: World) -> None:
        for trainer in world.alive():
            if not trainer.told_at:
                self._tell_to_end(world, trainer)
        until(lambda: not world.alive(), EXIT_WITHIN_S)
        for trainer in world.alive():
            self._problem(trainer, f"has not ended within {EXIT_WITHIN_S:.0f} s: {trainer.output()[-1000:]}")
            world.kill(trainer)
        self.result.faults["crash_uploader"] += sum(marker.exists() for marker in world.crashes)
        for trainer in list(world.trainers):
            self._deliver(world, trainer)
        with world.client() as lab:
            for trainer in list(world.trainers):
                audit = Audit(lab, trainer)
                self.result.problems += audit.problems
                self.result.trainers += 1
                for name in ("events", "lost", "doubled", "files"):
                    setattr(self.result, name, getattr(self.result, name) + getattr(audit, name))

    def _deliver(self, world: World, trainer: Trainer) -> None:
        """Waits for the uploader of a trainer that has ended; where there is none, a sync does its work."""
        from .ledger import SLOWEST_US

        self.result.slowest_call_s = max(self.result.slowest_call_s, trainer.ledger.words[SLOWEST_US] / 1e6)
        if trainer.told_at and trainer.ended_at:
            self.result.slowest_exit_s = max(self.result.slowest_exit_s, trainer.ended_at - trainer.told_at)
        deadline = time.monotonic() + DELIVERED_WITHIN_S
        said = ""
        while not trainer.is_done():
            until(lambda: trainer.is_done() or trainer.uploader() is None, 2)
            if not trainer.is_done():
                said = world.sync(trainer)
                self.tell(f"a sync of {trainer.ident}: {said.strip()}")
                time.sleep(0.5)
            if time.monotonic() > deadline and not trainer.is_done():
                self._problem(
                    trainer, f"is not delivered within {DELIVERED_WITHIN_S:.0f} s: {said} {trainer.logs()[-2000:]}"
                )
                return
        until(lambda: trainer.uploader() is None, 10)

    def _problem(self, trainer: Trainer, text: str) -> None:
        self.result.problems.append(f"{trainer.ident} ({trainer.flavour}) {text}")


def run_chaos(
    seconds: float, seed: int, *, lanes: int = 3, only: list[str] | None = None, episodes: list[int] | None = None,
    verbose: bool = False,
) -> Result:  # fmt: skip
    """Plays episodes until the time is over (or those given), `lanes` at once. Prints failures as they come."""
    schedule = Schedule(seed, only)
    total = Result()
    waiting = iter(episodes if episodes is not None else range(1 << 30))
    lock = threading.Lock()
    deadline = time.monotonic() + seconds
    folder = Path(tempfile.mkdtemp(prefix="hectiqlab-chaos-"))
    folder.chmod(0o755)

    def lane() -> None:
        while episodes is not None or time.monotonic() < deadline:
            with lock:
                number = next(waiting, None)
            if number is None:
                return
            result = Episode(schedule, number, folder / str(number), verbose=verbose).run()
            with lock:
                total.add(result)
                if result.problems:
                    print(
                        f"\nepisode {number} failed; again: scripts/chaos --seed {seed} --replay {number}", flush=True
                    )
                    print("\n".join(f"  {line}" for line in result.problems), flush=True)

    threads = [threading.Thread(target=lane) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not total.problems:
        shutil.rmtree(folder, ignore_errors=True)
    return total
