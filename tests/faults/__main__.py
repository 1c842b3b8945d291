"""`python -m tests.faults`: faults at random against trainers, uploaders and a lab, and what came of it."""

from __future__ import annotations

import argparse
import random
import sys
import time

from .chaos import Result, run_chaos
from .fleet_kinds import fleet_kinds
from .kinds import FLAVOURS, HARMLESS, NEED_MOUNTS, flavours, kinds

# What ten minutes on a quiet machine with two cores should see: faults in all, and of each kind.
ENOUGH, ENOUGH_OF_EACH = 1000, 20


def summary(result: Result, seed: int, seconds: float, fleet: bool = False) -> str:
    """Return a table in Markdown."""
    faults = result.faults
    names = sorted({*(fleet_kinds() if fleet else kinds()), *flavours()} - HARMLESS)
    lines = [f"| {kind} | {faults[kind]} | {result.drawn[kind]} |" for kind in names]
    lacking = [f"{kind} {faults[kind]}" for kind in names if faults[kind] < ENOUGH_OF_EACH]
    last = (
        f"fewer than {ENOUGH_OF_EACH} times: {', '.join(lacking) or 'none'}; faults a minute: "
        f"{sum(faults.values()) / seconds * 60:.0f} (ten minutes shall have {ENOUGH:,})"
    )
    struck = sum(faults[kind] > 0 for kind in names)
    head = (
        f"seed {seed}, {seconds:.0f} s: {result.episodes} episodes, {result.trainers} trainers, "
        f"{sum(faults.values()):,} faults of {struck} kinds, {result.events:,} events, {result.files:,} files and "
        f"{result.acknowledged:,} writes of an admin audited: lost {result.lost}, doubled {result.doubled}, "
        f"other problems {'none' if not result.problems else 'above'}; slowest call {result.slowest_call_s:.2f} s, "
        f"slowest exit {result.slowest_exit_s:.1f} s"
    )
    return "\n".join([head, "", "| fault | struck | drawn |", "|---|---|---|", *lines, "", last])


def profile(result: Result) -> str:
    """Print where the wall time of all lanes went."""
    items = [f"{what} {seconds:.0f}" for what, seconds in result.seconds.most_common(16)]
    return f"seconds of the lanes: {', '.join(items)}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long to begin new episodes (default 60)")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    parser.add_argument("--replay", type=int, nargs="+", metavar="EPISODE", help="play only these episodes of the seed")
    parser.add_argument("--deck", nargs="+", metavar="KIND", help="the faults of those, as a failure tells them")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=(known := sorted({*kinds(), *fleet_kinds(), *FLAVOURS})),
        metavar="KIND",
        help=f"play only these kinds of faults: {', '.join(known)}",
    )
    parser.add_argument("--lanes", type=int, default=3, help="episodes at once (default 3: two cores are then busy)")
    parser.add_argument("--verbose", action="store_true", help="tell each fault as it strikes")
    parser.add_argument("--fleet", action="store_true", help="against three labs on PostgreSQL, ClickHouse and S3")
    parser.add_argument("--shards", type=int, default=1, help="with --fleet: how many ClickHouses (default 1)")
    options = parser.parse_args()
    if options.fleet:
        options.lanes = 1  # its engines are one of each kind
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    if missing := set(FLAVOURS) - set(flavours()):
        print(
            f"!!! not possible here, and left out: {', '.join(sorted(missing))} (needs root: {', '.join(NEED_MOUNTS)})"
        )
    began = time.monotonic()
    result = run_chaos(
        options.seconds, seed, lanes=options.lanes, only=options.only, episodes=options.replay,
        deck=options.deck, verbose=options.verbose, fleet=options.fleet,
        shards=options.shards,
    )  # fmt: skip
    print(summary(result, seed, time.monotonic() - began, options.fleet))
    print(profile(result))
    return 1 if result.problems or result.lost or result.doubled else 0


if __name__ == "__main__":
    sys.exit(main())
