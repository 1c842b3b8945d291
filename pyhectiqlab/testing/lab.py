"""RealLab: the real lab as a process of its own, for tests: started, killed, restarted on the same data and port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit

from ..errors import LabError

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0


class RealLab:
    """A lab on a free port of 127.0.0.1. A context manager: started at the start, stopped at the end.

    Args:
        data_dir: the lab's data, kept between starts. None: they are where `arguments` say.
        home: HECTIQLAB_HOME of the lab: its profile `local` lands in `home/credentials`.
        arguments: further options of `hectiqlab server`.
    """

    def __init__(self, data_dir: Path | None, home: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self._data_dir, self.home = data_dir, Path(home)
        self.arguments = arguments
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("HECTIQLAB_")}
        self.env |= {"HECTIQLAB_HOME": str(self.home), "HOME": str(self.home), **(env or {})}
        self.url = ""
        self.login_link: str | None = None
        self.profile: str | None = None
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log = Path(tempfile.mkdtemp(prefix="hectiqlab-lab-")) / "log"

    def start(self) -> RealLab:
        """Start the lab; from the second time on, on the same port as the first. Blocks until it answers.

        Raises LabError with what it printed.
        """
        ready = self._log.parent / "ready"
        ready.unlink(missing_ok=True)
        self.home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pyhectiqlab", "server", "--json"]
        if self._data_dir is not None:
            command += ["--data", str(self._data_dir)]
        command += ["--port", str(self.port), "--ready-file", str(ready), *self.arguments]
        with self._log.open("ab") as log:
            self._process = self._spawn(command, log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise LabError(f"The lab did not start: {self.log()}")
            time.sleep(0.01)
        ready_fields = json.loads(ready.read_text())
        self.url, self.login_link, self.profile = (
            ready_fields["url"],
            ready_fields["login_link"],
            ready_fields["profile"],
        )
        self.port = urlsplit(self.url).port or 0
        return self

    def _spawn(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, then wait. Return the exit status; -9 where it had to be killed."""
        return self._end(sig)

    def kill(self) -> int:
        """Send SIGKILL, then wait: what a power failure looks like to a process."""
        return self._end(signal.SIGKILL)

    def _end(self, sig: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(sig)
        try:
            return process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            self._process = None

    def restart(self) -> RealLab:
        self.stop()
        return self.start()

    @property
    def data_dir(self) -> Path:
        if self._data_dir is None:
            raise LabError("This lab has no folder of its own.")
        return self._data_dir

    @property
    def pid(self) -> int:
        if self._process is None:
            raise LabError("The lab does not run.")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def credentials(self) -> Path:
        return self.home / "credentials"

    @property
    def api_key(self) -> str:
        """The owner's key, from the profile that the lab wrote."""
        from ..profile import load_profiles

        return load_profiles(self.credentials)[self.profile or "local"].secret_api_key

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    def log(self) -> str:
        """Return all that the lab printed so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def __enter__(self) -> RealLab:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
