"""Suggest: how a search that is being typed may go on: names of fields, comparisons, values.

Values are those of runs that the caller may see.

Values are those of all these runs; names of configs and metrics are those of some, half of them the newest.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...base.texts import counted
from ...protocol import search
from ...protocol.completing import (
    OPS,
    SMOOTHED_WIDTH,
    Piece,
    fields_like,
    ops_of,
    piece_at,
    smoothings_of,
    without_stat,
)
from ...protocol.search import Field, quoted
from ...protocol.states import ALL_STATES
from ...store.meta import MetaView, RunQuery
from ...store.points import PointStore
from .configtexts import ConfigTexts
from .search import find_ids, values_of

ITEMS_MAX = 20
NAME_RUNS_MAX = 400  # whose configs and metrics are looked at
VALUE_CHARS_MAX = 200  # longer ones are not worth completing
_AGES = {"-1h": "in the last hour", "-1d": "in the last day", "-7d": "in the last week", "-30d": "in the last 30 days"}
_SPANS = {"5m": "five minutes", "1h": "an hour", "1d": "a day"}
_ARCHIVED = {"true": "archived ones alone", "*": "archived or not"}
_SHARES = {
    0.5: "half of the runs are below",
    0.0: "the lowest",
    1.0: "the highest",
    0.25: "a quarter of the runs is below",
    0.75: "a quarter of the runs is above",
    0.1: "a tenth of the runs is below",
    0.9: "a tenth of the runs is above",
}
_FACTS = {
    "state": "state of the run",
    "tag": "tag",
    "author": "who made it",
    "group": "the group that it is in",
    "host": "a machine that it was on",
    "name": "name of the run",
    "note": "note",
    "id": "id of the run",
    "archived": "whether it is archived",
    "created": "when it was made",
    "started": "when it started",
    "ended": "when it ended",
    "activity": "when it was last heard of",
    "duration": "how long it took",
    "points": "how many points it has",
    "attempt": "which attempt it is at",
    "rank": "a rank of one of its processes",
}


@dataclass(frozen=True)
class Suggestion:
    """`text`: what to put in the place of the piece; `about`: what it is, in a few words."""

    text: str
    about: str


def suggest(
    view: MetaView, points: PointStore, texts: ConfigTexts, query: RunQuery, text: str, caret: int, now: float
) -> tuple[Piece, list[Suggestion]]:
    """Return the piece of `text` at the caret, and what may stand in its place: the best first, at most ITEMS_MAX.
    `query`: whose runs are looked at. Blocks on the stores: some 50 ms for 10,000 runs.
    """
    piece = piece_at(text, caret)
    if piece.kind == "value":
        return piece, list(_values(view, points, query, piece, now))
    known: list[Suggestion] = [
        Suggestion(f"{piece.typed}{op}", OPS[op]) for op in ops_of(piece.typed) if piece.typed in _FACTS
    ]
    known += [Suggestion(name, _FACTS[name]) for name in fields_like(piece.typed) if name != piece.typed]
    ids = sorted(find_ids(view, points, query, now))
    created = view.fact_values("created", query, now)
    newest = sorted(ids, key=lambda run: created.get(run, 0.0), reverse=True)
    half = NAME_RUNS_MAX // 2
    others = newest[half:]
    some = newest[:half] + random.Random(0).sample(others, min(half, len(others)))
    heard = view.fact_values("activity", query, now)
    configs = {path: sum(counts.values()) for path, counts in texts.counts(view, some, heard).items()}
    known += _named("config", piece.typed, configs, len(some))
    known += _named("metric", piece.typed, points.key_counts(some), len(some))
    return piece, known[:ITEMS_MAX] if piece.typed else _mixed(known)


def _mixed(known: list[Suggestion]) -> list[Suggestion]:
    """Return some of each kind, for when nothing is typed yet."""
    kinds = [[s for s in known if s.text.partition(".")[0] == kind][:6] for kind in ("config", "metric")]
    facts = [s for s in known if "." not in s.text]
    return [*facts[:8], *kinds[0], *kinds[1]][:ITEMS_MAX]


def _named(kind: str, typed: str, counts: Mapping[str, int], runs: int) -> Iterator[Suggestion]:
    """Yield names of configs or metrics; behind a whole name, its comparisons and statistics."""
    inner = typed[len(kind) + 1 :] if typed.startswith(f"{kind}.") else None
    if inner is None and kind.startswith(typed):
        inner = ""
    key, stat = (inner or "", "") if kind == "config" else without_stat(inner or "")
    if inner and inner in counts:
        yield from (Suggestion(f"{kind}.{quoted(inner)}{op}", OPS[op]) for op in ops_of(kind))
    if kind == "metric" and inner and key in counts:
        if key != inner and stat in search.STATS:
            yield from (Suggestion(f"metric.{quoted(key)}.{stat}{op}", OPS[op]) for op in ops_of(kind))
        for one in search.STATS:
            if one.startswith(stat) and one != stat:
                yield Suggestion(f"metric.{quoted(key)}.{one}", "value of the metric")
    if kind == "metric" and inner:
        yield from _smoothings(inner, counts)
    for name in _ranked(typed if inner is None else inner, counts):
        if name != inner:
            yield Suggestion(f"{kind}.{quoted(name)}", f"{kind} of {_share(counts[name], runs)}")


def _smoothings(inner: str, counts: Mapping[str, int]) -> Iterator[Suggestion]:
    """Yield smoothings that what is typed of a metric may become; behind a whole one, its comparisons."""
    try:
        field = search.parse_field(f"metric.{inner}")
    except ValueError:
        field = Field("metric")
    if field.name in counts and search.smoothed_of(field.stat):
        its = f"metric.{quoted(field.name)}.{field.stat}"
        yield from (Suggestion(f"{its}{op}", OPS[op]) for op in ops_of("metric"))
        return
    key, stats = smoothings_of(inner)
    for stat in stats if key in counts else ():
        about = f"where its line ends, smoothed over {SMOOTHED_WIDTH} steps; 30s are seconds"
        yield Suggestion(f"metric.{quoted(key)}.{stat}", about)


def _share(count: int, runs: int) -> str:
    return "all runs" if count == runs else f"{round(100 * count / runs) or 1} % of runs"


def _values(view: MetaView, points: PointStore, query: RunQuery, piece: Piece, now: float) -> Iterator[Suggestion]:
    try:
        field = search.parse_field(piece.field)
    except ValueError:
        return
    if field.kind == "metric" and field.name:
        numbers = values_of(view, points, field, view.found_ids(query, now)).values()
        yield from (s for s in _numbers([float(n) for n in numbers]) if s.text.startswith(piece.typed.lower()))
        return
    if about := _fixed(field):
        wanted = piece.typed.lower()
        yield from (Suggestion(text, what) for text, what in about.items() if text.startswith(wanted))
        return
    counts = _counts(view, query, field, now)
    counts = {text: count for text, count in counts.items() if len(text) <= VALUE_CHARS_MAX}
    for text in _ranked(piece.typed, counts)[:ITEMS_MAX]:
        yield Suggestion(quoted(text), counted(counts[text], "run"))


def _numbers(values: Sequence[float]) -> Iterator[Suggestion]:
    """Yield numbers to compare a metric with: where the values of the runs lie, in three digits; and NaN."""
    finite = sorted(value for value in values if math.isfinite(value))
    named: dict[str, str] = {}
    for share, about in _SHARES.items():
        if finite:
            named.setdefault(_written(float(f"{finite[round(share * (len(finite) - 1))]:.3g}")), about)
    nan = sum(value != value for value in values)
    yield from (Suggestion(text, about) for text, about in named.items())
    yield Suggestion("nan", f"not a number: {counted(nan, 'run')}")


def _fixed(field: Field) -> Mapping[str, str]:
    """Return values that do not depend on the runs."""
    if field.kind in ("created", "started", "ended", "activity"):
        return _AGES
    if field.kind == "duration":
        return _SPANS
    if field.kind == "archived":
        return _ARCHIVED
    return {"nan": "not a number"} if field.kind == "metric" else {}


def _counts(view: MetaView, query: RunQuery, field: Field, now: float) -> Mapping[str, int]:
    """Return how many runs have each value."""
    if field.kind == "tag":
        return Counter(name for names in view.tag_names(query, now).values() for name in names)
    if field.kind == "host":
        return Counter(name for names in view.host_names(view.found_ids(query, now)).values() for name in names)
    if field.kind == "rank":
        numbers = view.rank_numbers(view.found_ids(query, now))
        return Counter(str(number) for its in numbers.values() for number in its)
    if field.kind == "config":
        ids = frozenset(view.found_ids(query, now))
        return Counter(_written(value) for run, value in view.config_values(field.name).items() if run in ids)
    if field.kind in ("state", "author", "group", "name", "attempt"):
        counts = Counter(_written(value) for value in view.fact_values(field.kind, query, now).values())
        return {**dict.fromkeys(sorted(ALL_STATES), 0), **counts} if field.kind == "state" else counts
    return {}


def _written(value: float | str) -> str:
    return value if isinstance(value, str) else repr(float(value)).removesuffix(".0")


def _ranked(typed: str, counts: Mapping[str, int]) -> list[str]:
    """Return the names that hold `typed`, whatever its case: first those that begin with it, then the most frequent."""
    wanted = typed.lower()

    def key(name: str) -> tuple[bool, bool, int, str]:
        return not name.lower().startswith(wanted), name.startswith("system/"), -counts[name], name

    return sorted(_holding(wanted, counts), key=key)


def _holding(wanted: str, names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if wanted in name.lower())
