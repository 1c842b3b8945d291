"""Runs and experiments that are read back, as MLflow's entities."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...errors import LabError
from ...read.view import RunView
from ..quiet import cannot
from .entities import Experiment, Run, RunData, RunInfo, RunStatus
from .exceptions import MlflowException

_CONDITION = re.compile(
    r"\s*(metrics?|params?|parameters?|tags?|attributes?)?\.?[`\"]?([^`\"=<>!\s]+)[`\"]?\s*(=|!=|>=|<=|>|<)\s*'?\"?([^'\"]*)"
)
STATUS = {"completed": RunStatus.FINISHED, "failed": RunStatus.FAILED, "killed": RunStatus.KILLED}


def experiments(filter_string: str | None) -> list[Experiment]:
    """Return the projects; of filters, name = '…' counts, and such an experiment is always there."""
    from ... import read

    match = re.fullmatch(r"\s*name\s*=\s*['\"](.*)['\"]\s*", filter_string or "")
    if match:
        return [Experiment(match[1], match[1])]
    try:
        return [Experiment(project.name, project.name) for project in read.projects()]
    except LabError as e:
        raise MlflowException(str(e)) from None


def run_of(view: RunView) -> Run:
    status = STATUS.get(view.state, RunStatus.RUNNING if view.ended is None else RunStatus.FINISHED)
    info = RunInfo(
        run_id=view.id,
        experiment_id=view.project,
        run_name=view.name,
        status=status,
        start_time=int((view.started or view.created) * 1000),
        end_time=None if view.ended is None else int(view.ended * 1000),
        artifact_uri=view.url,
        user_id=view.author,
    )
    metrics = {i.key: i.last for i in view.key_infos() if i.last is not None and not i.key.startswith("system/")}
    params = {str(key): str(value) for key, value in dict(view.config).items()}
    tags = {str(key): str(value) for key, value in view.meta.items() if key != "mlflow"}
    return Run(info, RunData(metrics, params, {**tags, "mlflow.runName": view.name}))


def runs_of(projects: Sequence[str | None] | None, run_id: str | None = None) -> list[Run]:
    from ... import read, search_runs

    try:
        if run_id is not None:
            return [run_of(read.run(run_id))]
        return [run_of(view) for project in projects or [None] for view in search_runs(project, sort="-created")]
    except LabError as e:
        raise MlflowException(str(e)) from None


def chosen(runs: list[Run], filter_string: str) -> list[Run]:
    """Return the runs that fit all conditions of a filter."""
    conditions = []
    for text in re.split(r"\s+and\s+", filter_string.strip(), flags=re.IGNORECASE) if filter_string.strip() else ():
        match = _CONDITION.fullmatch(text)
        if match is None:
            cannot("mlflow", f"the filter {text!r}")
        else:
            conditions.append(match.groups())
    return [run for run in runs if all(_fits(run, *condition) for condition in conditions)]


def _fits(run: Run, kind: str | None, name: str, op: str, wanted: str) -> bool:
    value: Any
    if kind and kind.startswith("metric"):
        value = run.data.metrics.get(name)
    elif kind and kind.startswith("param"):
        value = run.data.params.get(name)
    elif kind and kind.startswith("tag"):
        value = run.data.tags.get(name)
    else:
        value = getattr(run.info, name, None)
    if value is None:
        return False
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(wanted)
        tests = {
            "=": value == number,
            "!=": value != number,
            ">": value > number,
            "<": value < number,
            ">=": value >= number,
            "<=": value <= number,
        }
        return bool(tests[op])
    return bool(value == wanted) == (op == "=")


def runs_frame(projects: Sequence[str | None], filter_string: str, most: int, output_format: str) -> Any:
    runs = chosen(runs_of(projects), filter_string)[:most]
    if output_format == "list":
        return runs
    import pandas

    rows = [
        {
            "run_id": run.info.run_id,
            "experiment_id": run.info.experiment_id,
            "status": run.info.status,
            "start_time": pandas.Timestamp(run.info.start_time, unit="ms", tz="UTC"),
            "end_time": pandas.Timestamp(run.info.end_time, unit="ms", tz="UTC") if run.info.end_time else None,
            **{f"metrics.{key}": value for key, value in run.data.metrics.items()},
            **{f"params.{key}": value for key, value in run.data.params.items()},
            **{f"tags.{key}": value for key, value in run.data.tags.items()},
        }
        for run in runs
    ]
    return pandas.DataFrame(rows)
