"""A PgBouncer in transaction mode for the tests, before their PostgreSQL.

If none is installed, its tests are skipped.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from .ports import free_port
from .postgres import cluster
from .stores import PostgresPlace
from .waiting import eventually

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


def needs_pgbouncer() -> None:
    if PROGRAM is None:
        pytest.skip("!!! no pgbouncer on this machine")


class PgBouncer:
    """A PgBouncer that serves every database of the session's cluster under its name. It ends with the tests.

    Args:
        pool: connections to each database.
    """

    def __init__(self, pool: int) -> None:
        assert PROGRAM is not None
        self._maker = os.getpid()
        self._folder = Path(tempfile.mkdtemp(prefix="pgb"))
        self._folder.chmod(0o755)
        owner = cluster().folder.stat()
        self.port = free_port()
        (self._folder / "users").write_text('"lab" ""\n')
        (self._folder / "ini").write_text(
            f"[databases]\n* = host={cluster().folder} user=lab\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = any\n"
            f"auth_file = {self._folder}/users\npool_mode = transaction\ndefault_pool_size = {pool}\n"
            "server_check_delay = 0\n"  # tests end connections of the server
        )
        self._process = subprocess.Popen(
            [PROGRAM, "-q", str(self._folder / "ini")],
            stderr=subprocess.DEVNULL,
            user=owner.st_uid if os.geteuid() == 0 else None,
        )
        atexit.register(self._remove)
        eventually(self._listens)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def url(self, database: str) -> str:
        return f"postgresql://lab@127.0.0.1:{self.port}/{database}"

    def _remove(self) -> None:
        if os.getpid() == self._maker:  # not when a fork of the tests ends
            self._process.kill()
            self._process.wait()
            shutil.rmtree(self._folder, ignore_errors=True)


@cache
def pgbouncer(pool: int = 20) -> PgBouncer:
    """Return the PgBouncer of this session of tests. Call `needs_pgbouncer` first."""
    return PgBouncer(pool)


class PooledPlace(PostgresPlace):
    """A PostgresPlace whose stores come through PgBouncer."""

    def __init__(self, empty: bool = False) -> None:
        super().__init__(empty)
        self.url = pgbouncer().url(self.database)
