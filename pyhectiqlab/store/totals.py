"""Totals over the whole lab, for those who run it: what takes room on the disk, and who is at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class ProjectTotals:
    """What a project has, with deleted runs that are not purged.

    Attributes:
        files: bytes of its files, each counted once.
        quota: bytes that its files may take; None: any number.
    """

    id: str
    name: str
    runs: int
    points: int
    files: int
    quota: int | None


@dataclass(frozen=True)
class ClientTotals:
    """A session that is alive: one script, with its ranks and runs.

    Attributes:
        backlog: events that it had not delivered when it last said so.
        last_seen: its last sign of life.
    """

    session: str
    user: str
    host: str
    version: str
    runs: int
    run: str  # the id of one of them
    backlog: int
    last_seen: float


class TotalsView(Protocol):
    def runs_by_state(self) -> Mapping[str, int]: ...
    def stored_bytes(self) -> int:
        """Return how many bytes all files take, each counted once."""

    def project_totals(self) -> list[ProjectTotals]:
        """Return the totals of each project, sorted by name. Looks at every run and every file."""

    def deleted_runs(self) -> int:
        """Return how many runs are deleted and not purged."""

    def live_clients(self, since: float, limit: int) -> list[ClientTotals]:
        """Return sessions that have not ended and were seen since then, those with the largest backlog first."""

    def client_versions(self, since: float) -> Mapping[str, int]:
        """Return how many of such sessions run each version of the client."""
