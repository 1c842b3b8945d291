"""HectiqlabCallback for Optuna: a study as one run, or each of its trials as a run."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..capture.ending import Ending
from ..run import Run
from .common import CallbackRun, end_run, missing, numbers

try:
    from optuna.trial import TrialState
except ModuleNotFoundError as e:
    raise missing(e, "optuna") from None

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

__all__ = ["HectiqlabCallback"]

_ENDS = {
    TrialState.COMPLETE: ("completed", "the trial is complete"),
    TrialState.PRUNED: ("stopped", "the trial was pruned"),
    TrialState.FAIL: ("failed", "the trial failed"),
}


class HectiqlabCallback:
    """Log the trials of an Optuna study.

        study.optimize(objective, n_trials=100, callbacks=[HectiqlabCallback(project="search")])

    The study is one run: values, numeric parameters and durations by the number of the trial, the best values so far
    and the number of trials that were complete, pruned and failed; the study's settings and its best parameters are the
    config. With `per_trial=True` each trial is a run of its own, named after the study and the trial's number, in a
    group of the study's name. Its parameters are the config, and what it reported to the pruner is logged by step. A
    pruned trial is a stopped run with the tag `pruned`; a failed one is a failed run.

    `callback.run_of(trial)` in the objective is the run to which that trial may log more. Several threads and several
    processes may work on one study.

    Args:
        name: name of the run. None: the study's name.
        project, should_create_project, dry: as of `Run`.
        run: log the study to this Run instead.
        per_trial: make a run of each trial.
        metric_names: what the objective's values are called. None: the study's metric names, else `value`.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        per_trial: bool = False,
        metric_names: str | Sequence[str] | None = None,
        dry: bool = False,
    ) -> None:
        if per_trial and run is not None:
            raise TypeError("HectiqlabCallback makes a run per trial, or logs to run=Run(...), and not both")
        self._run = CallbackRun("Optuna", name, project, should_create_project, run, dry)
        self._name = name
        self._per_trial = per_trial
        self._metric_names = [metric_names] if isinstance(metric_names, str) else metric_names
        self._trials: dict[int, Run] = {}
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._begun = False

    @property
    def run(self) -> Run | None:
        """The run of the study, once it is made. None where each trial is a run."""
        return self._run.run

    def run_of(self, trial: Trial | FrozenTrial, study: Study | None = None) -> Run:
        """Return the run of a trial; that of the study where trials have none. Waits for the lab where it is made."""
        study = study or getattr(trial, "study", None)
        with self._lock:
            if not self._per_trial:
                if study is not None:
                    self._begin(study, trial.number)
                return self._run.get()
            if trial.number not in self._trials:
                study_name = self._name or (study.study_name if study is not None else "study")
                self._trials[trial.number] = self._run.make(f"{study_name}-{trial.number}", study_name)
            return self._trials[trial.number]

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Log a trial that has ended. Optuna calls this after each."""
        run = self.run_of(trial, study)
        names = self._names(study, trial)
        if self._per_trial:
            with self._lock:
                del self._trials[trial.number]
            self._log_trial(run, trial, names)
        else:
            self._log_to_study(run, study, trial, names)

    def _log_trial(self, run: Run, trial: FrozenTrial, names: Sequence[str]) -> None:
        self._run.safely(run.add_config, {"trial": trial.number, "params": trial.params, **_attributes(trial)})
        for step, value in sorted(trial.intermediate_values.items()):
            self._run.safely(run.add_metrics, {f"intermediate/{names[0]}": value}, step=step)
        last = max(trial.intermediate_values, default=0)
        if trial.values:
            self._run.safely(run.add_metrics, dict(zip(names, trial.values, strict=True)), step=last)
        if trial.state == TrialState.PRUNED:
            self._run.safely(run.add_tag, "pruned")
        state, cause = _ENDS[trial.state]
        end_run(run, Ending(state, str(trial.system_attrs.get("fail_reason", cause)), None))

    def _log_to_study(self, run: Run, study: Study, trial: FrozenTrial, names: Sequence[str]) -> None:
        with self._lock:
            self._counts[trial.state.name.lower()] += 1
            counts = dict(self._counts)
        values: dict[str, Any] = {"trials": counts, "params": numbers(trial.params)}
        if trial.values:
            values["objective"] = dict(zip(names, trial.values, strict=True))
        if trial.duration is not None:
            values["trial/seconds"] = trial.duration.total_seconds()
        best = _best(study) if trial.state == TrialState.COMPLETE else None
        if best is not None:
            values["best"] = dict(zip(names, best.values, strict=True))
            if best.number == trial.number:
                self._run.safely(run.add_config, {"best": {"trial": best.number, "params": best.params}})
        self._run.metrics(values, trial.number)

    def _begin(self, study: Study, number: int) -> None:
        if not self._begun:
            self._begun = True
            earlier = study.get_trials(deepcopy=False)  # of a study that goes on
            self._counts.update(
                trial.state.name.lower() for trial in earlier if trial.state.is_finished() and trial.number != number
            )
            settings = {
                "name": study.study_name,
                "directions": [direction.name.lower() for direction in study.directions],
                "sampler": type(study.sampler).__name__,
                "pruner": type(study.pruner).__name__,
                "attributes": study.user_attrs,
            }
            self._run.begin({"study": settings}, study.study_name)

    def _names(self, study: Study, trial: FrozenTrial) -> Sequence[str]:
        """Return a name for each value of the objective."""
        names = self._metric_names or study.metric_names or ["value"]
        count = len(study.directions)
        return names if len(names) == count else [f"{names[0]}-{i}" for i in range(count)]


def _attributes(trial: FrozenTrial) -> dict[str, Any]:
    return {"attributes": trial.user_attrs} if trial.user_attrs else {}


def _best(study: Study) -> FrozenTrial | None:
    """Return the best trial. None where there is none, and where a study of several objectives has no single one."""
    if len(study.directions) > 1:
        return None
    try:
        return study.best_trial
    except ValueError:
        return None
