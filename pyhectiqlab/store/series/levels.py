"""Summaries: many points as few nodes with count, min, max, sum and last of their cells. Pure functions of arrays.

A node covers `start … start + 2^shift − 1` on one axis. Nodes on finer grids merge into cells of any coarser grid
without a look at their points. This makes ten million points cheap to draw, and exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..points import Buckets, Float64s, Int64s, Selector

# Sums add value × 2^-64. The product is exact and the sum cannot overflow, so that values near 1.8e308 have a mean,
# too.
SUM_SCALE = 2.0**-64

NODE = np.dtype(
    [
        ("start", "<i8"),
        ("count", "<i8"),
        ("nan", "<i8"),
        ("pinf", "<i8"),
        ("ninf", "<i8"),
        ("min", "<f8"),  # over finite values; +Infinity where there is none
        ("max", "<f8"),  # -Infinity where there is none
        ("sum", "<f8"),  # of finite values × SUM_SCALE
        ("last_step", "<i8"),  # of the point with the highest (step, seq, arrival): also the highest step
        ("last_seq", "<i8"),
        ("last_arrival", "<i8"),
        ("last_x", "<i8"),  # its place on the axis
        ("last", "<f8"),  # its value
    ]
)
Nodes = NDArray[Any]  # of dtype NODE
FIELDS: tuple[str, ...] = NODE.names or ()
_COUNTS = slice(FIELDS.index("count"), FIELDS.index("ninf") + 1)
_LAST = slice(FIELDS.index("last_step"), FIELDS.index("last") + 1)
Groups = NDArray[np.intp]  # index of the first row of each group; groups are contiguous, the first begins at 0

EMPTY = np.empty(0, NODE)


def groups_of(*columns: Int64s) -> Groups:
    """Return the groups of rows that are equal in all columns, for rows that lie together already."""
    changed = np.zeros(len(columns[0]), bool)
    changed[:1] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changed)


def cells(x: Int64s, shift: int | Int64s) -> Int64s:
    """Return the left edge of each place's cell on the grid of 2^shift (one shift for all, or one each)."""
    return (x >> shift) << shift


def summarise(x: Int64s, step: Int64s, seq: Int64s, arrival: Int64s, value: Float64s, shift: int) -> Nodes:
    """Return one node for each non-empty cell of 2^shift, sorted by start. All arrays have length n and any order."""
    start = cells(x, shift)
    if (start[1:] < start[:-1]).any():
        order = np.argsort(start, kind="stable")
        start, x, step, seq, arrival = (a[order] for a in (start, x, step, seq, arrival))
        value = value[order]
    return summarise_groups(groups_of(start), start, x, step, seq, arrival, value)


def summarise_groups(
    at: Groups, start: Int64s, x: Int64s, step: Int64s, seq: Int64s, arrival: Int64s, value: Float64s
) -> Nodes:
    """Return one node for each group of rows."""
    nodes = np.zeros(len(at), NODE)
    if not len(at):
        return nodes
    nodes["start"] = start[at]
    nodes["count"] = _sizes_of(at, len(start))
    finite = np.isfinite(value)
    low = high = kept = value
    if not finite.all():
        nodes["nan"] = np.add.reduceat(np.isnan(value), at, dtype=np.int64)
        nodes["pinf"] = np.add.reduceat(value == np.inf, at, dtype=np.int64)
        nodes["ninf"] = np.add.reduceat(value == -np.inf, at, dtype=np.int64)
        low, high, kept = (np.where(finite, value, none) for none in (np.inf, -np.inf, 0.0))
    nodes["min"] = np.minimum.reduceat(low, at)
    nodes["max"] = np.maximum.reduceat(high, at)
    nodes["sum"] = np.add.reduceat(kept * SUM_SCALE, at)
    last = last_of_groups(at, len(step), step, seq, arrival)
    nodes["last_step"] = step[last]
    nodes["last_seq"] = seq[last]
    nodes["last_arrival"] = arrival[last]
    nodes["last_x"] = x[last]
    nodes["last"] = value[last]
    return nodes


def merge(nodes: Nodes, attempt: Int64s, shift: int) -> Nodes:
    """Merge nodes of any order and mixed origin into one node for each non-empty cell of 2^shift, sorted by start.

    `attempt` int64[n]: the attempt of each node. The last point of a cell is the one with the highest (attempt, step,
    seq, arrival).
    """
    columns = by_column(nodes)
    start = cells(columns[0], shift)
    if (start[1:] > start[:-1]).all():
        columns[0] = start
        return of_columns(columns)
    if (start[1:] < start[:-1]).any():
        order = np.argsort(start, kind="stable")
        columns, start, attempt = columns[:, order], start[order], attempt[order]
    at = groups_of(start)
    named = dict(zip(FIELDS, columns, strict=True))
    last = last_of_groups(at, len(start), attempt, named["last_step"], named["last_seq"], named["last_arrival"])
    merged = np.zeros((len(FIELDS), len(at)), np.int64)
    merged[0] = start[at]
    merged[1] = np.add.reduceat(named["count"], at)
    for i in range(_COUNTS.start + 1, _COUNTS.stop):
        if columns[i].any():
            merged[i] = np.add.reduceat(columns[i], at)
    for name, pooled in (("min", np.minimum), ("max", np.maximum), ("sum", np.add)):
        merged[FIELDS.index(name)] = pooled.reduceat(named[name].view(np.float64), at).view(np.int64)
    merged[_LAST] = columns[_LAST].take(last, axis=1)
    return of_columns(merged)


def by_column(nodes: Nodes) -> Int64s:
    """Return a copy of the nodes' bits, int64[fields, n]: numpy is faster if one field's numbers are side by side."""
    return np.array(np.ascontiguousarray(nodes).view(np.int64).reshape(-1, len(FIELDS)).T, order="C", copy=True)


def of_columns(columns: Int64s) -> Nodes:
    """Return what `by_column` returned, as nodes."""
    nodes: Nodes = np.ascontiguousarray(columns.T).reshape(-1).view(NODE)
    return nodes


def concatenated(parts: Sequence[Nodes]) -> Nodes:
    """Concatenate arrays of nodes with the same fields. It is quicker than numpy's own function, which compares the
    fields of each part first.
    """
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([np.ascontiguousarray(part).view(np.int64) for part in parts]).view(parts[0].dtype)


def last_of_groups(at: Groups, n: int, *keys: Int64s) -> NDArray[np.intp]:
    """Return the index of the row with the highest (keys[0], keys[1], …) in each group; of equal ones, the last.

    It narrows the candidates key by key. Nearly always one candidate a group is left after the first key, while a sort
    by all keys would be the most expensive part of a query.
    """
    index: NDArray[np.intp] | None = None
    sizes = _sizes_of(at, n)
    for key in keys:
        candidates = key if index is None else key[index]
        if (candidates[1:] > candidates[:-1]).all():
            break  # the last row of each group is the highest, as nearly always with the steps of a training
        highest = np.maximum.reduceat(candidates, at)
        kept = np.flatnonzero(candidates == np.repeat(highest, sizes))
        if len(kept) == len(candidates):
            continue
        group = np.repeat(np.arange(len(at)), sizes)[kept]
        index = kept if index is None else index[kept]
        at = groups_of(group)
        sizes = _sizes_of(at, len(index))
        if len(index) == len(at):
            return index
    ends: NDArray[np.intp] = at + sizes - 1
    return ends if index is None else index[ends]


def _sizes_of(at: Groups, n: int) -> Int64s:
    """Return how many of n rows each group has."""
    sizes = np.empty(len(at), np.int64)
    np.subtract(at[1:], at[:-1], out=sizes[:-1])
    sizes[-1:] = n - at[-1:]
    return sizes


def to_buckets(selector: Selector, shift: int, nodes: Nodes, ranks: int) -> Buckets:
    """Return what a chart draws, from merged nodes."""
    counts = {name: nodes[name].astype(np.int64) for name in ("count", "nan", "pinf", "ninf")}
    finite = counts["count"] - counts["nan"] - counts["pinf"] - counts["ninf"]
    some = finite > 0
    low, high, mean = (np.where(some, a, np.nan) for a in (nodes["min"], nodes["max"], nodes["sum"]))
    with np.errstate(over="ignore"):  # by a rounding, at 1.8e308: clipped below
        mean = mean / np.where(some, finite, 1) / SUM_SCALE
    return Buckets(
        selector=selector,
        width=1 << shift,
        start=nodes["start"].astype(np.int64),
        count=counts["count"],
        min=low,
        max=high,
        mean=np.clip(mean, low, high),  # rounding must not carry a mean past its own extremes
        last=nodes["last"].astype(np.float64),
        last_x=nodes["last_x"].astype(np.int64),
        last_step=nodes["last_step"].astype(np.int64),
        nan=counts["nan"],
        pinf=counts["pinf"],
        ninf=counts["ninf"],
        total=int(counts["count"].sum()),
        ranks=ranks,
    )
