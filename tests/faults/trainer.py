"""Trainers: real training processes, forked from one process that has imported everything, a few dozen a minute.

`python -m tests.faults.trainer` is their nursery. What a trainer meets in its life besides (a full disk, a clock that
jumps, a file system without locks) is its `flavour`: see `hostile.py`. Its uploader is a fork of it and meets the same.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib
import json
import multiprocessing
import os
import pkgutil
import random
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack  # noqa: F401
import requests  # noqa: F401

import pyhectiqlab.transport.http
import pyhectiqlab.uploader.main  # noqa: F401
from pyhectiqlab import Run
from pyhectiqlab.capture.process import this_process
from pyhectiqlab.client import opening
from pyhectiqlab.uploader.sync import Order, sync_sessions

from ..nursery import serve
from . import hostile
from .ledger import (
    ENDED_WELL,
    ENDING,
    FILES,
    FLAGS,
    LOGS,
    ONLINE,
    OPENED,
    POINTS,
    RAISED,
    SLOWEST_US,
    STARTED,
    STOP,
    Ledger,
)

ENDINGS = ("exit", "close", "raise", "exit3", "term")  # the word ENDING is an index into this
BURST, PAUSE_S = 4, 0.04
FLOOD = 3000  # calls at once, from time to time: more than a small ring holds


class Logging:
    """One stream of points, logs and files: counts what returned, notes what raised."""

    def __init__(self, run: Run, ledger: Ledger, slot: int) -> None:
        self.run, self.slot, self._words = run, slot, ledger.words
        self.ledger = ledger
        self.key = f"m{slot}"
        self._points = ledger.place(slot, POINTS)
        self._words[ledger.place(slot, FLAGS)] |= STARTED
        self.n = self._words[self._points]

    def point(self) -> None:
        n = self.n
        self.n = n + 1  # a call that is cut off was never counted, and its number is not used twice
        before = time.monotonic()
        if n % 3:
            self.run.add_metrics(self.key, float(n), n)
        else:
            self.run.add_metrics({self.key: float(n)}, n)
        self._words[self._points] = n + 1
        took_us = int((time.monotonic() - before) * 1e6)
        if took_us > self._words[SLOWEST_US]:
            self._words[SLOWEST_US] = took_us

    def points(self, count: int) -> None:
        for _ in range(count):
            self.point()

    def line(self, logger: Any) -> None:
        place = self.ledger.place(self.slot, LOGS)
        logger.info("line %d of %d", self._words[place], self.slot)
        self._words[place] += 1

    def file(self, folder: Path) -> None:
        """Write a new file, with its number as its content."""
        place = self.ledger.place(self.slot, FILES)
        n = self._words[place]
        path = folder / f"file-{self.slot}-{n}.bin"
        try:
            path.write_bytes(content(self.slot, n))
            self.run.add_artifact(str(path))
        except OSError as e:
            if e.errno != errno.EMFILE:  # nobody can read a file then
                raise
            return
        self._words[place] = n + 1

    def well(self) -> None:
        self._words[self.ledger.place(self.slot, FLAGS)] |= ENDED_WELL


def content(slot: int, n: int) -> bytes:
    return hashlib.sha256(f"{slot}/{n}".encode()).digest() * (1 + n % 7 * 4096)


def train(spec: dict[str, Any]) -> None:
    """Log until the harness asks for the end; then end as it asks."""
    ledger = Ledger(Path(spec["ledger"]))
    words = ledger.words
    rng = random.Random(spec["seed"])
    try:
        hostile.enter(spec, ledger)
        run = Run(spec["run"])
        words[ONLINE] = not run.dry_mode
        logger = run.start_recording_logs("chaos")
        logger.setLevel("INFO")
        main = Logging(run, ledger, 0)
        words[OPENED] = 1
        main.point()
        extra = hostile.start_companions(spec["flavour"], run, ledger, Logging)
        burst = BURST * 50 if spec["flavour"] == "budget" else BURST
        _loop(words, rng, main, logger, Path(spec["folder"]), extra, burst)
    except Exception:
        words[RAISED] += 1
        Path(spec["folder"], "raised").write_text(traceback.format_exc())
        raise
    main.well()
    _end(run, ENDINGS[words[ENDING]])


def member(spec: dict[str, Any]) -> None:
    """Be one process of a job: open the run, perhaps after children have done so; end as asked, or fail because a peer
    is gone.
    """
    ledger = Ledger(Path(spec["ledger"]))
    words = ledger.words
    hostile.enter(spec, ledger)
    for ending in spec.get("children", ()):
        child = multiprocessing.get_context("fork").Process(target=_child, args=(spec["run"], ending))
        child.start()
        child.join()
    run = Run(spec["run"], rank=spec.get("rank"), world_size=spec.get("world_size"))
    run.add_metrics("member", 1.0, 0)
    run.flush(20)
    words[ONLINE], words[OPENED] = not run.dry_mode, 1
    folder, peer = Path(spec["folder"]), select.poll()
    watches = False
    while not words[STOP]:
        if not watches and (folder / "peer").exists() and (pid := (folder / "peer").read_text()):
            peer.register(os.pidfd_open(int(pid)), select.POLLIN)
            watches = True
            (folder / "watches").touch()
        if peer.poll(20) and watches:
            raise RuntimeError("connection closed by peer")
    words[ledger.place(0, FLAGS)] |= ENDED_WELL
    _end(run, ENDINGS[words[ENDING]])


def _child(name: str, ending: str) -> None:
    run = Run(name)
    run.add_metrics("child", 1.0, 0)
    _end(run, ending)


def _end(run: Run, ending: str) -> None:
    if ending == "close":
        run.close()
    elif ending == "raise":
        raise RuntimeError("as it was told")
    elif ending == "exit3":
        sys.exit(3)
    elif ending == "term":
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()


def _loop(
    words: Any,
    rng: random.Random,
    main: Logging,
    logger: Any,
    folder: Path,
    turn: Callable[[], Callable[[], None]],
    burst: int,
) -> None:
    step = 0
    finish: Callable[[], None] | None = None
    while not words[STOP]:
        main.points(burst)
        if step % 10 == 0:
            main.line(logger)
        if step % 60 == 30:
            main.file(folder)
        if rng.random() < 0.002:
            main.points(FLOOD)
        if step == 5:
            finish = turn()
        step += 1
        time.sleep(PAUSE_S)
    if finish is None:
        finish = turn()
    finish()


# The process they are forked from -----------------------------------------------------------------------------------


def work(order: dict[str, Any]) -> int:
    # It counts as a script of its own, although it was forked: the lab takes the forks of one script for parts of it.
    itself = this_process()
    opening.script = lambda: itself
    return _as_a_script({"train": train, "member": member, "sync": sync}[order["what"]], order)


def _as_a_script(main: Callable[[dict[str, Any]], None], order: dict[str, Any]) -> int:
    """Run it as the interpreter runs a script, exit hooks and all. Return its exit status."""
    import atexit

    status = 0
    try:
        main(order)
    except SystemExit as e:
        status = int(e.code or 0)
    except BaseException as e:
        sys.last_type, sys.last_value, sys.last_traceback = type(e), e, e.__traceback__
        if sys.version_info >= (3, 12):
            sys.last_exc = e
        traceback.print_exc()
        status = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(20)
    atexit._run_exitfuncs()
    return status


def sync(order: dict[str, Any]) -> None:
    """Do `hectiqlab sync --all`, without the half second that importing takes."""
    hostile.arm(order)
    hostile.become(order)
    result = sync_sessions(None, Order(report=print), all=True)
    print(json.dumps({"left": result.left_events, "files": result.left_files, "errors": result.errors}))


def _import_all() -> None:
    """Import everything, so that a fork starts in milliseconds, and may become a user who cannot read the interpreter's
    folder.
    """
    for name in ("tomllib", "ctypes", "tempfile", "subprocess", "encodings.idna", "stringprep", "uuid"):
        with contextlib.suppress(ImportError):  # tomllib: Python 3.10
            importlib.import_module(name)
    for package in ("uploader", "transport", "capture", "ring", "journal", "verbs", "protocol"):
        folder = importlib.import_module(f"pyhectiqlab.{package}").__path__
        for module in pkgutil.iter_modules(folder):
            if module.name != "__main__":
                importlib.import_module(f"pyhectiqlab.{package}.{module.name}")


def main() -> None:
    _import_all()
    serve(work)


if __name__ == "__main__":
    main()
