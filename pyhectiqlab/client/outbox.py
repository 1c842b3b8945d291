"""The outbox: what `Run` puts events and files into.

Each mode is an implementation of it, so no method of Run asks which mode it is in.

put: accept, never wait. flush: wait until the lab has it, with a bound. close: no more puts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from weakref import WeakValueDictionary

from ..base.lazyclass import dataclass, field
from ..capture.values import check_key
from ..errors import RunClosedError
from ..protocol import records

if TYPE_CHECKING:
    from ..capture.ending import Ending
    from ..capture.snapshot import Source
    from .uploads import Upload

AtEnd = Callable[["Ending"], None]


@dataclass(frozen=True)
class RunStatus:
    """Where the events and files of one Run in this process are. Numbers count events, except bytes and files.

    produced ≥ journaled ≥ sent ≥ acked; `backlog` is produced − acked. `files` has, for each file that is not at the
    lab yet, its id, name, step, bytes, bytes hashed and sent, and state: "waiting", "hashing" or "sending".
    """

    mode: str
    produced: int = 0
    journaled: int = 0
    sent: int = 0
    acked: int = 0
    backlog: int = 0
    backlog_bytes: int = 0  # of what is still in the queue
    losses: dict[str, int] = field(default_factory=dict)
    uploader_pid: int | None = None
    trouble: str = ""  # why the lab does not get what waits, in one line; "" when all is well
    files_left: int = 0
    file_bytes_left: int = 0
    printed_bytes_left: int = 0  # of the captured console, by C libraries and child processes
    files: tuple[dict[str, Any], ...] = ()


class Outbox(Protocol):
    """`point`, `points` and `event` never wait for anything; see ring/producer.py and protocol/records.py for what they
    raise.
    """

    @property
    def point(self) -> Callable[[str, int, float], None]: ...

    @property
    def points(self) -> Callable[[Mapping[str, float], int], None]: ...

    @property
    def counts(self) -> dict[str, Iterator[int]]:
        """By key: the next steps of points that are put without a step."""

    @property
    def lab(self) -> tuple[str, str, str]:
        """URL, profile and id of its lab. If the URL is "", it is whichever lab is in use now."""

    @property
    def at_end(self) -> list[AtEnd]:
        """Functions to call once, while puts are still accepted, with how the run or its process ends. They must not
        raise.
        """

    def event(self, kind: str, fields: dict[str, Any], at: float | None = None) -> None:
        """Put an event. `at`: when it happened, in seconds since 1970. None: now."""

    def file(self, upload: Upload, source: Source) -> str | None:
        """Keep the file as it is now and have it uploaded. Return its id; None if it is dropped. Blocks for
        milliseconds.
        """

    def made_file(self, upload: Upload, make: Callable[[Path], object]) -> str | None:
        """Like `file`, for a file that `make` writes to the path it is given. If the file is dropped, `make` is not
        called.
        """

    def record_descriptors(self, wanted: bool) -> None:
        """Start or stop recording what C libraries and child processes print. Never waits; safe twice."""

    def check_console(self) -> None:
        """Look after the recording. Call it now and then while it is on. Never waits."""

    def flush(self, timeout: float) -> bool:
        """Wait until everything put so far has arrived where it belongs. Return whether it has."""

    def close(self) -> None:
        """Accept no more puts. Does not wait; safe twice."""

    def status(self) -> RunStatus: ...


class DroppingOutbox:
    """Accepts and drops everything: for dry mode with nothing kept, and for runs that belong to somebody else."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self.lab = "", "", ""
        self.at_end: list[AtEnd] = []
        self.counts: dict[str, Iterator[int]] = {}

    def point(self, key: str, step: int, value: float) -> None:
        check_key(key)

    def points(self, values: Mapping[str, float], step: int) -> None:
        for key in values:
            check_key(key)

    def event(self, kind: str, fields: dict[str, Any], at: float | None = None) -> None:
        records.event(kind, 0.0, fields)  # raises as an outbox does that keeps it

    def file(self, upload: Upload, source: Source) -> str | None:
        return None

    def made_file(self, upload: Upload, make: Callable[[Path], object]) -> str | None:
        return None

    def record_descriptors(self, wanted: bool) -> None:
        return None

    def check_console(self) -> None:
        return None

    def flush(self, timeout: float) -> bool:
        return True

    def close(self) -> None:
        return None

    def status(self) -> RunStatus:
        return RunStatus(self._mode)


def raise_closed(*arguments: object, **named: object) -> NoReturn:
    raise RunClosedError("this run is closed: create a new Run to log more")


class ClosedOutbox(DroppingOutbox):
    """The outbox of a closed run in dry or read-only mode: what would be dropped raises RunClosedError."""

    point = points = event = file = made_file = staticmethod(raise_closed)

    def __init__(self) -> None:
        super().__init__("closed")


# The outboxes of this process, by writer: a graph of torch.compile puts into them (compiled.py).
by_writer: WeakValueDictionary[str, Outbox] = WeakValueDictionary()
