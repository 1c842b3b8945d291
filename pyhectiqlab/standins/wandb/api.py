"""Api: reading runs back by W&B's calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from ...errors import LabError
from ...read.view import RunView
from ..opening import find_run
from .errors import CommError

FILTERS = {"display_name": "name", "state": "state", "tags": "tag"}


class Api:
    """`Api().run("project/name")`, `Api().runs("project")`. Blocks on the network; raises CommError."""

    def __init__(self, overrides: dict[str, Any] | None = None, timeout: int | None = None, api_key: str | None = None):
        self._overrides = overrides or {}

    @property
    def api_key(self) -> str:
        return os.environ.get("WANDB_API_KEY", "hectiqlab")

    @property
    def default_entity(self) -> str:
        return str(self._overrides.get("entity") or os.environ.get("WANDB_ENTITY") or "")

    @property
    def viewer(self) -> Any:
        return type("User", (), {"entity": self.default_entity, "username": self.default_entity, "teams": []})()

    def run(self, path: str = "") -> PublicRun:
        from ... import read

        *above, name = path.strip("/").split("/")
        project = above[-1] if above else self._overrides.get("project")
        project = None if project in ("", "uncategorized") else project
        try:
            return PublicRun(find_run(name, project) or read.run(name, project))
        except LabError as e:
            raise CommError(f"Could not find run {path!r}: {e}") from None

    def runs(
        self,
        path: str | None = None,
        filters: dict[str, Any] | None = None,
        order: str = "+created_at",
        per_page: int = 50,
        include_sweeps: bool = True,
        lazy: bool = True,
    ) -> list[PublicRun]:
        """Return the runs of a project. Of filters, config.X, summary_metrics.X, state, display_name and tags count."""
        from ... import search_runs

        project = (path or self._overrides.get("project") or os.environ.get("WANDB_PROJECT") or "").rpartition("/")[2]
        try:
            views = search_runs(project or None, sort="-created" if order.startswith("-") else "created")
            return [run for run in map(PublicRun, views) if _fits(run, filters or {})]
        except LabError as e:
            raise CommError(str(e)) from None

    def projects(self, entity: str | None = None, per_page: int = 200) -> list[Any]:
        from ... import read

        return [type("Project", (), {"name": p.name, "id": p.id, "entity": entity or ""})() for p in read.projects()]

    def artifact(self, name: str, type: str | None = None) -> Any:
        from ...run import Run as LabRun
        from .used import Used

        *above, last = name.split("/")
        label, _, version = last.partition(":")
        run = LabRun("reader", above[-1] if above else None, dry=True)
        return Used(run, label, type, None if version in ("", "latest") else version)

    def flush(self) -> None:
        """Do nothing: every answer is asked for anew."""


class PublicRun:
    """A run that is read back."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self.id, self.name, self.url, self.entity = view.name, view.name, view.url, view.author
        self.display_name, self.project = view.name, view.project
        self.state = {"completed": "finished", "killed": "killed", "lost": "crashed", "failed": "failed"}.get(
            view.state, "running" if view.ended is None else "finished"
        )
        self.created_at = _time(view.created)
        self.path = [self.entity, self.project, self.id]

    @property
    def config(self) -> dict[str, Any]:
        return dict(self._view.config.as_dict() if hasattr(self._view.config, "as_dict") else self._view.config)

    @property
    def tags(self) -> list[str]:
        return self._view.tags

    @property
    def notes(self) -> str:
        return self._view.note

    @property
    def group(self) -> str:
        return str((self._view.meta.get("wandb") or {}).get("group") or "")

    @property
    def summary(self) -> dict[str, Any]:
        newest = {info.key: info.last for info in self._view.key_infos()}
        return {**newest, **{key: value for key, value in self._view.meta.items() if key != "wandb"}}

    summary_metrics = summary

    @property
    def lastHistoryStep(self) -> int:
        return max((info.step_max for info in self._view.key_infos()), default=-1)

    def scan_history(
        self, keys: list[str] | None = None, page_size: int = 1000, min_step: int = 0, max_step: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield a row for each step, with the values of the keys that have one there. With `keys`: only full rows."""
        rows: dict[int, dict[str, Any]] = {}
        wanted = [key for key in keys if key not in ("_step", "_timestamp")] if keys else None
        every = self._view.keys()
        for key in wanted or [key for key in every if not key.startswith("system/")]:
            for point in self._view.iter_points(key):
                row = rows.setdefault(point.step, {"_step": point.step})
                row[key], row["_timestamp"] = point.value, point.time
        for step in sorted(rows):
            inside = step >= min_step and (max_step is None or step < max_step)
            if inside and (wanted is None or all(key in rows[step] for key in wanted)):
                yield rows[step]

    def history(
        self, samples: int = 500, keys: list[str] | None = None, x_axis: str = "_step", pandas: bool = True
    ) -> Any:
        """Return at most `samples` rows, evenly chosen, as a DataFrame or a list."""
        rows = list(self.scan_history(keys))
        if len(rows) > samples:
            rows = [rows[round(i * (len(rows) - 1) / max(1, samples - 1))] for i in range(samples)]
        if not pandas:
            return rows
        import pandas as tables

        return tables.DataFrame(rows)

    def files(self, names: list[str] | None = None, per_page: int = 50) -> list[File]:
        return [File(a) for a in self._view.artifacts() if not names or a.name in names]

    def file(self, name: str) -> File:
        for file in self.files():
            if file.name == name:
                return file
        raise CommError(f"The run {self.name!r} has no file {name!r}.")

    def logged_artifacts(self, per_page: int = 100) -> list[Any]:
        return list(self._view.models.made)

    def update(self) -> None:
        """Store the notes and tags that were set here."""

    def load(self, force: bool = False) -> None:
        """Do nothing: what is asked for is read."""

    def delete(self, delete_artifacts: bool = False) -> None:
        self._view.delete()

    def __repr__(self) -> str:
        return f"<Run {'/'.join(self.path)} ({self.state})>"


class File:
    """A file of a run that is read back."""

    def __init__(self, artifact: Any) -> None:
        self._artifact = artifact
        self.name, self.size, self.url = artifact.name, artifact.bytes, artifact.url

    def download(self, root: str = ".", replace: bool = False, exist_ok: bool = False) -> Any:
        os.makedirs(root, exist_ok=True)
        path = self._artifact.download(f"{root}/", overwrite=replace or exist_ok)
        return open(path)


def _time(seconds: float) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _fits(run: PublicRun, filters: dict[str, Any]) -> bool:
    for name, wanted in filters.items():
        if name in ("$and", "$or"):
            test = all if name == "$and" else any
            if not test(_fits(run, one) for one in wanted):
                return False
            continue
        where, _, key = name.partition(".")
        value: Any
        if where == "config":
            value = run.config.get(key.removesuffix(".value"))
        elif where == "summary_metrics":
            value = run.summary.get(key)
        else:
            value = getattr(run, {"displayName": "display_name"}.get(name, name), None)
        if not _is(value, wanted):
            return False
    return True


def _is(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(wanted in value if isinstance(value, list) else value == wanted)
    tests: dict[str, Callable[[Any, Any], Any]] = {
        "$eq": lambda a, b: a == b,
        "$ne": lambda a, b: a != b,
        "$gt": lambda a, b: a > b,
        "$gte": lambda a, b: a >= b,
        "$lt": lambda a, b: a < b,
        "$lte": lambda a, b: a <= b,
        "$in": lambda a, b: any(x in b for x in a) if isinstance(a, list) else a in b,
        "$nin": lambda a, b: a not in b,
        "$exists": lambda a, b: (a is not None) == b,
    }
    unknown = wanted.keys() - tests.keys()
    if unknown:
        raise CommError(f"A filter of {', '.join(unknown)} is not known here.")
    try:
        return all(bool(tests[op](value, operand)) for op, operand in wanted.items())
    except TypeError:  # a number and a text, or no value: as in MongoDB's queries, which these are, they do not fit
        return False
