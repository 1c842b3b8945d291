"""Watches the lab's database for damage of the disk, and notifies of it.

Without checksums, somebody who reads a note cannot know that a bit of it has changed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ...base.loops import Loop
from ...store.storage import Storage

log = logging.getLogger("hectiqlab.server")

FIRST_S = 60.0  # after the start, which has looked at small databases
AGAIN_S = 3600.0
PAUSE_S = 0.1  # between two reads of some MiB each


class DamageWatch:
    """Reads the database again and again, in a thread between `start` and `stop`.

    Args:
        tell: called in the thread with a sentence for what is damaged, once for each.

    Attributes:
        sentences: what was damaged when it was last read, one each.
    """

    def __init__(self, storage: Storage, tell: Callable[[str], None]) -> None:
        self._storage, self._tell = storage, tell
        self._stopping = threading.Event()
        self._reported: set[str] = set()
        self._started = False
        self.sentences: list[str] = []
        self.loop = Loop("damage", self._turn, log.error, log.warning)

    def start(self) -> None:
        self.loop.start()

    def stop(self) -> None:
        self._stopping.set()
        self.loop.stop()

    def look(self) -> None:
        """Read all of it now. Blocks as long as that takes, or until `stop`. Raises StoreError."""
        sentences = self._storage.find_damage(lambda: not self._stopping.wait(PAUSE_S))
        if self._stopping.is_set():
            return
        self.sentences = sentences
        for what in sentences:
            if what not in self._reported:
                self._reported.add(what)
                log.error("The lab's data are damaged: %s. Run `hectiqlab admin check`, and restore a backup.", what)
                self._tell(f"The lab's data are damaged: {what}.")

    def _turn(self) -> float:
        if not self._started:
            self._started = True
            return FIRST_S
        self.look()
        return AGAIN_S
