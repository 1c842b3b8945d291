"""Make a repository of Aim with a run of each kind of value: `python make_aim.py FOLDER`."""

import importlib.util
import math
import os
import sys
from pathlib import Path

import numpy as np
from aim import Audio, Distribution, Figure, Image, Repo, Run, Text

folder = sys.argv[1]
Repo.from_path(folder, init=True)


def opened(**more: object) -> Run:
    quiet = {"system_tracking_interval": None, "capture_terminal_logs": False}
    return Run(repo=folder, **{**quiet, **more})


run = opened(experiment="first tries")
run["__system_params"] = {  # this is what log_system_params=True sets, which fails with present releases of setuptools
    "packages": {"numpy": "2.0.1"},
    "env_variables": {"OMP_NUM_THREADS": "3", "MY_PASSPHRASE": "hush"},
    "git_info": {
        "branch": "main", "remote_origin_url": "git@host:a/b.git", "commit": {"hash": "abc123", "author": "ada"}
    },
    "arguments": ["train.py", "--lr=0.1"],
}  # fmt: skip
run.name, run.description = "my run", "a note"
for tag in ("good", "first"):
    run.add_tag(tag)
run["hparams"] = {"lr": 0.1, "layers": [1, 2, 3], "deep": {"a": None, "b": True}}
run["plain"] = 3
run["logo"] = Image(np.zeros((2, 2, 3), dtype=np.uint8))
for step in range(5):
    run.track(1 / (step + 1), name="loss", step=step, epoch=step // 2, context={"subset": "train"})
    run.track(2 / (step + 1), name="loss", step=step, context={"subset": "val"})
    run.track(step, name="acc", step=step * 10)
run.track(math.nan, name="loss", step=5, context={"subset": "train"})
run.track(math.inf, name="loss", step=6, context={"subset": "train"})
run.track(-1.5, name="loss", step=3, context={"subset": "val"})  # Aim keeps the last value of a step
run.track(7, name="norm", step=0, context={"subset": "train", "layer": 3})
for value in (5, 6):
    run.track(value, name="auto")
pixels = [Image(np.full((4, 4, 3), shade, dtype=np.uint8), caption=f"shade {shade}") for shade in (0, 255)]
run.track(pixels[0], name="img", step=1)
run.track(pixels, name="imgs", step=2)
run.track(Text("hello"), name="words", step=2)
run.track(Distribution(hist=[1, 2, 3, 4], bin_range=(0.0, 8.0)), name="weights", step=3)
run.track(Audio(b"RIFFsound", format="wav", caption="beep"), name="sound", step=1)
if importlib.util.find_spec("plotly") is not None:
    from plotly.graph_objects import Figure as Plot

    run.track(Figure(Plot({"data": [{"x": [1, 2], "y": [3, 4]}]})), name="fig", step=4)
if hasattr(run, "log_info"):
    run.log_info("an info line", where="here")
if hasattr(run, "set_artifacts_uri"):
    (Path(folder) / "model.txt").write_text("weights")
    run.set_artifacts_uri(f"file://{Path(folder).resolve()}/kept")
    run.log_artifact(f"{folder}/model.txt", block=True)
run.close()

second = opened(system_tracking_interval=1, capture_terminal_logs=True)
print("printed here")
second.archived = True
second.track(0.5, name="m", step=0)
second.close()

third = opened()  # like a process that is killed
third.track(1.0, name="m", step=0)
print(run.hash, second.hash, third.hash, flush=True)
os._exit(0)
