"""The mirror of MLflow: the real one goes on working, and its fluent calls go to a lab, too.

What autolog and other code log by MlflowClient is mirrored there. Whenever MLflow 3 logs a model, it logs the metrics
of the run at that step once more, with the id of the model. Its database keeps them once, and so does the mirror. The
files of such a model are of no run there; they become files of the run that made the model.
"""

from __future__ import annotations

import functools
import threading
import time
from typing import Any

from ...client.saying import say_once
from ..quiet import mirror
from . import active, files
from .active import ActiveRun

_runs: dict[str, ActiveRun] = {}  # MLflow's id → our run
_opening = threading.RLock()  # autolog logs from threads of its own
_ended_as: dict[str, str] = {}  # MLflow's id → the id of our run, once it has ended
_here = threading.local()  # `model`: a model is being logged by this thread
LOGGED = (
    "log_metric",
    "log_param",
    "set_tag",
    "log_batch",
    "log_artifact",
    "log_artifacts",
    "log_text",
    "log_dict",
    "log_table",
)
FIGURES = ("log_figure", "log_image")
ASKING_S = 1.0  # for which MLflow is asked for a run that it cannot read


def attach(mlflow: Any) -> None:
    """Mirror a module `mlflow` that has just been imported. All its fluent calls log by its client."""
    client = getattr(mlflow, "MlflowClient", None) or mlflow.tracking.MlflowClient
    for name in (*LOGGED, *FIGURES):
        mirror(client, name, _logging(name))
    mirror(client, "log_model_artifacts", _model_files)  # of MLflow 3
    mirror(client, "set_terminated", _ended)
    model: Any = getattr(getattr(mlflow, "models", None), "Model", None)
    if hasattr(model, "log"):
        model.log = classmethod(_logging_a_model(model.log.__func__))


def _logging_a_model(real: Any) -> Any:
    @functools.wraps(real)
    def log(*args: Any, **kwargs: Any) -> Any:
        outer = getattr(_here, "model", False)
        _here.model = True
        try:
            return real(*args, **kwargs)
        finally:
            _here.model = outer

    return log


def _run_of(client: Any, run_id: str) -> ActiveRun:
    """Return our run for one of MLflow's, opened with its name and project at its first call. One that has ended is
    continued.
    """
    with _opening:
        if run_id not in _runs and run_id in _ended_as:
            _runs[run_id] = active.of_id(_ended_as.pop(run_id))
        if run_id not in _runs:
            _runs[run_id] = _opened(client, run_id)
        return _runs[run_id]


def _opened(client: Any, run_id: str) -> ActiveRun:
    real = _asked(client, run_id)
    if real is None:
        run = active.begin(None, run_id, {})
    else:
        project = client.get_experiment(real.info.experiment_id).name
        known = {key: value for key, value in real.data.tags.items() if not key.startswith("mlflow.")}
        run = active.begin(None if project == "Default" else project, real.info.run_name or run_id, known)
        if real.data.params:
            run.params(real.data.params)
    run._run.add_meta("mlflow run_id", run_id)
    return run


def _asked(client: Any, run_id: str) -> Any:
    """Return MLflow's run. Ask again where that fails: its store of files reads every metric of the run, and raises at
    a file that another thread has created and not yet written. None, which is said: it fails for ASKING_S.
    """
    until = time.monotonic() + ASKING_S
    while True:
        try:
            return client.get_run(run_id)
        except Exception as e:
            if time.monotonic() > until:
                say_once(f"MLflow does not tell the name of run {run_id!r} ({e}): the lab has it under its id.")
                return None
            time.sleep(ASKING_S / 50)


def _logging(name: str) -> Any:
    def call(result: Any, client: Any, run_id: str, *args: Any, **kwargs: Any) -> None:
        from .client import MlflowClient

        if name == "log_batch" and getattr(_here, "model", False) and _is_of_a_model(*args, **kwargs):
            return
        run = _run_of(client, run_id)
        active._open[run.info.run_id] = run
        getattr(MlflowClient(), name)(run.info.run_id, *args, **kwargs)

    return call


def _model_files(
    result: Any, client: Any, model_id: str, local_dir: Any, artifact_path: str | None = None, *more: Any, **others: Any
) -> None:
    model = client.get_logged_model(model_id)
    if model.source_run_id:
        run = _run_of(client, model.source_run_id)
        folder = f"{model.name}/{artifact_path}" if artifact_path else model.name
        files.log_folder(run._run, local_dir, folder, stays=False)


def _is_of_a_model(metrics: Any = (), params: Any = (), tags: Any = (), *more: Any, **others: Any) -> bool:
    """Return whether a batch only links metrics that are there to a model."""
    return not params and not tags and all(getattr(metric, "model_id", None) for metric in metrics)


def _ended(result: Any, client: Any, run_id: str, status: Any = None, *args: Any, **kwargs: Any) -> None:
    if run_id in _runs:
        run = _runs.pop(run_id)
        _ended_as[run_id] = run.info.run_id
        active.end_top(run, str(status or "FINISHED"))
