"""Plain values for what is read back, and how they are made from an answer of the lab."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from ..profile import Profile
from ..transport.answers import not_a_lab
from ..transport.connecting import client_of
from ..transport.http import LabClient

T = TypeVar("T")


class Point(NamedTuple):
    """One logged value. `value` may be NaN or ±Inf. `time`: when it was logged."""

    step: int
    value: float
    time: float
    rank: int
    attempt: int


class Log(NamedTuple):
    """A text that was logged or printed in one call. `text` contains its line break, if it had one.

    Attributes:
        level: name of the level. None for printed text.
        channel: "default", the name of a logger, "stdout" or "stderr".
        writer: the process that it came from; texts of one process follow each other as on its terminal.
    """

    time: float
    level: str | None
    channel: str
    rank: int
    attempt: int
    text: str
    writer: str


@dataclass(frozen=True)
class KeyInfo:
    """One key of a run, over all ranks and attempts.

    Attributes:
        count: number of points.
        last: value at the highest (attempt, step).
        min, max: smallest and largest finite value; None if there are none.
    """

    key: str
    count: int
    step_min: int
    step_max: int
    last: float | None
    min: float | None
    max: float | None


class StateChange(NamedTuple):
    """A change of a run's state.

    Attributes:
        rank: the rank that decided it. None: all.
        who: who reported it: "script", "process" (as it ended), "uploader" or "lab".
    """

    at: float
    state: str
    attempt: int
    rank: int | None
    who: str
    why: str


@contextmanager
def asking(profile: Profile) -> Iterator[LabClient]:
    with client_of(profile) as lab:
        lab.handshake()
        yield lab


class ReadsRun:
    """The base of the parts of RunView (metrics.py, media.py): which run they read, and with which profile."""

    id: str
    name: str
    profile: Profile

    def _asking(self) -> AbstractContextManager[LabClient]:
        return asking(self.profile)


def shaped(lab: LabClient, make: Callable[..., T], *args: Any) -> T:
    """Return what `make` makes of an answer. Raises NotALabError for an answer of another shape."""
    try:
        return make(*args)
    except (LookupError, TypeError, ValueError):
        raise not_a_lab(lab.url, "its list has another shape") from None


def from_item(kind: type[T], item: Mapping[str, Any], **others: Any) -> T:
    """Make a dataclass or named tuple from an item of an answer. `others` are fields given here; each other public
    field gets the item's value of that name. Other values of the item are ignored, because a newer lab may send more.

    Raises LookupError for a field that the item lacks.
    """
    names = [name for name in kind.__annotations__ if name not in others and not name.startswith("_")]
    return kind(**{name: item[name] for name in names}, **others)


def key_info(item: dict[str, Any]) -> KeyInfo:
    def value(number: Any) -> float | None:
        return None if number is None else float(number)

    last = (item["last"] or {}).get("value")
    return from_item(KeyInfo, item, last=value(last), min=value(item["min"]), max=value(item["max"]))


def some_of(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
