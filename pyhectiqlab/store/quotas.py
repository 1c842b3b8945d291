"""Quotas: how many bytes of files a project, or the whole lab, may hold. There are none until somebody sets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Use:
    """How many bytes a project's files take, each file counted once, and how many they may take (None: any number)."""

    used: int
    quota: int | None


class QuotaExceededError(ValueError):
    """A file does not fit into a quota. `project`: its name; None: the quota of the whole lab."""

    def __init__(self, project: str | None, use: Use, more: int) -> None:
        super().__init__(project, use, more)
        self.project, self.use, self.more = project, use, more


class QuotasView(Protocol):
    def use_of(self, project_id: str | None) -> Use:
        """Return the use of a project, or of the whole lab (None). Reads as many rows as there are files."""

    def quota_of(self, project_id: str | None) -> int | None: ...


class QuotasTransaction(QuotasView, Protocol):
    def set_quota(self, project_id: str | None, quota: int | None) -> None: ...
    def check_quota(self, project_id: str | None, files: Mapping[str, int]) -> None:
        """Check whether files fit into the quotas. `files`: digest → bytes; files that are there already take nothing.
        Raises QuotaExceededError.
        """
