"""Heartbeats: signs of life of sessions, gathered in memory and stored together.

While many sessions send, their points do not change lab.db (deferred.py), but each heartbeat would. So heartbeats are
stored every two seconds, and in the transactions that find out who is silent or note an end: so no session is called
lost that the lab has heard of. A lab that stops stores them, too. A lab that is killed forgets those of two seconds;
all sessions beat again within five, long before the lab that starts calls any of them lost.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...store.meta import MetaTransaction


@dataclass(frozen=True)
class Beat:
    """The newest heartbeat of some attachments of a session: the arguments of `MetaTransaction.heartbeat`."""

    runs: Sequence[tuple[str, int, int]]
    skew: float
    backlog: int
    losses: Mapping[str, int]
    now: float


class Heartbeats:
    """Safe for several threads. Never blocks but in `store`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[tuple[str, str, tuple[tuple[str, int, int], ...]], Beat] = {}

    def note(self, session: str, user_id: str, beat: Beat) -> None:
        """Keep a heartbeat until the next `store`. It replaces an earlier one of the same attachments."""
        with self._lock:
            self._of[session, user_id, tuple(beat.runs)] = beat

    def store(self, tx: MetaTransaction) -> None:
        """Store what was gathered. If the transaction fails, it is forgotten; the next heartbeat says the same."""
        with self._lock:
            gathered, self._of = self._of, {}
        for (session, user_id, _), beat in gathered.items():
            tx.heartbeat(
                session,
                user_id,
                beat.runs,
                skew=beat.skew,
                backlog=beat.backlog,
                losses=beat.losses,
                now=beat.now,
            )

    @property
    def waiting(self) -> int:
        """How many are gathered."""
        return len(self._of)
