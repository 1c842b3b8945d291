"""MLflow's fluent calls: `mlflow.log_metric` and its like, on the run that is open."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ..quiet import cannot
from . import active, files
from .active import ActiveRun
from .entities import Experiment, Run, RunStatus, ViewType
from .exceptions import MlflowException
from .reading import experiments, runs_frame, runs_of

_uri: list[str] = []


# Where -----------------------------------------------------------------------------------------------------------


def set_tracking_uri(uri: Any) -> None:
    """Keep the address, which means nothing here: everything goes to the lab of the profile."""
    _uri[:] = [str(uri)]


def get_tracking_uri() -> str:
    return _uri[0] if _uri else os.environ.get("MLFLOW_TRACKING_URI", "hectiqlab")


def is_tracking_uri_set() -> bool:
    return bool(_uri or os.environ.get("MLFLOW_TRACKING_URI"))


set_registry_uri = set_tracking_uri
get_registry_uri = get_tracking_uri


def set_experiment(experiment_name: str | None = None, experiment_id: str | None = None, **more: Any) -> Experiment:
    """Choose the project of the runs to come. It is made with the first of them, if there is none of this name."""
    name = experiment_name or experiment_id
    if not name:
        raise MlflowException("Must specify either an experiment id or an experiment name.")
    active.set_experiment(str(name))
    return Experiment(str(name), str(name))


def create_experiment(name: str, artifact_location: str | None = None, tags: Mapping[str, Any] | None = None) -> str:
    return name


def get_experiment(experiment_id: str) -> Experiment:
    return Experiment(str(experiment_id), str(experiment_id))


def get_experiment_by_name(name: str) -> Experiment | None:
    return Experiment(name, name)


def search_experiments(
    view_type: int = ViewType.ACTIVE_ONLY, max_results: int | None = None, filter_string: str | None = None, **more: Any
) -> list[Experiment]:
    return experiments(filter_string)[:max_results]


# The run ---------------------------------------------------------------------------------------------------------


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Open a run, or continue the one of `run_id`. Waits for the lab as `Run(...)` does."""
    above = active.top()
    if above is not None and not nested:
        raise MlflowException(
            f"Run with UUID {above.info.run_id} is already active. To start a new run, first end the current run "
            "with mlflow.end_run(). To start a nested run, call start_run with nested=True"
        )
    run_id = run_id or (os.environ.get("MLFLOW_RUN_ID") if above is None else None)
    if run_id:
        run = active.of_id(run_id)
        if tags:
            run.tags(tags)
    else:
        project = experiment_id or (above.info.experiment_id if above is not None else active.experiment())
        name = run_name or os.environ.get("MLFLOW_RUN_NAME")
        run = active.begin(project, name, tags, parent_run_id or (above.info.run_id if above is not None else None))
    if description:
        run.tags({active.NOTE: description})
    active.push(run)
    return run


def end_run(status: str = RunStatus.FINISHED) -> None:
    active.end_top(None, status)


def active_run() -> ActiveRun | None:
    return active.top()


def last_active_run() -> ActiveRun | None:
    return active.last()


def _run(run_id: str | None = None) -> ActiveRun:
    """Return the run of an id, else the one on top, else a new one, as MLflow does."""
    if run_id is not None:
        return active.of_id(run_id)
    return active.top() or start_run()


# What is logged --------------------------------------------------------------------------------------------------


def log_metric(
    key: str,
    value: Any,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
    **more: Any,
) -> None:
    """Log a point. Never waits, but where it opens the run. Without a step, points are counted."""
    _run(run_id).metrics({key: value}, step)


def log_metrics(
    metrics: Mapping[str, Any],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
    **more: Any,
) -> None:
    _run(run_id).metrics(metrics, step)


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    _run().params({key: value})
    return value


def log_params(params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> None:
    _run(run_id).params(params)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> None:
    _run().tags({key: value})


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> None:
    _run().tags(tags)


def delete_tag(key: str) -> None:
    cannot("mlflow", "delete_tag()", "tags are removed on the run's page")


def log_artifact(local_path: Any, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Store a file, or a folder file by file."""
    call: Callable[..., None] = files.log_folder if os.path.isdir(local_path) else files.log_file
    call(_run(run_id)._run, local_path, artifact_path)


def log_artifacts(local_dir: Any, artifact_path: str | None = None, run_id: str | None = None) -> None:
    files.log_folder(_run(run_id)._run, local_dir, artifact_path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    files.log_text(_run(run_id)._run, text, artifact_file)


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    files.log_dict(_run(run_id)._run, dictionary, artifact_file)


def log_figure(figure: Any, artifact_file: str, *, save_kwargs: Any = None) -> None:
    files.log_figure(_run()._run, figure, artifact_file)


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = None,
) -> None:
    files.log_image(_run()._run, image, key or artifact_file or "image", step)


def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    files.log_table(_run(run_id)._run, data, artifact_file)


def log_input(dataset: Any, context: str | None = None, tags: Any = None, model: Any = None) -> None:
    """Note a dataset in the run's meta: its name, source and digest."""
    known = {name: str(getattr(dataset, name)) for name in ("name", "digest", "source") if hasattr(dataset, name)}
    _run()._run.add_meta(f"dataset {known.get('name', '')}".strip(), {**known, "context": context})


def get_artifact_uri(artifact_path: str | None = None) -> str:
    uri = _run().info.artifact_uri
    return f"{uri}/{artifact_path}" if artifact_path else uri


# Reading back ----------------------------------------------------------------------------------------------------


def get_run(run_id: str) -> Run:
    return runs_of(None, run_id)[0]


def search_runs(
    experiment_ids: list[str] | None = None,
    filter_string: str = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int = 100000,
    order_by: list[str] | None = None,
    output_format: str = "pandas",
    search_all_experiments: bool = False,
    experiment_names: list[str] | None = None,
) -> Any:
    """Return the runs of experiments, the newest first, as a DataFrame or a list. Filters of metrics, params, tags."""
    projects = [*(experiment_ids or ()), *(experiment_names or ())] or [active.experiment()]
    return runs_frame(projects, filter_string, max_results, output_format)
