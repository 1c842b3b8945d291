"""Makes runs of MLflow at an address: `python make_mlflow.py URI`. Prints what MLflow itself reads back, as JSON.
Samples were made by this script with the release that their folder names, in /tmp/sample.
"""

from __future__ import annotations

import json
import math
import os
import sys

import mlflow
from mlflow.tracking import MlflowClient

os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
mlflow.set_tracking_uri(sys.argv[1])
location = sys.argv[2] if len(sys.argv) > 2 else None
experiment = mlflow.create_experiment("exp one", artifact_location=location)
mlflow.set_experiment("exp one")
with mlflow.start_run(run_name="first", tags={"team": "vision", "kept": "", "mlflow.note.content": "a note"}) as run:
    mlflow.log_params({"lr": 0.1, "model.layers": 3, "name": "resnet", "exact": "0.10", "big": 2**70})
    for i in range(5):
        mlflow.log_metric("train/loss", 1 / (i + 1), step=i)
    for step, value in ((5, math.nan), (6, math.inf), (7, -math.inf), (2**40, 0.1)):
        mlflow.log_metric("train/loss", value, step=step)
    client = MlflowClient()
    for _ in range(2):
        client.log_metric(run.info.run_id, "same", 1.0, timestamp=1_700_000_000_000, step=0)
    mlflow.log_text("hello", "notes/hello.txt")
    with mlflow.start_run(run_name="child", nested=True):
        mlflow.log_metric("x", 1)
try:
    with mlflow.start_run(run_name="first"):
        mlflow.log_metric("x", 2)
        raise ValueError
except ValueError:
    pass
with mlflow.start_run(run_name="gone") as gone:
    pass
client.delete_run(gone.info.run_id)
client.create_registered_model("net")
version = client.create_model_version("net", f"{run.info.artifact_uri}/notes", run.info.run_id, description="small")
client.set_registered_model_alias("net", "champion", version.version)

runs = []
for one in client.search_runs([experiment]):
    keys = sorted(one.data.metrics)
    history = {
        key: [
            (m.step, repr(m.value), m.timestamp)
            for m in client.get_metric_history(one.info.run_id, key)
        ]
        for key in keys
    }  # fmt: skip
    runs.append(
        {
            "id": one.info.run_id,
            "name": one.data.tags["mlflow.runName"],
            "status": one.info.status,
            "start": one.info.start_time,
            "end": one.info.end_time,
            "params": one.data.params,
            "history": history,
        }
    )
print(json.dumps(runs))
