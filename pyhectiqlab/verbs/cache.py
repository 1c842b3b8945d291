"""Run's verb for the metrics cache, which folds points on their way to the lab."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..base.lazyclass import replace
from .guard import never_breaks

if TYPE_CHECKING:
    from ..client.outbox import Outbox


class CacheVerbs:
    """Mixed into Run."""

    _outbox: Outbox

    @never_breaks
    def set_metrics_cache_settings(
        self,
        aggr: str | None = None,
        max_cache_timeout: float | None = None,
        max_cache_length: int | None = None,
        min_cache_flush_delay: float | None = None,
    ) -> None:
        """Fold consecutive points of a key into one on their way to the lab. Never waits.

            run.set_metrics_cache_settings(aggr="mean", max_cache_length=100)

        Without it every point is kept. The settings hold for what this process reports from now on, and for processes
        that it starts from now on. The folded point has the step and time of the last point that it stands for. The lab
        is told how many points were folded. A group holds at most the points that are sent together: those of about a
        second.

        An argument that is None leaves that setting as it is.

        Args:
            aggr: "none", "sum", "max" or "mean". NaN stays NaN.
            max_cache_timeout: at most so many seconds lie between the first and the last point of a group.
            max_cache_length: at most so many points in a group.
            min_cache_flush_delay: at least so many seconds lie between the first and the last point of a group,
                whatever the other two say.

        Raises:
            TypeError, ValueError: an argument that is not allowed.
        """
        from ..client.queue_outbox import QueueOutbox
        from ..uploader.cache import AGGREGATES, CacheSettings

        if aggr is not None and aggr not in AGGREGATES:
            raise ValueError(f"aggr is one of {', '.join(AGGREGATES)}, not {aggr!r}")
        timeout = _seconds("max_cache_timeout", max_cache_timeout)
        delay = _seconds("min_cache_flush_delay", min_cache_flush_delay)
        length = max_cache_length
        if length is not None and (isinstance(length, bool) or not isinstance(length, int)):
            raise TypeError(f"max_cache_length is a number of points, not {type(length).__name__}")
        if length is not None and length < 1:
            raise ValueError(f"max_cache_length is at least 1, not {length}")
        outbox = self._outbox
        if not isinstance(outbox, QueueOutbox):
            outbox.event("metrics_cache", {})  # raises if the run is closed; all other modes than online drop it
            return
        given: dict[str, Any] = {"aggr": aggr, "timeout_s": timeout, "length": length, "delay_s": delay}
        settings = CacheSettings.from_dict(outbox.binding.cache or {})
        outbox.set_cache(replace(settings, **{k: v for k, v in given.items() if v is not None}).as_dict())


def _seconds(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of seconds, not {type(value).__name__}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is a number of seconds from 0 on, not {value}")
    return float(value)
