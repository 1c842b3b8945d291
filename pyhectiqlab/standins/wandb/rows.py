"""Rows: W&B's steps. Each call of `log` belongs to a row; a row is done when the next one begins, or by `commit`.

What is logged goes to the lab at once, so that a kill loses nothing. Three things differ from W&B on purpose: a key
that is logged twice in a row is kept twice; a step below the row's, which W&B drops, is kept at that step; and where
`define_metric` names a step metric, the points lie at its value, if it is a whole number, and not at W&B's own step.
Once it was another number, they lie at W&B's step, and the meta `x_axes` says over which metric a page draws them.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from ...base.lazyclass import dataclass
from ...client.saying import say_once
from ...run import Run
from ..values import number_of, put


@dataclass
class Definition:
    """What `define_metric` said of a key, or of all that match a glob."""

    name: str
    step_metric: str | None = None
    step_sync: bool = True
    summary: str | None = None
    goal: str | None = None
    hidden: bool = False
    overwrite: bool = False


class Rows:
    """The history of one run.

    Args:
        step: of the row that the next call belongs to.
        drops_late: whether the tracker drops a step below the newest one.
    """

    def __init__(self, run: Run, step: int = 0, drops_late: bool = True) -> None:
        self._run = run
        self.step = step
        self._drops_late = drops_late
        self.last: dict[str, Any] = {}  # the newest number of each key
        self._definitions: dict[str, Definition] = {}
        self._step_metrics: dict[str, str | None] = {}  # looked up already
        self._uneven: set[str] = set()  # step metrics that had a value which is not a whole number
        self._row: dict[str, float] = {}  # numbers of this row
        self._waiting: dict[str, Any] = {}  # what waits for its step metric, until the row is done
        run._outbox.at_end.append(lambda ending: self.commit())

    def define(self, definition: Definition) -> None:
        self._definitions[definition.name] = definition
        self._step_metrics.clear()

    def definition(self, key: str) -> Definition | None:
        """Return what was said of a key: by its name, else by the longest glob."""
        named = self._definitions.get(key)
        if named is not None:
            return named
        globs = [d for name, d in self._definitions.items() if "*" in name and fnmatchcase(key, name)]
        return max(globs, key=lambda d: len(d.name), default=None)

    def log(self, values: dict[str, Any], step: int | None, commit: bool | None) -> None:
        at = self.step
        if step is not None:
            at = int(step)
            if at > self.step:
                self.commit()
                self.step = at
            elif at < self.step and self._drops_late:
                say_once(
                    "wandb: steps that come after a later one, which W&B would drop, are kept. To log by another axis "
                    "than W&B's step, see define_metric."
                )
        if self._definitions:
            self._put_defined(values, at)
        else:
            self._put(values, at)
        if commit or (step is None and commit is None):
            self.commit()
            self.step += 1

    def commit(self) -> None:
        """End the row."""
        waiting, self._waiting, self._row = self._waiting, {}, {}
        for key, value in waiting.items():
            metric = self._step_metric(key)
            x = self.last.get(metric) if metric is not None else None
            self._put({key: value}, self._place(metric, x, self.step))

    def _put(self, values: dict[str, Any], at: int) -> None:
        """Store values at one step."""
        if [*map(type, values.values())].count(float) == len(values):  # nearly always
            numbers = values
        else:
            numbers = {}
            for key, value in values.items():
                number = number_of(key, value)
                if number is not None:
                    numbers[key] = number
                else:
                    put(self._run, key, value, at)
        if numbers:
            self.last.update(numbers)
            self._run.add_metrics(numbers, step=at)

    def _put_defined(self, values: dict[str, Any], at: int) -> None:
        """Store values at the values of their step metrics."""
        self._row.update({key: n for key, value in values.items() if (n := number_of(key, value)) is not None})
        by_step: dict[int, dict[str, Any]] = {}
        for key, value in values.items():
            metric = self._step_metric(key)
            if metric is None or metric == key:
                by_step.setdefault(at, {})[key] = value
            elif metric in self._row:
                by_step.setdefault(self._place(metric, self._row[metric], at), {})[key] = value
            else:
                self._waiting[key] = value
        for place, some in by_step.items():
            self._put(some, place)

    def _step_metric(self, key: str) -> str | None:
        if key not in self._step_metrics:
            definition = self.definition(key)
            self._step_metrics[key] = definition.step_metric if definition is not None else None
        return self._step_metrics[key]

    def _place(self, metric: str | None, x: Any, at: int) -> int:
        if metric is None or x is None or metric in self._uneven:
            return at
        if float(x).is_integer():
            return int(x)
        say_once(f"wandb: {metric!r} has values that are no whole numbers, so W&B's own step is the step here.")
        self._uneven.add(metric)
        axes = {d.name: d.step_metric for d in self._definitions.values() if d.step_metric in self._uneven}
        self._run.add_meta("x_axes", axes)
        return at

    def keys(self) -> Iterator[str]:
        return iter(self.last)
