"""Run's verb for metrics: a fast path for plain values, and a slow path that checks and converts all others."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..capture.values import as_float, as_step, check_key
from ..client.queue_outbox import QueueOutbox
from ..client.saying import say_once
from ..errors import RunClosedError
from ..ring.first_puts import NotPlainError
from ..ring.producer import ForkedError

if TYPE_CHECKING:
    from ..client.outbox import Outbox

WRONG_NAMED_MAX = 10  # an error names at most so many wrong values of a dict


class MetricVerbs:
    """Mixed into Run."""

    _outbox: Outbox

    def add_metrics(self, key: str | Mapping[str, Any], value: Any = None, step: Any = None) -> None:
        """Report one point, or with a dict one point per key at the same step. Never waits.

            run.add_metrics("train/loss", 0.98, step=10)
            run.add_metrics({"train/loss": 0.98, "train/accuracy": 0.71}, step=10)

        Makes no system call on the normal path.

        Args:
            key: 1 to 1,024 bytes; `/` groups keys in the web app. Or a dict of keys and values.
            value: int, float, bool, a numpy scalar, or an array or tensor of one element. Stored as float64. NaN and
                ±Inf are kept as they are; a masked value becomes NaN.
            step: any int64. Steps may come in any order and repeat. None: 0, 1, 2, … for each key: the number of
                earlier calls for it without a step in this process. A forked child continues its parent's count.

        Raises:
            TypeError, ValueError: a key, value or step that is not allowed. Nothing is logged; from a dict, all other
                keys are logged.
            RunClosedError: after `close`.
        """
        try:
            if key.__class__ is dict:
                if value is not None:
                    step, value = _step_of_dict(value, step), None
                self._outbox.points(key, step)
            else:
                self._outbox.point(key, step, value)  # type: ignore[arg-type]
            return
        except (NotPlainError, ForkedError):
            pass  # handled below, so that the traceback shows the user's mistake and not this exception
        except (TypeError, ValueError) as e:
            if key.__class__ is not dict or isinstance(e, RunClosedError):
                raise
            # a key is not allowed: handled below, where the other keys are logged
        except Exception as e:
            say_once(f"internal error in Run.add_metrics, the call did nothing: {type(e).__name__}: {e}")
            return
        self._add_metrics_converted(key, value, step)

    def _add_metrics_converted(self, key: Any, value: Any, step: Any) -> None:
        """Check and convert values that are not of the plainest types, then put them: the slow path."""
        if isinstance(key, Mapping):
            given, step = key, step if value is None else _step_of_dict(value, step)
        else:
            check_key(key)
            if value is None:
                raise TypeError(f"metric {key!r}: the value is missing: run.add_metrics(key, value, step)")
            given = {key: value}
        number = None if step is None else as_step(step)
        values: dict[str, float] = {}
        wrong: list[TypeError | ValueError] = []
        for name, one in given.items():
            try:
                check_key(name)
                values[name] = as_float(name, one)
            except (TypeError, ValueError) as e:
                wrong.append(e)
        if values:
            for at, some in (self._counted(values) if number is None else {number: values}).items():
                if isinstance(key, Mapping):
                    self._put_again("points", some, at)
                else:
                    self._put_again("point", key, at, some[key])
        if wrong:
            raise _all_of(wrong, len(given))

    def _counted(self, values: dict[str, float]) -> dict[int, dict[str, float]]:
        """Return the values grouped by step, where each key gets its next step: for a call without a step."""
        by_step: dict[int, dict[str, float]] = {}
        counts = self._outbox.counts
        for name, value in values.items():
            by_step.setdefault(next(counts.setdefault(name, itertools.count())), {})[name] = value
        return by_step

    def _put_again(self, name: str, *arguments: Any) -> None:
        try:
            getattr(self._outbox, name)(*arguments)
        except ForkedError:  # the process forked in the middle of a call: the child needs a queue of its own
            if isinstance(self._outbox, QueueOutbox):
                self._outbox.after_fork_in_child()
                getattr(self._outbox, name)(*arguments)


def _step_of_dict(value: Any, step: Any) -> Any:
    """Return the step of a call such as `run.add_metrics({…}, 10)`, where it stands in the value's place."""
    if step is not None:
        raise TypeError("add_metrics takes a dict of metrics and a step, and no value besides")
    return value


def _all_of(wrong: list[TypeError | ValueError], given: int) -> TypeError | ValueError:
    """Return one error that says what is wrong with each value of a call."""
    if given == 1:
        return wrong[0]
    kind = TypeError if any(isinstance(e, TypeError) for e in wrong) else ValueError
    reasons = "; ".join(map(str, wrong[:WRONG_NAMED_MAX])) + ("; …" if len(wrong) > WRONG_NAMED_MAX else "")
    return kind(f"{len(wrong):,} of {given:,} metrics are not logged, all others are: {reasons}")
