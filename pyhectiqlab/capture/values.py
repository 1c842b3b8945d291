"""Values of metrics as float64, steps as int64, keys as text; with messages for those who passed something else."""

from __future__ import annotations

import math
import operator
import sys
from typing import Any

from ..protocol.limits import KEY_BYTES_MAX, NAME_BYTES_MAX, STEP_MAX, STEP_MIN

# Types whose every value struct packs as the float64 it means. numpy's scalar types join at first sight.
PLAIN_TYPES: set[type] = {float, int, bool}


def as_float(key: object, value: Any) -> float:
    """Raises TypeError for what is no single real number, ValueError for an int beyond float64.

    Takes int, float, bool, numpy scalars, and 0-d arrays and tensors of any framework by their `item()`, which blocks
    for as long as
    a GPU takes to get there.
    """
    kind = type(value)
    numpy = sys.modules.get("numpy")
    if kind not in PLAIN_TYPES and numpy is not None and isinstance(value, numpy.number | numpy.bool_):
        if isinstance(value, numpy.complexfloating | numpy.timedelta64):
            raise TypeError(_not_a_number(key, value))
        if isinstance(value, numpy.floating | numpy.integer):
            PLAIN_TYPES.add(kind)
        return float(value)
    if kind in PLAIN_TYPES or isinstance(value, float | int):  # also subclasses: IntEnum and the like
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"metric {key!r}: an int of {value.bit_length()} bits does not fit a float64") from None
    shape = getattr(value, "shape", None)
    item = getattr(value, "item", None)
    if shape is not None and callable(item):
        if tuple(shape) != ():
            raise TypeError(
                f"metric {key!r}: one number is needed, not {_name(value)} of shape {tuple(shape)}; reduce it first"
            )
        return as_float(key, item())
    raise TypeError(_not_a_number(key, value))


def as_step(step: Any) -> int:
    """Raises TypeError for what is no whole number, ValueError beyond int64."""
    if step is None:
        raise TypeError("add_metrics needs a step: run.add_metrics(key, value, step)")
    try:
        number = operator.index(step)
    except TypeError:
        item = getattr(step, "item", None)
        plain = item() if callable(item) and tuple(getattr(step, "shape", (0,))) == () else step
        if isinstance(plain, float) and math.isfinite(plain) and plain.is_integer():
            number = int(plain)
        elif isinstance(plain, int):
            number = plain
        else:
            raise TypeError(f"a step is a whole number, not {step!r} ({_name(step)})") from None
    if not STEP_MIN <= number <= STEP_MAX:
        raise ValueError(f"a step must fit 64 bits (−2⁶³ to 2⁶³ − 1), which {number} does not")
    return number


def check_key(key: object) -> None:
    """Raises TypeError for what is no text, ValueError for one that is empty, over 1 KiB, or no valid Unicode."""
    if not isinstance(key, str):
        raise TypeError(f"the key of a metric is a text, not {key!r} ({_name(key)})")
    if not key:
        raise ValueError("the key of a metric is empty")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ValueError(f"the key {key!r} is no valid Unicode") from None
    if size > KEY_BYTES_MAX:
        raise ValueError(f"a key takes at most {KEY_BYTES_MAX} bytes; {key[:40]!r}… has {size}")


def _name(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _not_a_number(key: object, value: object) -> str:
    return (
        f"metric {key!r}: a value is a number (int, float, bool, a numpy scalar, or an array or tensor without "
        f"dimensions), not {_name(value)}"
    )


def check_name(what: str, name: object) -> None:
    """Raises TypeError or ValueError for what cannot name a run, a project or a tag."""
    if not isinstance(name, str):
        raise TypeError(f"the {what} is a text, not {type(name).__name__}")
    if not name.strip():
        raise ValueError(f"the {what} is empty")
    if len(name.encode(errors="replace")) > NAME_BYTES_MAX:
        raise ValueError(f"the {what} is longer than {NAME_BYTES_MAX} bytes")
