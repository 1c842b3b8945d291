"""Frameworks, unchanged: their current releases, where they are installed."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from pyhectiqlab import Run

from ..waiting import eventually
from .conftest import Site, assert_same_floats, beside, config_of, event_values, instead, last_points, media_of
from .test_wandb import history_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # importing the framework alone takes seconds

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

    def kept() -> list[list[float]]:
        losses = []
        with site.client() as client:
            for run in list(client.pages("/runs", {})):
                keys = {item["key"] for item in client.pages(f"/runs/{run['id']}/keys", {})}
                if keys & {"train/loss", "loss"} and run["name"].startswith("hf-three"):
                    pages = client.points(run["id"], "train/loss" if "train/loss" in keys else "loss")
                    losses.append([value for page in pages for value in page.value])
        return losses

    # The uploader may send the rest after the script has ended.
    eventually(lambda: kept() == [[loss for _, loss in wanted]] * 3, 60, output)
    assert output.count("would drop") == 0, "that is W&B's way, and none of these"


@needs("transformers", "accelerate", "torch", "wandb", "tensorboardX")
def test_the_trainer_of_transformers_beside_the_real_ones(site: Site, tmp_path: Path) -> None:
    """beside: transformers' Trainer with report_to="wandb,tensorboard", the real W&B, offline, and TensorBoard: their
    files have what the lab has.
    """
    env = {**QUIET, "WANDB_MODE": "offline", "WANDB_PROJECT": "hf", "TENSORBOARD_LOGGING_DIR": "runs/hf-events"}
    where = "wandb,tensorboard"
    beside(site, where, TRAINER, str(tmp_path / "out"), "hf-beside", where, cwd=tmp_path, **env)
    kept, mirrored = history_of(tmp_path), last_points(site, "hf-beside")
    for key in ("train/loss", "train/learning_rate", "eval/loss"):
        assert [*kept[key].values()] == [*mirrored[key].values()] and kept[key], key
    assert mirrored["train/loss"].keys() == {2, 4, 6}  # by the Trainer's steps, as W&B shows it
    assert_same_floats(event_values(tmp_path / "runs"), last_points(site, "hf-events"))


@needs("transformers", "accelerate", "torch")
def test_one_variable_makes_every_trainer_report(site: Site, tmp_path: Path) -> None:
    """HECTIQLAB_BESIDE=transformers: a Trainer with report_to="none" reports by HectiqlabCallback."""
    output = beside(site, "transformers", TRAINER, str(tmp_path / "out"), "hf-none", "none", cwd=tmp_path, **QUIET)
    assert str(sorted(last_points(site, "hf-none")["train/loss"].items())) in output


SFT = """
import sys, torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer
from trl.trainer.callbacks import LogCompletionsCallback
words = ["<pad>", "<eos>", "<unk>", "the", "cat", "sat", "on", "a", "mat"]
plain = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
plain.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=len(words), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
    num_key_value_heads=1, pad_token_id=0, eos_token_id=1, bos_token_id=None,
))
data = Dataset.from_list([{"prompt": "the cat", "completion": " sat on a mat"}] * 8)
args = SFTConfig(
    sys.argv[1], run_name=sys.argv[2], per_device_train_batch_size=2, per_device_eval_batch_size=2, max_steps=4,
    logging_steps=2, report_to="wandb", disable_tqdm=True, use_cpu=True, bf16=False, save_strategy="no",
)
trainer = SFTTrainer(model, args, train_dataset=data, eval_dataset=data.select(range(2)), processing_class=tokenizer)
generation = GenerationConfig(max_new_tokens=3, do_sample=False, pad_token_id=0)
completions = LogCompletionsCallback(trainer, generation, num_prompts=2, freq=2)
trainer.add_callback(completions)
trainer.train()
rows = [row for row in trainer.state.log_history if "loss" in row]
print([{key: {row["step"]: float(row[key]) for row in rows} for key in rows[0] if key != "step"},
       [list(row) for row in completions.table]])
"""


@needs("trl", "transformers", "datasets", "torch", "wandb")
@pytest.mark.parametrize("how", ["instead", "beside"])
def test_trl_reports_what_it_logs_and_completions(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """TRL's SFTTrainer with report_to="wandb" and LogCompletionsCallback: losses, token counts and the table of
    completions, also beside the real W&B, offline.
    """
    name, env = f"sft-{how}", {**QUIET, "WANDB_PROJECT": "standins", "WANDB_MODE": "offline"}
    call = instead if how == "instead" else beside
    output = call(site, "wandb", SFT, str(tmp_path / "out"), name, cwd=tmp_path, **(QUIET if call is instead else env))
    logged, table = ast.literal_eval(next(line for line in output.splitlines() if line.startswith("[{")))
    points = last_points(site, name)
    assert {key: points[f"train/{key}"] for key in logged} == logged and len(logged) > 5
    for variable, value in (("HECTIQLAB_URL", site.lab.url), ("HECTIQLAB_API_KEY", site.lab.api_key)):
        monkeypatch.setenv(variable, value)
    tables = Run.existing(name).tables("completions")
    assert [t.columns for t in tables] == [["step", "prompt", "completion"]] * 2
    assert max((t.rows for t in tables), key=len) == table and len(table) == 4
    assert config_of(site, name)["max_steps"] == 4 and site.ended(name)["state"] == "completed"
    if how == "beside":
        kept = history_of(tmp_path)
        for key, values in logged.items():  # the epoch is logged once more at the end
            assert [*kept[f"train/{key}"].values()][:2] == [*values.values()], key


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


@needs("lightning", "torch", "wandb", "tensorboardX")
def test_loggers_of_lightning_beside_the_real_ones(site: Site, tmp_path: Path) -> None:
    """beside: Lightning's WandbLogger and TensorBoardLogger at once, the real W&B, offline, and TensorBoard:
    their files have what the lab has.
    """
    wandb = 'WandbLogger(name="pl-beside", project="standins", save_dir="logs", offline=True)'
    made = f'[{wandb}, TensorBoardLogger("runs", name="pl-events", version="")]'
    beside(site, "wandb,tensorboard", LIGHTNING.format("WandbLogger, TensorBoardLogger", made), cwd=tmp_path)
    kept, mirrored = history_of(tmp_path), last_points(site, "pl-beside")
    assert [*kept["train/loss"].values()] == [*mirrored["train/loss"].values()]
    assert mirrored["train/loss"].keys() == set(range(8)) == {int(x) for x in kept["trainer/global_step"].values()}
    assert_same_floats(event_values(tmp_path / "runs"), last_points(site, "pl-events"))


@needs("ray", "pandas", "pyarrow")
def test_ray_tune_reports_to_wandb_by_its_own_callback(site: Site, tmp_path: Path) -> None:
    """Ray Tune's WandbLoggerCallback, which logs from actors: a run for each trial, as a group."""
    script = """
    import sys, ray
    from ray import tune
    from ray.air.integrations.wandb import WandbLoggerCallback
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    def train(config):
        for i in range(3):
            tune.report({"loss": config["lr"] / (i + 1)})
    callback = WandbLoggerCallback(project="tuned", group="sweep")
    space = {"lr": tune.grid_search([0.5, 2.0])}
    run_config = tune.RunConfig(name="x", storage_path=sys.argv[1], verbose=0, callbacks=[callback])
    tune.Tuner(train, param_space=space, run_config=run_config).fit()
    """
    instead(site, "wandb", script, str(tmp_path), RAY_AUTH_MODE="disabled")
    with site.client() as client:
        runs = list(client.pages("/runs", {"project": "tuned"}))
        ended = [client.get(f"/runs/{run['id']}") for run in runs]
    assert [(run["group"], site.ended(run["name"])["state"]) for run in ended] == [("sweep", "completed")] * 2
    losses = sorted(list(last_points(site, run["name"])["loss"].values()) for run in runs)
    assert losses == [[0.5, 0.25, 0.5 / 3], [2.0, 1.0, 2.0 / 3]]
