"""SQL of the MetaStore for searches: terms of protocol/search.py as conditions on runs; sorts; pages behind a cursor.

A page begins behind the last run of the page before (its sort value and id), not at a count of rows. So runs that are
added meanwhile hide none and repeat none. The MetaStore does not know terms of metrics, see server/tables/search.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
)

from ...protocol.search import ANY, Term
from ...protocol.searchable import as_written
from ..meta import Run, RunPage, RunQuery
from ..points import RANKS_MAX
from .dialect import any_of, lists_of
from .meta_members import visible_to
from .meta_runs import RUN, read_runs
from .meta_schema import config_values, projects, run_tags, runs, sessions, users
from .share import Share

ROWS_AT_ONCE = 500


def _like(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _number(kind: str, now: float) -> ColumnElement[Any]:
    """Return the number that a term compares; NULL where the run has none."""
    expressions: dict[str, ColumnElement[Any]] = {
        "created": runs.c.created,
        "started": runs.c.started,
        "ended": runs.c.ended,
        "activity": runs.c.last_activity,
        "duration": func.coalesce(runs.c.ended, now) - runs.c.started,
        "points": runs.c.points,
        "attempt": runs.c.attempt,
    }
    return expressions[kind]


def _sort_value(kind: str, now: float) -> ColumnElement[Any]:
    """Return the value that a sort compares, never NULL."""
    if kind in ("name", "state"):
        return runs.c[kind]
    if kind == "author":
        return users.c.username
    if kind == "group":
        return runs.c.group_name
    number = _number(kind, now)
    if kind == "started":
        return func.coalesce(number, runs.c.created)  # as lists show it
    if kind in ("ended", "duration"):
        return func.coalesce(number, now if kind == "ended" else 0.0)
    return number  # bare, so that an index gives the order


def _ordered(left: ColumnElement[Any], op: str, right: float) -> ColumnElement[bool]:
    if math.isnan(right):  # PostgreSQL puts it behind all other numbers
        return false()
    compared: ColumnElement[bool] = left.op(op, is_comparison=True)(right)
    return compared


def _text(column: ColumnElement[Any], op: str, value: str) -> ColumnElement[bool]:
    return column.ilike(_like(value), escape="\\") if op == "~" else column == value


def _of_config(term: Term, value: str) -> ColumnElement[bool]:
    number, text = config_values.c.number, config_values.c.text
    if value == ANY:
        return true()
    if term.op == "~":
        return _text(text, "~", value)
    if term.op != "=":
        return _ordered(number, term.op, term.number(value))
    try:
        return or_(number == term.number(value), text.in_(as_written(value)))
    except ValueError:
        return text.in_(as_written(value))


def _one(term: Term, value: str, now: float) -> ColumnElement[bool]:
    """Return the condition of a term that is not negated, for one of its values."""
    kind = term.field.kind
    if kind == "config":
        having = select(config_values.c.run_id).where(config_values.c.path == term.field.name, _of_config(term, value))
        return runs.c.id.in_(having)
    if kind == "tag":
        its = true() if value == ANY else _text(run_tags.c.name, term.op, value)
        return runs.c.id.in_(select(run_tags.c.run_id).where(its))
    if kind == "host":
        its = true() if value == ANY else _text(sessions.c.host, term.op, value)
        return runs.c.id.in_(select(sessions.c.run_id).where(sessions.c.host != "", its))
    if kind == "rank":
        its = true() if value == ANY else _ordered(sessions.c.rank, term.op, term.number(value))
        return runs.c.id.in_(select(sessions.c.run_id).where(its))
    if kind == "text":
        return or_(_text(runs.c.name, "~", value), runs.c.id == value, _text(runs.c.note, "~", value))
    if kind == "author":
        its = true() if value == ANY else _text(users.c.username, term.op, value)
        return runs.c.author_id.in_(select(users.c.id).where(its))
    if kind == "archived":
        return true() if value == ANY else _text(case((runs.c.archived.is_(None), "false"), else_="true"), "=", value)
    if kind in ("state", "name", "note", "id", "group"):
        column = runs.c["group_name" if kind == "group" else kind]
        return column != "" if value == ANY else _text(column, term.op, value)
    number = _number(kind, now)
    return number.is_not(None) if value == ANY else _ordered(number, term.op, term.number(value, now))


def _condition(term: Term, now: float) -> ColumnElement[bool]:
    positive = term.positive
    holds = or_(false(), *(_one(positive, value, now) for value in positive.values))
    # NOT of NULL is NULL: where a run lacks a value, the term does not hold.
    return not_(func.coalesce(holds, false())) if term.negated else holds


def _asks_for_archived(term: Term) -> bool:
    """Return whether a search with this term also finds runs that are archived."""
    return term.field.kind == "archived" or (term.field.kind == "id" and term.op == "=")


class SearchSql(Share):
    """The topic searches of SqlMeta."""

    def _conditions(self, query: RunQuery, now: float) -> list[ColumnElement[bool]]:
        where: list[ColumnElement[bool]] = [runs.c.deleted.is_(None)]
        if not any(_asks_for_archived(term) for term in query.terms):
            where.append(runs.c.archived.is_(None))
        visible = select(projects.c.id).where(visible_to(query.seen_by))
        if query.project is not None:
            where.append(runs.c.project_id == query.project)
            where.append(exists(visible.where(projects.c.id == query.project)))  # asked once, not of each run
        elif query.seen_by is not None:
            where.append(runs.c.project_id.in_(visible.where(projects.c.archived.is_(None))))
        where += [_condition(term, now) for term in query.terms if term.field.kind != "metric"]
        return where

    def runs(self, query: RunQuery, now: float, among: Collection[str] | None = None) -> RunPage:
        kind, downwards = query.sort.field.kind, query.sort.downwards
        value = _sort_value(kind, now)
        statement = select(runs.c.id, value.label("value")).where(*self._conditions(query, now))
        if kind == "author":
            statement = statement.join(users, users.c.id == runs.c.author_id)
        if query.after is not None:
            last, run_id = query.after
            further = value < last if downwards else value > last
            tie = runs.c.id < run_id if downwards else runs.c.id > run_id
            statement = statement.where(or_(further, and_(value == last, tie)))
        statement = statement.order_by(*((value.desc(), runs.c.id.desc()) if downwards else (value, runs.c.id)))
        if among is None:
            statement = statement.limit(query.limit + 1)
        elif len(among) <= ROWS_AT_ONCE:  # few: look them up, instead of reading all runs in order
            statement = statement.where(runs.c.id.in_(among))
        page: list[tuple[Any, str]] = []
        if among is None:  # all at once: PostgreSQL plans a cursor for its first rows, which takes a filter longer
            page = [(value, run) for run, value in self._rows(statement)]
            return RunPage(page[: query.limit], len(page) > query.limit)
        with self.conn.execute(statement, execution_options={"yield_per": ROWS_AT_ONCE}) as rows:
            for row in rows:
                if row.id in among:
                    page.append((row.value, row.id))
                if len(page) > query.limit:
                    break
        return RunPage(page[: query.limit], len(page) > query.limit)

    def found_ids(self, query: RunQuery, now: float) -> list[str]:
        return [run for (run,) in self._rows(select(runs.c.id).where(*self._conditions(query, now)))]

    def fact_values(self, fact: str, query: RunQuery, now: float) -> dict[str, float | str]:
        if fact in ("tag", "host", "rank"):  # a run has several
            return {}
        value = _sort_value(fact, now)
        if fact in ("started", "ended", "duration"):
            value = _number(fact, now)  # no substitute where there is none
        statement = select(runs.c.id, value).where(*self._conditions(query, now))
        if fact == "author":
            statement = statement.join(users, users.c.id == runs.c.author_id)
        rows = self._rows(statement)
        return {run: value for run, value in rows if value is not None and (fact != "group" or value)}

    def tag_names(self, query: RunQuery, now: float) -> dict[str, list[str]]:
        statement = select(run_tags.c.run_id, run_tags.c.name).join(runs, runs.c.id == run_tags.c.run_id)
        statement = statement.where(*self._conditions(query, now)).order_by(run_tags.c.run_id, run_tags.c.name)
        names: dict[str, list[str]] = {}
        for run, name in self._rows(statement):
            names.setdefault(run, []).append(name)
        return names

    def host_names(self, ids: Sequence[str]) -> dict[str, list[str]]:
        run, host = sessions.c.run_id, sessions.c.host
        names: dict[str, list[str]] = {}
        statement = select(run, host).distinct().where(any_of(self.conn, run, ids), host != "").order_by(run, host)
        for of, name in self._rows(statement):
            names.setdefault(of, []).append(name)
        return names

    def rank_numbers(self, ids: Sequence[str]) -> dict[str, list[int]]:
        run, rank = sessions.c.run_id, sessions.c.rank
        numbers: dict[str, list[int]] = {}
        where = any_of(self.conn, run, ids), rank < RANKS_MAX
        for of, number in self._rows(select(run, rank).distinct().where(*where).order_by(run, rank)):
            numbers.setdefault(of, []).append(number)
        return numbers

    def some_runs(self, ids: Sequence[str]) -> list[Run]:
        by_id = {run.id: run for run in read_runs(self.conn, RUN.where(any_of(self.conn, runs.c.id, ids)))}
        return [by_id[run_id] for run_id in ids if run_id in by_id]

    # Configs ----------------------------------------------------------------------------------------------------

    def config_values(self, path: str) -> dict[str, float | str]:
        at, number = config_values.c.path == path, config_values.c.number
        numbers = select(config_values.c.run_id, number).where(at, number.is_not(None))  # the index alone answers this
        texts = select(config_values.c.run_id, config_values.c.text).where(at, number.is_(None))
        return {run: value for query in (numbers, texts) for run, value in self._rows(query)}

    def some_config_values(self, paths: Sequence[str], ids: Sequence[str]) -> dict[str, dict[str, float | str]]:
        values: dict[str, dict[str, float | str]] = {}
        columns = select(config_values.c.run_id, config_values.c.path, config_values.c.number, config_values.c.text)
        for some in _parts(ids):
            here = columns.where(config_values.c.run_id.in_(some), config_values.c.path.in_(paths))
            for run, path, number, text in self._rows(here):
                values.setdefault(run, {})[path] = text if number is None else number
        return values

    def config_pairs(self, ids: Sequence[str]) -> dict[str, dict[str, tuple[float | None, str]]]:
        pairs: dict[str, dict[str, tuple[float | None, str]]] = {}
        columns = select(config_values.c.run_id, config_values.c.path, config_values.c.number, config_values.c.text)
        for some in _parts(ids):
            for run, path, number, text in self._rows(columns.where(config_values.c.run_id.in_(some))):
                pairs.setdefault(path, {})[run] = (number, text)
        return pairs

    def config_texts(self, ids: Sequence[str]) -> dict[str, tuple[tuple[str, ...], Sequence[str]]]:
        read: dict[str, tuple[tuple[str, ...], Sequence[str]]] = {}
        shared: dict[str, tuple[str, ...]] = {}
        for some in _parts(ids):
            columns = (config_values.c.path, config_values.c.text)
            its = lists_of(self.conn, config_values.c.run_id, columns, config_values.c.run_id.in_(some))
            for run, (paths, texts) in its:
                if (known := shared.get(paths)) is None:
                    known = shared[paths] = tuple(json.loads(paths))
                read[run] = known, json.loads(texts)
        return read

    def _rows(self, query: Select[Any]) -> Sequence[Any]:
        """Return rows of texts and numbers, by the database's own cursor, which is twice as fast as SQLAlchemy's."""
        return self.conn.execute(query).cursor.fetchall()


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield them in parts that one statement can name."""
    for start in range(0, len(ids), ROWS_AT_ONCE):
        yield ids[start : start + ROWS_AT_ONCE]
