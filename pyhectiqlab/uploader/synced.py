"""`synced.json`: what a sync on another machine brought to the lab from a session's journal.

Only that sync writes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..spool import SessionDir, read_json, write_json
from .stream import Stream

SYNCED = "synced.json"


@dataclass(frozen=True)
class Synced:
    """How far a relay brought a writer, and the lab's answer if the relay attached the run."""

    acked: int
    run: dict[str, Any] | None


def read_synced(session: SessionDir) -> dict[str, Synced]:
    """Return what the file says, by writer. Raises nothing: what is not understood is left out."""
    raw = read_json(session.path / SYNCED) or {}
    by_writer = {}
    for writer, fields in raw.items():
        with contextlib.suppress(KeyError, TypeError, ValueError):
            by_writer[writer] = Synced(int(fields["acked"]), fields.get("run"))
    return by_writer


def write_synced(session: SessionDir, streams: Iterable[Stream]) -> None:
    """Write the file. What it says of other writers stays. Raises nothing: the file only saves requests, as the lab
    knows what it has.
    """
    kept = {s.id: {"acked": s.acked, "run": s.info.run} for s in streams}
    before = {writer: {"acked": s.acked, "run": s.run} for writer, s in read_synced(session).items()}
    with contextlib.suppress(OSError):
        write_json(session.path / SYNCED, {**before, **kept})
