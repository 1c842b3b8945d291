"""A project's runs as a table: rows with named columns, groups, and which columns there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query, Request, Response

from ...protocol import search
from ...protocol.search import Sort
from ...store.meta import RunQuery
from ..access.access import TheCaller, TheLab
from ..access.permitted import find_project
from ..accounts.authority import Grant, GrantedResponse
from ..http.replies import ApiError, Page, reply, reply_large, wants_msgpack
from ..models import models_table
from ..models.answers import answer
from ..tables import tablecsv
from ..tables.columns import columns as columns_of_runs
from ..tables.groups import BY_MAX, grouped
from ..tables.suggest import suggest
from ..tables.table import COLUMNS_MAX, SORTS_MAX, Order, columns_of, sorted_ids
from ..turns.bodies import BodyRoute
from .artifacts import disposition
from .common import LIMIT, Limit, Router, answers, run_answers
from .series import in_turns

router = Router(tags=["runs"], route_class=BodyRoute)
T = TypeVar("T")
Search = Annotated[str, Query(max_length=search.LENGTH_MAX)]
Filter = Annotated[list[Search] | None, Query(description="Terms, as of GET /runs.")]
OfProject = Annotated[str | None, Query(max_length=512, description="Name or id; without it, of all projects.")]
COLUMN = f"config.NAME or metric.KEY.last ({', '.join(search.STATS[1:])}, smoothed(gaussian,100))"


@router.get("/table", response_model=None, responses=answers(models_table.TableAnswer, 200, 404))
def get_table(
    request: Request,
    lab: TheLab,
    caller: TheCaller,
    project: OfProject = None,
    filter: Filter = None,
    sort: Annotated[list[Search] | None, Query(description="As of GET /runs; several: the first counts most.")] = None,
    column: Annotated[list[Search] | None, Query(description=f"{COLUMN}. Several.")] = None,
    order: Annotated[str, Query(max_length=64, description="`order` of an earlier answer.")] = "",
    offset: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
    limit: Limit = LIMIT,
) -> Response:
    """Rows from `offset` on. NaN sorts behind all numbers, and runs without a value come last, in either direction.

    `order` keeps the rows in their places while runs come and change. The lab forgets an order that was not asked for
    lately, or when it restarts. Then, and if the order is of another search or other sorts, the lab sorts the runs
    anew, and the answer names the new order. As msgpack (Accept: application/x-msgpack) NaN and the infinities are
    numbers.
    """
    fields = _parsed(search.parse_column, column, COLUMNS_MAX, "columns")
    if facts := [field.kind for field in fields if field.kind not in ("config", "metric")]:
        raise ApiError(422, "bad_column", f"Every row has {facts[0]!r} already: columns are {COLUMN}.")
    sorts = _parsed(search.parse_sort, sort, SORTS_MAX, "sorts") or (search.NEWEST_FIRST,)
    query = _query(lab, caller, project, filter, sorts)
    known = lab.orders.get(order, query, sorts)
    with lab.meta.reading() as view:
        if known is None:
            lab.searched.note(query, (its.field for its in sorts), fields)
            known = Order(query, sorts, sorted_ids(view, lab.points, query, sorts, time.time()))
            order = lab.orders.add(known)
        ids = known.ids[offset : offset + limit]
        runs = view.some_runs(ids)
        roles = {p: view.role_in(p, caller.user.id) for p in {run.project_id for run in runs}}
        seen = {run.id: run for run in runs if run.deleted is None and roles[run.project_id] is not None}
        values = dict(zip(ids, columns_of(view, lab.points, fields, ids), strict=True))
        page = Page(limit, packed=wants_msgpack(request), name="rows")
        hosts = view.host_names(list(seen))
        shown = {run["id"]: run for run in run_answers(request, lab, list(seen.values()), [])}
        for run in ids:
            page.add({**shown[run], "values": values[run], "hosts": hosts.get(run, [])} if run in shown else None)
            if page.full:
                break
    return page.reply(total=len(known.ids), order=order, offset=offset)


_FILE = {"description": "One row a run.", "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}


@router.get("/table/csv", response_model=None, responses={**answers(models_table.TableAnswer, 200, 404), 200: _FILE})
def get_csv(
    lab: TheLab,
    caller: TheCaller,
    project: OfProject = None,
    filter: Filter = None,
    sort: Annotated[list[Search] | None, Query(description="As of GET /table.")] = None,
    column: Annotated[
        list[Search] | None, Query(description=f"{', '.join(tablecsv.FACTS)}, {COLUMN}. Several, in this order.")
    ] = None,
) -> Response:
    """Every row as CSV in UTF-8, with these columns and no other, named as they were asked for; without any, with some
    facts of the runs. Streamed, however many there are. Numbers are exact; NaN and the infinities are NaN, Infinity and
    -Infinity; times are seconds since 1970 UTC; what a run has not is an empty cell, and tags and hosts are joined by
    commas. Before a text that a spreadsheet would take for a formula is an apostrophe, which it does not show.
    """
    header = column or tablecsv.STANDARD
    fields = _parsed(tablecsv.parse_csv_column, header, COLUMNS_MAX, "columns")
    sorts = _parsed(search.parse_sort, sort, SORTS_MAX, "sorts") or (search.NEWEST_FIRST,)
    query, now = _query(lab, caller, project, filter, sorts), time.time()
    lab.searched.note(query, (its.field for its in sorts), fields)
    with lab.meta.reading() as view:
        ids = sorted_ids(view, lab.points, query, sorts, now)
        its = None if query.project is None else view.project(query.project)
    pieces = tablecsv.table_csv(lab.meta, lab.points, caller.user.id, ids, header, fields, now)
    name = f"{'runs' if its is None else its.name.replace('/', '_')}.csv"
    return GrantedResponse(
        in_turns(lab.shares, caller.user.id, pieces),
        lab.authority,
        Grant(caller, frozenset() if query.project is None else frozenset({query.project})),
        whole=True,
        headers={"Content-Disposition": disposition("attachment", name)},
        media_type="text/csv; charset=utf-8",
    )


@router.get("/table/groups", response_model=None, responses=answers(models_table.GroupsAnswer, 200, 404))
def get_groups(
    lab: TheLab,
    caller: TheCaller,
    by: Annotated[
        list[Search] | None,
        Query(description="state, tag, author, group, host, rank, attempt or config.NAME. Several; none: one group."),
    ] = None,
    project: OfProject = None,
    filter: Filter = None,
    column: Annotated[list[Search] | None, Query(description=f"{COLUMN}. Several.")] = None,
) -> Response:
    """Runs that have the same values in common, and the mean, standard deviation, minimum and maximum of columns over
    each group, with how many different texts they have. A run with several tags, hosts or ranks (the lowest 32) is in
    a group of each. Columns of metrics are over all ranks of a run, but in groups of one rank over the points of that
    rank alone.
    """
    fields = _parsed(search.parse_column, by, BY_MAX, "values to group by")
    columns = _parsed(search.parse_column, column, COLUMNS_MAX, "columns")
    query = _query(lab, caller, project, filter, ())
    lab.searched.note(query, [*fields, *columns])
    with lab.meta.reading() as view:
        groups, total, runs = grouped(view, lab.points, query, fields, columns, time.time())
    its = [
        answer(
            models_table.GroupAnswer, group, columns=[answer(models_table.StatisticsAnswer, c) for c in group.columns]
        )
        for group in groups
    ]
    return reply_large({"runs": runs, "total": total, "groups": its})


@router.get("/table/columns", response_model=None, responses=answers(models_table.ColumnsAnswer, 200, 404))
def get_columns(
    lab: TheLab,
    caller: TheCaller,
    project: OfProject = None,
    filter: Filter = None,
    words: Annotated[str, Query(max_length=512, description="Only those whose name contains this.")] = "",
) -> Response:
    """Return which configs and metrics the runs have. Configs that tell the runs apart come first."""
    query = _query(lab, caller, project, filter, ())
    with lab.meta.reading() as view:
        its = columns_of_runs(view, lab.points, lab.config_texts, query, words, time.time())
    return reply(
        answer(
            models_table.ColumnsAnswer,
            its,
            config=[answer(models_table.ConfigColumnAnswer, column) for column in its.config],
            metrics=[answer(models_table.MetricColumnAnswer, column) for column in its.metrics],
        )
    )


@router.get("/table/suggest", response_model=None, responses=answers(models_table.SuggestAnswer, 200, 404))
def get_suggestions(
    lab: TheLab,
    caller: TheCaller,
    project: OfProject = None,
    text: Annotated[str, Query(max_length=search.LENGTH_MAX, description="Is being typed.")] = "",
    caret: Annotated[int, Query(ge=0, le=search.LENGTH_MAX, description="How many characters are before it.")] = 0,
) -> Response:
    """Say how a search that is being typed may go on: names of fields, comparisons and values of runs that the caller
    may see.
    """
    query = _query(lab, caller, project, None, ())
    with lab.meta.reading() as view:
        piece, items = suggest(view, lab.points, lab.config_texts, query, text, caret, time.time())
    suggestions = [answer(models_table.SuggestionAnswer, item) for item in items]
    return reply({"kind": piece.kind, "start": piece.start, "end": piece.end, "items": suggestions})


def _parsed(parse: Callable[[str], T], texts: Sequence[str] | None, most: int, what: str) -> tuple[T, ...]:
    """Return what the texts mean. Raises ApiError."""
    if len(texts or ()) > most:
        raise ApiError(422, "too_many", f"There are at most {most} {what}, not {len(texts or ())}.")
    try:
        return tuple(parse(text) for text in texts or ())
    except ValueError as e:
        raise ApiError(422, "bad_filter", f"{str(e)[:1].upper()}{str(e)[1:]}.") from None


def _query(
    lab: TheLab, caller: TheCaller, project: str | None, filters: Sequence[str] | None, sorts: Sequence[Sort]
) -> RunQuery:
    """Return a search of what the caller may see. Raises ApiError."""
    terms = tuple(term for some in _parsed(search.parse, filters, search.TERMS_MAX, "filters") for term in some)
    project_id = None if project is None else find_project(lab, caller, project).id
    sort = sorts[0] if sorts else search.NEWEST_FIRST
    return RunQuery(project_id, terms, sort, seen_by=caller.user.id)
