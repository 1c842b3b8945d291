"""Signals: what other processes ask of an uploader, by files in its session's folder.

wake     written by a sync: send all that is here, also what was kept; the file says to which lab
hurry    touched by a process that waits: send now what is to be sent anyway
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ..spool import SessionDir, read_json


class Signal(NamedTuple):
    """`order`: what a sync wants, with the names of `Streams.obey`; None where somebody only waits."""

    order: dict[str, Any] | None


class Signals:
    """The signals that came since this object was made."""

    def __init__(self, session: SessionDir) -> None:
        self._path = session.path
        self._seen = self._times()

    def look(self) -> Signal | None:
        """Return what came since the last look; None: nothing."""
        times = self._times()
        if times == self._seen:
            return None
        is_order = times[0] != self._seen[0]
        self._seen = times
        return Signal((read_json(self._path / "wake") or {}) if is_order else None)

    def _times(self) -> tuple[int, int]:
        return _changed_at(self._path / "wake"), _changed_at(self._path / "hurry")


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
