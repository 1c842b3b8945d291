"""HectiqlabCallback for XGBoost: evaluations by iteration, the booster's config, importances and the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..run import Run
from .common import CallbackRun, missing

try:
    import xgboost.collective
except ModuleNotFoundError as e:
    raise missing(e, "xgboost") from None

if TYPE_CHECKING:
    TrainingCallback = object
else:
    from xgboost.callback import TrainingCallback

__all__ = ["HectiqlabCallback"]


class _Ranked(CallbackRun):
    def rank(self) -> int:
        return int(xgboost.collective.get_rank()) or super().rank()


class HectiqlabCallback(TrainingCallback):
    """Log a training with XGBoost: `xgboost.train`, `xgboost.cv`, and its estimators.

        booster = xgboost.train(params, data, evals=[(valid, "valid")], callbacks=[HectiqlabCallback(project="tables")])

    Evaluations are logged by iteration as `dataset/metric`, those of `cv` as `dataset/metric/mean` and `…/std`. The
    booster's config becomes the config; at the end come the best iteration and the importances of the features as a
    table. In a distributed training the first process logs.

    Args:
        name: name of the run. None: that of `hectiqlab run`, else a new one.
        project, should_create_project, dry: as of `Run`.
        run: log to this Run instead.
        importance_type: which importances: weight, gain, cover, total_gain or total_cover. None: none.
        log_model: upload the model as model.ubj at the end.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        importance_type: str | None = "gain",
        log_model: bool = False,
        dry: bool = False,
    ) -> None:
        super().__init__()
        self._run = _Ranked("XGBoost", name, project, should_create_project, run, dry)
        self._importance = importance_type
        self._log_model = log_model

    @property
    def run(self) -> Run | None:
        """The run, once it is made."""
        return self._run.run

    def before_training(self, model: Any) -> Any:
        save_config = getattr(model, "save_config", None)  # the many boosters of `cv` have none
        self._run.begin({"xgboost": json.loads(save_config())} if save_config is not None else {})
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, Any]]) -> bool:
        values: dict[str, Any] = {}
        for dataset, metrics in evals_log.items():
            for metric, history in metrics.items():
                last = history[-1]
                pair = isinstance(last, tuple)
                values[f"{dataset}/{metric}"] = {"mean": last[0], "std": last[1]} if pair else last
        self._run.metrics(values, epoch)
        return False  # the training goes on

    def after_training(self, model: Any) -> Any:
        attributes = getattr(model, "attributes", None)
        if attributes is not None:
            self._log_booster(model, attributes())
        self._run.completed()
        return model

    def _log_booster(self, model: Any, attributes: Mapping[str, str]) -> None:
        if "best_iteration" in attributes:
            best = {"iteration": int(attributes["best_iteration"]), "score": float(attributes["best_score"])}
            self._run.call("add_config", {"best": best})
        if self._importance is not None and self._run.logs:
            self._log_importance(model)
        if self._log_model:
            self._run.made_file("model.ubj", lambda path: model.save_model(str(path)))

    def _log_importance(self, model: Any) -> None:
        try:
            scores = model.get_score(importance_type=self._importance)
        except ValueError:  # linear boosters know weights alone
            scores = model.get_score(importance_type="weight")
        rows = sorted(([feature, score] for feature, score in scores.items()), key=lambda row: str(row))
        self._run.call("add_table", rows, "importance", columns=["feature", self._importance])
