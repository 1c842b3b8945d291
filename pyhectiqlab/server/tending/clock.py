"""Clock: whether the lab's clock can be believed, so that data may be removed because of their age.

A machine may wake up with a wrong year. So the lab remembers, across its starts too, what its clock last said. If that
is more than a day from now, either the clock has leapt or the lab was not running; nobody can tell which. Then nothing
is removed by age until the lab has watched its clock for a day, with pauses of a day at most.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass

from ...store.meta import MetaStore, MetaView
from ...store.retention import DAY_S
from ..transacts import Transacts

log = logging.getLogger("hectiqlab.server")

KEY = "clock"  # of the lab's value
NOTED_EVERY_S = 3600.0


@dataclass(frozen=True)
class Sight:
    """`seen`: what the clock last said. `steady_from`: from when on it may be believed."""

    seen: float
    steady_from: float = 0.0

    def next(self, now: float) -> Sight:
        leapt = abs(now - self.seen) > DAY_S
        return Sight(now, now + DAY_S if leapt else self.steady_from)


class Clock:
    """Made for one thread."""

    def __init__(self, meta: MetaStore, write: Transacts) -> None:
        self._meta, self._write = meta, write
        self.read()

    def read(self) -> None:
        """Begin with what was last noted, by whichever lab. Raises StoreError."""
        with self._meta.reading() as view:
            self._noted = sight_of(view)
            newest = view.newest_sign() if self._noted is None else None
        # A lab that never noted its clock was running when its runs came in; an empty lab has nothing to lose.
        self._sight: Sight | None = self._noted if newest is None else Sight(newest)

    def look(self, now: float) -> bool:
        """Return whether the clock may be believed, now that it says `now`."""
        before = self._sight or Sight(now)
        sight = before.next(now)
        if sight.steady_from != before.steady_from:
            days = (now - before.seen) / DAY_S
            log.warning(
                "the clock is %.1f days from where the lab last saw it: nothing is removed by its age until %s",
                days,
                time.strftime("%Y-%m-%d %H:%M", time.localtime(sight.steady_from)),
            )
        self._sight = sight
        return now >= sight.steady_from

    def note(self) -> None:
        """Write down what was seen, if it is news. If the lab is killed before, the next start looks again. Raises
        StoreError.
        """
        sight, noted = self._sight, self._noted
        if sight is None:
            return
        if noted is None or noted.steady_from != sight.steady_from or abs(sight.seen - noted.seen) >= NOTED_EVERY_S:
            self._write(lambda tx: tx.set_lab_value(KEY, json.dumps(asdict(sight))))
            self._noted = sight


def sight_of(view: MetaView) -> Sight | None:
    """Return what the lab last noted."""
    value = view.lab_value(KEY)
    return None if value is None else Sight(**json.loads(value))
