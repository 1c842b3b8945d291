"""Points under torch.compile: what Dynamo traces instead of an outbox's puts. It is loaded when Dynamo traces a put.

If the puts were traced as they are, they would be compiled again and again (they look at clocks, and at memory that
changes), and they would break a graph that must be whole. So Dynamo gets other functions, by an attribute that it looks
for. These put an operator into the graph, which logs each time the graph runs, in the order of the calls. The operator
has no gradient. It has an effect, so that no optimisation removes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import torch

from ..capture.values import as_float, as_step
from .outbox import by_writer

NAME = "hectiqlab::add_metric"
SCHEMA = "(str writer, str key, Tensor value, SymInt? step, Tensor? at) -> ()"


def _add_metric(writer: str, key: str, value: Any, step: int | None, at: Any) -> None:
    outbox = by_writer.get(writer)
    if outbox is None:  # its run is gone
        return
    given = step if at is None else at
    number = as_float(key, value)
    next_one = next(outbox.counts.setdefault(key, count())) if given is None else as_step(given)
    outbox.point(key, next_one, number)


def _made() -> Callable[..., None] | None:
    """Return the operator. None if this version of PyTorch has no such operators."""
    with contextlib.suppress(AttributeError, ImportError, TypeError):
        from torch._higher_order_ops.effects import _EffectType, _register_effectful_op

        tags: dict[str, Any] = {"tags": (torch.Tag.cudagraph_unsafe,)} if hasattr(torch.Tag, "cudagraph_unsafe") else {}
        operator: Any = torch.library.custom_op(NAME, _add_metric, mutates_args=(), schema=SCHEMA, **tags)
        operator.register_fake(lambda writer, key, value, step, at: None)
        _register_effectful_op(operator._opoverload, _EffectType.ORDERED)
        return operator  # type: ignore[no-any-return]
    return None


add_metric = _made()


def point(writer: str, key: str, step: Any, value: Any) -> None:
    """Add a point to the graph; traced instead of a put."""
    if isinstance(step, float) and step == int(step):
        step = int(step)
    if (
        add_metric is None
        or not (step is None or isinstance(step, int | torch.Tensor))
        or not isinstance(value, int | float | torch.Tensor)
        or not isinstance(key, str)
    ):
        outside(writer, key, step, value)
        return
    number = value.detach() if isinstance(value, torch.Tensor) else torch.full((), value, dtype=torch.float64)
    if isinstance(step, torch.Tensor):
        add_metric(writer, key, number, None, step)
    else:
        add_metric(writer, key, number, step, None)


def points(writer: str, values: Mapping[str, Any], step: Any) -> None:
    for key, value in values.items():
        point(writer, key, step, value)


def outside(writer: str, key: str, step: Any, value: Any) -> None:
    """Put a point that no graph can hold. Dynamo ends the graph before the call that led here."""
    by_writer[writer].point(key, step, value)


outside._torchdynamo_disable = True  # type: ignore[attr-defined]
