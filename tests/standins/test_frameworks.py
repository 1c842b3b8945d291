"""Frameworks, unchanged: their current releases, where they are installed."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from .conftest import Site, beside, config_of, instead, last_points, media_of

pytestmark = pytest.mark.slow  # importing the framework alone takes seconds

QUIET = {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def needs(*packages: str) -> pytest.MarkDecorator:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


TRAINER = """
import sys, torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
data = [{"input_ids": torch.tensor([1, 2, 3]), "labels": torch.tensor(i % 2)} for i in range(8)]
config = BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
args = TrainingArguments(
    sys.argv[1], run_name=sys.argv[2], per_device_train_batch_size=2, max_steps=6, logging_steps=2,
    report_to=sys.argv[3].split(","), disable_tqdm=True, use_cpu=True, save_strategy="no", eval_strategy="steps",
    eval_steps=3,
)
trainer = Trainer(BertForSequenceClassification(config), args, train_dataset=data, eval_dataset=data)
trainer.train()
print([(row["step"], row["loss"]) for row in trainer.state.log_history if "loss" in row])
"""


@needs("transformers", "accelerate", "torch")
def test_the_trainer_of_transformers_reports_to_wandb(site: Site, tmp_path: Path) -> None:
    """transformers' Trainer with report_to="wandb": losses by global step, config, state."""
    output = instead(site, "wandb", TRAINER, str(tmp_path / "out"), "hf-wandb", "wandb", cwd=tmp_path, **QUIET)
    points = last_points(site, "hf-wandb")
    assert str(sorted(points["train/loss"].items())) in output and points["eval/loss"].keys() == {3, 6}
    assert (config_of(site, "hf-wandb")["max_steps"], site.ended("hf-wandb")["state"]) == (6, "completed")


@needs("transformers", "accelerate", "torch")
def test_the_trainer_of_transformers_reports_to_tensorboard(site: Site, tmp_path: Path) -> None:
    """transformers' Trainer with report_to="tensorboard": the same losses by a SummaryWriter."""
    folder = {"TENSORBOARD_LOGGING_DIR": str(tmp_path / "runs" / "hf-tensorboard")}
    output = instead(
        site, "tensorboard", TRAINER, str(tmp_path / "o"), "x", "tensorboard", cwd=tmp_path, **QUIET, **folder
    )
    assert str(sorted(last_points(site, "hf-tensorboard")["train/loss"].items())) in output


@needs("transformers", "accelerate", "torch")
def test_the_trainer_of_transformers_reports_to_mlflow_and_trackio_and_swanlab(site: Site, tmp_path: Path) -> None:
    """transformers' Trainer with report_to of mlflow, trackio and swanlab at once."""
    where = "mlflow,trackio,swanlab"
    output = instead(site, where, TRAINER, str(tmp_path / "out"), "hf-three", where, cwd=tmp_path, **QUIET)
    wanted = ast.literal_eval(next(line for line in output.splitlines() if line.startswith("[(")))
    kept = []
    with site.client() as client:
        for run in list(client.pages("/runs", {})):
            keys = {item["key"] for item in client.pages(f"/runs/{run['id']}/keys", {})}
            if keys & {"train/loss", "loss"} and run["name"].startswith("hf-three"):
                pages = client.points(run["id"], "train/loss" if "train/loss" in keys else "loss")
                kept.append([value for page in pages for value in page.value])
    assert kept == [[loss for _, loss in wanted]] * 3, output


@needs("transformers", "accelerate", "torch")
def test_one_variable_makes_every_trainer_report(site: Site, tmp_path: Path) -> None:
    """HECTIQLAB_BESIDE=transformers: a Trainer with report_to="none" reports by HectiqlabCallback."""
    output = beside(site, "transformers", TRAINER, str(tmp_path / "out"), "hf-none", "none", cwd=tmp_path, **QUIET)
    assert str(sorted(last_points(site, "hf-none")["train/loss"].items())) in output


ACCELERATE = """
from accelerate import Accelerator
accelerator = Accelerator(log_with={0!r}, project_dir="logs", cpu=True)
accelerator.init_trackers("accelerated", config={{"lr": 0.1}}, init_kwargs={1!r})
for step in range(3):
    accelerator.log({{"loss": 1.0 / (step + 1)}}, step=step)
accelerator.end_training()
"""


@needs("accelerate", "torch")
@pytest.mark.parametrize("tracker", ["wandb", "tensorboard", "trackio"])
def test_accelerate_by_name(site: Site, tmp_path: Path, tracker: str) -> None:
    """Accelerate's log_with="wandb", "tensorboard", "trackio"."""
    name = f"accelerate-{tracker}"
    given = {} if tracker == "tensorboard" else {tracker: {"name": name}}
    instead(site, tracker, ACCELERATE.format(tracker, given), cwd=tmp_path)
    run = "accelerated" if tracker == "tensorboard" else name
    assert last_points(site, run)["loss"] == {0: 1.0, 1: 0.5, 2: 1.0 / 3}
    assert config_of(site, run) == {"lr": 0.1}


@needs("accelerate", "torch")
def test_accelerate_has_a_tracker_of_its_own_for_the_lab(site: Site, tmp_path: Path) -> None:
    """Accelerate's log_with="hectiqlab" with HECTIQLAB_BESIDE=accelerate; HectiqlabTracker given as an object."""
    beside(site, "accelerate", ACCELERATE.format("hectiqlab", {"hectiqlab": {"name": "tracked-by-name"}}), cwd=tmp_path)
    run = site.ended("tracked-by-name")
    assert (run["project"]["name"], run["state"]) == ("accelerated", "completed")
    assert last_points(site, "tracked-by-name")["loss"] == {0: 1.0, 1: 0.5, 2: 1.0 / 3}
    own = (
        "from accelerate import Accelerator\n"
        "from pyhectiqlab.integrations.accelerate import HectiqlabTracker\n"
        "accelerator = Accelerator(log_with=HectiqlabTracker('tracked-by-object'), cpu=True)\n"
        "accelerator.init_trackers('any', config={'lr': 0.1})\n"
        "accelerator.log({'loss': 0.5, 'words': 'text', 'nested': {'a': 1}}, step=2)\n"
        "accelerator.get_tracker('hectiqlab').log_table('table', ['a'], [[1]], step=2)\n"
        "accelerator.end_training()\n"
    )
    done = site.run(own)
    assert done.returncode == 0, done.stderr
    assert last_points(site, "tracked-by-object") == {"loss": {2: 0.5}, "nested/a": {2: 1.0}}
    assert media_of(site, "tracked-by-object") == {"table": ["table"], "text": ["words"]}


LIGHTNING = """
import torch, warnings
import lightning.pytorch as pl
from lightning.pytorch.loggers import {0}
warnings.simplefilter("ignore")
class Line(pl.LightningModule):
    def __init__(self, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch, i):
        loss = self.layer(batch[0]).pow(2).mean()
        self.log("train/loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 1)), batch_size=2)
logger = {1}
pl.Trainer(max_epochs=2, logger=logger, log_every_n_steps=1, enable_progress_bar=False, enable_model_summary=False,
           accelerator="cpu", devices=1, enable_checkpointing=False).fit(Line(), data)
"""


@needs("lightning", "torch")
@pytest.mark.parametrize(
    ("tracker", "name", "made"),
    [
        ("wandb", "WandbLogger", 'WandbLogger(name="pl-wandb", project="standins", save_dir="logs")'),
        ("tensorboard", "TensorBoardLogger", 'TensorBoardLogger("logs", name="pl-tensorboard", version="")'),
        ("mlflow", "MLFlowLogger", 'MLFlowLogger("standins", run_name="pl-mlflow", tracking_uri="file:./ml")'),
    ],
)
def test_loggers_of_lightning(site: Site, tmp_path: Path, tracker: str, name: str, made: str) -> None:
    """Lightning's WandbLogger, TensorBoardLogger and MLFlowLogger: points by global step, hyperparameters."""
    instead(site, tracker, LIGHTNING.format(name, made), cwd=tmp_path)
    points = last_points(site, f"pl-{tracker}")
    assert points["train/loss"].keys() == set(range(8)), points
    assert config_of(site, f"pl-{tracker}")["lr"] in (0.1, "0.1")
