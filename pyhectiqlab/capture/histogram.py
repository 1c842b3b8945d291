"""Count the values of an array, a tensor or any numbers into the bins of a histogram.

The edges are computed in the same way for all.

numpy and torch are used if the script has loaded them, and never imported here.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from ..protocol.media import BINS_MAX, Histogram, check_histogram
from .values import is_extra, is_masked

CHUNK = 1 << 22  # so many values at once: copies on the way to float64 then stay below some 100 MiB

# Counts of NaN, +Inf, −Inf; minimum and maximum of the finite (+Inf and −Inf if there are none).
Summary = tuple[int, int, int, float, float]
Counts = Callable[[list[float]], list[int]]  # inner edges → how many finite values each bin between them has


def computed(values: Any, bins: int) -> Histogram:
    """Return the histogram of all elements of `values`, whatever its shape. Blocks while it counts; for a GPU, until
    the GPU has counted.

    Args:
        values: a tensor of torch, an array, a sequence of numbers (of sequences, …), or one number.

    Raises TypeError if `values` holds no real numbers, ValueError if `bins` is not from 1 to 512.
    """
    if isinstance(bins, bool) or not isinstance(bins, int):
        raise TypeError(f"bins is a whole number, not {type(bins).__name__}")
    if not 1 <= bins <= BINS_MAX:
        raise ValueError(f"a histogram has 1 to {BINS_MAX} bins, not {bins:,}")
    (nan, pinf, ninf, low, high), counts_of = _read(values)
    if low > high:
        return Histogram((), (), nan, pinf, ninf)
    edges = _edges(low, high, bins)
    return Histogram(tuple(edges), tuple(float(n) for n in counts_of(edges[1:-1])), nan, pinf, ninf)


def given(counts: Any, edges: Any) -> Histogram:
    """Return a histogram of counts that were computed elsewhere. Raises TypeError or ValueError if they make no
    histogram.
    """
    histogram = Histogram(tuple(_numbers(edges)), tuple(_numbers(counts)))
    check_histogram(histogram)
    return histogram


def _edges(low: float, high: float, bins: int) -> list[float]:
    if low == high:  # as numpy: one wide bin around the only value
        pad = max(0.5, abs(low) * 2.0**-20)
        low, high = max(low - pad, -sys.float_info.max), min(high + pad, sys.float_info.max)
    # Not low + i · width, because that width may be infinite. Rounding must not make an edge smaller than the one
    # before.
    between = (low * (1 - i / bins) + high * (i / bins) for i in range(1, bins))
    return [*accumulate((low, *between), lambda a, b: min(max(a, b), high)), high]


def _read(values: Any) -> tuple[Summary, Counts]:
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(values, getattr(torch, "Tensor", ())):
        return _of_tensor(torch, values)
    if numpy is not None:
        return _of_array(numpy, values)
    return _of_numbers(_numbers(values))


def _of_tensor(torch: Any, tensor: Any) -> tuple[Summary, Counts]:
    if tensor.is_complex():
        raise TypeError("a histogram is of real numbers, not of complex ones")
    tensor = tensor.detach()
    if tensor.is_sparse or tensor.is_quantized:
        tensor = tensor.dequantize() if tensor.is_quantized else tensor.to_dense()
    if tensor.device.type == "mps":  # it has no float64
        tensor = tensor.cpu()
    flat = tensor.reshape(-1)

    def chunks() -> Iterator[Any]:
        for start in range(0, len(flat), CHUNK):
            yield flat[start : start + CHUNK].to(torch.float64)

    def counts(inner: list[float]) -> list[int]:
        between = torch.tensor(inner, dtype=torch.float64, device=flat.device)
        total = torch.zeros(len(inner) + 1, dtype=torch.int64, device=flat.device)
        for chunk in chunks():
            finite = chunk[torch.isfinite(chunk)]
            total += torch.bincount(torch.bucketize(finite, between, right=True), minlength=len(inner) + 1)
        as_list: list[int] = total.tolist()
        return as_list

    def summary(chunk: Any) -> list[float]:
        finite = torch.isfinite(chunk)
        return [
            float(torch.isnan(chunk).sum()),
            float(torch.isposinf(chunk).sum()),
            float(torch.isneginf(chunk).sum()),
            float(torch.where(finite, chunk, math.inf).min()),
            float(torch.where(finite, chunk, -math.inf).max()),
        ]

    return _summed(map(summary, chunks())), counts


def _of_array(numpy: Any, values: Any) -> tuple[Summary, Counts]:
    if is_masked(values):
        values = values.astype(numpy.float64).filled(math.nan)
    try:
        array = numpy.asarray(
            values if hasattr(values, "__array__") or isinstance(values, Sequence) else _numbers(values)
        )
    except (ValueError, RuntimeError):  # nested lists of different lengths, or with tensors that need a gradient
        array = numpy.asarray(_numbers(values))
    if array.dtype.kind == "O":
        array = numpy.asarray(_numbers(values))
    if array.dtype.kind not in "biuf" and not is_extra(array.dtype):
        raise TypeError(f"a histogram is of real numbers, not of {array.dtype}")
    flat = array.reshape(-1)

    def chunks() -> Iterator[Any]:
        for start in range(0, len(flat), CHUNK):
            yield flat[start : start + CHUNK].astype(numpy.float64)

    def counts(inner: list[float]) -> list[int]:
        total = numpy.zeros(len(inner) + 1, dtype=numpy.int64)
        for chunk in chunks():
            finite = chunk[numpy.isfinite(chunk)]
            total += numpy.bincount(numpy.searchsorted(inner, finite, side="right"), minlength=len(inner) + 1)
        as_list: list[int] = total.tolist()
        return as_list

    def summary(chunk: Any) -> list[float]:
        finite = numpy.isfinite(chunk)
        return [
            float(numpy.isnan(chunk).sum()),
            float(numpy.isposinf(chunk).sum()),
            float(numpy.isneginf(chunk).sum()),
            float(chunk.min(where=finite, initial=math.inf)),
            float(chunk.max(where=finite, initial=-math.inf)),
        ]

    return _summed(map(summary, chunks())), counts


def _of_numbers(values: list[float]) -> tuple[Summary, Counts]:
    finite = [x for x in values if math.isfinite(x)]

    def counts(inner: list[float]) -> list[int]:
        total = [0] * (len(inner) + 1)
        for x in finite:
            total[bisect_right(inner, x)] += 1
        return total

    nan, pinf = sum(map(math.isnan, values)), values.count(math.inf)
    low, high = min(finite, default=math.inf), max(finite, default=-math.inf)
    return (nan, pinf, len(values) - len(finite) - nan - pinf, low, high), counts


def _summed(parts: Iterable[list[float]]) -> Summary:
    nan = pinf = ninf = 0.0
    low, high = math.inf, -math.inf
    for part in parts:
        nan, pinf, ninf = nan + part[0], pinf + part[1], ninf + part[2]
        low, high = min(low, part[3]), max(high, part[4])
    return int(nan), int(pinf), int(ninf), low, high


def _numbers(values: Any) -> list[float]:
    """Return all numbers of nested sequences, arrays, tensors and single numbers, as floats."""
    if isinstance(values, str | bytes | dict):
        raise TypeError(f"a histogram is of numbers, not of {type(values).__name__}")
    if isinstance(values, int | float):
        return [float(values)]
    plain = getattr(values, "tolist", None)
    if callable(plain) and not isinstance(values, Sequence):
        detached = values.detach() if callable(getattr(values, "detach", None)) else values
        return _numbers(detached.tolist())
    if not isinstance(values, Iterable):
        raise TypeError(f"a histogram is of numbers, not of {type(values).__name__}")
    return [number for one in values for number in _numbers(one)]
