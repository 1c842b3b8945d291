"""A program from its start to its end, as a run: opens the run, starts the program, reports how it ended.

Whatever fails here is said, and the program runs all the same. Its exit status is ours.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import settings
from ..base.lazyclass import dataclass
from ..base.loops import aside
from ..capture.argv import command_line
from ..capture.ending import Ending
from ..capture.logs import Recorder
from ..capture.process import this_process
from ..capture.script import name_of
from ..client.opening import KEPT, OFFLINE
from ..client.saying import say, say_once
from ..protocol import states
from ..run import Run
from ..uploader.watch import how_it_ended
from .child import Child
from .command_line import config_of
from .surroundings import CAPTURE_S, surroundings

NOT_FOUND, NOT_EXECUTABLE, AFTER_SIGNAL = 127, 126, 128  # exit statuses, as shells have them
HOOK_FOLDER = Path(__file__).parents[1] / "standins" / "site"


@dataclass(frozen=True)
class Wanted:
    """What `hectiqlab run` was asked for. `instead_of`, `beside`: names of trackers."""

    name: str | None = None
    project: str | None = None
    tags: tuple[str, ...] = ()
    config_from_args: bool = True
    instead_of: str = ""
    beside: str = ""


def launch(command: Sequence[str], wanted: Wanted) -> int:
    """Run a program as a run. Block until it has ended and the lab has its run, or HECTIQLAB_EXIT_TIMEOUT is over.
    Return the program's exit status; 128 + N after signal N.

    Raises TypeError, ValueError: a name that is not allowed. Nothing has been started then.
    """
    if shutil.which(command[0]) is None:
        exists = os.path.exists(command[0])
        say(f"{command[0]!r} {'may not be executed' if exists else 'is not a program that can be found'}.")
        return NOT_EXECUTABLE if exists else NOT_FOUND
    os.environ[settings.TABLE["launch"].variable] = states.LAUNCH + name_of(this_process())  # also for the program
    run = Run(wanted.name, wanted.project, should_create_project=wanted.project is not None)
    _describe(run, command, wanted)
    recorder = Recorder.of(run._outbox, say_once)
    try:
        child = Child(command, environment(run, wanted), lambda text, name: recorder.put(text, name, None, time.time()))
    except OSError as e:
        run._close(Ending(states.FAILED, f"not started: {e.strerror or e}", None))
        say(f"{command[0]!r} cannot be started: {e.strerror or e}.")
        return NOT_EXECUTABLE
    looking = aside("surroundings", lambda: _add_surroundings(run, command))
    code = child.wait()
    looking.join(2 * CAPTURE_S)  # it has a bound of its own; a short program would lose what it reads
    run._close(_ending(code, child))
    return AFTER_SIGNAL - code if code < 0 else code


def environment(run: Run, wanted: Wanted) -> dict[str, str]:
    """Return the variables of the program. The Python processes below it find the run by them."""
    env = {**os.environ, **settings.pinned(), settings.TABLE["run"].variable: run.name}
    project = run._run_fields.get("project") or {}
    if chosen := project.get("id") or wanted.project:
        env[settings.TABLE["project"].variable] = str(chosen)
    if run.mode == KEPT:  # the lab was asked; whoever asks again waits again
        env[settings.TABLE["mode"].variable] = OFFLINE
    for name, trackers in (("instead_of", wanted.instead_of), ("beside", wanted.beside)):
        if trackers:
            env[settings.TABLE[name].variable] = trackers
    if wanted.instead_of or wanted.beside:
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HOOK_FOLDER), env.get("PYTHONPATH")]))
    return env


def _describe(run: Run, command: Sequence[str], wanted: Wanted) -> None:
    for tag in wanted.tags:
        run.add_tag(tag)
    with _no_error("the command line is not stored"):
        run.add_meta("command", command_line(command))
        if wanted.config_from_args and (config := config_of(command)):
            run.add_config(config)


def _add_surroundings(run: Run, command: Sequence[str]) -> None:
    with _no_error("packages and git are not stored"):
        run._outbox.event("packages", surroundings(command))


@contextlib.contextmanager
def _no_error(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as e:
        say_once(f"{what}: {type(e).__name__}: {e}")


def _ending(code: int, child: Child) -> Ending:
    """Return how the run ends, by what `wait` said of the program."""
    if code == 0:
        return Ending(states.COMPLETED, "exit", 0)
    if code > 0:
        return Ending(states.FAILED, f"exit status {code}", code)
    end = how_it_ended(-code, None, str, child.out_of_memory)
    return Ending(end.state, end.cause, None, end.detail, end.signal)
