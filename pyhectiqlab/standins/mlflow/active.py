"""Runs that are open in this process: by id, and the stack that `start_run` and `end_run` move."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from ...capture.ending import Ending
from ...errors import LabError
from ...protocol import states
from ...run import Run as LabRun
from ..opening import open_for
from ..quiet import harmless
from .entities import RunData, RunInfo, RunStatus
from .exceptions import MlflowException

NOTE, NAME = "mlflow.note.content", "mlflow.runName"
TAG_CHARS_MAX = 200


class ActiveRun:
    """An open run, as a context: `with mlflow.start_run():`."""

    def __init__(self, run: LabRun, experiment: str, name: str) -> None:
        self._run = run
        self.info = RunInfo(
            run_id=run.id or run.name,
            experiment_id=experiment,
            run_name=name,
            start_time=int(time.time() * 1000),
            artifact_uri=run.url or "",
            user_id=run.author or "",
        )
        self.data = RunData()

    # What is logged ---------------------------------------------------------------------------------------------

    @harmless
    def metrics(self, values: Mapping[str, Any], step: int | None) -> None:
        self._run.add_metrics(dict(values), step=step)
        self.data.metrics.update(values)

    @harmless
    def params(self, values: Mapping[str, Any]) -> None:
        self._run.add_config(dict(values))
        self.data.params.update({key: str(value) for key, value in values.items()})

    @harmless
    def tags(self, values: Mapping[str, Any]) -> None:
        """Keep tags as meta; those that are not MLflow's own also as tags of the run."""
        for key, value in values.items():
            self.data.tags[key] = str(value)
            if key == NOTE:
                self._run.set_note(str(value))
            elif not key.startswith("mlflow."):
                self._run.add_meta(key, str(value))
                if len(f"{key}={value}") <= TAG_CHARS_MAX:
                    self._run.add_tag(" ".join(f"{key}={value}".split()))

    @harmless
    def end(self, status: str = RunStatus.FINISHED) -> None:
        self.info.status = status
        if status in (RunStatus.FAILED, RunStatus.KILLED):
            state = states.FAILED if status == RunStatus.FAILED else states.STOPPED
            self._run._close(Ending(state, f"end_run({status!r})", None))
        else:
            self._run.close()

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            self._run.__exit__(kind, error, trace)
        end_top(self, RunStatus.FINISHED if error is None else RunStatus.FAILED)


_open: dict[str, ActiveRun] = {}
_stack: list[ActiveRun] = []
_last: list[ActiveRun] = []
_experiment: list[str] = []


def experiment() -> str | None:
    """Return the project of the next run; None: as `Run` decides."""
    if _experiment:
        return _experiment[0]
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or os.environ.get("MLFLOW_EXPERIMENT_ID") or None


def set_experiment(name: str) -> None:
    _experiment[:] = [name]


def begin(
    project: str | None, name: str | None, tags: Mapping[str, Any] | None, parent: str | None = None
) -> ActiveRun:
    """Open a run that nobody has opened."""
    facts = {"parent": parent} if parent else {}
    run = open_for("mlflow", name=name, project=_named(project), facts=facts, console=False)
    opened = ActiveRun(run, project or run.project or "0", name or run.name)
    if tags:
        opened.tags(tags)
    _open[opened.info.run_id] = opened
    return opened


def of_id(run_id: str) -> ActiveRun:
    """Return the run of an id, opened again if it is not open. Raises MlflowException if there is none."""
    if run_id in _open and not _open[run_id]._run._closed:
        return _open[run_id]
    from ... import read

    try:
        view = read.run(run_id)
    except LabError as e:
        raise MlflowException(f"Run {run_id!r} not found: {e}") from None
    run = LabRun(view.name, view.project_id)
    _open[run_id] = opened = ActiveRun(run, view.project, view.name)
    return opened


def push(run: ActiveRun) -> None:
    _stack.append(run)
    _last[:] = [run]


def top() -> ActiveRun | None:
    return _stack[-1] if _stack else None


def last() -> ActiveRun | None:
    return _last[0] if _last else None


def end_top(run: ActiveRun | None, status: str) -> None:
    """End a run, and forget it. None: the one on top."""
    run = run or top()
    if run is not None:
        if run in _stack:
            _stack.remove(run)
        run.end(status)


def _named(project: str | None) -> str | None:
    return None if project in (None, "", "0") else " ".join(str(project).split()).strip("/") or None
