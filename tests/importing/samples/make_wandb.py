"""Makes a run of W&B in the current folder, offline: `python make_wandb.py`.

Samples were made by this script with the release that their folder names, in /tmp/sample; tests run it with the release
that is installed.
"""

from __future__ import annotations

import math
import os
import sys

import numpy as np
import wandb

run = wandb.init(
    project="proj",
    name="my run",
    mode="offline",
    config={"lr": 0.1, "model": {"layers": 3}},
    tags=["a", "b"],
    notes="a note",
    group="g1",
    job_type="train",
)
run.define_metric("epoch")
run.define_metric("val/*", step_metric="epoch")
for i in range(10):
    run.log({"loss": 1 / (i + 1), "nan": math.nan, "nested": {"a": i}, "text": f"x{i}", "flag": i % 2 == 0})
    if i % 5 == 4:
        run.log({"epoch": i // 5, "val/acc": i / 10})
image = wandb.Image(np.zeros((4, 5, 3), np.uint8), caption="cap")
table = wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]])
run.log({"img": image, "hist": wandb.Histogram([1, 2, 3, 4]), "table": table, "html": wandb.Html("<b>x</b>")}, step=50)
run.log({"loss": 5.0}, step=50)
run.summary["best"] = 0.5
print("hello stdout")
print("hello stderr", file=sys.stderr)
with open("w.bin", "wb") as file:
    file.write(b"123")
artifact = wandb.Artifact("weights", "model")
artifact.add_file("w.bin")
run.log_artifact(artifact)
run.save(os.path.abspath("w.bin"), base_path=os.getcwd())
run.alert("title", "text")
run.finish()
