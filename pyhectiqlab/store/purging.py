"""The part of the MetaStore's interface for purging: the data of deleted runs is removed for good.

That happens in time, or when somebody asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class PurgedError(LookupError):
    """The run's data is gone, or is being removed: it can no longer be restored."""


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
        """Return the deleted runs of a project or of the lab, the last deleted first."""

    def purgeable(self, before: float | None) -> str | None:
        """Return a run that is not purged, and that was deleted before that time or that somebody asked to purge;
        None: only the latter.
        """

    def purges_left(self) -> int:
        """Return how many runs and projects that somebody asked to purge still are to be purged."""


class PurgingTransaction(PurgingView, Protocol):
    def ask_purge(self, run_ids: Sequence[str], now: float) -> list[str]:
        """Note that these runs are to be purged at once. Return which ones are. Runs that are not deleted, or were
        restored meanwhile, are left as they are. From then on, the others cannot be restored.
        """

    def purge(self, run_id: str, now: float) -> bool:
        """Remove some of a deleted run's events. Return True once only its name is left. Of a run that is not deleted
        (any more), nothing is removed. The bytes of its files are left to the tidying, which removes them at once if
        somebody asked to purge the run and nothing else names them.
        """
