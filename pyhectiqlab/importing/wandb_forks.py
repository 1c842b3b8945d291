"""Forks and rewinds of Weights & Biases: with whose points a run began, as `fork_from` and `resume_from` wrote it.

Both leave a branch point in the file: a run, and the last step that is taken from it. A run that names another one is a
fork of it. One that names itself was taken back to that step: what came behind it in its older files is no longer a
part of it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from ..protocol.limits import STEP_MAX
from .protobuf import Message, messages, text


class Branch(NamedTuple):
    """`run`: the id of the run that has the points up to and with the step `last`."""

    run: str
    last: int


class _File(Protocol):
    @property
    def branch(self) -> Branch | None: ...
    @property
    def started(self) -> float: ...


_Its = TypeVar("_Its", bound=_File)
_Known = Mapping[tuple[str, str], Sequence[_Its]]  # project and id of a run → its files, the oldest first


def branch_of(run: Message) -> Branch | None:
    """Return the branch point of a RunRecord. Raises ValueError, struct.error."""
    for its in messages(run, 23):
        value = its.get(2, [b""])[-1]
        step = struct.unpack("<d", value)[0] if isinstance(value, memoryview) else 0.0
        if text(its, 1) and text(its, 3) in ("", "_step") and abs(step) <= STEP_MAX:
            return Branch(text(its, 1), math.floor(step))
    return None


def parent_of(run_id: str, files: Sequence[_Its]) -> Branch | None:
    """Return from which other run it was forked."""
    return next((one.branch for one in files if one.branch is not None and one.branch.run != run_id), None)


def parents_first(known: _Known[_Its]) -> Iterator[tuple[str, str]]:
    """Yield the runs, each behind the one that it is a fork of, else in the order given."""
    done: set[tuple[str, str]] = set()
    for project, run_id in known:
        line: list[tuple[str, str]] = []
        key: tuple[str, str] | None = (project, run_id)
        while key is not None and key in known and key not in done and key not in line:
            line.append(key)
            parent = parent_of(key[1], known[key])
            key = None if parent is None else (project, parent.run)
        done.update(line)
        yield from reversed(line)


def began_with(known: _Known[_Its], project: str, run_id: str) -> list[tuple[_Its, int]]:
    """Return the files of other runs whose points a run began with, the oldest first, and up to which step."""
    parts: list[tuple[_Its, int]] = []
    seen, files = {run_id}, known[project, run_id]
    last = STEP_MAX
    while (branch := parent_of(run_id, files)) is not None:
        if branch.run in seen or (project, branch.run) not in known:  # a circle, or a file that is elsewhere
            break
        run_id, last = branch.run, min(last, branch.last)
        seen.add(run_id)
        forked = files[0].started
        files = known[project, run_id]
        files = [one for one in files if one.started <= forked] or files
        until = last
        for one in reversed(files):
            parts.insert(0, (one, until))
            if one.branch is not None and one.branch.run == run_id:
                until = min(until, one.branch.last)
    return parts
