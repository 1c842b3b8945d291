"""A run that comes from elsewhere, as a reader gives it: points and events in order, files, and what the run was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..protocol import states
from ..protocol.limits import KEY_BYTES_MAX, NAME_BYTES_MAX
from ..protocol.media import TEXT, TEXT_BYTES_MAX, file_name
from ..protocol.names import new_name
from .points import Point, Problems

_COVERS = frozenset({"loss", "aggregated", "skip"})  # kinds whose `count` says how many numbers they occupy


class Event(NamedTuple):
    """An event. `time` is in seconds since 1970 UTC."""

    kind: str
    time: float
    fields: Mapping[str, Any]

    @property
    def numbers(self) -> int:
        """Return how many sequence numbers the event occupies."""
        count = self.fields.get("count", 1) if self.kind in _COVERS else 1
        return count if isinstance(count, int) and count > 0 else 1


class Cut(NamedTuple):
    """A mark among items: what came before it is sent before what follows."""


@dataclass(frozen=True)
class NewFile:
    """A file of a run. `path` has its bytes, or `data` has them. `id` names it among the
    files of the run, the same at each import.
    """

    id: str
    name: str
    path: Path | None = None
    data: bytes | None = None
    step: int | None = None
    kind: str = "file"
    meta: Mapping[str, Any] = field(default_factory=dict)
    created: float | None = None


@dataclass(frozen=True)
class Placed:
    """An item of a rank and attempt."""

    item: Point | Event | NewFile | Cut
    rank: int = 0
    attempt: int = 1


@dataclass(frozen=True)
class NewVersion:
    """A version of a model or dataset that the run made. `kind`: models or datasets. `files`: path in it → on disk.
    `version`: None: the next one.
    """

    id: str
    kind: str
    name: str
    files: Mapping[str, Path]
    description: str = ""
    aliases: Sequence[str] = ()
    created: float | None = None
    version: str | None = None


def _none(problems: Problems) -> Iterator[Any]:
    """Yield nothing."""
    return iter(())


@dataclass(frozen=True)
class Incoming:
    """What becomes one run.

    Attributes:
        origin: 32 hex digits that name it wherever it is imported from.
        digest: of all its content, as it is now: what has the same digest is the same.
        names: what it may be called, the best first.
        project: where it was; None: unknown.
        sections: name → its items in order. At each import the same items come first, and new ones behind them; where
            that is no longer so, because a damaged file was repaired, the run is made anew.
        facts: yields what is known of the run as a whole: config, packages, meta. Where a part of it has changed, it
            is sent again as a whole.
        files: yields the files, each time the same.
        record: returns the body of PUT /runs/{run}/record, without the digest. Called when the rest was read.
        author: whose it was; None: unknown.
        fork: the origin of the run that it is a fork of, and up to which step; None: it is none.
        versions: yields the versions of models and datasets that it made, the oldest first, each time the same.
    """

    origin: str
    digest: str
    names: tuple[str, ...]
    project: str | None
    sections: Mapping[str, Callable[[Problems], Iterator[Placed]]]
    files: Callable[[Problems], Iterator[NewFile]]
    record: Callable[[Problems], dict[str, Any]]
    author: str | None = None
    versions: Callable[[Problems], Iterator[NewVersion]] = _none
    fork: tuple[str, int | None] | None = None
    facts: Callable[[Problems], Iterator[Placed]] = _none


def hex_of(*parts: str) -> str:
    """Return 32 hex digits that follow from these texts."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def name_from(*texts: str) -> tuple[str, ...]:
    """Return names for a run, made of these texts: without control characters, and cut if they are too long. Texts of
    which no name can be made are left out; if none is left, the name is "imported".
    """
    names = []
    for text in texts:
        plain = "".join(c if c.isprintable() else "_" for c in text).strip()
        plain = "/".join(part.strip() or "_" for part in plain.split("/"))
        plain = plain.encode("utf-8", "replace")[: NAME_BYTES_MAX - 12].decode("utf-8", "ignore")
        try:
            names.append(new_name("name of a run", plain))
        except ValueError:
            continue
    return tuple(dict.fromkeys(names)) or ("imported",)


def artifact_name_from(text: str) -> str:
    """Return a name that a file, a model or a dataset may have."""
    plain = "".join("_" if c in "/\\" or not c.isprintable() else c for c in text).strip()
    return plain.encode("utf-8", "replace")[:200].decode("utf-8", "ignore").strip(".") or "file"


def key_from(text: str) -> str:
    """Return a key that the lab takes: the text, cut where it is too long."""
    return text.encode("utf-8", "replace")[:KEY_BYTES_MAX].decode("utf-8", "ignore") or "_"


def text_item(name: str, step: int | None, said: str, time: float) -> Event | NewFile:
    """Return a text of a step: an event, or a file where it is too long for one."""
    data = said.encode("utf-8", "backslashreplace")  # UTF-8 has no lone surrogates: they are written out
    key = key_from(name)
    if len(data) <= TEXT_BYTES_MAX:
        return Event(TEXT, time, {"name": key, "step": step, "text": data.decode()})
    ident = hex_of("text", name, str(step), repr(time), data.decode())
    return NewFile(ident, file_name(name, ".txt"), None, data, step, TEXT, {"name": key}, time)


def record_of(
    state: str,
    *,
    created: float,
    started: float | None = None,
    ended: float | None = None,
    why: str = "",
    exit_code: int | None = None,
    host: str = "",
    pid: int = 0,
    note: str | None = None,
    tags: list[str] | None = None,
    group: str = "",
    client: str = "",
    session: str = "",
) -> dict[str, Any]:
    """Return the record of a run of one process."""
    began = created if started is None else started
    over = ended is not None and state in states.FINAL_STATES
    process = {
        "session": session or "imported", "rank": 0, "attempt": 1, "started": began, "last_seen": ended or began,
        "ended": ended if over else None, "state": state if over else None, "host": host[:256], "pid": pid,
        "client_version": client[:64], "cause": why[:500], "exit_code": exit_code, "lost": state == states.LOST,
    }  # fmt: skip
    history = [{"at": began, "state": states.RUNNING, "why": ""}]
    if state != states.RUNNING:
        history.append({"at": ended or began, "state": state, "why": why[:500]})
    return {
        "created": created, "started": began, "ended": ended if over else None, "state": state, "state_why": why[:500],
        "note": note, "tags": None if tags is None else [{"name": tag} for tag in tags], "sessions": [process],
        "history": history, "group": name_from(group)[0] if group else None,
    }  # fmt: skip
