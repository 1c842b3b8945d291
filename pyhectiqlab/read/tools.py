"""Functions that answer an assistant's questions about runs: each returns values for JSON, of readable length.

`cli/mcp.py` serves them by the Model Context Protocol; their docstrings tell the assistant what they do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ..errors import LabError
from . import differences, projects, run
from .search import search_runs as search
from .sql import query
from .view import RunView

RUNS_MAX = 100
KEYS_MAX = 300
BUCKETS_MAX = 500
CURVES_MAX = 20
LINES_MAX = 1_000
ROWS_MAX = 1_000
CHARS_MAX = 100_000  # in one text
IMAGE_BYTES_MAX = 4 << 20
_OF_RUN = ("id", "name", "project", "author", "state", "state_why", "created", "duration", "attempt", "points", "url")


def list_projects() -> list[dict[str, Any]]:
    """List the projects that you can see, with how many runs each has."""
    return [{"id": one.id, "name": one.name, "runs": one.runs} for one in projects()]


def search_runs(
    project: str | None = None, filter: str = "", sort: str = "-created", keys: list[str] | None = None, limit: int = 20
) -> list[dict[str, Any]]:
    """Search runs. `filter` holds terms with spaces between them, such as: state=failed,killed tag=baseline
    created>-7d config.model.layers>=4 metric.valid/loss.min<0.2 name~resnet. `sort`: created, name, duration, points,
    config.PATH or metric.KEY.min (last, max, mean), with a - before it for descending. `keys`: metrics whose newest
    values are wanted. At most 100 runs.
    """
    runs = search(project, filter, sort=sort, keys=keys or (), limit=min(limit, RUNS_MAX))
    return [_run(one) for one in runs]


def get_run(ref: str) -> Any:
    """Describe a run: state, note, tags, config, its metrics with last, min and max, and the names of its images,
    tables, texts and histograms. `ref` is an id, a link to its page, PROJECT/NAME, or a name.
    """
    one = run(ref)
    infos = one.key_infos()
    metrics = [asdict(info) for info in infos[:KEYS_MAX]]
    return plain(
        {
            **_run(one), "config": one.config.dict, "meta": one.meta, "losses": one.losses, "metrics": metrics,
            "more_metrics": max(0, len(infos) - KEYS_MAX), "media": [asdict(info) for info in one.media()],
            "history": [change._asdict() for change in one.history[-20:]],
        }
    )  # fmt: skip


def get_curves(ref: str, keys: list[str], n: int = 100, axis: str = "step") -> Any:
    """Read metrics of a run as curves of about `n` slices (at most 500), each with its start, and the min, max, mean
    and last value in it. `axis`: step, time or relative (seconds since the start).
    """
    one = run(ref)
    curves = {}
    for key in keys[:CURVES_MAX]:
        line = one.buckets(key, n=max(2, min(n, BUCKETS_MAX)), axis=axis)  # type: ignore[arg-type]
        names = ("start", "count", "min", "max", "mean", "last")
        curves[key] = {name: list(getattr(line, name)) for name in names}
    return plain(curves)


def get_logs(ref: str, level: str | None = None, contains: str = "", last: int = 100) -> list[dict[str, Any]]:
    """Read the last lines that a run logged or printed (at most 1,000), of this level (such as WARNING) and worse, that
    contain a text. An error at the end of a run is the last of them.
    """
    one = run(ref)
    last = max(1, min(last, LINES_MAX))
    with one._asking() as lab:
        asked = {"level": level, "q": contains, "newest": "true", "limit": last}
        items = lab.get(f"/runs/{one.id}/logs", asked)["items"]
    return [
        {name: item[name] for name in ("time", "level", "channel", "rank")} | {"text": item["text"][:CHARS_MAX]}
        for item in items[-last:]
    ]


def compare_runs(refs: list[str]) -> Any:
    """Say in what runs (2 to 50) differ: config, packages, environment, git, and the newest values of metrics, with
    their distance from the first run's.
    """
    its = differences([run(ref) for ref in refs])
    return plain({"runs": its.runs, "rows": [row._asdict() for row in its.rows[:ROWS_MAX]]})


def get_media(ref: str, name: str, kind: str, step: int | None = None) -> Any:
    """Read a text, table, histogram, image or figure (`kind`) of a run by its name: the one of a step, or without a
    step the last one.
    """
    one = run(ref)
    which = {} if step is None else {"lo": step, "hi": step}
    readers: dict[str, Callable[[], list[Any]]] = {
        "text": lambda: one.texts(name, **which),
        "table": lambda: one.tables(name, **which),
        "histogram": lambda: one.histograms(name, **which),
        "image": lambda: one.images(name, **which),
        "figure": lambda: one.figures(name, **which),
    }
    if kind not in readers:
        raise ValueError(f"{kind!r} is not a kind: {', '.join(readers)}")
    there = readers[kind]()
    if not there:
        raise LookupError(f"the run has no {kind} {name!r}" + ("" if step is None else f" at step {step}"))
    item = there[-1]
    if kind == "table":
        return plain({"step": item.step, "columns": item.columns, "rows": item.rows[:ROWS_MAX]})
    if kind in ("text", "histogram"):
        return plain(item._asdict())
    return item


def ask_sql(select: str, project: str | None = None, filter: str = "") -> Any:
    """Run a SELECT (SQLite) over runs(id, name, project, author, state, state_why, created, started, ended, duration,
    attempt, ranks, points, note, archived, url), tags(run, name), config(run, path, value), metrics(run, key, count,
    last, last_step, min, max, step_min, step_max) and points(run, key, step, value, nan, time, rank, attempt). Name
    keys of metrics in quotes, and a project or filter (terms as of search_runs), so that little is read. At most 1,000
    rows.
    """
    answer = query(select, project, filter, rows_max=ROWS_MAX)
    return plain({"columns": answer.columns, "rows": answer.rows, "cut": answer.cut})


TOOLS: tuple[Callable[..., Any], ...] = (
    list_projects, search_runs, get_run, get_curves, get_logs, compare_runs, get_media, ask_sql,
)  # fmt: skip
FAILURES = (LabError, ValueError, LookupError, TypeError)


def _run(one: RunView) -> Any:
    short = {name: getattr(one, name) for name in _OF_RUN}
    return plain({**short, "note": one.note[:2_000], "tags": one.tags, "last": one.last})


def plain(value: Any) -> Any:
    """Return a value for JSON: NaN and the infinities become their names, and long texts are cut."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, str):
        return value[:CHARS_MAX]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
