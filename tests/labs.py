"""Labs: the real lab, forked from a process that has imported it, so that it can be killed and started all the time.
Commands are forked from it, too: commands.py.

Starting one anew costs two seconds of importing, which is most of what many a test would do.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from sqlalchemy import create_engine

from pyhectiqlab import settings
from pyhectiqlab.base import crashpoints
from pyhectiqlab.store.sql.meta_migrations import upgrade
from pyhectiqlab.testing.lab import RealLab

from . import logged_points
from .nursery import Nursery, serve

# What a lab and most commands import, even late: otherwise each of hundreds of them would do so after its fork.
IMPORTED = (
    "tomllib" if sys.version_info >= (3, 11) else "tomli",
    "anyio._backends._asyncio",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "pyhectiqlab.cli.output",
    "pyhectiqlab.cli.project",
    "pyhectiqlab.cli.server",
    "pyhectiqlab.read",
    "pyhectiqlab.server.app",
    "pyhectiqlab.server.serve",
    "pyhectiqlab.transport.http",
)


@functools.cache
def nursery() -> Nursery:
    """Return the nursery of labs: one for all tests of this process."""
    shared = Nursery(__name__)
    atexit.register(shared.close)
    return shared


class ForkedLab(RealLab):
    """A `RealLab` from a nursery of this module; if none is given, from the one that all share."""

    def __init__(
        self,
        data_dir: Path | None,
        home: Path,
        *arguments: str,
        env: dict[str, str] | None = None,
        its_nursery: Nursery | None = None,
    ) -> None:
        super().__init__(data_dir, home, *arguments, env=env)
        self._nursery = its_nursery or nursery()

    def _spawn(self, command: list[str], log: IO[bytes]) -> Any:
        arguments = command[command.index("server") :]
        # The nursery has none of our variables, whatever this process has.
        changed = {k: v for k, v in self.env.items() if os.environ.get(k) != v or k.startswith("HECTIQLAB_")}
        order = {"arguments": arguments, "env": changed, "output": log.name}
        return _Process(self._nursery, self._nursery.fork(order))


class _Process:
    """The parts of a subprocess.Popen that RealLab needs."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery, self.pid = nursery, pid

    def poll(self) -> int | None:
        end = self._nursery.ended(self.pid)
        return None if end is None else os.waitstatus_to_exitcode(end[0])

    def wait(self, timeout: float = 60) -> int:
        status = self._nursery.wait(self.pid, timeout)
        if status is None:
            raise subprocess.TimeoutExpired("the lab", timeout)
        return os.waitstatus_to_exitcode(status)

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # like Popen's: the process was gone already
                os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _work(order: dict[str, Any]) -> int:
    if wish := order["env"].get("HECTIQLAB_CRASH_AT"):
        crashpoints.passing = crashpoints.armed(wish)
    if order.get("what") == "command":
        for name in os.environ.keys() - order["env"].keys():
            del os.environ[name]
        os.chdir(order["folder"])
        return _run(order)
    return _serve_lab(order)


def _run(order: dict[str, Any]) -> int:
    from pyhectiqlab.cli import main

    try:
        main(order["arguments"], prog_name="hectiqlab")
    except SystemExit as e:
        return int(e.code or 0)
    return 0


def _serve_lab(order: dict[str, Any]) -> int:
    logged_points.register()
    if words := order["env"].get("HECTIQLAB_TEST_SICK"):
        from .faults import sick

        sick.enter(Path(words))
    if wish := order["env"].get(
        "HECTIQLAB_TEST_BOUNDS"
    ):  # a JSON map: bounds of settings.py, `descriptors`, `disk_bytes`
        for name, value in json.loads(wish).items():
            if name == "descriptors":
                resource.setrlimit(resource.RLIMIT_NOFILE, (value, value))
            elif name == "disk_bytes":
                _shrink_disk(value)
            else:
                getattr(settings, name)
                setattr(settings, name, value)
    return _run(order)


def _shrink_disk(size: int) -> None:
    """Have the folder of files say what a disk of that size would have left."""
    from pyhectiqlab.store.folder.blob_store import FolderBlobStore

    def room(self: FolderBlobStore) -> int:
        taken = 0
        for folder, _, names in os.walk(self._folder):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    taken += os.stat(os.path.join(folder, name)).st_size
        return size - taken

    FolderBlobStore.room = room  # type: ignore[method-assign]


def main() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    with create_engine("sqlite://").begin() as conn:  # what is done once in a process
        upgrade(conn)

    # A password takes a third of a second to hash by design: the tests use hundreds.
    settings.LAB_PASSWORD_PASSES, settings.LAB_PASSWORD_KIB, settings.LAB_PASSWORD_LANES = 1, 64, 1
    serve(_work)


if __name__ == "__main__":
    main()
