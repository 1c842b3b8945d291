"""What the parts of a lab are given to change the MetaStore with: `Lab.write`, without the lab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from ..errors import StoreError
from ..store.meta import MetaTransaction

T = TypeVar("T")
WriteFunction = Callable[[MetaTransaction], T]


class BusyError(StoreError):
    """Too much waits already: try again later."""


class Transacts(Protocol):
    """`Lab.write`: runs a function in a transaction of the MetaStore on the writer's thread; see there."""

    def __call__(self, function: WriteFunction[T], /) -> T: ...
