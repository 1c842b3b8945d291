"""The stand-ins of MLflow, Trackio, Neptune, Neptune Scale and SwanLab: what their calls leave in the lab."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from .conftest import Site, beside, config_of, instead, last_points, media_of


def files_of(site: Site, name: str) -> set[str]:
    with site.client() as client:
        return {item["name"] for item in client.pages(f"/runs/{site.find(name)['id']}/artifacts", {})}


MLFLOW = """
import sys, mlflow
from pathlib import Path
folder = Path(sys.argv[1])
(folder / "notes.txt").write_text("notes")
mlflow.set_tracking_uri(sys.argv[2])
experiment = mlflow.set_experiment("tracked")
with mlflow.start_run(run_name=sys.argv[3], tags={"team": "a"}) as run:
    mlflow.log_param("lr", 0.1)
    mlflow.log_params({"layers": 2, "model": "net"})
    for step in range(3):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    mlflow.log_metrics({"accuracy": 0.5, "auc": 0.7}, step=10)
    mlflow.set_tag("stage", "first")
    mlflow.log_artifact(str(folder / "notes.txt"), "docs")
    mlflow.log_text("hello", "hello.txt")
    mlflow.log_dict({"a": 1}, "data.json")
"""


def test_mlflow_fluent_calls(site: Site, tmp_path: Path) -> None:
    """start_run, also nested; log_param(s), log_metric(s), log_artifact, log_text, log_dict, set_tag, search_runs."""
    script = MLFLOW + (
        "with mlflow.start_run(run_name='parent'):\n"
        "    with mlflow.start_run(run_name='child', nested=True):\n"
        "        mlflow.log_metric('x', 1.0, step=0)\n"
        "    mlflow.log_metric('y', 2.0, step=0)\n"
        "try:\n"
        "    with mlflow.start_run(run_name='broken'):\n"
        "        1 / 0\n"
        "except ZeroDivisionError:\n"
        "    pass\n"
        "mlflow.autolog()\n"
        "import mlflow.pytorch\n"
        "mlflow.sklearn.autolog()\n"
        "print([r.data.metrics['loss'] for r in mlflow.search_runs(experiment_names=['tracked'],\n"
        "       filter_string=\"metrics.loss < 1 and params.model = 'net'\", output_format='list')])\n"
    )
    output = instead(site, "mlflow", script, str(tmp_path), "http://127.0.0.1:9", "fluent")
    assert "autolog() does nothing here" in output and "[0.3333333333333333]" in output
    points = last_points(site, "fluent")
    assert points["loss"] == {0: 1.0, 1: 0.5, 2: 1.0 / 3} and points["auc"] == {10: 0.7}
    assert config_of(site, "fluent") == {"lr": 0.1, "layers": 2, "model": "net"}
    run = site.ended("fluent")
    assert (run["state"], run["project"]["name"], run["meta"]["stage"]) == ("completed", "tracked", "first")
    assert {"team=a", "stage=first"} == {tag["name"] for tag in run["tags"]}
    assert files_of(site, "fluent") == {"docs%2Fnotes.txt", "hello.txt", "data.json"}
    assert last_points(site, "child")["x"] == {0: 1.0} and last_points(site, "parent")["y"] == {0: 2.0}
    assert site.ended("broken")["state"] == "failed"


def test_mlflow_client(site: Site, tmp_path: Path) -> None:
    """MlflowClient: create_run, log_metric, log_batch, set_terminated, get_run, get_metric_history."""
    script = """
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient, context
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
    client = MlflowClient("file:./mlruns")
    experiment = client.get_experiment_by_name("clients")
    tags = context.registry.resolve_tags({MLFLOW_RUN_NAME: "by-client"})
    run = client.create_run(experiment_id=experiment.experiment_id, tags=tags)
    run_id = run.info.run_id
    client.log_batch(run_id, params=[Param("lr", 0.1)], metrics=[Metric("loss", 0.5, 0, 3)])
    client.log_metric(run_id, "loss", 0.25, step=4)
    client.set_terminated(run_id, "FINISHED")
    print(client.get_run(run_id).data.params, [(m.step, m.value) for m in client.get_metric_history(run_id, "loss")])
    """
    output = instead(site, "mlflow", script)
    assert "{'lr': '0.1'} [(3, 0.5), (4, 0.25)]" in output
    assert site.ended("by-client")["state"] == "completed"


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_beside_the_real_one(site: Site, tmp_path: Path) -> None:
    """beside: the real MLflow keeps its own files, and the lab has what its client reads back; start_run(run_id=…)."""
    script = MLFLOW + (
        "client = mlflow.MlflowClient()\n"
        "print([(m.step, m.value) for m in client.get_metric_history(run.info.run_id, 'loss')])\n"
        "print(sorted(client.get_run(run.info.run_id).data.params.items()))\n"
        "with mlflow.start_run(run_id=run.info.run_id):\n"
        "    mlflow.log_metric('later', 1.0, step=3)\n"
        "from threading import Barrier, Thread\n"
        "run, both = client.create_run(experiment.experiment_id, run_name='of-threads'), Barrier(2)\n"
        "def log(key):\n"
        "    both.wait()\n"
        "    client.log_metric(run.info.run_id, key, 1.0)\n"
        "threads = [Thread(target=log, args=(key,)) for key in 'ab']\n"
        "[thread.start() for thread in threads], [thread.join() for thread in threads]\n"
        "client.set_terminated(run.info.run_id)\n"
    )
    uri = (tmp_path / "mlruns").as_uri()
    kept = beside(site, "mlflow", script, str(tmp_path), uri, "real-mlflow", MLFLOW_ALLOW_FILE_STORE="true")
    points = last_points(site, "real-mlflow")
    assert str(sorted(points["loss"].items())) in kept and points["accuracy"] == {10: 0.5}
    assert {key: str(value) for key, value in config_of(site, "real-mlflow").items()} == {
        "lr": "0.1",
        "layers": "2",
        "model": "net",
    }
    run = site.ended("real-mlflow")
    assert (run["state"], run["project"]["name"]) == ("completed", "tracked")
    assert {"docs%2Fnotes.txt", "hello.txt", "data.json"} <= files_of(site, "real-mlflow")
    assert points["later"] == {3: 1.0} and last_points(site, "of-threads").keys() == {"a", "b"}
    with site.client() as client:
        runs = [run["name"] for run in client.pages("/runs", {"project": "tracked"})]
    assert (runs.count("real-mlflow"), runs.count("of-threads")) == (1, 1)


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_beside_opens_a_run_whose_files_cannot_be_read(site: Site, tmp_path: Path) -> None:
    """beside: another thread has created the file of a metric and not yet written it. Its value of then is mirrored."""
    script = """
    import mlflow
    from pathlib import Path
    from threading import Timer
    mlflow.set_tracking_uri(Path("mlruns").absolute().as_uri())
    client = mlflow.MlflowClient()
    for name, filled_s in (("written-soon", 0.2), ("never-written", None)):
        run = client.create_run("0", run_name=name)
        empty = next(Path("mlruns").rglob(run.info.run_id)) / "metrics" / "other"
        empty.touch()
        if filled_s is not None:
            Timer(filled_s, empty.write_text, ("1700000000000 2.0 0\\n",)).start()
        client.log_metric(run.info.run_id, "x", 1.0)
        client.set_terminated(run.info.run_id)
    print("called", run.info.run_id)
    """
    printed = beside(site, "mlflow", script, cwd=tmp_path, MLFLOW_ALLOW_FILE_STORE="true")
    assert last_points(site, "written-soon")["x"] == {0: 1.0}
    assert last_points(site, printed.split("called ")[1].split()[0])["x"] == {0: 1.0}


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_beside_keeps_a_metric_once_when_a_model_is_logged(site: Site, tmp_path: Path) -> None:
    """beside: log_model, for which MLflow logs the metrics of a step a second time: each is kept once."""
    script = """
    import mlflow
    from mlflow.pyfunc import PythonModel
    class Twice(PythonModel):
        def predict(self, context, model_input: list[float], params=None):
            return [2 * x for x in model_input]
    with mlflow.start_run(run_name="with-model") as run:
        for step in (0, 0, 1):
            mlflow.log_metric("loss", 0.5 ** step, step=step, timestamp=1_700_000_000_000 + step)
        mlflow.log_metric("loss", 0.125)
        mlflow.pyfunc.log_model(name="model", python_model=Twice(), pip_requirements=["numpy"])
        mlflow.log_metric("later", 1.0)
    client = mlflow.MlflowClient()
    for key in ("loss", "later"):
        print([(m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)])
    """
    kept = beside(site, "mlflow", script, cwd=tmp_path, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/ml.db")
    assert [(s, v) for s, v, _ in site.points("with-model", "loss")] == [(0, 1.0), (0, 1.0), (1, 0.5), (0, 0.125)]
    assert str([(0, 1.0)]) in kept and [p[:2] for p in site.points("with-model", "later")] == [(0, 1.0)]
    assert {"model%2FMLmodel", "model%2Fpython_model.pkl"} <= files_of(site, "with-model")


def test_trackio(site: Site) -> None:
    """init, log, config, Table, alert, finish; resume="allow" continues a run."""
    script = """
    import importlib.metadata, trackio
    assert importlib.metadata.version("trackio") == trackio.__version__
    run = trackio.init(project="tracked", name="trackio", config={"lr": 0.1}, space_id=None)
    trackio.config.update({"more": 1}, allow_val_change=True)
    trackio.log({"loss": 1.0, "train/global_step": 5})
    trackio.log({"loss": 0.5})
    trackio.log({"loss": 0.25}, step=10)
    trackio.log({"table": trackio.Table(columns=["a"], data=[[1]])}, step=11)
    trackio.finish()
    again = trackio.init(project="tracked", name="trackio", resume="allow")
    again.log({"loss": 0.1})
    again.finish()
    """
    instead(site, "trackio", script)
    points = last_points(site, "trackio")
    assert points["loss"] == {0: 1.0, 1: 0.5, 10: 0.25, 11: 0.1}
    assert config_of(site, "trackio") == {"lr": 0.1, "more": 1} and media_of(site, "trackio") == {"table": ["table"]}
    assert site.ended("trackio")["attempt"] == 2


def test_neptune_fields(site: Site, tmp_path: Path) -> None:
    """init_run; run["…"] = value, append, log, extend, upload, upload_files, add, fetch, exists, stop."""
    for package in ("numpy", "PIL"):
        pytest.importorskip(package)
    script = """
    import sys, numpy, neptune
    from pathlib import Path
    from neptune.types import File
    from neptune.utils import stringify_unsupported
    run = neptune.init_run(project="workspace/tracked", name="neptune", tags=["a"])
    run["parameters"] = stringify_unsupported({"lr": 0.1, "layers": {"first": 8}})
    run["parameters/batch"] = 4
    for loss in (1.0, 0.5):
        run["train/loss"].append(loss)
    run["train"]["accuracy"].append(0.9, step=7)
    run["train/log"].log("text")
    run["series"].extend([1, 2, 3])
    run["sys/tags"].add(["b"])
    path = Path(sys.argv[1], "data.csv")
    path.write_text("a,b")
    run["data/table"].upload(str(path))
    run["data/more"].upload_files(str(path.parent / "*.csv"))
    run["picture"].upload(File.as_image(numpy.zeros((8, 8))))
    run["samples"].append(File.as_image(numpy.zeros((8, 8))), step=1)
    run["page"].upload(File.from_content("<b>", extension="html"))
    assert run["parameters/lr"].fetch() == 0.1 and run["sys/id"].fetch() and run.exists("parameters/batch")
    run.stop()
    """
    output = instead(site, "neptune", script, str(tmp_path))
    assert "did not log all" not in output, output
    points = last_points(site, "neptune")
    assert points == {
        "train/loss": {0: 1.0, 1: 0.5},
        "train/accuracy": {7: 0.9},
        "series": {0: 1.0, 1: 2.0, 2: 3.0},
    }
    assert config_of(site, "neptune") == {"parameters": {"lr": 0.1, "layers": {"first": 8}, "batch": 4}}
    assert media_of(site, "neptune") == {"image": ["picture", "samples"], "text": ["train/log"]}
    assert {"data%2Ftable.csv", "page.html"} <= files_of(site, "neptune")
    assert {tag["name"] for tag in site.ended("neptune")["tags"]} == {"a", "b"}


def test_neptune_scale(site: Site, tmp_path: Path) -> None:
    """Run: log_metrics, log_configs, log_histograms, log_string_series, assign_files, add_tags, close."""
    script = """
    import sys
    from pathlib import Path
    from neptune_scale import Run
    from neptune_scale.types import File, Histogram
    path = Path(sys.argv[1], "data.csv")
    path.write_text("a,b")
    with Run(experiment_name="scale", project="workspace/tracked") as run:
        run.log_configs({"parameters/lr": 0.1, "seed": 1})
        for step in range(3):
            run.log_metrics(data={"loss": 1.0 / (step + 1)}, step=step)
        run.log_metrics({"loss": 0.1}, step=3.5)
        run.log_histograms({"weights": Histogram([0, 1, 2], counts=[3, 4])}, step=1)
        run.log_string_series({"words": "hello"}, step=1)
        run.assign_files({"data/table": str(path), "data/text": File(b"x")})
        run.add_tags(["a"])
        run.wait_for_processing()
    """
    output = instead(site, "neptune_scale", script, str(tmp_path))
    assert "did not log all" not in output and "no whole number" in output
    assert last_points(site, "scale") == {"loss": {0: 1.0, 1: 0.5, 2: 1.0 / 3, 3: 0.1}}
    assert config_of(site, "scale") == {"parameters": {"lr": 0.1}, "seed": 1}
    assert media_of(site, "scale") == {"histogram": ["weights"], "text": ["words"]}
    assert {"data%2Ftable.csv", "data%2Ftext.bin"} <= files_of(site, "scale")


def test_swanlab(site: Site) -> None:
    """init, log, config, Text, Image, finish, as verl and ms-swift call it."""
    for package in ("numpy", "PIL"):
        pytest.importorskip(package)
    script = """
    import numpy, swanlab
    swanlab.login(api_key="x")
    run = swanlab.init(project="tracked", experiment_name="swanlab", config={"FRAMEWORK": "verl"}, mode="cloud")
    swanlab.config.update({"lr": 0.1})
    swanlab.log({"loss": 1.0}, step=3)
    swanlab.log({"loss": 0.5})
    swanlab.log({"words": swanlab.Text("hello"), "picture": swanlab.Image(numpy.zeros((8, 8)))}, step=5)
    assert swanlab.get_run() is run
    swanlab.finish()
    """
    instead(site, "swanlab", script)
    assert last_points(site, "swanlab") == {"loss": {3: 1.0, 4: 0.5}}
    assert config_of(site, "swanlab") == {"FRAMEWORK": "verl", "lr": 0.1}
    assert media_of(site, "swanlab") == {"image": ["picture"], "text": ["words"]}


def test_what_is_not_here_is_said_and_stops_no_script(site: Site) -> None:
    """MLflow's registry, models, data, traces; Neptune's models; SwanLab's Api: no error, and a line says once that
    they do nothing.
    """
    script = """
    import mlflow, mlflow.models, neptune, swanlab
    from mlflow.models import infer_signature
    from mlflow.models.signature import infer_signature as same
    run = mlflow.start_run(run_name="absent")
    made = mlflow.register_model("runs:/x/model", "net")
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(made.name, "best", made.version)
    assert list(client.search_registered_models()) == [] and not client.get_model_version("net", "1")
    mlflow.log_input(mlflow.data.from_pandas(None), context=str(infer_signature([1], [2])))
    print(mlflow.pyfunc.load_model("models:/net/1").predict([1]))
    with mlflow.start_span("part") as span:
        span.set_attribute("a", 1)

    @mlflow.trace
    def double(x):
        return 2 * x

    assert double(2) == 4 and not hasattr(mlflow, "no_such_name")
    mlflow.end_run()
    fields = neptune.init_run(project="me/standins", name="absent-fields")
    fields["params"] = {"lr": 1, "net": {"depth": 2}}
    assert fields["params"].fetch() == {"lr": 1, "net": {"depth": 2}}
    del fields["params/lr"]
    neptune.init_model(key="NET")["model"].upload("nowhere")
    print(fields["loss"].fetch_values())
    fields.stop()
    swanlab.Api().run("x")
    swanlab.init(project="standins", experiment_name="absent-curves")
    matrix, curve = swanlab.confusion_matrix([0, 1], [0, 1], ["a", "b"]), swanlab.roc_curve([0, 1], [0, 1])
    swanlab.log({"matrix": matrix, "roc": curve})
    swanlab.finish()
    """
    said = instead(site, "mlflow,neptune,swanlab", script)
    for call in (
        "register_model",
        "MlflowClient.get_model_version",
        "models.infer_signature",
        "start_span",
        "init_model",
    ):
        assert said.count(f"{call}() does nothing here") == 1, call
    assert media_of(site, "absent-curves")["table"] == ["matrix_table", "roc_table"]
