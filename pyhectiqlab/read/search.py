"""search_runs: runs by whatever is known of them, in the language of protocol/search.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..profile import Profile, resolve
from ..protocol.search import flat, parse, parse_sort, quoted, text_in
from .shapes import asking, shaped
from .view import RunView, run_view

if TYPE_CHECKING:
    import pandas

PAGE = 500
PAGE_WITH_CONFIG = 100


class FoundRuns(Iterable[RunView]):
    """What a search finds, asked for page by page while it is gone through; each time anew. Nothing is asked before.

    A run that is added meanwhile neither hides another nor makes one come twice.
    """

    def __init__(self, asked: dict[str, Any], limit: int | None, profile: Profile) -> None:
        self._asked, self._limit, self._profile = asked, limit, profile

    def __iter__(self) -> Iterator[RunView]:
        return self._pages({}, PAGE)

    def __repr__(self) -> str:
        asked = ", ".join(f"{name}={value!r}" for name, value in self._asked.items() if value)
        return f"<FoundRuns {asked}>"

    def first(self) -> RunView | None:
        """The first one; None where there is none."""
        return next(self._pages({}, 1), None)

    def to_pandas(self, metrics: Iterable[str] | None = None) -> pandas.DataFrame:
        """A row for each run, by its id: name, project, author, state, times, points, note, tags, then the values of
        its config as `config.PATH`, and last values of metrics as `metric.KEY`.

        Args:
            metrics: which keys; None: those of the search, or the first eight of each run.

        Raises ConfigurationError where pandas is not installed.
        """
        from .frames import runs_frame

        chosen = {} if metrics is None else {"key": list(dict.fromkeys(metrics))}
        return runs_frame(map(_row, self._pages({**chosen, "config": True}, PAGE_WITH_CONFIG)), _OF_RUN)

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


def _row(run: RunView) -> dict[str, Any]:
    """A run as a row of a table."""
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
    """Runs for which all that is given holds, the newest first.

        for run in search_runs("vision", "metric.valid/loss.min<0.2 created>-7d", tag="baseline"):
            print(run.name, run.last)

        table = search_runs("vision", config={"model": {"layers": 4}}, sort="metric.valid/loss.min").to_pandas()

    Args:
        project: name or id; None: all projects.
        filter: terms with spaces between them, or several such texts; FIELD is state, tag, author, name, note, id,
            created, started, ended, duration, points, config.PATH or metric.KEY.last (min, max, count), the comparison
            one of = != < <= > >= ~ (contains) !~; several values with commas between them are alternatives.
        state: in this state, or in one of these.
        tag: with this tag, or with all of these.
        author: their username.
        text: a part of the name or note, or an id.
        config: with these values in its config, nested or by path ("model.layers").
        sort: created, name, state, duration, started, ended, points, author, activity, config.PATH or metric.KEY.min
            and the like; with a - before it descending. Runs without the value come last.
        keys: metrics whose last values each run has in `last`; without one, its first eight.
        limit: no more than this many; None: all.
        profile: of the credentials file; None: the one in use.

    Asks nothing itself: iterating does, and blocks on the network. Raises ValueError for a filter, sort or limit that
    cannot be one, TypeError, ConfigurationError where no lab is known.
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
    return FoundRuns(asked, limit, resolve(profile))
