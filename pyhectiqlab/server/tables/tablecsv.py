"""A table as CSV: every row of a search, with the columns that were chosen, made while it is sent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from ...protocol import limits, search
from ...protocol.csvcells import cell
from ...protocol.search import Field
from ...store.meta import MetaStore, MetaView, Run
from ...store.points import PointStore
from .search import Value
from .table import columns_of

FACTS = ("id", "project", "note", *search.FACTS)  # of a run, as columns
STANDARD = ("id", "name", "project", "state", "author", "created", "duration", "points", "tag")
ROWS_AT_ONCE = 500
_NAMES = {math.inf: "Infinity", -math.inf: "-Infinity"}


def parse_csv_column(text: str) -> Field:
    """Return the column that a text means: one of FACTS, config.PATH or metric.KEY.STAT. Raises ValueError."""
    return Field(text) if text in FACTS else search.parse_column(text)


def table_csv(
    meta: MetaStore,
    points: PointStore,
    user_id: str,
    ids: Sequence[str],
    header: Sequence[str],
    columns: Sequence[Field],
    now: float,
) -> Iterator[bytes]:
    """Yield the file piece by piece: a header, and a row for each run that is there and that the user still sees, in
    the order of `ids`.

    Numbers are such that reading them gives the same ones; NaN and the infinities are NaN, Infinity and -Infinity.
    Times are seconds since 1970 UTC. What a run has not is an empty cell; an empty text is "". Before a text that a
    spreadsheet would take for a formula is an apostrophe (protocol/csvcells.py).
    """
    yield _lines([[cell(name) for name in header]])
    for start in range(0, len(ids), ROWS_AT_ONCE):
        with meta.reading() as view:
            yield _lines(_rows(view, points, user_id, ids[start : start + ROWS_AT_ONCE], columns, now))


def _rows(
    view: MetaView, points: PointStore, user_id: str, ids: Sequence[str], columns: Sequence[Field], now: float
) -> Iterator[list[str]]:
    runs = view.some_runs(ids)
    sees = {project: view.role_in(project, user_id) is not None for project in {run.project_id for run in runs}}
    named = [column for column in columns if column.kind in ("config", "metric")]
    shown = [run for run in runs if run.deleted is None and sees[run.project_id]]
    values = columns_of(view, points, named, [run.id for run in shown])
    for run, its in zip(shown, values, strict=True):
        rest = iter(its)
        yield [
            _text(next(rest) if column.kind in ("config", "metric") else _fact(view, run, column.kind, now))
            for column in columns
        ]


def _fact(view: MetaView, run: Run, kind: str, now: float) -> Value | None:
    if kind == "tag":
        tags = view.tags(run.id, limits.TAGS_MAX + 1) if run.tags_cut else run.tags
        return ", ".join(tag.name for tag in tags)
    if kind == "host":
        return ", ".join(view.host_names([run.id]).get(run.id, ()))
    if kind == "rank":
        return ", ".join(map(str, view.rank_numbers([run.id]).get(run.id, ())))
    if kind == "note":
        return view.note(run.id) if run.note_cut else run.note
    if kind == "duration":
        return None if run.started is None else max(0.0, (now if run.ended is None else run.ended) - run.started)
    fact: Value | None = getattr(run, "last_activity" if kind == "activity" else kind)
    return fact


def _text(value: Value | None) -> str:
    if value is None or isinstance(value, str):
        return "" if value is None else cell(value)
    return "NaN" if value != value else _NAMES.get(value) or repr(value)


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    return "".join(",".join(row) + "\r\n" for row in rows).encode()
