"""Quotas: how many bytes of files a project, and the whole lab, may hold. Off until somebody sets them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Use:
    """Bytes that a project's files take, each file counted once in it, and the bytes that they may take (None: any)."""

    used: int
    quota: int | None


class QuotaExceededError(ValueError):
    """What is to be stored does not fit into a quota. `project`: its name; None: the quota of the whole lab."""

    def __init__(self, project: str | None, use: Use, more: int) -> None:
        super().__init__(project, use, more)
        self.project, self.use, self.more = project, use, more


class QuotasView(Protocol):
    def use_of(self, project_id: str | None) -> Use:
        """Of a project, or of the whole lab (None). Reads as many rows as there are files."""

    def quota_of(self, project_id: str | None) -> int | None: ...


class QuotasTransaction(QuotasView, Protocol):
    def set_quota(self, project_id: str | None, quota: int | None) -> None: ...
    def check_quota(self, project_id: str | None, files: Mapping[str, int]) -> None:
        """`files`: digest → bytes of what is to come; those that are there already take nothing more. Raises
        QuotaExceededError.
        """
