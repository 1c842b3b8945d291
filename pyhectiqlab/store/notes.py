"""Notes: small things that all lab processes know together for a while: logins under way, wrong passwords."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

Value = dict[str, Any]  # of what JSON can hold


class NotesOfKind(Protocol):
    """The notes of one kind, while nobody else looks at them. Each is kept until its time, or until it is removed.

    Attributes:
        now: in seconds, by the clock that all share.
    """

    now: float

    def get(self, key: str) -> Value | None: ...
    def put(self, key: str, value: Value, until: float, place: str = "") -> None:
        """Keep a note until the time `until`, in place of one with that key. It becomes its place's newest note."""

    def remove(self, key: str) -> None: ...
    def oldest(self, place: str | None = None) -> str | None:
        """Return the key of the oldest note, of a place or of all. None: there is none."""

    def count(self, place: str | None = None) -> int: ...
    def items(self) -> list[tuple[str, Value]]:
        """Return all of them, the oldest first."""


def make_room(notes: NotesOfKind, place: str, of_place_max: int, most: int) -> None:
    """Forget the oldest note if there is no room for one more: of this place, where notes of one place have their own
    bound, or of all.
    """
    oldest = None
    if notes.count(place) >= of_place_max:
        oldest = notes.oldest(place)
    elif notes.count() >= most:
        oldest = notes.oldest()
    if oldest is not None:
        notes.remove(oldest)


class Notes(Protocol):
    def of(self, kind: str) -> AbstractContextManager[NotesOfKind]:
        """Open the notes of a kind; others that want them wait. What the block did is kept unless the block raises. May
        block. Raises StoreError.
        """


@dataclass(frozen=True)
class _Note:
    value: Value
    until: float
    place: str


class _MemoryKind:
    def __init__(self, clock: Callable[[], float]) -> None:
        self.lock = threading.RLock()
        self.now = 0.0
        self._clock = clock
        self._notes: OrderedDict[str, _Note] = OrderedDict()  # the oldest first
        self._of: Counter[str] = Counter()  # place → how many

    def begin(self) -> None:
        self.now = self._clock()
        while self._notes and next(iter(self._notes.values())).until <= self.now:
            self.remove(next(iter(self._notes)))

    def get(self, key: str) -> Value | None:
        note = self._notes.get(key)
        return None if note is None or note.until <= self.now else dict(note.value)

    def put(self, key: str, value: Value, until: float, place: str = "") -> None:
        self.remove(key)
        self._notes[key] = _Note(dict(value), until, place)
        self._of[place] += 1

    def remove(self, key: str) -> None:
        note = self._notes.pop(key, None)
        if note is not None:
            self._of[note.place] -= 1
            if not self._of[note.place]:
                del self._of[note.place]

    def oldest(self, place: str | None = None) -> str | None:
        return next((key for key, note in self._notes.items() if place is None or note.place == place), None)

    def count(self, place: str | None = None) -> int:
        return len(self._notes) if place is None else self._of[place]

    def items(self) -> list[tuple[str, Value]]:
        return [(key, dict(note.value)) for key, note in self._notes.items() if note.until > self.now]


class MemoryNotes:
    """Notes of a lab that is alone: in memory, so that a restart forgets them. For several threads; never blocks long.
    A block that raises undoes nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[str, _MemoryKind] = {}

    @contextmanager
    def of(self, kind: str) -> Iterator[_MemoryKind]:
        its = self._kinds.get(kind) or self._kinds.setdefault(kind, _MemoryKind(self._clock))
        with its.lock:
            its.begin()
            yield its
