"""What the MetaStore knows of media: which names a run has figures, images, tables, histograms and texts under, and
what is shown at each step.

There is one item for each (kind, name, rank, step): the newest attempt's last. What it replaced stays among the run's
events, or as an earlier version of its artifact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .artifacts import Artifact


@dataclass(frozen=True)
class MediaGroup:
    """All that one run shows of one kind under one name. Steps are None where nothing has one."""

    kind: str
    name: str
    count: int
    step_min: int | None
    step_max: int | None
    ranks: Sequence[int]


@dataclass(frozen=True)
class MediaItem:
    """`fields`: of the event of a histogram or text; `artifact`: of a file. Neither, where data was not asked for."""

    step: int | None
    rank: int
    attempt: int
    time: float  # client's clock
    fields: Mapping[str, Any] | None
    artifact: Artifact | None


@dataclass(frozen=True)
class MediaQuery:
    """By step (none first), then rank; reversed with `newest`.

    Attributes:
        lo, hi: only steps from lo to hi, both included; with lo, none without a step.
        steps: at most so many different steps, spread over the range: the last of each slice of a power of two steps,
            so that what is chosen stays chosen while a run grows. None: all.
        after: (step or None, rank) of the last item of the page before.
        data: with fields and artifacts.
    """

    run: str
    kind: str
    name: str
    rank: int | None = None
    lo: int | None = None
    hi: int | None = None
    steps: int | None = None
    newest: bool = False
    limit: int = 100
    after: Sequence[Any] | None = None
    data: bool = True


class MediaView(Protocol):
    def media_groups(
        self, run_id: str, kind: str | None, part: str, limit: int, after: Sequence[Any] | None
    ) -> list[MediaGroup]:
        """By name, then kind; those whose name holds `part`, in any case; behind (name, kind) `after`."""

    def media_items(self, query: MediaQuery) -> Iterator[MediaItem]:
        """Return the items one by one: what is shown of each is read when it is asked for."""
