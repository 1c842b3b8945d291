"""HectiqlabCallback for LightGBM: evaluations by iteration, parameters, importances and the model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..run import Run
from .common import CallbackRun, missing

try:
    import lightgbm
except ModuleNotFoundError as e:
    raise missing(e, "lightgbm") from None

if TYPE_CHECKING:
    from lightgbm.callback import CallbackEnv

__all__ = ["HectiqlabCallback"]


class HectiqlabCallback:
    """Log a training with LightGBM: `lightgbm.train`, `lightgbm.cv`, and `fit` of its estimators.

        booster = lightgbm.train(params, data, valid_sets=[valid], callbacks=[HectiqlabCallback(project="tables")])

    Evaluations are logged by iteration as `dataset/metric`, those of `cv` as `dataset/metric/mean` and `…/std`. The
    parameters become the config. `callback.report(booster)` afterwards logs the best iteration, the importances of the
    features as a table and, if you ask for it, the model.

    Args:
        name: name of the run. None: that of `hectiqlab run`, else a new one.
        project, should_create_project, dry: as of `Run`.
        run: log to this Run instead.
    """

    order = 20  # before early stopping, which ends an iteration by an exception
    before_iteration = False

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        dry: bool = False,
    ) -> None:
        self._run = CallbackRun("LightGBM", name, project, should_create_project, run, dry)

    @property
    def run(self) -> Run | None:
        """The run, once it is made."""
        return self._run.run

    def __call__(self, env: CallbackEnv) -> None:
        if env.iteration == env.begin_iteration:
            self._run.begin({"params": env.params})
        self._run.metrics(_values(env.evaluation_result_list or ()), env.iteration)
        if env.iteration == env.end_iteration - 1:
            self._run.completed()

    def report(self, model: Any, *, log_model: bool = False) -> None:
        """Log what is known after the training, which is then complete. Never waits for the lab.

        Args:
            model: the Booster, or an estimator that was fitted.
            log_model: upload the model as model.txt.
        """
        booster: lightgbm.Booster = getattr(model, "booster_", model)
        self._run.call("add_config", {"best": {"iteration": booster.best_iteration, "score": booster.best_score}})
        features = booster.feature_name()
        gains, splits = booster.feature_importance("gain").tolist(), booster.feature_importance("split").tolist()
        rows = sorted(zip(features, gains, splits, strict=True), key=lambda row: row[1], reverse=True)
        self._run.call("add_table", rows, "importance", columns=["feature", "gain", "splits"])
        if log_model:
            self._run.made_file("model.txt", lambda path: booster.save_model(str(path)))
        self._run.completed()


def _values(results: Iterable[tuple[Any, ...]]) -> dict[str, float]:
    """Return the evaluations of an iteration by key. Those of `cv` have a deviation as their fifth part."""
    values: dict[str, float] = {}
    for dataset, metric, value, _, *deviation in (tuple(result) for result in results):
        if deviation and deviation[0] is not None:
            values |= {f"{dataset}/{metric}/mean": value, f"{dataset}/{metric}/std": deviation[0]}
        else:
            values[f"{dataset}/{metric}"] = value
    return values
