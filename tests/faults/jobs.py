"""Jobs of several processes, and what the lab must tell of them.

Helpers open the run of a living training; one of several ranks is killed; the children of a script open its run. The
lab is asked as soon as they have ended.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from pyhectiqlab.errors import LabError

from .ledger import ENDED_WELL, FLAGS
from .trainer import ENDINGS
from .world import Trainer, World, patience, until

STATES = {"exit": "completed", "close": "completed", "raise": "failed", "exit3": "failed", "term": "stopped"}
UP_S, TOLD_S = 15.0, 20.0  # on a machine that does nothing else
RANKS = 3
ASK_S = 0.5  # the lab slows down those who ask all the time


def _all_up(members: Sequence[Trainer]) -> bool:
    return bool(until(lambda: all(m.opened for m in members), UP_S * patience()))


def _end(world: World, member: Trainer, ending: str) -> None:
    world.tell_to_end(member, ENDINGS.index(ending))


def _expect(world: World, run: str, members: Sequence[Trainer], *expected: object) -> None:
    """Assert (attempt, state, rank) of the run, when its processes have ended and everything they left is at
    the lab.
    """

    def ended() -> bool:
        world.refresh()
        return not any(m.alive for m in members)

    def outcome() -> tuple[object, ...]:
        try:
            with world.client() as lab:
                answer = lab.get("/runs/resolve", {"ref": run})
                shown = lab.get(f"/runs/{answer['id']}")
        except LabError as e:
            return (repr(e),)
        open_ones = [s["session"] for s in shown["sessions"] if s["ended"] is None]
        facts[:] = [[s[k] for k in ("attempt", "rank", "state", "cause", "ended", "skew")] for s in shown["sessions"]]
        why = shown["state_why"] if shown["state"] == "killed" else ""
        return (shown["attempt"], shown["state"], shown["state_rank"], why.split(":")[0], len(open_ones))

    facts: list[list[object]] = []
    until(ended, TOLD_S * patience())
    for member in members:
        if not until(lambda member=member: member.is_done(), TOLD_S * patience()):  # type: ignore[misc]
            world.sync(member)
    wanted = (*expected, "SIGKILL" if expected[1] == "killed" else "", 0)
    deadline = time.monotonic() + TOLD_S * patience()
    while outcome() != wanted and time.monotonic() < deadline:
        time.sleep(ASK_S)
    if outcome() != wanted:
        logs = "\n".join(m.output()[-500:] + m.logs()[-1000:] for m in members)
        world.problems.append(
            f"job {run}: (attempt, state, rank, why, open) is {outcome()}, expected {wanted}; {facts}; {logs}"
        )


def helper_and_restart(world: World, rng: random.Random) -> bool:
    """Run a helper that opens the run of a training, and ends or stays. The training is killed, perhaps with its
    uploader, and started again at once: it has its own attempt, and its end counts.
    """
    run = f"helped{rng.randrange(1 << 40):x}"
    first = world.member(run, "first")
    if not _all_up([first]):
        return False
    helper = world.member(run, "helper")
    if not _all_up([helper]):
        return False
    stays = rng.random() < 0.5
    if not stays:
        _end(world, helper, rng.choice(ENDINGS))
        until(lambda: world.refresh() or not helper.alive, UP_S * patience())
    if not world.kill(first, uploader=rng.random() < 0.5):
        return False
    again = world.member(run, "again", at=first)
    if not _all_up([again]):
        return False
    ending = rng.choice(ENDINGS)
    if rng.random() < 0.5:
        _end(world, helper, "raise")
    _end(world, again, ending)
    until(lambda: world.refresh() or not again.alive, UP_S * patience())
    _end(world, helper, "raise")
    _expect(world, run, [first, helper, again], 2, STATES[ending], None)
    return True


def rank_killed(world: World, rng: random.Random) -> bool:
    """Kill a rank with SIGKILL. Its peers fail when they see it gone. The run was killed, and by that rank."""
    run = f"ranks{rng.randrange(1 << 40):x}"
    ranks = [world.member(run, f"rank{r}", rank=r, world_size=RANKS) for r in range(RANKS)]
    if not _all_up(ranks):
        return False
    victim = rng.randrange(RANKS)
    for member in ranks:
        if member is not ranks[victim]:
            (member.folder / "peer").write_text(str(ranks[victim].pid))
    if not until(lambda: all((m.folder / "watches").exists() for m in ranks if m is not ranks[victim]), UP_S):
        return False
    world.kill(ranks[victim])
    _expect(world, run, ranks, 1, "killed", victim)
    return True


def children_by_name(world: World, rng: random.Random) -> bool:
    """Run a script whose children open the run by name, one after the other, before it does so itself. That is one
    attempt, and the script's end is the run's. If a child fails, its attempt is over with it.
    """
    run = f"script{rng.randrange(1 << 40):x}"
    children = rng.choice((["exit"], ["exit", "exit"], ["exit", "raise"]))
    script = world.member(run, "script", children=children)
    if not _all_up([script]):
        return False
    ending = rng.choice(ENDINGS)
    _end(world, script, ending)
    _expect(world, run, [script], 2 if "raise" in children else 1, STATES[ending], None)
    return bool(script.ledger.get(0, FLAGS) & ENDED_WELL)
