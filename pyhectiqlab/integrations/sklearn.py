"""log_estimator for scikit-learn: an estimator's parameters, what a search tried, and how well it does on data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..run import Run
from .common import CallbackRun, missing, numbers

try:
    import sklearn.base
    import sklearn.metrics
except ModuleNotFoundError as e:
    raise missing(e, "sklearn", "scikit-learn") from None

__all__ = ["log_estimator"]

CLASSES_MAX = 100  # beyond, a table of confusions would be too large to read


def log_estimator(
    estimator: Any,
    X: Any = None,
    y: Any = None,
    *,
    name: str | None = None,
    project: str | None = None,
    should_create_project: bool = False,
    run: Run | None = None,
    group: str = "test",
    dry: bool = False,
) -> Run:
    """Log a fitted estimator of scikit-learn, and return the run, which stays open.

        run = log_estimator(search, X_test, y_test, project="digits")

    The class and all parameters become the config. Of a search, such as GridSearchCV, every candidate's scores are
    points by the candidate's number and a table; the best parameters are in the config. With data, the metrics of its
    predictions become points of `group`: of a classifier accuracy, F1, precision and recall, and a table of confusions;
    of a regressor R², the mean absolute error and the root of the mean squared error.

    Args:
        estimator: a fitted estimator, pipeline or search.
        X, y: data to predict, and the truth.
        name: name of the run. None: that of `hectiqlab run`, else a new one.
        project, should_create_project, dry: as of `Run`.
        run: log to this Run instead.
        group: the first part of the metrics' keys.
    """
    log = CallbackRun("scikit-learn", name, project, should_create_project, run, dry)
    log.get()
    log.call("add_config", {"estimator": type(estimator).__name__, "params": estimator.get_params(deep=True)})
    results = getattr(estimator, "cv_results_", None)
    if results is not None:
        _log_search(log, estimator, results)
    if X is not None and y is not None:
        _log_report(log, estimator, X, y, group)
    return log.get()


def _log_search(log: CallbackRun, search: Any, results: Mapping[str, Any]) -> None:
    columns = [key for key in results if key != "params"]
    rows = [[_plain(value) for value in row] for row in zip(*(results[key] for key in columns), strict=True)]
    log.call("add_table", rows, "search", columns=columns)
    for candidate, row in enumerate(rows):
        scored = {key: value for key, value in zip(columns, row, strict=True) if key.startswith(("mean_", "std_"))}
        log.metrics(scored, candidate, "search", quiet=True)
    if hasattr(search, "best_params_"):
        best = {"params": search.best_params_, "candidate": int(search.best_index_)}
        log.call("add_config", {"best": best | numbers({"score": getattr(search, "best_score_", None)})})


def _log_report(log: CallbackRun, estimator: Any, X: Any, y: Any, group: str) -> None:
    predicted = estimator.predict(X)
    if sklearn.base.is_classifier(estimator):
        precision, recall, f1, _ = sklearn.metrics.precision_recall_fscore_support(
            y, predicted, average="macro", zero_division=0
        )
        accuracy = sklearn.metrics.accuracy_score(y, predicted)
        log.metrics({"accuracy": accuracy, "f1": f1, "precision": precision, "recall": recall}, 0, group)
        labels = sorted({*map(_plain, y), *map(_plain, predicted)}, key=str) if getattr(y, "ndim", 1) == 1 else []
        if 0 < len(labels) <= CLASSES_MAX:
            matrix = sklearn.metrics.confusion_matrix(y, predicted, labels=labels)
            rows = [[str(label), *map(int, row)] for label, row in zip(labels, matrix, strict=True)]
            log.call("add_table", rows, f"{group}/confusion", columns=["truth", *map(str, labels)])
    elif sklearn.base.is_regressor(estimator):
        errors = {
            "r2": sklearn.metrics.r2_score(y, predicted),
            "mean_absolute_error": sklearn.metrics.mean_absolute_error(y, predicted),
            "root_mean_squared_error": sklearn.metrics.mean_squared_error(y, predicted) ** 0.5,
        }
        log.metrics(errors, 0, group)


def _plain(value: Any) -> Any:
    """Return a scalar of numpy as Python's; anything else as it is."""
    return value.item() if hasattr(value, "item") else value
