"""search_runs: find runs by anything that the lab knows of them, in the language of protocol/search.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..profile import Profile
from ..protocol.search import parse, parse_column, parse_sort, quoted
from ..protocol.searchable import flat, text_in
from ..transport.connecting import find_profile
from .shapes import asking, shaped
from .view import RunView, run_view

if TYPE_CHECKING:
    import pandas

PAGE = 500
PAGE_WITH_CONFIG = 100


class FoundRuns(Iterable[RunView]):
    """The runs that a search finds.

    Iterating asks the lab, page by page, and blocks on the network; each iteration asks anew. Nothing is asked before.
    A run that is added meanwhile neither hides another run nor makes one appear twice.
    """

    def __init__(self, asked: dict[str, Any], limit: int | None, profile: Profile) -> None:
        self._asked, self._limit, self._profile = asked, limit, profile

    def __iter__(self) -> Iterator[RunView]:
        return self._pages({}, PAGE)

    def __repr__(self) -> str:
        asked = ", ".join(f"{name}={value!r}" for name, value in self._asked.items() if value)
        return f"<FoundRuns {asked}>"

    def first(self) -> RunView | None:
        """Return the first run; None if the search finds none. Blocks on the network."""
        return next(self._pages({}, 1), None)

    def to_pandas(self, metrics: Iterable[str] | None = None) -> pandas.DataFrame:
        """Return a table with a row for each run, indexed by its id.

        Columns: name, project, author, state, times, points, note, tags; then the values of its config as
        `config.PATH`, and the last values of metrics as `metric.KEY`.

        Args:
            metrics: keys of the metrics that become columns. None: those of the search, or the first eight of each run.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        from .frames import runs_frame

        chosen = {} if metrics is None else {"key": list(dict.fromkeys(metrics))}
        return runs_frame(map(_row, self._pages({**chosen, "config": True}, PAGE_WITH_CONFIG)), _OF_RUN)

    def rows(self, columns: Iterable[str], *, sort: Iterable[str] = ()) -> Iterator[dict[str, Any]]:
        """Yield a row for each run: a dict with its `id`, its `name`, and each of these columns under the name given
        here.

            runs = search_runs("vision", "state=completed")
            for row in runs.rows(["author", "config.lr", "metric.valid/loss.min"], sort=["config.lr", "-created"]):
                print(row["name"], row["config.lr"], row["metric.valid/loss.min"])

        They are the rows of the web app's table. The lab sorts them once, so no row is skipped or repeated while new
        runs are added. Blocks on the network.

        Args:
            columns: config.PATH, metric.KEY.STAT as in a sort, or what a run has: state, author, created, started,
                ended, duration, attempt, points, note, group, project, tag and host (lists of names). None where the
                run has no such value.
            sort: one or several; the first counts most. None given: the sort of the search.

        Raises:
            ValueError: a column or sort that is not allowed.
        """
        names = list(dict.fromkeys(columns))
        asked = [name for name in names if name not in _FACTS]
        if wrong := [name for name in asked if parse_column(name).kind not in ("config", "metric")]:
            raise ValueError(
                f"rows have no column {wrong[0]!r}: there are {', '.join(_FACTS)}, config.NAME, metric.KEY"
            )
        sorts = list(sort) or [self._asked["sort"]]
        for one in sorts:
            parse_sort(one)
        return self._rows(names, {**self._asked, "column": asked, "sort": sorts, "key": []})

    def _rows(self, names: list[str], asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        with asking(self._profile) as lab:
            for item in islice(lab.table(asked, page=min(self._limit or PAGE, PAGE)), self._limit):
                run = shaped(lab, run_view, {**item, "last": {}}, self._profile)
                values = shaped(lab, lambda item=item: dict(zip(asked["column"], item["values"], strict=True)))
                facts = {name: getattr(run, _FACTS[name]) for name in names if name in _FACTS and name != "host"}
                facts["host"] = list(item.get("hosts", ()))
                yield {"id": run.id, "name": run.name, **{name: (facts | values)[name] for name in names}}

    def _pages(self, more: Mapping[str, Any], page: int) -> Iterator[RunView]:
        asked = {**self._asked, **more, "limit": min(self._limit or page, page)}
        with asking(self._profile) as lab:
            items = lab.pages("/runs", asked, exact=True)
            for item in islice(items, self._limit):
                yield shaped(lab, run_view, item, self._profile)


_OF_RUN = (
    *("id", "name", "project", "author", "state", "created", "started", "ended", "duration", "attempt", "ranks"),
    *("points", "note", "tags", "url"),
)


_FACTS = {name: name for name in _OF_RUN if name not in ("tags", "ranks", "url")} | {
    "group": "group",
    "tag": "tags",
    "host": "hosts",
}


def _row(run: RunView) -> dict[str, Any]:
    """Return a run as a row of a table."""
    return {
        **{name: getattr(run, name) for name in _OF_RUN},
        **{f"config.{path}": value for path, value in flat(run.config.dict).items()},
        **{f"metric.{key}": value for key, value in run.last.items()},
    }


def search_runs(
    project: str | None = None,
    filter: str | Iterable[str] = (),
    *,
    state: str | Iterable[str] | None = None,
    tag: str | Iterable[str] | None = None,
    author: str | None = None,
    text: str | None = None,
    config: Mapping[str, Any] | None = None,
    sort: str = "-created",
    keys: Iterable[str] = (),
    limit: int | None = None,
    profile: str | None = None,
) -> FoundRuns:
    """Return the runs for which all conditions hold, the newest first.

        for run in search_runs("vision", "metric.valid/loss.min<0.2 created>-7d", tag="baseline"):
            print(run.name, run.last)

        table = search_runs("vision", config={"model": {"layers": 4}}, sort="metric.valid/loss.min").to_pandas()

    The call itself asks the lab nothing; iterating does, and blocks on the network.

    Args:
        project: name or id. None: all projects.
        filter: terms with spaces between them, or several such texts. A term is a field, a comparison and a value.
            Fields are state, tag, author, group, host, name, note, id, archived, created, started, ended, duration,
            points, config.PATH and metric.KEY.last (min, max, mean, …); comparisons are = != < <= > >= ~ (contains) !~.
            Values with commas between them are alternatives. Archived runs are found only with archived=true, with
            archived=* (all runs), or by id.
        state: the state, or several: a run matches if it has one of them.
        tag: the tag, or several: a run matches if it has all of them.
        author: the author's username.
        text: a part of the name or note, or an id.
        config: values that the config must have, nested or by path ("model.layers").
        sort: created, name, state, duration, started, ended, points, author, activity, config.PATH, or metric.KEY.min
            and the like; descending with a - before it. Runs without the value come last. As in terms and columns,
            metric.KEY.smoothed(gaussian,100) is where the smoothed line of a chart ends: the kind is exponential,
            gaussian, mean or median, and the width is in steps, or in seconds with an s behind it.
        keys: metrics whose last values each run gets in `last`. None given: the first eight metrics of each run.
        limit: at most so many runs. None: all.
        profile: name of a profile. None: the one in use.

    Raises:
        TypeError, ValueError: a filter, sort or limit that is not allowed.
        ConfigurationError: no lab is known.
    """
    terms = [filter] if isinstance(filter, str) else list(filter)
    if state is not None:
        states = [state] if isinstance(state, str) else list(state)
        terms.append("state=" + ",".join(map(quoted, states)))
    terms += [f"tag={quoted(name)}" for name in ([tag] if isinstance(tag, str) else tag or ())]
    terms += [f"author={quoted(author)}"] if author is not None else []
    terms += [quoted(text)] if text else []
    terms += [f"config.{quoted(path)}={quoted(text_in(value))}" for path, value in flat(config or {}).items()]
    parse(*terms)
    parse_sort(sort)
    if limit is not None and limit < 1:
        raise ValueError(f"a limit is at least 1, not {limit}")
    asked = {"project": project, "filter": terms, "sort": sort, "key": list(keys)}
    return FoundRuns(asked, limit, find_profile(profile))
