"""A queue in which callers take turns, so that a caller who puts in very much does not keep the others waiting."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """First in, first out for each caller. Not for several threads at once."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[T]] = OrderedDict()  # whose turn is next comes first
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, who: str, item: T) -> None:
        self._of.setdefault(who, deque()).append(item)
        self._count += 1

    def items(self, who: str) -> Iterable[T]:
        """Return what a caller has in the queue, oldest first."""
        return self._of.get(who, ())

    def next(self) -> T:
        """Return what `take` would take. Raises StopIteration if the queue is empty."""
        return next(iter(self._of.values()))[0]

    def take(self) -> T:
        """Raises KeyError if the queue is empty."""
        who, items = self._of.popitem(last=False)
        item = items.popleft()
        self._count -= 1
        if items:
            self._of[who] = items
        return item
