"""Public repositories, unedited: their own files, run against the lab.

The files are no part of this repository. HECTIQLAB_TEST_SOURCES names a folder with clones of them (nanoGPT, verl,
torchtitan, cleanrl, pytorch-lightning); without it these tests are skipped. What stands in for them in every run of the
tests are the scripts with the same calls in test_wandb.py and test_frameworks.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyhectiqlab import Run

from .conftest import Site, assert_same_floats, beside, config_of, event_values, instead, last_points, media_of
from .test_frameworks import needs
from .test_wandb import history_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # importing the framework alone takes seconds
OFFLINE = {"WANDB_MODE": "offline"}
RUN_FILE = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"


def source(path: str) -> Path:
    """Return a file or folder of a clone. Skip the test if there is none."""
    folder = os.environ.get("HECTIQLAB_TEST_SOURCES")
    if folder is None or not (Path(folder) / path).exists():
        pytest.skip(f"HECTIQLAB_TEST_SOURCES names no folder with {path}")
    return Path(folder) / path


@needs("torch", "wandb")
def test_nanogpt(site: Site, tmp_path: Path) -> None:
    """nanoGPT's train.py with wandb_log=True, twice: instead of W&B, and beside the real one, offline. Both runs, and
    the real one's file, have the same values.
    """
    script = source("nanoGPT/train.py")
    data = script.parent / "data" / "hectiqlab_test"
    data.mkdir(exist_ok=True)
    import numpy

    for split in ("train", "val"):
        (numpy.arange(4000) % 50).astype(numpy.uint16).tofile(data / f"{split}.bin")
    size = "--n_layer=1 --n_head=1 --n_embd=8 --block_size=8 --batch_size=2 --gradient_accumulation_steps=1"
    steps = "--max_iters=6 --eval_interval=2 --eval_iters=2 --log_interval=1 --lr_decay_iters=6 --warmup_iters=1"
    cpu = f"--device=cpu --compile=False --dtype=float32 --dataset=hectiqlab_test --out_dir={tmp_path}"
    arguments = [*f"{size} {steps} {cpu}".split(), "--wandb_log=True", "--wandb_project=owt"]
    command = f"import sys; sys.path.insert(0, {str(script.parent)!r}); {RUN_FILE}"
    for call, name in ((instead, "nano-instead"), (beside, "nano-beside")):
        more = OFFLINE if call is beside else {}
        call(
            site, "wandb", command, str(script), *arguments, f"--wandb_run_name={name}", cwd=script.parent,
            WANDB_DIR=str(tmp_path), **more,
        )  # fmt: skip
    kept, mirrored, alone = history_of(tmp_path), last_points(site, "nano-beside"), last_points(site, "nano-instead")
    assert kept == mirrored and len(kept["val/loss"]) == 4
    assert {k: v for k, v in alone.items() if k != "mfu"} == {k: v for k, v in mirrored.items() if k != "mfu"}
    assert config_of(site, "nano-instead")["n_embd"] == 8 and site.ended("nano-beside")["state"] == "completed"


VERL = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("tracking", sys.argv[1])
tracking = sys.modules["tracking"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tracking)
backends = sys.argv[3].split(",")
config = {"trainer": {"lr": 1e-6, "logger": backends, "wandb_proxy": None}, "data": {"files": ["a", "b"]}}
logger = tracking.Tracking("rl", sys.argv[2], backends, config)
generations = tracking.ValidationGenerationsLogger("rl", sys.argv[2])
for step in range(1, 4):
    logger.log({"actor/loss": 1.0 / step, "critic/score/mean": float(step), "val-core/acc/mean@1": 0.5}, step)
    generations.log(backends, [["question", "answer", 0.1 * step]], step)
del logger
"""


@needs("torch", "orjson", "pandas")
def test_verl_instead_of_all(site: Site, tmp_path: Path) -> None:
    """verl's Tracking with wandb, mlflow, swanlab, tensorboard and trackio at once, and the generations of its
    validation: a run for each, with the same values.
    """
    path, trackers = source("verl/verl/utils/tracking.py"), "wandb,mlflow,swanlab,tensorboard,trackio"
    output = instead(site, trackers, VERL, str(path), "verl-all", trackers, cwd=tmp_path)
    assert "Traceback" not in output and "did not log all" not in output and "does nothing here" not in output, output
    with site.client() as client:
        names = [run["name"] for run in client.pages("/runs", {}) if run["name"].split("/")[-1].startswith("verl-all")]
    assert len(names) == 5
    for name in names:
        points = last_points(site, name)
        assert points["actor/loss"] == {1: 1.0, 2: 0.5, 3: 1.0 / 3}, name
        key = "val-core/acc/mean_at_1" if "val-core/acc/mean_at_1" in points else "val-core/acc/mean@1"
        assert points[key] == {1: 0.5, 2: 0.5, 3: 0.5} and set(points) == {"actor/loss", "critic/score/mean", key}
    shown = [kind for name in names for kind, keys in media_of(site, name).items() if "val/generations" in keys]
    assert sorted(shown) == ["table", "table", "text"], shown  # W&B, SwanLab; TensorBoard


@needs("torch", "orjson", "pandas", "wandb", "mlflow")
def test_verl_beside_the_real_ones(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """beside: verl's Tracking with the real W&B, offline, and MLflow: both keep what the lab has."""
    path, trackers = source("verl/verl/utils/tracking.py"), "wandb,mlflow"  # Trackio's own log knows no data=
    database = f"sqlite:///{tmp_path}/ml.db"
    beside(
        site, trackers, VERL, str(path), "verl-real", trackers, cwd=tmp_path, MLFLOW_TRACKING_URI=database,
        WANDB_DIR=str(tmp_path), **OFFLINE,
    )  # fmt: skip
    kept = history_of(tmp_path)
    with site.client() as client:
        names = [run["name"] for run in client.pages("/runs", {}) if run["name"].startswith("verl-real")]
    assert len(names) == 2
    for name in names:
        points = last_points(site, name)
        assert points["actor/loss"] == kept["actor/loss"] == {1: 1.0, 2: 0.5, 3: 1.0 / 3}, name
    for variable, value in (("HECTIQLAB_URL", site.lab.url), ("HECTIQLAB_API_KEY", site.lab.api_key)):
        monkeypatch.setenv(variable, value)
    tables = [table for name in names for table in Run.existing(name).tables("val/generations")]
    assert tables and tables[0].columns == ["step", "input_1", "output_1", "score_1"]


TITAN = """
import sys, types
sys.path.insert(0, sys.argv[1])
# What the file imports of the training itself wants a nightly PyTorch; its loggers use none of it.
for module, name in (("components.optimizer", "OptimizersContainer"), ("distributed", "ParallelDims")):
    sys.modules["torchtitan." + module] = types.SimpleNamespace(**{name: object})
from torchtitan.components.metrics import LoggerContainer, TensorBoardLogger, WandBLogger
loggers = LoggerContainer()
loggers.add_logger(WandBLogger("logs/wandb", {"lr": 0.1, "model": {"dim": 8}}, tag=None))
loggers.add_logger(TensorBoardLogger("logs/titan-tb", tag="rank0"))
for step in range(1, 6):
    loggers.log({"loss_metrics/global_avg_loss": 2.0 / step, "throughput(tps)": 100 + step, "memory/num_ooms": 0}, step)
loggers.close()
"""


@needs("torch")
def test_torchtitan(site: Site, tmp_path: Path) -> None:
    """torchtitan's WandBLogger and TensorBoardLogger, named by WANDB_RUN_NAME and WANDB_PROJECT."""
    named = {"WANDB_RUN_NAME": "titan", "WANDB_PROJECT": "titans", "WANDB_RUN_GROUP": "sweep"}
    instead(site, "wandb,tensorboard", TITAN, str(source("torchtitan")), cwd=tmp_path, **named)
    points = last_points(site, "titan")
    assert points["loss_metrics/global_avg_loss"] == {step: 2.0 / step for step in range(1, 6)}
    assert points["throughput(tps)"][5] == 105 and config_of(site, "titan")["model"] == {"dim": 8}
    assert (site.find("titan")["group"], site.ended("titan")["state"]) == ("sweep", "completed")
    assert last_points(site, "titan-tb")["rank0/loss_metrics/global_avg_loss"][4] == 0.5


PPO = "--total-timesteps 128 --num-envs 2 --num-steps 16 --track --no-cuda --exp-name {}"


@needs("torch", "gymnasium", "tyro")
def test_cleanrl(site: Site, tmp_path: Path) -> None:
    """cleanrl's ppo.py with --track: one run of W&B that follows the SummaryWriter, by global step."""
    script = source("cleanrl/cleanrl/ppo.py")
    instead(site, "wandb,tensorboard", RUN_FILE, str(script), *PPO.format("ppo").split(), cwd=tmp_path)
    with site.client() as client:
        (name,) = [run["name"] for run in client.pages("/runs", {"project": "cleanRL"})]
    assert name.startswith("CartPole-v1__ppo__1__")
    points = last_points(site, name)
    assert points["losses/value_loss"].keys() == {32, 64, 96, 128} and "charts/SPS" in points
    assert config_of(site, name)["num_envs"] == 2 and "hyperparameters" in media_of(site, name)["text"]


@needs("torch", "gymnasium", "tyro", "tensorboard", "tensorboardX", "wandb")
def test_cleanrl_beside_the_real_ones(site: Site, tmp_path: Path) -> None:
    """beside: cleanrl's ppo.py with --track, the real W&B and TensorBoard: event files and lab have the same values."""
    script = source("cleanrl/cleanrl/ppo.py")
    arguments = PPO.format("ppo-beside").split()
    beside(
        site, "wandb,tensorboard", RUN_FILE, str(script), *arguments, cwd=tmp_path, WANDB_DIR=str(tmp_path), **OFFLINE
    )
    with site.client() as client:
        names = [run["name"] for run in client.pages("/runs", {}) if "ppo-beside" in run["name"]]
    points = [last_points(site, name) for name in names]
    assert len([p for p in points if "losses/value_loss" in p]) == 1, names
    assert_same_floats(event_values(tmp_path / "runs"), {k: v for p in points for k, v in p.items()})


@needs("lightning", "torch", "wandb", "tensorboardX")
def test_lightnings_own_tests_of_its_loggers(site: Site, tmp_path: Path) -> None:
    """beside: Lightning's own tests of TensorBoardLogger and WandbLogger pass, as they do without us."""
    tests = source("pytorch-lightning/tests/tests_pytorch")
    files = [str(tests / "loggers" / f"test_{name}.py") for name in ("tensorboard", "wandb")]
    # These need jsonargparse. TensorFlow and OpenCV set variables if they are installed, and each test refuses new
    # ones.
    without = ["-k", "not cli_integration"]
    command = ["-q", "-p", "no:cacheprovider", "--rootdir", str(tests.parent), *without, *files]
    script = f"import sys, pytest; sys.path.insert(0, {str(tests.parent)!r}); sys.exit(pytest.main(sys.argv[1:]))"
    set_already = ("HDF5_PLUGIN_PATH", "QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR")
    beside(site, "tensorboard,wandb", script, *command, cwd=tmp_path, **dict.fromkeys(set_already, str(tmp_path)))
    with site.client() as client:
        names = [run["name"] for run in client.pages("/runs", {})]
    assert any("version_0" in name for name in names), names
