"""MLflow's stand-in: `import mlflow` with HECTIQLAB_INSTEAD_OF=mlflow, or this module as `mlflow`.

An experiment is a project of the lab. What the fluent calls and MlflowClient are given goes to runs of it.
docs/guide/trackers.md says what differs.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from typing import Any

from ..quiet import cannot, inert
from . import client, entities, exceptions, tracking, utils
from .active import ActiveRun
from .client import MlflowClient
from .exceptions import MlflowException
from .flavors import FUNCTIONS, flavors
from .fluent import (
    active_run,
    create_experiment,
    delete_tag,
    end_run,
    get_artifact_uri,
    get_experiment,
    get_experiment_by_name,
    get_registry_uri,
    get_run,
    get_tracking_uri,
    is_tracking_uri_set,
    last_active_run,
    log_artifact,
    log_artifacts,
    log_dict,
    log_figure,
    log_image,
    log_input,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    log_table,
    log_text,
    search_experiments,
    search_runs,
    set_experiment,
    set_registry_uri,
    set_tag,
    set_tags,
    set_tracking_uri,
    start_run,
)

__version__ = "3.17.2"  # of the MLflow that this behaves as
autolog = inert("mlflow", "autolog")


def enable_system_metrics_logging() -> None:
    """Do nothing: system metrics are logged anyway."""


def disable_system_metrics_logging() -> None:
    """Do nothing: HECTIQLAB_SYSTEM_METRICS=0 does it."""


def flush_async_logging() -> None:
    """Do nothing: what was logged is on its way."""


def delete_run(run_id: str) -> None:
    MlflowClient().delete_run(run_id)


def set_experiment_tag(key: str, value: Any) -> None:
    cannot("mlflow", "set_experiment_tag()")


def trace(func: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Return the function as it is: traces are not kept here."""
    cannot("mlflow", "trace()")
    return func if callable(func) else (lambda one: one)


def __getattr__(name: str) -> Any:
    if name not in FUNCTIONS:
        raise AttributeError(f"pyhectiqlab's stand-in for mlflow has no {name!r}")
    return inert("mlflow", name)


for _name, _flavor in flavors(__name__).items():
    _flavor.__spec__ = ModuleSpec(_flavor.__name__, None)
    globals()[_name] = sys.modules[_flavor.__name__] = _flavor

__all__ = [
    "ActiveRun",
    "MlflowClient",
    "MlflowException",
    "active_run",
    "autolog",
    "client",
    "create_experiment",
    "delete_run",
    "delete_tag",
    "disable_system_metrics_logging",
    "enable_system_metrics_logging",
    "end_run",
    "entities",
    "exceptions",
    "flush_async_logging",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_registry_uri",
    "get_run",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "last_active_run",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "search_experiments",
    "search_runs",
    "set_experiment",
    "set_experiment_tag",
    "set_registry_uri",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "start_run",
    "trace",
    "tracking",
    "utils",
]
