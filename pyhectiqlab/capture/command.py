"""Read the output of other programs, bounded in time and size, so that a stuck disk or driver does not hang a call."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Output:
    """What a program printed.

    Attributes:
        code: its exit status; None if it was killed because of `deadline` or `bytes_max`.
        cut: whether there was more than `bytes_max`.
    """

    text: str
    code: int | None
    cut: bool = False

    @property
    def ok(self) -> bool:
        return self.code == 0


class Command:
    """A program that has been started; `finish` collects what it prints. Raises FileNotFoundError, OSError.

    Args:
        deadline: a time of time.monotonic(); a program that still runs then is killed.
        errors: True mixes its stderr into the output, False drops it.
    """

    def __init__(
        self,
        *command: str,
        deadline: float,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        errors: bool = False,
    ) -> None:
        self._deadline = deadline
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors else subprocess.DEVNULL,
        )

    def finish(self, bytes_max: int = 1 << 20) -> Output:
        """Return what the program printed. Blocks until the end of the output, the deadline, or `bytes_max`."""
        pipe = self._process.stdout
        assert pipe is not None
        data = bytearray()
        with pipe:
            poller = select.poll()
            poller.register(pipe, select.POLLIN)
            ended = False
            while not ended and len(data) <= bytes_max:
                left = self._deadline - time.monotonic()
                if left <= 0 or not poller.poll(left * 1000):
                    break
                more = os.read(pipe.fileno(), 1 << 16)
                data += more
                ended = not more
        return Output(data[:bytes_max].decode("utf-8", "replace"), self._end(ended), len(data) > bytes_max)

    def _end(self, ended: bool) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if ended:
                return self._process.wait(max(0.05, self._deadline - time.monotonic()))
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # even a killed program may wait for a dead disk
            self._process.wait(0.05)
        return None
