"""Run a sweep of real small trainings, such as a week of work leaves in a project.

Most go well, some diverge, one fails, one is killed, one is restarted, and one has four ranks.

    python -m pyhectiqlab.demo.sweep --project digits
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyhectiqlab import Config, Run

from .digits import train

RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 8.0)  # the last diverges
LAYERS = ([32], [64, 32], [128, 64])
RANKS = 4
AT_ONCE = 2  # trainings


@dataclass(frozen=True)
class Training:
    """One process to start.

    Args:
        name: of its run.
        changes: of the config, from BASE.
        seconds: what the training is spread over; 0: no pauses.
        killed_after: seconds after its first metric until it is killed with SIGKILL; None: it is not.
        environment: variables that the process gets, such as its rank.
        tags: of the run.
    """

    name: str
    changes: Mapping[str, Any]
    seconds: float = 0.0
    killed_after: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


BASE: Mapping[str, Any] = {
    "epochs": 12,
    "batch_size": 32,
    "hidden": [64, 32],
    "learning_rate": 0.1,
    "momentum": 0.9,
    "cycles": 1,
    "noise": 0.15,
    "seed": 7,
}


def planned() -> Iterator[list[Training]]:
    """Yield what is started together; the next begins when all of these have ended."""
    sweep = [
        Training(
            f"sweep-{n:02}",
            {"learning_rate": rate, "hidden": hidden, "noise": 0.05 * (1 + n % 4), "seed": n},
            tags=("sweep",),
        )
        for n, (hidden, rate) in enumerate(itertools.product(LAYERS, RATES), 1)
    ]
    for n in range(0, len(sweep), AT_ONCE):
        yield sweep[n : n + AT_ONCE]
    yield [
        Training("odd-batch", {"batch_size": 0}),
        Training("killed", {"learning_rate": 0.05}, seconds=20.0, killed_after=2.0),
    ]
    world = [{"RANK": str(r), "LOCAL_RANK": str(r), "WORLD_SIZE": str(RANKS)} for r in range(RANKS)]
    yield [
        Training("four-ranks", {"epochs": 6, "seed": 11 + rank}, seconds=6.0, environment=variables)  # none ends early
        for rank, variables in enumerate(world)
    ]
    yield [Training("restarted", {"learning_rate": 0.2}, seconds=20.0, killed_after=2.0)]
    yield [Training("restarted", {"learning_rate": 0.05})]


def train_here(training: Training, project: str) -> None:
    """Train in this process. Raises what the training raises."""
    config = Config(**{**BASE, **training.changes})
    with Run(training.name, project=project, should_create_project=True) as run:
        run.add_config(config)
        for tag in training.tags:
            run.add_tag(tag)
        run.training()
        if training.killed_after is not None:
            signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, training.killed_after)
        accuracy = train(run, config, training.seconds)
        run.set_note(f"{accuracy:.1%} of the images kept aside were read right.")


def start(training: Training, project: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the process of one training, with the variables of `environment` and its own."""
    fields = json.dumps({**vars(training), "environment": {}})
    command = [sys.executable, "-m", "pyhectiqlab.demo.sweep", "--project", project, "--train", fields]
    # Matrices this small are multiplied faster by one thread.
    env = {**environment, "OPENBLAS_NUM_THREADS": "1", **training.environment}
    return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pyhectiqlab.demo.sweep", description=__doc__)
    parser.add_argument("--project", default="digits")
    parser.add_argument("--train", help=argparse.SUPPRESS)  # one training, as JSON: for the processes of the sweep
    args = parser.parse_args()
    if args.train:
        train_here(Training(**json.loads(args.train)), args.project)
        return
    began = time.monotonic()
    for together in planned():
        print(f"{time.monotonic() - began:4.0f} s   {', '.join(sorted({t.name for t in together}))}", flush=True)
        for process in [start(training, args.project, os.environ) for training in together]:
            process.wait()


if __name__ == "__main__":
    main()
