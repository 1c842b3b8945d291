"""The real lab, and scripts run as a user would run them, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient
from pyhectiqlab.uploader.lease import Lease

from ..commands import run_command
from ..labs import ForkedLab
from ..scripts import start_script
from ..waiting import eventually as eventually

SLOW = "sending what is left"  # an end that takes more than a second says this


def by_turns(*cases: Any, methods: tuple[str, ...] = ("spawn", "fork")) -> list[Any]:
    """Parametrize a test by (case, method): each case with each start method. CI runs every second one, by turns; the
    others are slow.
    """
    return [
        pytest.param(case, method, id=f"{case}-{method}", marks=() if (n + m) % 2 == 0 else pytest.mark.slow)
        for n, case in enumerate(cases)
        for m, method in enumerate(methods)
    ]


@dataclass
class Site:
    """One user on one machine: a home of their own, the lab's profile in it."""

    lab: RealLab
    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    forks: bool = True  # scripts (scripts.py)

    @property
    def env(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_") and k != "CI"}
        return {
            **inherited,
            "HECTIQLAB_HOME": str(self.home),
            "HECTIQLAB_CREDENTIALS": str(self.lab.credentials),
            "HECTIQLAB_EXIT_TIMEOUT": "30",  # on a slow disk, 10 s are not always enough
            "HECTIQLAB_QUIET": "1",  # except about trouble, which tests look at
            "HECTIQLAB_SYSTEM_METRICS": "0",  # tests count points; on a busy machine, these would join them after 10 s
            **self.variables,
        }

    def start(self, script: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start a script, which ends with the test at the latest."""
        process = start_script(textwrap.dedent(script), *arguments, env={**self.env, **env}, forks=self.forks)
        self.started.append(process)
        return process

    def run(self, script: str, *arguments: str, timeout: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
        process = self.start(script, *arguments, **env)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            try:
                out, err = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                out, err = "", "what it started has the pipes still open"
            raise AssertionError(f"still running after {timeout} s:\n{out}\n{err}") from None
        # On a slow disk it is like this, and nothing that runs this is about that.
        err = "".join(line for line in err.splitlines(keepends=True) if SLOW not in line)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def cli(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return run_command(*arguments, env={**self.env, **env})

    # What the lab says ------------------------------------------------------------------------------------------

    def client(self) -> LabClient:
        return LabClient(self.lab.url, self.lab.api_key)

    def find(self, name: str) -> dict[str, Any]:
        """Return the run as the lab shows it, with its sessions. Raises NotFoundError."""
        with self.client() as client:
            run = client.get("/runs/resolve", {"ref": name})
            detail: dict[str, Any] = client.get(f"/runs/{run['id']}")
            return detail

    def points(self, name: str, key: str) -> list[tuple[int, float, int]]:
        """Return (step, value, rank) of every raw point in order of arrival."""
        with self.client() as client:
            run = client.get("/runs/resolve", {"ref": name})
            pages = client.points(run["id"], key)
            return [(s, v, r) for page in pages for s, v, r in zip(page.step, page.value, page.rank, strict=True)]

    def state(self, name: str) -> str:
        return str(self.find(name)["state"])

    def ended(self, name: str, timeout: float = 20) -> dict[str, Any]:
        """Return the run when its uploaders are gone (their verdict comes after the process's own word) and its state
        is final.
        """

        def final() -> dict[str, Any] | None:
            if self.uploaders():
                return None
            run = self.find(name)
            return run if run["state"] not in ("pending", "running", "training") else None

        answer: dict[str, Any] = eventually(final, timeout, f"end of {name}")
        return answer

    # The spool --------------------------------------------------------------------------------------------------

    def sessions(self) -> list[Path]:
        return sorted((self.home / "spool").glob("*"))

    def uploaders(self) -> list[int]:
        """Return the pids of the uploaders at work for this home."""
        held = [lease for s in self.sessions() if (lease := Lease(s)).is_held()]
        return [holder.pid for lease in held if (holder := lease.holder())]

    def logs(self) -> str:
        return "\n".join(p.read_text() for p in (self.home / "spool").glob("*/uploader.log"))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    folder = tmp_path_factory.mktemp("lab")
    with ForkedLab(folder / "data", folder / "home") as lab:
        yield lab


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[RealLab]:
    """Start a lab for a test that kills or stops it."""
    lab = ForkedLab(tmp_path / "lab", tmp_path / "labhome")
    lab.start()
    yield lab
    lab.kill()


def _nothing_stays(site: Site) -> None:
    for process in site.started:
        if process.returncode is None:
            process.kill()
            process.communicate()
    for pid in site.uploaders():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def site(lab: RealLab, tmp_path: Path) -> Iterator[Site]:
    site = Site(lab, tmp_path / "home")
    yield site
    _nothing_stays(site)


@pytest.fixture
def own_site(own_lab: RealLab, tmp_path: Path) -> Iterator[Site]:
    site = Site(own_lab, tmp_path / "home")
    yield site
    _nothing_stays(site)
