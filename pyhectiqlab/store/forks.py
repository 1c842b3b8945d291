"""MetaStore: runs that began from another one's curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class ForkOf:
    """Where a run's curves began.

    Attributes:
        parent: id of the run that it is forked of. That run may be deleted by now.
        step: up to which step, inclusive; None: all of the parent's points.
        copying: the lab still copies the points.
    """

    parent: str
    step: int | None
    copying: bool


@dataclass(frozen=True)
class ForkLeft:
    """A fork whose points are still to be copied. `progress`: as it was noted last; {} in the beginning."""

    run: str
    author_id: str
    parent: str
    step: int | None
    progress: Mapping[str, Any]


class ForksView(Protocol):
    def forks_left(self, limit: int) -> list[ForkLeft]:
        """Return runs whose points are still to be copied, in the order of their ids, without deleted runs."""


class ForksTransaction(ForksView, Protocol):
    def add_fork(self, run_id: str, parent_id: str, step: int | None) -> bool:
        """Note of which run this one is a fork. Return whether it is that fork now. Returns False and changes nothing
        if it is a fork of another run or step, or if the parent is the run itself or a fork of it.
        """

    def note_fork(self, run_id: str, progress: Mapping[str, Any] | None) -> None:
        """Note how far its points are copied; None: all of them are."""
