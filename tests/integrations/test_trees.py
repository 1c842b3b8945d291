"""The callbacks of XGBoost and LightGBM, and log_estimator, with the real libraries on small data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Site, config_of, unique

DATA = """
import sys
import numpy as np

X = np.random.default_rng(0).random((200, 4))
y = X[:, 0] * 2 + X[:, 1]
"""


def files_of(site: Site, run: dict[str, Any]) -> set[str]:
    """Return the names of the run's artifacts, including tables."""
    with site.client() as client:
        return {a["name"] for a in client.get(f"/runs/{run['id']}/artifacts")["items"]}


def test_lightgbm_logs_evaluations_by_iteration_parameters_importances_and_the_model(site: Site) -> None:
    pytest.importorskip("lightgbm")
    name = unique("lightgbm")
    script = DATA + (
        "import lightgbm\n"
        "from pyhectiqlab.integrations.lightgbm import HectiqlabCallback\n"
        "data = lightgbm.Dataset(X[:150], y[:150])\n"
        "valid = data.create_valid(X[150:], y[150:])\n"
        "params = dict(objective='regression', verbose=-1, num_leaves=4, num_threads=1)\n"
        "callback = HectiqlabCallback(sys.argv[1])\n"
        "booster = lightgbm.train(params, data, 5, valid_sets=[data, valid], valid_names=['train', 'valid'],\n"
        "                         callbacks=[callback, lightgbm.early_stopping(2, verbose=False)])\n"
        "callback.report(booster, log_model=True)\n"
        "params['metric'] = 'l1'\n"
        "lightgbm.cv(params, lightgbm.Dataset(X, y), 3, nfold=2, stratified=False,\n"
        "            callbacks=[HectiqlabCallback(sys.argv[1] + '-cv')])\n"
        "print(booster.best_score['valid']['l2'])\n"
    )
    done = site.run(script, name)
    assert done.returncode == 0, done.stderr
    run = site.ended(name)
    assert run["state"] == "completed"
    assert [s for s, _, _ in site.points(name, "train/l2")] == list(range(5))
    assert site.points(name, "valid/l2")[-1][1] == float(done.stdout)
    config = config_of(site, name)
    assert (config["params"]["num_leaves"], config["best"]["iteration"]) == (4, 5)
    assert files_of(site, run) == {"importance.table.json", "model.txt"}
    assert len(site.points(f"{name}-cv", "valid/l1/mean")) == len(site.points(f"{name}-cv", "valid/l1/std")) == 3


def test_xgboost_logs_evaluations_by_iteration_its_config_importances_and_the_model(site: Site) -> None:
    pytest.importorskip("xgboost")
    name = unique("xgboost")
    script = DATA + (
        "import xgboost\n"
        "from pyhectiqlab import Run\n"
        "from pyhectiqlab.integrations.xgboost import HectiqlabCallback\n"
        "data, valid = xgboost.DMatrix(X[:150], y[:150]), xgboost.DMatrix(X[150:], y[150:])\n"
        "params = dict(nthread=1, max_depth=2)\n"
        "results = {}\n"
        "xgboost.train(params, data, 5, evals=[(data, 'train'), (valid, 'valid')], early_stopping_rounds=2,\n"
        "              verbose_eval=False, callbacks=[HectiqlabCallback(sys.argv[1], log_model=True)],\n"
        "              evals_result=results)\n"
        "xgboost.cv(params, data, 3, nfold=2, callbacks=[HectiqlabCallback(sys.argv[1] + '-cv')])\n"
        "with Run(sys.argv[1] + '-own') as run:\n"
        "    estimator = xgboost.XGBRegressor(n_estimators=3, n_jobs=1, callbacks=[HectiqlabCallback(run=run)])\n"
        "    estimator.fit(X, y, eval_set=[(X, y)], verbose=False)\n"
        "print(results['valid']['rmse'][-1])\n"
    )
    done = site.run(script, name)
    assert done.returncode == 0, done.stderr
    run = site.ended(name)
    assert run["state"] == "completed"
    assert [s for s, _, _ in site.points(name, "train/rmse")] == list(range(5))
    assert site.points(name, "valid/rmse")[-1][1] == float(done.stdout)
    config = config_of(site, name)
    assert config["best"]["iteration"] == 4
    assert "learner" in config["xgboost"]
    assert files_of(site, run) == {"importance.table.json", "model.ubj"}
    assert len(site.points(f"{name}-cv", "test/rmse/std")) == 3
    assert [s for s, _, _ in site.points(f"{name}-own", "validation_0/rmse")] == [0, 1, 2]


def test_a_search_of_scikit_learn_is_logged_by_candidate_with_a_report_on_data(site: Site) -> None:
    pytest.importorskip("sklearn")
    name = unique("search")
    script = (
        "import json, sys\n"
        "from sklearn.datasets import load_iris\n"
        "from sklearn.linear_model import Ridge\n"
        "from sklearn.model_selection import GridSearchCV\n"
        "from sklearn.svm import SVC\n"
        "from pyhectiqlab.integrations.sklearn import log_estimator\n"
        "X, y = load_iris(return_X_y=True)\n"
        "search = GridSearchCV(SVC(), {'C': [0.1, 1.0], 'kernel': ['linear', 'rbf']}, cv=2).fit(X, y)\n"
        "run = log_estimator(search, X, y, name=sys.argv[1])\n"
        "log_estimator(Ridge().fit(X, y), X, y, run=run, group='ridge')\n"
        "print(json.dumps([search.cv_results_['mean_test_score'].tolist(), search.score(X, y)]))\n"
    )
    done = site.run(script, name)
    assert done.returncode == 0, done.stderr
    scores, accuracy = json.loads(done.stdout)
    run = site.ended(name)
    assert run["state"] == "completed"
    assert site.points(name, "search/mean_test_score") == [(i, score, 0) for i, score in enumerate(scores)]
    assert site.points(name, "test/accuracy") == [(0, accuracy, 0)]
    assert len(site.points(name, "ridge/r2")) == 1
    best = config_of(site, name)["best"]
    assert best["candidate"] == scores.index(max(scores)) and set(best["params"]) == {"C", "kernel"}
    assert files_of(site, run) == {"search.table.json", "test%2Fconfusion.table.json"}
