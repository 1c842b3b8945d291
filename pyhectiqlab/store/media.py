"""The part of the MetaStore's interface for media.

Media are a run's figures, images, tables, histograms and texts: their names, and what is shown at each step.

There is one item for each (kind, name, rank, step): the last one of the newest attempt. Replaced items stay among the
run's events, or as earlier versions of artifacts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .artifacts import Artifact


@dataclass(frozen=True)
class MediaGroup:
    """All items of one run with one kind and one name. Steps are None where no item has one."""

    kind: str
    name: str
    count: int
    step_min: int | None
    step_max: int | None
    ranks: Sequence[int]


@dataclass(frozen=True)
class MediaItem:
    """An item. `fields`: those of the event of a histogram or text. `artifact`: that of a file. Both are None where
    data was not asked for.
    """

    step: int | None
    rank: int
    attempt: int
    time: float  # client's clock
    fields: Mapping[str, Any] | None
    artifact: Artifact | None


@dataclass(frozen=True)
class MediaQuery:
    """A query for items, sorted by step (none first), then rank; reversed with `newest`.

    Attributes:
        lo, hi: only steps from lo to hi, both included; with lo, no items without a step.
        steps: at most so many different steps, spread over the range: the last one of each slice, which is a power of
            two steps wide, so that chosen steps stay chosen while a run grows. None: all.
        after: (step or None, rank) of the last item of the page before.
        data: whether to read fields and artifacts.
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
        self,
        run_id: str,
        kind: str | None,
        part: str,
        limit: int,
        after: Sequence[Any] | None,
        name: str | None = None,
    ) -> list[MediaGroup]:
        """Return groups sorted by name, then kind: those whose name contains `part`, in any case, behind the (name,
        kind) `after`. `name`: only of exactly this name.
        """

    def media_items(self, query: MediaQuery) -> Iterator[MediaItem]:
        """Return the items one by one: what is shown of each is read when it is asked for."""
