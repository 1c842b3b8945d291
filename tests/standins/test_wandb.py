"""W&B's stand-in: what its documented calls leave in the lab."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Site, beside, config_of, instead, last_points, media_of

HISTORY = """
import wandb
run = wandb.init(project="standins", name="{name}", config={{"lr": 0.1}}, tags=["base"], mode="{mode}", dir="{dir}")
wandb.log({{"loss": 1.0, "nested": {{"a": 1, "b": {{"c": 2}}}}, "flag": True}})
wandb.log({{"loss": 0.9}}, commit=False)
wandb.log({{"accuracy": 0.5}})
wandb.log({{"loss": 0.8}}, step=10)
wandb.log({{"accuracy": 0.6}}, step=10)
wandb.log({{"loss": 0.7}}, step=12)
wandb.log({{"loss": 0.6}})
wandb.log({{"loss": 0.5}})
run.log({{"nan": float("nan"), "inf": float("inf"), "int": 2**40, "text": "hello"}}, step=40, commit=True)
run.summary["best"] = 0.9
wandb.config.update({{"batch": 8}})
wandb.config.epochs = 3
wandb.finish()
"""


def test_rows_and_steps_are_those_of_wandb(site: Site, tmp_path: Path) -> None:
    """log: dicts, nested dicts, step=, commit=, partial rows; the same steps and values as the real one keeps."""
    instead(site, "wandb", HISTORY.format(name="rows", mode="online", dir=tmp_path))
    points = last_points(site, "rows")
    assert points["loss"] == {0: 1.0, 1: 0.9, 10: 0.8, 12: 0.6, 13: 0.5}
    assert points["accuracy"] == {1: 0.5, 10: 0.6}
    assert (points["nested.a"], points["nested.b.c"], points["flag"]) == ({0: 1.0}, {0: 2.0}, {0: 1.0})
    assert str(points["nan"][40]) == "nan" and points["inf"] == {40: float("inf")} and points["int"] == {40: 2.0**40}
    assert config_of(site, "rows") == {"lr": 0.1, "batch": 8, "epochs": 3}
    run = site.ended("rows")
    assert (run["state"], run["project"]["name"], run["tags"][0]["name"]) == ("completed", "standins", "base")
    assert run["meta"]["best"] == 0.9
    assert media_of(site, "rows") == {"text": ["text"]}


def records_of(data: bytes) -> Iterator[bytes]:
    """Return the records of W&B's file: a LevelDB log of blocks of 32 KiB, after seven bytes that name the format."""
    at, parts = 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def history_of(folder: Path) -> dict[str, dict[int, float]]:
    """Return what the real W&B kept in its own file."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.rglob("*.wandb")
    kept: dict[str, dict[int, float]] = {}
    for data in records_of(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") != "history":
            continue
        row = {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        flat = flattened(row)
        for key, value in flat.items():
            if not key.startswith("_") and isinstance(value, int | float):
                kept.setdefault(key, {})[int(flat["_step"])] = float(value)
    return kept


def flattened(row: dict[str, Any]) -> dict[str, Any]:
    flat = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat.update({f"{key}.{below}": one for below, one in flattened(value).items()})
        else:
            flat[key] = value
    return flat


def real_is_missing(package: str) -> bool:
    return importlib.util.find_spec(package) is None


@pytest.mark.skipif(real_is_missing("wandb"), reason="wandb is not installed: pip install wandb")
def test_beside_the_real_one_both_keep_the_same(site: Site, tmp_path: Path) -> None:
    """beside: the real W&B, offline, writes its own file, and the lab has the same values at the same steps."""
    beside(site, "wandb", HISTORY.format(name="both", mode="offline", dir=tmp_path))
    kept = history_of(tmp_path)
    mirrored = last_points(site, "both")
    assert kept.keys() == {"loss", "accuracy", "nested.a", "nested.b.c", "flag", "int", "nan", "inf"}
    assert {key: str(sorted(points.items())) for key, points in kept.items()} == {
        key: str(sorted(points.items())) for key, points in mirrored.items()
    }
    assert config_of(site, "both") == {"lr": 0.1, "batch": 8, "epochs": 3}
    run = site.ended("both")
    assert (run["state"], run["meta"]["best"]) == ("completed", 0.9)


def test_define_metric_places_points_at_their_step_metric(site: Site) -> None:
    """define_metric: step_metric, globs; a key that comes before its step metric waits for it; meta x_axes."""
    script = """
    import wandb
    run = wandb.init(project="standins", name="axes")
    run.define_metric("train/global_step")
    run.define_metric("*", step_metric="train/global_step", step_sync=True)
    run.define_metric("val/*", step_metric="epoch")
    run.log({"train/loss": 1.0, "train/global_step": 100})
    run.log({"train/loss": 0.5, "train/global_step": 200})
    run.log({"val/loss": 0.7}, commit=False)
    run.log({"epoch": 1, "train/global_step": 300})
    run.log({"other": 5.0})
    run.log({"val/loss": 0.6, "epoch": 1.5, "train/global_step": 400})
    run.log({"val/loss": 0.5, "epoch": 2})
    """
    instead(site, "wandb", script)
    points = last_points(site, "axes")
    assert points["train/loss"] == {100: 1.0, 200: 0.5}
    assert points["val/loss"] == {1: 0.7, 4: 0.6, 5: 0.5}, "from the first epoch that is no whole number on, W&B's step"
    assert site.ended("axes")["meta"]["x_axes"] == {"val/*": "epoch"}
    assert points["other"] == {300: 5.0}
    assert points["train/global_step"] == {0: 100.0, 1: 200.0, 2: 300.0, 4: 400.0}


MEDIA = """
import io, sys, wandb, numpy
from pathlib import Path
folder = Path(sys.argv[1])
run = wandb.init(project="standins", name="media")
picture = numpy.zeros((16, 24, 3), numpy.uint8)
boxes = {"predictions": {"class_labels": {1: "cat"}, "box_data": [
    {"position": {"minX": 0.1, "maxX": 0.6, "minY": 0.2, "maxY": 0.8}, "class_id": 1, "scores": {"acc": 0.9}},
    {"position": {"middle": [8, 8], "width": 4, "height": 4}, "domain": "pixel", "class_id": 2, "box_caption": "dog"}]}}
masks = {"truth": {"mask_data": numpy.ones((16, 24), int), "class_labels": {1: "cat"}}}
wandb.log({"boxed": wandb.Image(picture, caption="a cat", boxes=boxes, masks=masks)})
wandb.log({"several": [wandb.Image(picture), wandb.Image(numpy.random.rand(8, 8))]})
wandb.log({"histogram": wandb.Histogram(numpy.arange(100)), "array": numpy.arange(50),
           "counted": wandb.Histogram(np_histogram=([1, 2], [0, 1, 2]))})
table = wandb.Table(columns=["step", "text", "image"])
table.add_data(1, "hello", wandb.Image(picture))
wandb.log({"completions": table, "page": wandb.Html("<b>hi</b>")})
wandb.log({"clip": wandb.Video(numpy.zeros((3, 3, 8, 8), numpy.uint8), fps=4),
           "sound": wandb.Audio(numpy.zeros(100), sample_rate=8000, caption="silence")})
xs = wandb.Table(data=[[1, 2.0], [2, 3.0]], columns=["x", "y"])
wandb.log({"chart": wandb.plot.line(xs, "x", "y", title="line")})
wandb.log({"matrix": wandb.plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 1, 0], class_names=["a", "b"])})
(folder / "notes.txt").write_text("saved")
wandb.save(str(folder / "notes.txt"))
artifact = wandb.Artifact("results", type="evaluation", metadata={"k": 1})
artifact.add_file(str(folder / "notes.txt"))
with artifact.new_file("more.json") as f:
    f.write("{}")
run.log_artifact(artifact, aliases=["best"])
model = wandb.Artifact("net", type="model")
model.add_dir(str(folder))
run.log_artifact(model, aliases=["epoch_3", "latest"])
wandb.alert("title", "text", level=wandb.AlertLevel.WARN)
wandb.sweep({})
run.finish()
print(Path(wandb.init(project="standins", name="reader").use_artifact("net:latest", type="model").download(
    str(folder / "down"))).joinpath("notes.txt").read_text())
"""


def test_media_tables_files_and_artifacts_are_kept(site: Site, tmp_path: Path) -> None:
    """Image (boxes, masks, captions, lists), Histogram, Table with images, Html, Video, Audio, plot, save, Artifact."""
    for package in ("numpy", "PIL"):
        pytest.importorskip(package)
    output = instead(site, "wandb", MEDIA, str(tmp_path))
    assert "saved" in output and "sweep() does nothing here" in output and "did not log all" not in output
    media = media_of(site, "media")
    assert media["histogram"] == ["array", "counted", "histogram"]
    assert {"boxed", "several/0", "several/1", "clip", "completions/image/0"} <= set(media["image"])
    assert {"completions", "boxed/boxes", "chart_table", "matrix_table"} <= set(media["table"])
    assert set(media["text"]) >= {"boxed/caption", "sound/caption"}
    with site.client() as client:
        run = site.find("media")
        names = {item["name"] for item in client.pages(f"/runs/{run['id']}/artifacts", {})}
        (version,) = client.pages(f"/projects/{run['project']['id']}/models/net/versions", {})
    assert {"page.html", "sound.wav", "notes.txt", "results%2Fnotes.txt", "results%2Fmore.json"} <= names
    assert version["aliases"] == ["epoch_3"] or "epoch_3" in str(version)


LINKED = """
import sys, wandb
from pathlib import Path
path = Path(sys.argv[1], "net.pt")
path.write_text("weights")
run = wandb.init(project="linking", name="linking")
run.link_model(str(path), registered_model_name="Alone", aliases=["prod"])
linked = run.link_model(str(path), registered_model_name="Net", name="net", aliases=["prod"])
assert linked.name == "net"
run.link_model(str(path), registered_model_name="Same", name="Same", aliases="prod")
artifact = wandb.Artifact("table", type="dataset")
artifact.add_file(str(path))
run.link_artifact(artifact, "wandb-registry-dataset/Our Table", aliases=["gold"])  # logs it, too
artifact.wait().link("team/wandb-registry-dataset/Third:v0")
run.link_artifact(artifact, "table", aliases=["own"])
scores = wandb.Artifact("scores", type="evaluation")
scores.add_file(str(path))
run.link_artifact(scores, "wandb-registry-model/Scores")
run.link_artifact(scores, "wandb-registry-evaluations/Scores")
run.finish()
print(Path(wandb.init(project="linking", name="user").use_model("wandb-registry-model/Net:prod")).read_text())
wandb.finish()
"""


def test_models_and_datasets_are_linked_to_collections(site: Site, tmp_path: Path) -> None:
    """link_model, link_artifact, Artifact.link, use_model: versions under the names of collections, also those that
    differ from the artifact's only in case.
    """
    said = instead(site, "wandb", LINKED, str(tmp_path), cwd=tmp_path)
    assert "weights" in said and said.count("does nothing here") == 1 and "link_artifact() of the type" in said, said
    project = site.find("linking")["project"]["id"]
    versions = {}
    with site.client() as client:
        for kind in ("models", "datasets"):
            for row in client.pages(f"/projects/{project}/{kind}", {}):
                its = list(client.pages(f"/projects/{project}/{kind}/{row['name']}/versions", {}))
                versions[kind, row["name"]] = [version["aliases"] for version in its]
    linked = {
        ("models", "Alone"): [["prod"]], ("models", "net"): [[]], ("models", "Net"): [["prod"]],
        ("models", "Same"): [["prod"]], ("models", "Scores"): [[]], ("datasets", "table"): [["own"]],
        ("datasets", "Our-Table"): [["gold"]], ("datasets", "Third"): [[]],
    }  # fmt: skip
    assert {name: versions.get(name) for name in linked} == linked


def test_runs_are_continued_by_id_and_read_back(site: Site) -> None:
    """init(id=, resume=), reinit, names that repeat, Api().run, runs, scan_history, history, files."""
    script = """
    import wandb
    run = wandb.init(project="standins", id="abc12", name="display", resume="allow", config={"lr": 1})
    assert not run.resumed
    run.log({"loss": 1.0}); run.log({"loss": 0.5})
    run.finish()
    again = wandb.init(project="standins", id="abc12", resume="must")
    assert (again.resumed, again.step, wandb.run) == (True, 2, again)
    assert wandb.init(project="standins") is again
    again.log({"loss": 0.25})
    other = wandb.init(project="standins", name="twice", reinit=True, config={"lr": "auto"})
    third = wandb.init(project="standins", name="twice", reinit="finish_previous")
    assert other.id == "twice" and third.id.startswith("twice-"), (other.id, third.id)
    wandb.finish()
    assert wandb.run is None
    try:
        wandb.init(project="standins", id="nowhere", resume="must")
    except wandb.UsageError as e:
        print("refused", e)
    api = wandb.Api()
    view = api.run("me/standins/abc12")
    print([(r["_step"], r["loss"]) for r in view.scan_history(["loss"])], view.config, view.state)
    print(sorted(r.name for r in api.runs("standins", filters={"config.lr": {"$gte": 1}})))
    print(view.history(samples=2, pandas=False)[-1]["loss"])
    try:
        wandb.config["lr"]
    except wandb.Error as e:
        print("raised", e)
    """
    lines = instead(site, "wandb", script)
    assert "[(0, 1.0), (1, 0.5), (2, 0.25)] {'lr': 1} finished" in lines
    assert "refused resume='must'" in lines and "['display-abc12']" in lines and "\n0.25" in lines
    assert "raised You must call wandb.init()" in lines


def test_config_refuses_changes_as_wandb_does(site: Site) -> None:
    """config: items, attributes, update, allow_val_change, setdefaults, get; ConfigError."""
    script = """
    import wandb
    from wandb.sdk.lib.config_util import ConfigError
    run = wandb.init(project="standins", name="config", group="sweep", job_type="train", config={"a": 1, "b": {"c": 2}})
    assert (run.config.a, run.config["b"]["c"], run.config.get("x", 3), "a" in wandb.config) == (1, 2, 3, True)
    try:
        wandb.config.a = 2
    except ConfigError as e:
        print("refused", str(e).splitlines()[0])
    wandb.config.update({"a": 2}, allow_val_change=True)
    wandb.config.setdefaults({"a": 5, "d": 6})
    print(dict(wandb.config))
    """
    output = instead(site, "wandb", script)
    assert 'refused Attempted to change value of key "a" from 1 to 2' in output
    assert config_of(site, "config") == {"a": 2, "b": {"c": 2}, "d": 6}
    assert site.find("config")["group"] == "sweep"


def test_frameworks_find_it_by_its_metadata_and_modules(site: Site) -> None:
    """Its metadata and modules: Transformers, accelerate, Lightning, ultralytics and TRL look for them first."""
    script = """
    import importlib.metadata, importlib.util
    assert importlib.util.find_spec("wandb") is not None
    version = importlib.metadata.version("wandb")
    assert importlib.metadata.metadata("wandb")["Name"] == "wandb"
    assert "wandb" in importlib.metadata.packages_distributions()["wandb"]
    import wandb
    assert wandb.__version__ == version and wandb.api.api_key
    from wandb.sdk.lib import RunDisabled
    from wandb.sdk.lib.config_util import ConfigError
    from wandb.sdk.data_types.table import Table
    from wandb.wandb_run import Run
    from wandb.sdk.wandb_run import Run as same
    from wandb.errors import CommError
    assert Run is same is wandb.Run and Table is wandb.Table and wandb.run is None
    wandb.login(key="x"); wandb.require("service"); wandb.setup(); wandb.util.generate_id(); wandb.env.set_project("p")
    run = wandb.init(mode="disabled", settings=wandb.Settings(https_proxy="x"))
    run._label(code="transformers_trainer")
    assert isinstance(run, Run) and run.url is None
    run.log({"a": 1})
    run.summary["x"] = 1
    """
    instead(site, "wandb", script)


NANO = """
import math, sys, wandb
out, wandb_log, wandb_project, wandb_run_name = sys.argv[1], True, "owt", "gpt2"
config = {"batch_size": 12, "learning_rate": 6e-4, "wandb_log": wandb_log}
losses = {}
wandb.init(project=wandb_project, name=wandb_run_name, config=config)
for iter_num in range(0, 2001, 1000):
    losses = {split: 10.0 / (1 + iter_num + at) for at, split in enumerate(("train", "val"))}
    wandb.log({"iter": iter_num, "train/loss": losses["train"], "val/loss": losses["val"], "lr": 6e-4, "mfu": -100})
"""


def test_a_training_script_that_logs_its_own_counter(site: Site, tmp_path: Path) -> None:
    """A script like nanoGPT's train.py with wandb_log=True, started twice: it calls only init and log, and no
    finish.
    """
    for _ in range(2):
        instead(site, "wandb", NANO, str(tmp_path))
    points = last_points(site, "gpt2")
    assert points["iter"] == {0: 0.0, 1: 1000.0, 2: 2000.0} and points["val/loss"][2] == 10.0 / 2002
    assert config_of(site, "gpt2")["learning_rate"] == 6e-4 and site.ended("gpt2")["state"] == "completed"
    with site.client() as client:
        names = [run["name"] for run in client.pages("/runs", {"project": "owt"})]
    assert len(names) == 2 and all(name.startswith("gpt2") for name in names)


VERL = """
import os
class Tracking:
    def __init__(self, project, experiment, backends, config):
        self.logger = {}
        if "wandb" in backends:
            import wandb
            settings = wandb.Settings(https_proxy=None)
            wandb.init(project=project, name=experiment, entity=None, config=config, settings=settings)
            self.logger["wandb"] = wandb
        if "mlflow" in backends:
            import mlflow
            mlflow.set_tracking_uri("sqlite:////tmp/none.db")
            made = mlflow.set_experiment(project)
            mlflow.start_run(experiment_id=made.experiment_id, run_name=experiment)
            mlflow.log_params({"trainer/lr": 1e-6})
            self.logger["mlflow"] = mlflow
        if "swanlab" in backends:
            import swanlab
            config = {"FRAMEWORK": "verl", **config}
            swanlab.init(project=project, experiment_name=experiment, config=config, logdir="swanlog", mode="cloud")
            self.logger["swanlab"] = swanlab
        if "tensorboard" in backends:
            from torch.utils.tensorboard import SummaryWriter
            self.logger["tensorboard"] = SummaryWriter("tensorboard_log/" + experiment)
    def log(self, data, step):
        for name, logger in self.logger.items():
            if name == "tensorboard":
                for key in data:
                    logger.add_scalar(key, data[key], step)
            elif name == "mlflow":
                logger.log_metrics(metrics=data, step=step)
            else:
                logger.log(data, step=step)
backends = ["wandb", "mlflow", "swanlab", "tensorboard"]
tracking = Tracking("rl", "ppo", backends, {"trainer": {"lr": 1e-6}})
for step in range(1, 4):
    tracking.log({"actor/loss": 1.0 / step, "critic/score/mean": float(step)}, step)
table = tracking.logger["wandb"].Table(columns=["step", "input_1", "output_1", "score_1"], data=[[1, "q", "a", 0.5]])
tracking.logger["wandb"].log({"val/generations": table}, step=4)
tracking.logger["wandb"].finish(exit_code=0)
tracking.logger["mlflow"].end_run()
tracking.logger["swanlab"].finish()
tracking.logger["tensorboard"].close()
"""


def test_a_tracking_class_with_four_backends(site: Site, tmp_path: Path) -> None:
    """A script that calls wandb, mlflow, swanlab and tensorboard at once, like verl's Tracking: a run for each,
    with the same values.
    """
    pytest.importorskip("torch")
    instead(site, "wandb,mlflow,swanlab,tensorboard", VERL, cwd=tmp_path)
    with site.client() as client:
        runs = [run for run in client.pages("/runs", {}) if run["name"].split("/")[-1].startswith("ppo")]
        kept = [
            [
                (s, v)
                for page in client.points(run["id"], "actor/loss")
                for s, v in zip(page.step, page.value, strict=True)
            ]
            for run in runs
        ]
    assert kept == [[(1, 1.0), (2, 0.5), (3, 1.0 / 3)]] * 4


def test_without_the_variable_nothing_is_hooked_and_an_unknown_name_is_said(site: Site) -> None:
    """HECTIQLAB_INSTEAD_OF: without it, imports stay as they are; a line names a tracker without a stand-in."""
    from .conftest import run_with

    look = "import sys; print([type(f).__module__ for f in sys.meta_path if type(f).__name__ == 'Finder'])"
    assert "[]" in run_with(site, look)
    output = instead(site, "wandb,comet", look)
    assert "['_hectiqlab_hook']" in output and "no stand-in for comet" in output
