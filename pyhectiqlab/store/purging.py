"""The interface of the MetaStore for purging: what deleted runs had is removed for good, in time or when asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class PurgedError(LookupError):
    """The run's data is gone, or going: it cannot be restored any more."""


@dataclass(frozen=True)
class DeletedRun:
    """A run that was deleted and is not purged yet. `asked`: somebody asked to purge it at once."""

    id: str
    name: str
    project: str
    project_id: str
    points: int
    deleted: float
    asked: bool


class PurgingView(Protocol):
    def deleted(self, project_id: str | None = None) -> list[DeletedRun]:
        """Return all of them, of a project or of the lab, the last deleted first."""

    def purgeable(self, before: float | None) -> str | None:
        """Return a run that is not purged, and that was deleted before that time or that somebody asked to purge;
        None: only the latter.
        """

    def purges_left(self) -> int:
        """Return how many runs that somebody asked to purge still are to be purged."""


class PurgingTransaction(PurgingView, Protocol):
    def ask_purge(self, run_ids: Sequence[str], now: float) -> list[str]:
        """Note that they are to be purged at once, and return which of them. Runs that are not deleted, or were
        restored meanwhile, are let be. From then on they cannot be restored.
        """

    def purge(self, run_id: str, now: float) -> bool:
        """Remove some of a deleted run's events; True once nothing is left of it but its name. Of a run that is not
        deleted (any more) it removes nothing. The bytes of its files are left to whoever tidies; at once, where
        somebody asked to purge the run and nothing else names them.
        """
