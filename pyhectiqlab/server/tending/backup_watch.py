"""Watches the age of the last backup, and notifies once when it has become old."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ... import settings
from ...base.texts import counted
from ...store.backups.backup import last_backup
from ...store.meta import MetaStore
from ...store.retention import DAY_S
from ..transacts import Transacts

log = logging.getLogger("hectiqlab.server")

LOOK_EVERY_S = 600.0
NOTICED = "old backup"  # a value of the lab: when the backup was taken whose age people were notified of


class BackupWatch:
    """Args:
        tell: called with a sentence when the last backup has become old.

    Attributes:
        alert: what admins should see to; "": nothing. There is no alert while no backup was ever taken.
    """

    def __init__(self, meta: MetaStore, write: Transacts, tell: Callable[[str], None]) -> None:
        self._meta, self._write, self._tell = meta, write, tell
        self._looked = 0.0
        self.alert = ""

    def look(self, now: float) -> None:
        """Look now and then. Blocks on the stores; raises StoreError."""
        if self._looked <= now < self._looked + LOOK_EVERY_S:
            return
        with self._meta.reading() as view:
            last, noticed = last_backup(view), view.lab_value(NOTICED)
        self._looked = now
        if last is None or now - last.taken <= settings.LAB_BACKUP_OLD_S:
            self.alert = ""
            return
        age = counted(round((now - last.taken) / DAY_S), "day")
        self.alert = f"The last backup of the lab is {age} old: see to what takes them."
        if noticed == repr(last.taken):
            return
        log.warning("%s", self.alert)
        self._tell(self.alert)
        self._write(lambda tx: tx.set_lab_value(NOTICED, repr(last.taken)))
