"""HectiqlabCallback with the real Trainer and a tiny model. Its own extra; skipped where transformers is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from .conftest import Site, config_of, unique

for package in ("transformers", "accelerate", "torch"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install '.[integrations]'", allow_module_level=True)

pytestmark = pytest.mark.slow  # importing the framework alone takes seconds

TRAINER = """
import sys, torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
from pyhectiqlab.integrations.huggingface import HectiqlabCallback

data = [{"input_ids": torch.tensor([1, 2, 3]), "labels": torch.tensor(i % 2)} for i in range(8)]
config = BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
args = TrainingArguments(
    sys.argv[1], run_name=sys.argv[2], per_device_train_batch_size=2, max_steps=6, logging_steps=2, report_to=[],
    disable_tqdm=True, use_cpu=True, save_strategy="no", eval_strategy="steps", eval_steps=3, hub_token="hf_secret",
)
def trainer(callback):
    model = BertForSequenceClassification(config)
    return Trainer(model, args, train_dataset=data, eval_dataset=data, callbacks=[callback])
"""


def test_a_training_and_an_evaluation_are_one_run_with_groups_config_and_an_end(site: Site, tmp_path: Path) -> None:
    name = unique("bert")
    script = TRAINER + (
        "callback = HectiqlabCallback()\n"
        "t = trainer(callback)\n"
        "t.train()\n"
        "t.evaluate()\n"
        "import fractions, numpy\n"
        "t.log({'words': 'text', 'text': numpy.str_('text'), 'half': fractions.Fraction(1, 2), 'huge': 10**400,\n"
        "       'one': torch.tensor([1.0])})\n"
        "from pyhectiqlab import Run\n"
        "with Run(sys.argv[2] + '-own') as run:\n"
        "    trainer(HectiqlabCallback(run=run)).train()\n"
        "    run.add_metrics('after', 1.0, 0)\n"
        "second = HectiqlabCallback(sys.argv[2] + '-second')\n"
        "t = trainer(second)\n"
        "t.is_world_process_zero = lambda: False\n"  # as in another process of a distributed training
        "t.train()\n"
        "second.run.add_metrics('elsewhere', 1.0, 0)\n"
        "second.run.add_tag('elsewhere')\n"
        "print(second.run.mode)\n"
    )
    done = site.run(script, str(tmp_path / "out"), name, timeout=110)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "dry"  # only the first process makes a run that is sent
    assert site.cli("runs", "--json").stdout.count(f"{name}-second") == 0
    run = site.ended(name)
    assert run["state"] == "completed"
    assert [s for s, _, _ in site.points(name, "train/loss")] == [2, 4, 6]
    assert [s for s, _, _ in site.points(name, "eval/loss")] == [3, 6, 6]
    assert [s for s, _, _ in site.points(name, "train/train_loss")] == [6]
    assert [s for s, _, _ in site.points(name, "train/one")] == [6]
    keys = ("train/words", "train/text", "train/half", "train/huge")
    assert all(f"{key!r} is not a number" in done.stderr for key in keys), done.stderr
    config = config_of(site, name)
    assert (config["args"]["max_steps"], config["model"]["hidden_size"]) == (6, 8)
    assert "hf_secret" not in str(config)
    # A run that the script made is used, and stays open.
    assert [s for s, _, _ in site.points(f"{name}-own", "train/loss")] == [2, 4, 6]
    assert len(site.points(f"{name}-own", "after")) == 1
