"""Throttling of logins: after some failures, a name (and an address) waits longer and longer, at all labs together."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from ... import settings
from ...store.notes import MemoryNotes, Notes, NotesOfKind
from ..http.proxies import place_of

FREE_FAILURES = 5  # without a wait, of one name at one address
FREE_FAILURES_OF_ADDRESS = 50  # of one address, with any names
FREE_FAILURES_OF_NAME = 100  # of one name, from any addresses
WAIT_MIN_S = 2.0
WAIT_MAX_S = 300.0
FORGET_S = 900.0
KNOWN_S = 90 * 86_400.0  # after its last login, a name is known at an address for so long
ENTRIES_MAX = 10_000  # notes of each count
KIND = "logins"


class Failures:
    """Counts failures of names or addresses, in notes that are open. `what`: the kind of failures, of several."""

    def __init__(self, what: str, free: int = FREE_FAILURES) -> None:
        self._what, self._free = what, free

    def _key(self, who: str) -> str:
        return f"{self._what} {hashlib.sha256(who.encode('utf-8', 'surrogatepass')).hexdigest()}"

    def wait_s(self, notes: NotesOfKind, who: str) -> float:
        """Return the seconds until `who` may try again; 0: now."""
        note = notes.get(self._key(who))
        if note is None or note["count"] < self._free:
            return 0.0
        pause: float = min(WAIT_MAX_S, WAIT_MIN_S * 2 ** min(note["count"] - self._free, 16))
        return max(0.0, float(note["last"]) + pause - notes.now)

    def failed(self, notes: NotesOfKind, who: str) -> None:
        note = notes.get(self._key(who))
        self._put(notes, who, 1 if note is None else note["count"] + 1, notes.now)

    def succeeded(self, notes: NotesOfKind, who: str) -> None:
        notes.remove(self._key(who))

    def forgive(self, notes: NotesOfKind, who: str) -> None:
        """Take one failure back."""
        note = notes.get(self._key(who))
        if note is not None and note["count"] > 1:
            self._put(notes, who, note["count"] - 1, note["last"])
        else:
            notes.remove(self._key(who))

    def _put(self, notes: NotesOfKind, who: str, count: int, last: float) -> None:
        place = self._what
        notes.put(self._key(who), {"count": count, "last": last}, notes.now + FORGET_S, place)
        if notes.count(place) > ENTRIES_MAX and (oldest := notes.oldest(place)) is not None:
            notes.remove(oldest)


class Throttle:
    """Makes callers wait after failures of one kind. Blocks as its notes do."""

    def __init__(self, kind: str, free: int = FREE_FAILURES, notes: Notes | None = None) -> None:
        self._kind, self._failures, self._notes = kind, Failures("", free), notes or MemoryNotes()

    def wait_s(self, who: str) -> float:
        with self._notes.of(self._kind) as notes:
            return self._failures.wait_s(notes, who)

    def failed(self, who: str) -> None:
        with self._notes.of(self._kind) as notes:
            self._failures.failed(notes, who)

    def succeeded(self, who: str) -> None:
        with self._notes.of(self._kind) as notes:
            self._failures.succeeded(notes, who)


class Logins:
    """Who may try a password now. There are three counts, each bounded. One is of a name at an address, so that a
    stranger who guesses does not lock the name's owner out elsewhere. One is of an address, with any names. One is of a
    name from any addresses, for guesses from many; it does not hold at an address where that name has logged in before.

    Blocks as its notes do, and raises what they raise; `hint_of_address_s` and `takes_note` never block.
    """

    def __init__(self, notes: Notes | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._open = notes or MemoryNotes(clock)
        self._both = Failures("both")
        self._addresses = Failures("address", FREE_FAILURES_OF_ADDRESS)
        self._names = Failures("name", FREE_FAILURES_OF_NAME)
        self._lock = threading.Lock()
        self._clock = clock
        self._notes, self._noted_at = float(settings.LAB_FAILED_LOGINS_NOTED), clock()
        self._hints: OrderedDict[str, float] = OrderedDict()  # address → until when it waits, as far as is known here

    def begin(self, name: str, address: str) -> float:
        """Return the seconds until they may try; 0: now. A try counts as a failure from now on, until it `succeeded`.
        So many tries at once are no more than the same tries one after the other.
        """
        address = place_of(address)
        with self._open.of(KIND) as notes:
            wait = self._wait_s(notes, name, address)
            if wait == 0:
                self._failed(notes, name, address)
            of_address = self._addresses.wait_s(notes, address)
        self._hint(address, of_address)
        return wait

    def takes_note(self) -> bool:
        """Return whether a failure that was just told has a place in the audit log."""
        with self._lock:
            now = self._clock()
            more = (now - self._noted_at) / 3600 * settings.LAB_FAILED_LOGINS_NOTED_PER_H
            self._notes = min(settings.LAB_FAILED_LOGINS_NOTED, self._notes + more)
            self._noted_at = now
            if self._notes < 1:
                return False
            self._notes -= 1
            return True

    def hint_of_address_s(self, address: str) -> float:
        """Return the seconds that an address certainly waits before it may try any name."""
        with self._lock:
            return max(0.0, self._hints.get(place_of(address), 0.0) - self._clock())

    def wait_of_address_s(self, address: str) -> float:
        """Return the seconds until an address may try any name."""
        with self._open.of(KIND) as notes:
            return self._addresses.wait_s(notes, place_of(address))

    def wait_s(self, name: str, address: str) -> float:
        with self._open.of(KIND) as notes:
            return self._wait_s(notes, name, place_of(address))

    def _wait_s(self, notes: NotesOfKind, name: str, address: str) -> float:
        wait = max(self._both.wait_s(notes, f"{name}@{address}"), self._addresses.wait_s(notes, address))
        if notes.get(_known(name, address)) is not None:
            return wait
        return max(wait, self._names.wait_s(notes, name))

    def failed(self, name: str, address: str) -> None:
        with self._open.of(KIND) as notes:
            self._failed(notes, name, place_of(address))

    def _failed(self, notes: NotesOfKind, name: str, address: str) -> None:
        self._both.failed(notes, f"{name}@{address}")
        self._addresses.failed(notes, address)
        self._names.failed(notes, name)

    def failed_at(self, address: str) -> None:
        """Note a failure of an address, of no name."""
        address = place_of(address)
        with self._open.of(KIND) as notes:
            self._addresses.failed(notes, address)
            wait = self._addresses.wait_s(notes, address)
        self._hint(address, wait)

    def succeeded(self, name: str, address: str) -> None:
        """Note that a try which had begun was right."""
        address = place_of(address)
        with self._open.of(KIND) as notes:
            self._both.succeeded(notes, f"{name}@{address}")
            self._addresses.forgive(notes, address)
            self._names.forgive(notes, name)
            notes.put(_known(name, address), {}, notes.now + KNOWN_S, "known")
            if notes.count("known") > ENTRIES_MAX and (oldest := notes.oldest("known")) is not None:
                notes.remove(oldest)
        self._hint(address, 0.0)

    def _hint(self, address: str, wait: float) -> None:
        with self._lock:
            self._hints.pop(address, None)
            if wait > 0:
                self._hints[address] = self._clock() + wait
                while len(self._hints) > ENTRIES_MAX:
                    self._hints.popitem(last=False)


def _known(name: str, address: str) -> str:
    return f"known {hashlib.sha256(f'{name}@{address}'.encode('utf-8', 'surrogatepass')).hexdigest()}"
