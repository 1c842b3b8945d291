"""MLflow's autolog beside the lab: what the real one keeps is there, each value once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .conftest import Site, beside, config_of
from .test_frameworks import LIGHTNING, needs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KEPT = """
import mlflow
client = mlflow.MlflowClient()
(run,) = client.search_runs(["0"])
kept = {key: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)] for key in run.data.metrics}
print("kept", kept)
print("params", sorted(run.data.params))
"""
SKLEARN = """
import mlflow, numpy
mlflow.sklearn.autolog(log_models=False)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
x = numpy.arange(40.0).reshape(-1, 1)
with mlflow.start_run(run_name="auto-sklearn"):
    model = LogisticRegression().fit(x, x[:, 0] > 19)
    accuracy_score(x[:, 0] > 19, model.predict(x))
    model.score(x, x[:, 0] > 19)
"""


def same(site: Site, name: str, output: str) -> None:
    kept = ast.literal_eval(next(line for line in output.splitlines() if line.startswith("kept "))[5:])
    params = ast.literal_eval(next(line for line in output.splitlines() if line.startswith("params "))[7:])
    points = {key: [(step, value) for step, value, _ in site.points(name, key)] for key in kept}
    assert kept and points == kept and set(config_of(site, name)) == set(params)


@needs("mlflow", "sklearn")
def test_autolog_of_scikit_learn(site: Site, tmp_path: Path) -> None:
    """beside: autolog of scikit-learn: params and metrics of a fit and of later calls, each once."""
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/ml.db"}
    same(site, "auto-sklearn", beside(site, "mlflow", SKLEARN + KEPT, cwd=tmp_path, **env))


@needs("mlflow", "torch", "lightning")
def test_autolog_of_lightning(site: Site, tmp_path: Path) -> None:
    """beside: autolog of Lightning: metrics of each epoch, each once."""
    auto = "import mlflow\nmlflow.pytorch.autolog(log_models=False)\nmlflow.start_run(run_name='auto-lightning')\n"
    env = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/ml.db"}
    script = auto + LIGHTNING.format("CSVLogger", "False") + "mlflow.end_run()\n" + KEPT
    same(site, "auto-lightning", beside(site, "mlflow", script, cwd=tmp_path, **env))
