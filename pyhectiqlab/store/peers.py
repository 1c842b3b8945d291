"""Peers: the lab processes that serve the same data.

This is what they tell each other, and which of them does what is to be done once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..base.loops import Loop
from .notes import MemoryNotes, Notes

PAYLOAD_BYTES_MAX = 7_900  # PostgreSQL takes 7,999


class Hearer(Protocol):
    """What a lab does about its peers. Called on the thread of the Peers; must not block long."""

    def outgoing(self) -> Sequence[str]:
        """Return what the others are to hear, of at most PAYLOAD_BYTES_MAX bytes each. It is asked for after `hurry`.
        If it could not be told, `lost` is called.
        """

    def heard(self, payload: str) -> None:
        """Take what another lab told."""

    def missed(self) -> None:
        """Note that other labs may have told something that did not arrive here."""

    def lost(self) -> None:
        """Note that what `outgoing` returned may not have reached the others."""

    def replaced(self, why: str) -> None:
        """Note that the data are no longer those that this lab opened, so that it must end. `why`: for the log."""


class Peers(Protocol):
    """Attributes:
    several: whether there may be others.
    life: the same in all of them, until data may have been lost that were answered for: clients then ask again.
    notes: what they know together.
    loop: the thread between `start` and `stop`; None: there is none.
    """

    several: bool
    life: str
    notes: Notes
    loop: Loop | None

    def start(self, hearer: Hearer) -> None: ...
    def stop(self) -> None:
        """Give up all duties. Blocks for a moment."""

    def hurry(self) -> None:
        """Say that there is something to tell. Call it from any thread; it never blocks."""

    def has(self, duty: str) -> bool:
        """Return whether this process is the one that does a piece of work now. Never blocks."""


class Alone:
    """The Peers of a lab that is one process."""

    several = False
    life = ""
    loop: Loop | None = None

    def __init__(self) -> None:
        self.notes: Notes = MemoryNotes()

    def start(self, hearer: Hearer) -> None:
        pass

    def stop(self) -> None:
        pass

    def hurry(self) -> None:
        pass

    def has(self, duty: str) -> bool:
        return True
