"""A disk that loses its power: what a program wrote, as strace saw it, and what of that is left at any moment.

What was synced is there. Of each write behind that, the disk has it or not, in any order, by blocks of 512 bytes. So
may be the length of a file, and whether a name was made or removed.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

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


def steps(trace: Path, folder: Path) -> list[Step]:
    """What was done to the files of a folder. The trace is of strace -f -y -xx -s 100000000."""
    found = []
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
            found.append(step)
    return found


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

    def do(self, step: Step) -> None:
        if step.call == "sync" and step.path not in self.files:  # the folder: what was removed stays so
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
