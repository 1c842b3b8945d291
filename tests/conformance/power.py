"""A disk that loses its power: what a program wrote, as strace saw it, and what of that is left at any moment.

What was synced is there. Of each write behind that, the disk has it or not, in any order, by blocks of 512 bytes. So
may be the length of a file, and whether a name was made or removed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

ROOT = Path(__file__).parents[2]
CALLS = "pwrite64,write,ftruncate,fsync,fdatasync,unlink"
SECTOR = 512

_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
_WRITE = re.compile(r'^(\d+)<([^>]*)>, "((?:\\x[0-9a-f]{2})*)", \d+(?:, (\d+))?$')
_FILE = re.compile(r"^(\d+)<([^>]*)>(?:, (\d+))?$")
_NAME = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass
class Step:
    """`sync`: all that was done to the file before, or to the names in the folder, is durable from here on."""

    call: str
    path: str
    at: int = 0
    data: bytes = b""


def traced(work: Callable[[Path], None], folder: Path) -> list[Step]:
    """Run a function of a module in a process of its own, on `folder`/data. Return what it did to the files there."""
    if not shutil.which("strace"):
        assert not os.environ.get("CI"), "strace is missing: scripts/test installs it"
        pytest.skip("strace is not installed")
    (folder / "data").mkdir(exist_ok=True)
    code = f"from pathlib import Path; from {work.__module__} import {work.__name__} as work; "
    code += f"work(Path({str(folder / 'data')!r}))"
    command = ["strace", "-f", "-y", "-xx", "-s", "100000000", "-e", f"trace={CALLS}", "-o", str(folder / "trace")]
    subprocess.run([*command, sys.executable, "-c", code], check=True, cwd=ROOT)
    return [step for step in steps(folder / "trace", folder / "data") if not step.path.endswith("-shm")]


def acknowledge(folder: Path, n: int) -> None:
    """Say from the traced process that so much is durable: `cuts` sees it at once."""
    with open(folder / "acked", "wb", buffering=0) as acked:
        acked.write(b"%d" % n)


def cuts(trace: list[Step], disk: Disk, n: int, folder: Path, random: Random) -> Iterator[tuple[Path, int]]:
    """Fail the power at `n` moments. Yield for each the folder with what is left, and what was acknowledged."""
    moments = set(random.sample(range(len(trace)), min(n, len(trace))))
    acked = 0
    for i, step in enumerate(trace):
        if i in moments:
            left = folder / f"{i}"
            left.mkdir()
            disk.cut(left, random)
            for database in left.glob("*.db"):
                _keep_time(database)
            yield left, acked
        disk.do(step)
        if step.path.endswith("/acked"):
            acked = int(disk.files[step.path])


def _keep_time(database: Path) -> None:
    """Give the file the time that its sums name, as it has on a disk that keeps it."""
    sums = database.with_name(f"{database.name}-sums")
    if sums.exists() and len(head := sums.read_bytes()[:24]) == 24:
        time = int.from_bytes(head[16:24], "little")
        os.utime(database, ns=(time, time))


def steps(trace: Path, folder: Path) -> list[Step]:
    """Return what was done to the files of a folder. The trace is of strace -f -y -xx -s 100000000."""
    done = []
    for line in trace.read_text().splitlines():
        if not (match := _CALL.match(line)) or match[3].startswith("-"):
            continue
        call, arguments = match[1], match[2]
        if call in ("pwrite64", "write") and (write := _WRITE.match(arguments)):
            step = Step("write", _text(write[2]), int(write[4] or 0), _bytes(write[3]))
        elif call in ("fsync", "fdatasync") and (file := _FILE.match(arguments)):
            step = Step("sync", _text(file[2]))
        elif call == "ftruncate" and (file := _FILE.match(arguments)):
            step = Step("truncate", _text(file[2]), int(file[3]))
        elif call == "unlink" and (name := _NAME.search(arguments)):
            step = Step("unlink", _bytes(name[1]).decode())
        else:
            continue
        if f"{step.path}/".startswith(f"{folder}/"):
            done.append(step)
    return done


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _text(path: str) -> str:
    return _bytes(path).decode() if path.startswith("\\x") else path


@dataclass
class Disk:
    """The files of a folder: as they are for who reads them now, and what of that is not durable yet."""

    files: dict[str, bytearray] = field(default_factory=dict)
    durable: dict[str, bytearray] = field(default_factory=dict)
    pending: dict[str, list[Step]] = field(default_factory=dict)

    @classmethod
    def holding(cls, folder: Path, names: dict[str, bytes]) -> Disk:
        """Return a disk that had these files of the folder from before, all durable."""
        files = {str(folder / name): content for name, content in names.items()}
        return cls({p: bytearray(c) for p, c in files.items()}, {p: bytearray(c) for p, c in files.items()})

    def do(self, step: Step) -> None:
        if step.call == "sync" and step.path not in self.files:  # the folder was synced: what was removed stays removed
            for path in [path for path, its in self.pending.items() if its[-1].call == "unlink"]:
                del self.pending[path]
                self.durable.pop(path, None)
            return
        if step.call == "sync":
            for done in self.pending.pop(step.path, []):
                _apply(self.durable, done)
            return
        _apply(self.files, step)
        self.pending.setdefault(step.path, []).append(step)

    def cut(self, folder: Path, random: Random) -> None:
        """Write what is left once the power has failed now."""
        left = {path: bytearray(content) for path, content in self.durable.items()}
        for its in self.pending.values():
            share = random.choice((0.0, 0.5, 0.9, 1.0))
            for step in its:
                for part in _sectors(step):
                    if random.random() < share:
                        _apply(left, part)
        for path, content in left.items():
            (folder / os.path.basename(path)).write_bytes(content)


def _sectors(step: Step) -> list[Step]:
    if step.call != "write":
        return [step]
    return [Step("write", step.path, step.at + i, step.data[i : i + SECTOR]) for i in range(0, len(step.data), SECTOR)]


def _apply(files: dict[str, bytearray], step: Step) -> None:
    if step.call == "unlink":
        files.pop(step.path, None)
        return
    content = files.setdefault(step.path, bytearray())
    if step.call == "truncate":
        del content[step.at :]
        content.extend(bytes(step.at - len(content)))
        return
    content.extend(bytes(max(0, step.at - len(content))))
    content[step.at : step.at + len(step.data)] = step.data
