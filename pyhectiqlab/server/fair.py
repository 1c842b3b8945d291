"""A queue in which callers take turns: who puts in very much waits behind their own, not before others."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Of each caller what came first comes first. Not for several threads at once."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[T]] = OrderedDict()  # whose turn is next comes first
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, who: str, item: T) -> None:
        self._of.setdefault(who, deque()).append(item)
        self._count += 1

    def next(self) -> T:
        """What `take` would take. Raises StopIteration where nothing is there."""
        return next(iter(self._of.values()))[0]

    def take(self) -> T:
        """Raises KeyError where nothing is there."""
        who, items = self._of.popitem(last=False)
        item = items.popleft()
        self._count -= 1
        if items:
            self._of[who] = items
        return item
