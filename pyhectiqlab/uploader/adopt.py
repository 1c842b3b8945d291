"""Adoption: an uploader delivers, beside its own work, what earlier sessions of this machine left."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

from .. import settings
from ..spool import SessionDir
from . import quarantine
from .lease import Lease
from .sync import has_unsent, work_as_uploader

ADOPT_AGAIN_S = 60.0


def adopt_orphans(own: SessionDir) -> None:
    """Deliver what is left of sessions whose owner and uploader are gone, one after another. While the lab fails, try
    again every minute.

    It runs in a thread of a live uploader. Kept sessions, and what another machine has not finished, wait for a sync by
    hand.
    """
    while True:
        again = False
        for session in SessionDir.everywhere():
            if problem := session.problem():
                own.log(f"session {session.name} is left alone: {problem}")
                continue
            owner = session.owner()
            if session.name == own.name or (owner is not None and owner.is_here() and not owner.has_ended()):
                continue
            elsewhere = owner is not None and not owner.has_ended()
            if elsewhere or not any(not w.done and w.mode == "online" for w in session.writers()):
                remove_if_old(session)
                continue
            lease = Lease(session.path)
            with contextlib.suppress(OSError):
                if lease.acquire():
                    outcome = work_as_uploader(session, lease, deliver_kept=False)
                    again |= bool(outcome.left or outcome.error)
        if not again:
            return
        time.sleep(ADOPT_AGAIN_S)


def remove_if_old(session: SessionDir) -> None:
    """Remove a session that was delivered whole a day ago. Until then, its journal can refill a lab restored from a
    backup. Damaged segments are put aside.
    """
    if has_unsent(session):
        return
    with contextlib.suppress(OSError):
        newest = max(p.stat().st_mtime for p in (session.path, *Path(session.path).iterdir()))
        if time.time() - newest > settings.JOURNAL_KEEP_S and not Lease(session.path).is_held():
            quarantine.keep_damaged(session)
            shutil.rmtree(session.path)
