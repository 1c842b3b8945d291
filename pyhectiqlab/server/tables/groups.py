"""Groups: the runs of a search put together by what they have in common, with statistics of columns over each group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...protocol.search import Field
from ...store.meta import MetaView, RunQuery
from ...store.points import Int64s, PointStore
from .search import Value, find_ids, rank_values
from .table import fact_or_value

BY_MAX = 5
GROUPS_MAX = 1000  # groups in an answer: those with the most runs
RUNS_SHOWN = 1000  # ids of runs that are listed for one group
NAN = float("nan")


@dataclass(frozen=True)
class Statistics:
    """Statistics of one column in one group. Without a finite number, the mean, std, min and max are NaN.

    Attributes:
        n: finite numbers.
        nan: values that are NaN or infinite.
        std: of the sample (n - 1); 0 for n = 1.
        texts: different texts.
        text: the most frequent of them.
    """

    n: int
    nan: int
    mean: float
    std: float
    min: float
    max: float
    texts: int
    text: str | None


@dataclass(frozen=True)
class Group:
    """`values`: what its runs have in common, one for each field; None: they have none."""

    values: Sequence[Value | None]
    size: int
    runs: Sequence[str]
    columns: Sequence[Statistics]


def grouped(
    view: MetaView, points: PointStore, query: RunQuery, by: Sequence[Field], columns: Sequence[Field], now: float
) -> tuple[list[Group], int, int]:
    """Return groups, the largest first, at most GROUPS_MAX; how many groups there are; and how many runs.

    A run with several tags is in a group for each of them where `by` has tags; so is one with several hosts, or ranks.
    Statistics are over the numbers among a column's values; texts are counted. Those of a metric are over all ranks of
    each run, but in groups of one rank over the points of that rank alone.
    """
    ids = sorted(find_ids(view, points, query, now))
    row, keys = _keys(view, points, query, by, ids, now)
    if not keys:
        return [], 0, 0
    numbers: dict[tuple[Value | None, ...], int] = {}
    code = np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64, len(keys))
    sizes = np.bincount(code, minlength=len(numbers))
    order = np.argsort(-sizes, kind="stable")[:GROUPS_MAX]
    at_rank = next((i for i, field in enumerate(by) if field.kind == "rank"), None)
    statistics = []
    for column in columns:
        of_entries: list[Value | None]
        if at_rank is not None and column.kind == "metric":
            of_ranks = rank_values(points, column, ids)
            places = zip(row.tolist(), (key[at_rank] for key in keys), strict=True)
            of_entries = [of_ranks.get((ids[i], rank)) for i, rank in places]  # type: ignore[arg-type]
        else:
            of_runs = fact_or_value(view, points, column, query, ids, now)
            of_entries = [of_runs.get(ids[i]) for i in row.tolist()]
        statistics.append(_statistics(of_entries, code, order))
    by_code = np.argsort(code, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    names = list(numbers)
    groups = []
    for place, g in enumerate(order.tolist()):
        its = row[by_code[starts[g] : starts[g + 1]][:RUNS_SHOWN]]
        groups.append(Group(names[g], int(sizes[g]), [ids[i] for i in its.tolist()], [s[place] for s in statistics]))
    return groups, len(numbers), len(ids)


def _keys(
    view: MetaView, points: PointStore, query: RunQuery, by: Sequence[Field], ids: Sequence[str], now: float
) -> tuple[Int64s, list[tuple[Value | None, ...]]]:
    """Return what runs are grouped by: for each entry the place of its run in `ids`, and the values."""
    rows = list(range(len(ids)))
    keys: list[tuple[Value | None, ...]] = [()] * len(ids)
    for field in by:
        if field.kind in ("tag", "host", "rank"):
            names: Mapping[str, Sequence[str | int]] = (
                view.tag_names(query, now)
                if field.kind == "tag"
                else view.host_names(ids)
                if field.kind == "host"
                else view.rank_numbers(ids)
            )
            none: list[str | int | None] = [None]
            pairs = [(i, (*key, t)) for i, key in zip(rows, keys, strict=True) for t in names.get(ids[i], none)]
            rows, keys = [i for i, _ in pairs], [key for _, key in pairs]
        else:
            values = fact_or_value(view, points, field, query, ids, now)
            keys = [(*key, _same(values.get(ids[i]))) for i, key in zip(rows, keys, strict=True)]
    return np.array(rows, np.int64), keys


def _same(value: Value | None) -> Value | None:
    """Return the value, but one and the same object for every NaN, as two NaN are not equal."""
    return NAN if value != value else value


def _statistics(its_values: Sequence[Value | None], code: Int64s, shown: Int64s) -> list[Statistics]:
    """Return those of the groups `shown`. Of each entry: its value, and the number of its group."""
    groups = int(code.max()) + 1
    numbers = [None if isinstance(value, str) else value for value in its_values]
    known = np.array([number is not None for number in numbers])
    values = np.array([NAN if number is None else number for number in numbers])
    finite = known & np.isfinite(values)
    its, x = code[finite], values[finite]
    n = np.bincount(its, minlength=groups)
    nan = np.bincount(code[known & ~finite], minlength=groups)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.bincount(its, x, minlength=groups) / n
        spread = np.bincount(its, (x - mean[its]) ** 2, minlength=groups)
        std = np.where(n > 1, np.sqrt(spread / np.maximum(n - 1, 1)), np.where(n == 1, 0.0, NAN))
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    np.minimum.at(low, its, x)
    np.maximum.at(high, its, x)
    none = n == 0
    low[none] = high[none] = mean[none] = NAN
    texts = _texts(its_values, code)

    return [
        Statistics(int(a), int(b), float(c), float(d), float(e), float(f), *texts.get(g, (0, None)))
        for g, a, b, c, d, e, f in zip(shown, *(array[shown] for array in (n, nan, mean, std, low, high)), strict=True)
    ]


def _texts(its_values: Sequence[Value | None], code: Int64s) -> dict[int, tuple[int, str]]:
    """Return, by the number of the group, how many different texts it has, and the most frequent of them."""
    counts: dict[int, Counter[str]] = {}
    for value, group in zip(its_values, code.tolist(), strict=True):
        if isinstance(value, str):
            counts.setdefault(group, Counter())[value] += 1
    return {group: (len(its), min(its, key=lambda text: (-its[text], text))) for group, its in counts.items()}
