"""A ClickHouse for the tests: one server for each session of tests, and a database for each test.

If a program `clickhouse` is installed, that is the server. Otherwise it is the stand-in of tests/clickhouse_server.py,
which runs the real engine in a process of its own.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest

from .ports import free_port

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 60
READER = "reader:secret:readonly=1"  # a user who may change nothing
_numbers = count()


def needs_clickhouse() -> None:
    """Skip the test if there is no ClickHouse; in CI, fail it."""
    if shutil.which("clickhouse") or find_spec("chdb"):
        return
    why = "no ClickHouse on this machine: nothing shows that the store keeps its promises there (pip install chdb)"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(f"!!! {why}")


class Server:
    """A ClickHouse that runs until `kill`. Its files are removed when the process that made it ends."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hlch"))
        self.backups = self.folder / "backups"  # BACKUP may write there
        self.real = shutil.which("clickhouse") is not None
        self._maker = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        atexit.register(self._remove)
        self.start()

    def start(self) -> None:
        """Start it, on the same port and files as before. Blocks until it answers."""
        command = [sys.executable, "-m", "tests.clickhouse_server", str(self.folder), str(self.port), READER]
        if self.real:
            places = {"path": self.folder, "tmp_path": self.folder / "tmp", "logger.level": "error"}
            places["backups.allowed_path"] = self.backups
            places |= {"http_port": self.port, "tcp_port": free_port(), "interserver_http_port": free_port()}
            options = [f"--{name}={value}" for name, value in places.items()]
            command = ["clickhouse", "server", "--", *options]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, "ClickHouse did not start"
            time.sleep(0.02)  # it has no other way to say that it listens

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5) as answer:
                return bool(answer.read() == b"Ok.\n")
        except OSError:
            return False

    def kill(self) -> None:
        """End it at once, by SIGKILL."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _remove(self) -> None:
        if os.getpid() == self._maker:  # but not when a fork of the tests ends
            self.kill()
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str, user: str = "default") -> str:
        return f"clickhouse://{user}@127.0.0.1:{self.port}/{database}"

    def ask(self, statement: str, database: str = "default") -> str:
        """Return its answer as tab-separated text."""
        where = f"http://127.0.0.1:{self.port}/?database={database}"
        with urllib.request.urlopen(where, data=statement.encode(), timeout=60) as answer:
            return str(answer.read().decode())

    def make_database(self) -> str:
        name = f"d{os.getpid()}_{next(_numbers)}"
        self.ask(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        self.ask(f"DROP DATABASE {name} SYNC")


@cache
def server() -> Server:
    """Return the server of this session of tests."""
    return Server()
