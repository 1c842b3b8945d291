"""HectiqlabCallback for Ray Tune: a run per trial, with its config, its results and its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..capture.ending import Ending
from ..run import Run
from .common import CallbackRun, end_run, missing, numbers

try:
    from ray.tune.logger import LoggerCallback
except ModuleNotFoundError as e:
    raise missing(e, "ray", "'ray[tune]'") from None

if TYPE_CHECKING:
    from ray.tune.experiment import Trial

__all__ = ["HectiqlabCallback"]

# What Ray adds to each result for its own use.
_OF_RAY = {
    "config",
    "date",
    "done",
    "hostname",
    "iterations_since_restore",
    "node_ip",
    "pid",
    "should_checkpoint",
    "time_since_restore",
    "timestamp",
    "timesteps_since_restore",
    "trial_id",
}


class HectiqlabCallback(LoggerCallback):  # type: ignore[misc]
    """Make a run of each trial of Ray Tune.

        Tuner(train, run_config=RunConfig(callbacks=[HectiqlabCallback(project="search")])).fit()

    A run has the name of the experiment and the trial's id, and is in a group of the experiment's name. The trial's
    config is its config; the numbers that the trial reports are logged by training iteration. A trial that raises is a
    failed run; one that is restored goes on in its run. The callback works where the experiment is driven: nothing is
    needed where trials run.

    Args:
        name: in the place of the experiment's name.
        project, should_create_project, dry: as of `Run`.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        dry: bool = False,
    ) -> None:
        super().__init__()
        self._run = CallbackRun("Ray Tune", None, project, should_create_project, None, dry)
        self._name = name
        self._trials: dict[str, Run] = {}

    def log_trial_start(self, trial: Trial) -> None:
        if trial.trial_id in self._trials:
            return
        experiment = self._name or trial.experiment_dir_name
        run = self._run.make(f"{experiment}-{trial.trial_id}", experiment)
        self._trials[trial.trial_id] = run
        self._run.safely(run.add_config, trial.config or {})
        self._run.safely(run.training)

    def log_trial_result(self, iteration: int, trial: Trial, result: Mapping[str, Any]) -> None:
        self.log_trial_start(trial)
        values = numbers({key: value for key, value in result.items() if key not in _OF_RAY})
        step = values.pop("training_iteration", iteration)
        if values:
            self._run.safely(self._trials[trial.trial_id].add_metrics, values, step=int(step))

    def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
        """End the run. The experiment does not wait until it is delivered; the end of the script does."""
        run = self._trials.pop(trial.trial_id, None)
        if run is not None:
            state, cause = ("failed", "the trial failed") if failed else ("completed", "the trial is complete")
            end_run(run, Ending(state, cause, None))

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        for run in self._trials.values():
            end_run(run, Ending("stopped", "the experiment ended before the trial", None))
        self._trials.clear()
