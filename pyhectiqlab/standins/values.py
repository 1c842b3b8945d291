"""Any value that a tracker is given under a key, by the verb of Run that fits: numbers, texts, arrays, figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from ..capture.values import as_float
from ..run import Run

PLAIN = frozenset({float, int, bool})


def flattened(values: Mapping[Any, Any], separator: str = ".") -> dict[str, Any]:
    """Return nested mappings as one, their keys joined."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update({f"{key}{separator}{below}": one for below, one in flattened(value, separator).items()})
        else:
            flat[str(key)] = value
    return flat


def number_of(key: str, value: Any) -> float | None:
    """Return a value as a number; None if it is none."""
    if type(value) in PLAIN:
        return float(value)
    if value is None or isinstance(value, str | bytes | list | tuple | Mapping):
        return None
    try:
        return as_float(key, value)
    except (TypeError, ValueError):
        return None


def put(run: Run, key: str, value: Any, step: int) -> None:
    """Store what is no number. Blocks as the verb does that it calls."""
    if value is None:
        return
    own = getattr(value, "_hectiqlab_put", None)
    if own is not None:
        own(run, key, step)
    elif isinstance(value, str):
        run.add_text(value, key, step)
    elif is_figure(value):
        run.add_figure(value, key, step)
    elif type(value).__module__.startswith("PIL."):
        run.add_image(value, key, step)
    elif type(value).__name__ == "DataFrame":
        run.add_table(value, key, step)
    elif getattr(value, "shape", None) is not None:
        run.add_histogram(value, key, step)
    elif (
        isinstance(value, list | tuple)
        and value
        and not all(type(item) in PLAIN or isinstance(item, str) for item in value)
    ):
        for number, item in enumerate(value):
            put(run, key if len(value) == 1 else f"{key}/{number}", item, step)
    else:
        run.add_text(value if isinstance(value, str) else _as_text(value), key, step)


def is_figure(value: Any) -> bool:
    """Return whether it is a figure of matplotlib or plotly, or pyplot itself."""
    module = type(value).__module__
    if getattr(value, "__name__", "") == "matplotlib.pyplot":
        return True
    return (module.startswith("matplotlib.") and "matplotlib" in sys.modules) or module.startswith("plotly.")


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
