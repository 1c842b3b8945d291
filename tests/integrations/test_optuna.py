"""HectiqlabCallback with the real Optuna: a study as one run, and a run per trial."""

from __future__ import annotations

import importlib.util

import pytest

from .conftest import Site, config_of, unique

pytestmark = pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="optuna is not installed")

STUDY = """
import optuna, sys
from pyhectiqlab.integrations.optuna import HectiqlabCallback

optuna.logging.set_verbosity(optuna.logging.ERROR)

def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    trial.suggest_categorical("kind", ["a", "b"])
    if trial.number == 2:
        raise ZeroDivisionError
    trial.report(x, 0)
    trial.report(abs(x), 1)
    if trial.number == 1:
        raise optuna.TrialPruned
    callback.run_of(trial).add_metrics("own", x, trial.number)
    return x * x

def optimize(callback):
    study = optuna.create_study(study_name="s", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=4, callbacks=[callback], catch=ZeroDivisionError)
    return study
"""


def test_a_study_is_one_run_with_values_by_trial_and_the_best_in_its_config(site: Site) -> None:
    name, given = unique("study"), unique("given")
    script = STUDY + (
        "callback = HectiqlabCallback(sys.argv[1])\n"
        "study = optimize(callback)\n"
        "print(study.best_value, study.best_trial.number)\n"
        "study.optimize(objective, n_trials=1, callbacks=[callback])\n"
        "from pyhectiqlab import Run\n"
        "with Run(sys.argv[2]) as run:\n"
        "    callback = HectiqlabCallback(run=run, metric_names='error')\n"
        "    optimize(callback)\n"
        "    run.add_metrics('after', 1.0, 0)\n"
    )
    done = site.run(script, name, given)
    assert done.returncode == 0, done.stderr
    best, number = map(float, done.stdout.split())
    run = site.ended(name)
    assert run["state"] == "completed"
    values = site.points(name, "objective/value")
    assert [s for s, _, _ in values] == [0, 1, 3, 4]  # a pruned trial has the last value that it reported
    assert site.points(name, "best/value")[1] == (3, best, 0)
    assert [s for s, _, _ in site.points(name, "params/x")] == [0, 1, 2, 3, 4]
    assert [v for _, v, _ in site.points(name, "trials/complete")] == [1, 1, 1, 2, 3]
    assert next((s, v) for s, v, _ in site.points(name, "trials/pruned")) == (1, 1)
    assert next((s, v) for s, v, _ in site.points(name, "trials/fail")) == (2, 1)
    assert [s for s, _, _ in site.points(name, "own")] == [0, 3, 4]
    config = config_of(site, name)
    assert config["study"]["directions"] == ["minimize"]
    assert config["study"]["sampler"] == "RandomSampler"
    assert config["best"]["trial"] in (number, 4)
    assert len(site.points(given, "objective/error")) == 3
    assert len(site.points(given, "after")) == 1


def test_each_trial_can_be_a_run_of_its_own_with_its_state(site: Site) -> None:
    name = unique("trials")
    script = STUDY + (
        "callback = HectiqlabCallback(sys.argv[1], per_trial=True)\n"
        "optimize(callback)\n"
        "assert callback.run is None\n"
        "sys.exit(1)\n"  # a script that fails later does not change how a trial ended
    )
    done = site.run(script, name)
    assert done.returncode == 1 and not done.stderr, done.stderr
    runs = [site.ended(f"{name}-{number}") for number in range(4)]
    assert [run["state"] for run in runs] == ["completed", "stopped", "failed", "completed"]
    assert {run["group"] for run in runs} == {name}
    assert runs[1]["state_why"] == "the trial was pruned"
    assert [tag["name"] for tag in runs[1]["tags"]] == ["pruned"]
    assert config_of(site, f"{name}-3")["params"].keys() == {"x", "kind"}
    x = site.points(f"{name}-3", "own")[0][1]
    assert site.points(f"{name}-3", "intermediate/value") == [(0, x, 0), (1, abs(x), 0)]
    assert site.points(f"{name}-3", "value") == [(1, x * x, 0)]
