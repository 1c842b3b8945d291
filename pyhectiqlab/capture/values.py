"""Turn values of metrics into float64 and steps into int64, check keys, and raise clear errors for anything else."""

from __future__ import annotations

import contextlib
import math
import operator
import sys
from typing import Any

from ..protocol.limits import KEY_BYTES_MAX, STEP_MAX, STEP_MIN
from ..protocol.names import new_name

# Types of which struct packs every value as the float64 it means. numpy's scalar types are added when they are first
# seen.
PLAIN_TYPES: set[type] = {float, int, bool}
EXTRA_DTYPES = "ml_dtypes"  # the package of numpy's bfloat16, float8 and int4, which JAX and TensorFlow use


def as_float(key: object, value: Any) -> float:
    """Return a value as a float. Raises TypeError if it is not a single real number, and ValueError for an int beyond
    float64.

    Takes int, float, bool, numpy scalars, and arrays and tensors of any framework that hold one element, whatever their
    shape. For a tensor on a GPU, it blocks until the GPU has the value. A masked element is NaN.
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
    if kind.__module__ == EXTRA_DTYPES:  # bfloat16 and its kin, numpy scalars that are no numpy.number
        return float(value)
    if getattr(value, "shape", None) is None:
        raise TypeError(_not_a_number(key, value))
    try:
        return as_float(key, element(value))
    except NotOneError as e:
        raise TypeError(f"metric {key!r}: one number is needed, not {_name(value)} {e}") from None


class NotOneError(Exception):
    """An array or tensor does not hold one element. The message says what it is, in words that follow its type."""


def element(value: Any) -> Any:
    """Return the only element of an array or tensor, as a number of Python or numpy; NaN if it is masked. For tensors
    of some frameworks, it is an array of numpy. Raises NotOneError.
    """
    try:
        shape = tuple(value.shape)
        count = math.prod(shape)
    except Exception as e:  # a tensor of unknown shape
        raise NotOneError(f"whose shape cannot be read ({e})") from None
    if count != 1:
        raise NotOneError(f"of shape {shape}; reduce it first")
    if is_masked(value) and bool(value.mask.all()):
        return math.nan
    for name in ("item", "numpy"):  # TensorFlow's tensors and variables have only the second
        read = getattr(value, name, None)
        if callable(read):
            try:
                single = read()
            except Exception as e:  # a tensor without data, or one of a graph that has not run yet
                raise NotOneError(f"whose element cannot be read ({type(e).__name__}: {str(e)[:100]})") from None
            if type(single) is not type(value):
                return single
    raise NotOneError("whose element cannot be read")


def is_masked(value: Any) -> bool:
    """Return whether it is a masked array of numpy, which hides elements."""
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)
    return masked is not None and isinstance(value, masked)


def is_extra(dtype: Any) -> bool:
    """Return whether a dtype is one such as bfloat16, which numpy does not know to be real numbers."""
    return bool(dtype.type.__module__ == EXTRA_DTYPES)


def as_step(step: Any) -> int:
    """Return a step as an int. Arrays and tensors of one element are steps, too. Raises TypeError if it is not a whole
    number, ValueError beyond int64.
    """
    if step is None:
        raise TypeError("a step is needed here: a whole number")
    whole = step
    with contextlib.suppress(NotOneError):
        while getattr(whole, "shape", None) is not None:  # a tensor may give an array, or a scalar of numpy
            whole = element(whole)
    try:
        number = operator.index(whole)
    except TypeError:
        if not (isinstance(whole, float) and whole.is_integer()):
            raise TypeError(f"a step is a whole number, not {step!r} ({_name(step)})") from None
        number = int(whole)
    if not STEP_MIN <= number <= STEP_MAX:
        raise ValueError(f"a step must fit 64 bits (−2⁶³ to 2⁶³ − 1), which {number} does not")
    return number


def check_key(key: object) -> None:
    """Raise TypeError for a key that is no text, ValueError for one that is empty, over 1 KiB, or no valid Unicode."""
    if not isinstance(key, str):
        raise TypeError(f"the key of a metric is a text, not {key!r} ({_name(key)})")
    if not key:
        raise ValueError("the key of a metric is empty")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ValueError(f"the key {key!r} is not valid Unicode") from None
    if size > KEY_BYTES_MAX:
        raise ValueError(f"a key takes at most {KEY_BYTES_MAX} bytes; {key[:40]!r}… has {size}")


def _name(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _not_a_number(key: object, value: object) -> str:
    return (
        f"metric {key!r}: a value is a number (int, float, bool, a numpy scalar, or an array or tensor of one "
        f"element), not {_name(value)}"
    )


def check_name(what: str, name: object) -> None:
    """Raise TypeError or ValueError for a name that no run, project or tag can have: the lab would refuse it."""
    if not isinstance(name, str):
        raise TypeError(f"the {what} is a text, not {type(name).__name__}")
    new_name(what, name)
