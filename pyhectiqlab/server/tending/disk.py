"""Disk: watches how much room there is, notifies when it runs out, and tries whether writes are taken again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ... import settings
from ...base.loops import Loop
from ...base.texts import size_text
from ...errors import StoreError
from ...store.meta import MetaTransaction
from ...store.storage import Storage
from ..transacts import Transacts
from ..writing.refusals import Refusals

log = logging.getLogger("hectiqlab.server")

LOOK_EVERY_S = 2.0
PROBE = "probe"  # key of a value of the lab
PROBE_BYTES = 64 << 10  # large, because a commit of a few bytes often fits where others do not
SLACK = 1.1  # the level gets better only when this many times the bound are free

Level = Literal["ok", "low", "full"]


@dataclass(frozen=True)
class Room:
    """How much room the disk has.

    Attributes:
        free, total: bytes of the disk; None where they are not known.
        warn_below: see the function `warn_below`.
    """

    level: Level
    free: int | None
    total: int | None
    warn_below: int

    @property
    def text(self) -> str:
        """Return the state of the disk in a sentence, for people."""
        of = "" if self.total is None else f" of {size_text(self.total)}"
        left = f"The lab's disk has {size_text(self.free or 0)} left{of}"
        if self.level == "full":
            return f"{left}: files are refused, and soon everything else is."
        if self.level == "low":
            return f"{left}, less than {size_text(self.warn_below)}."
        return f"{left}."


def warn_below(wish: int | None, total: int | None) -> int:
    """Return the number of free bytes below which people are warned: `wish`, or a share of the disk."""
    if wish is not None:
        return wish
    most = settings.LAB_DISK_LOW_BYTES
    return most if total is None else min(most, int(settings.LAB_DISK_LOW_SHARE * total))


def room_of(storage: Storage, wish: int | None = None, before: Level = "ok") -> Room:
    """Return the room that there is now. `before`: the level until now; to get better, it needs SLACK times the
    bound.
    """
    free, total = storage.blobs.room(), storage.disk_total()
    bound = warn_below(wish, total)
    if free is None:
        return Room("ok", free, total, bound)
    if free < settings.LAB_ROOM_KEPT_BYTES * (SLACK if before == "full" else 1):
        return Room("full", free, total, bound)
    return Room("low" if free < bound * (SLACK if before != "ok" else 1) else "ok", free, total, bound)


class Disk:
    """Watches the disk in a thread between `start` and `stop`.

    Args:
        tell: called in the thread with a sentence, at each change for the worse and at its end.

    Attributes:
        wish: see `warn_below`; set it before `start`.
    """

    def __init__(self, storage: Storage, write: Transacts, refusals: Refusals, tell: Callable[[str], None]) -> None:
        self._storage, self._write, self._refusals, self._tell = storage, write, refusals, tell
        self.wish: int | None = None
        self._level: Level = "ok"
        self._refusing = False
        self._postponed: list[Callable[[MetaTransaction], object]] = []
        self.loop = Loop("disk", self._turn, log.error, log.warning)

    def start(self) -> None:
        self.loop.start()

    def stop(self) -> None:
        """Stop the thread. Blocks until its current look is done."""
        self.loop.stop()

    def room(self) -> Room:
        """Return the room that there is now. Call from any thread; never blocks long."""
        return room_of(self._storage, self.wish, self._level)

    def write_soon(self, function: Callable[[MetaTransaction], object]) -> bool:
        """Run the function now; if the stores refuse its write, as soon as they take writes again. Return whether it
        was done now. Blocks for its write.
        """
        try:
            self._write(function)
        except StoreError as e:
            self._refusals.refused(e)
            self._postponed.append(function)
            return False
        return True

    def look(self) -> None:
        """Look once. Blocks on the databases where they refused writes. Never raises StoreError."""
        room = self.room()
        if room.level != self._level:
            worse = (room.level, self._level) in {("low", "ok"), ("full", "ok"), ("full", "low")}
            log.log(logging.ERROR if room.level == "full" else logging.WARNING, "%s", room.text)
            if worse or room.level == "ok":
                self._tell(room.text)
            self._level = room.level
        refused = self._refusals.failing
        if refused is not None and not self._refusing:
            self._tell(f"The lab takes nothing in: {refused.error}")
        elif refused is None and self._refusing:
            self._tell("The lab takes data again.")
        self._refusing = refused is not None
        saving = self._storage.is_saving() and not self._storage.prepare_for_full()
        if refused is not None and not saving:
            self._probe()

    def _turn(self) -> float:
        self.look()
        return LOOK_EVERY_S

    def _probe(self) -> None:
        """Try a write; where it is taken, run what was postponed, and note that writes are taken again."""
        try:
            self._write(lambda tx: tx.set_lab_value(PROBE, "0" * PROBE_BYTES))
            while self._postponed:
                self._write(self._postponed[0])
                del self._postponed[0]
            self._write(lambda tx: tx.set_lab_value(PROBE, ""))
        except StoreError:
            return  # still refused; the writer has noted it
        self._storage.prepare_for_full()
        self._refusals.taken()
