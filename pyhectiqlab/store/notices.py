"""Who is told when a run fails, is lost or ends: targets, and the notices that are still to be delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..protocol import states

LAB = "lab"  # no state of a run: what becomes of the lab itself
TOLD_STATES = (*sorted(states.FINAL_STATES), states.LOST, LAB)
TOLD_BY_DEFAULT = (states.FAILED, states.KILLED, states.LOST, states.COMPLETED, states.STOPPED, states.ENDED)


@dataclass(frozen=True)
class Target:
    """Somebody to tell.

    Attributes:
        address: an http or https URL that takes a POST, or mailto:NAME@HOST.
        project_id, project: whose runs; None: those of all projects.
        states: which states of a run are told.
        secret: key of the signature of what is posted.
        delivered: when something last got through to it.
        failed, error: when something last did not, and why; None and "" once something got through again.
        waiting: how many notices wait for it.
    """

    id: str
    address: str
    project_id: str | None
    project: str | None
    states: tuple[str, ...]
    secret: str
    created: float
    delivered: float | None = None
    failed: float | None = None
    error: str = ""
    waiting: int = 0


@dataclass(frozen=True)
class Notice:
    """A run came into a state that a target wants to hear of."""

    id: int
    target: Target
    run_id: str
    run: str
    project: str
    author: str
    state: str
    why: str
    at: float
    tries: int


class NoticesView(Protocol):
    def targets(self) -> list[Target]:
        """Oldest first."""

    def waiting_notices(self) -> int:
        """Return how many are to be delivered, of deleted runs too."""

    def due_notices(self, now: float, limit: int) -> list[Notice]:
        """Return those that may be tried now, the one that waits longest first; of deleted runs none."""


class NoticesTransaction(Protocol):
    def add_target(self, target: Target) -> None: ...
    def remove_target(self, target_id: str) -> bool:
        """With its notices. False where there is none such."""

    def notice_tried(self, notice_id: int, again_at: float | None) -> None:
        """It was delivered or is given up (None), or is to be tried again at that time."""

    def target_tried(self, target_id: str, now: float, error: str | None) -> None:
        """Something was sent to it: it got through (None), or why it did not."""

    def note_for_targets(self, run_id: str, project_id: str, state: str, why: str, now: float) -> None:
        """A notice for each target that wants to hear of it."""


def states_of(words: Sequence[str]) -> tuple[str, ...]:
    """Raises ValueError, naming the states that can be told."""
    wrong = [word for word in words if word not in TOLD_STATES]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no state that is told: one of {', '.join(TOLD_STATES)}")
    return tuple(dict.fromkeys(words)) or TOLD_BY_DEFAULT
