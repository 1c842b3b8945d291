"""The rows of notices about runs: targets (who wants to know), and notices that are still to be delivered.

server/tending/notifier.py delivers them. Notices about the lab itself are no rows: they are there, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..protocol import states

LAB = "lab"  # stands among the states of runs for notices about the lab itself
NOTICE_STATES = (*sorted(states.FINAL_STATES), states.LOST, LAB)
MUTED = "notices muted"  # a value of the lab: since when no notice is written or sent, in seconds since 1970; "": not
DEFAULT_STATES = (states.FAILED, states.KILLED, states.LOST, states.COMPLETED, states.STOPPED, states.ENDED)


@dataclass(frozen=True)
class Target:
    """Where notices go.

    Attributes:
        address: an http or https URL that takes a POST, or mailto:NAME@HOST.
        project_id, project: the project whose runs are meant; None: all projects.
        states: the states of a run that it gets notices about.
        secret: key of the signature of what is posted.
        delivered: when a notice last got through.
        failed, error: when a notice last did not get through, and why; None and "" once one got through again.
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
    """A run came into a state that a target wants notices about."""

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
        """Return all targets, oldest first."""

    def waiting_notices(self) -> int:
        """Return how many notices are to be delivered, also those of deleted runs."""

    def due_notices(self, now: float, limit: int) -> list[Notice]:
        """Return the notices that may be tried now, the one that waits longest first; none of deleted runs."""

    def muted_since(self) -> float | None:
        """Return since when notices are muted: the lab was restored, or somebody muted them. None: they are not."""


class NoticesTransaction(Protocol):
    def mute_notices(self, now: float | None) -> None:
        """Write and send no notices from now on, and forget those that wait; None: write and send them again."""

    def add_target(self, target: Target) -> None: ...
    def remove_target(self, target_id: str) -> bool:
        """Remove a target with its notices. Return False where there is no such target."""

    def notice_tried(self, notice_id: int, again_at: float | None) -> None:
        """Note a try: the notice was delivered or is given up (None), or is to be tried again at that time."""

    def target_tried(self, target_id: str, now: float, error: str | None) -> None:
        """Note a try at a target: it got through (None), or why it did not."""

    def note_for_targets(self, run_id: str, project_id: str, state: str, why: str, now: float) -> None:
        """Add a notice for each target that wants to know of this state. None while they are muted."""


def states_of(words: Sequence[str]) -> tuple[str, ...]:
    """Return the states that are meant, the usual ones for no words. Raises ValueError, which names the possible
    states.
    """
    wrong = [word for word in words if word not in NOTICE_STATES]
    if wrong:
        raise ValueError(f"there are no notices about {wrong[0]!r}, but about {', '.join(NOTICE_STATES)}")
    return tuple(dict.fromkeys(words)) or DEFAULT_STATES
