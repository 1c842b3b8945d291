"""HectiqlabCallback with the real fastai."""

from __future__ import annotations

import importlib.util

import pytest

from .conftest import Site, config_of, unique

for package in ("torch", "fastai"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install '.[integrations]'", allow_module_level=True)

pytestmark = pytest.mark.slow  # importing PyTorch alone takes seconds


def test_a_fit_is_a_run_with_batches_epochs_and_config(site: Site) -> None:
    name = unique("fastai")
    script = (
        "import sys, torch\n"
        "import fastai.callback.progress\n"
        "from fastai.data.core import DataLoaders\n"
        "from fastai.data.load import DataLoader\n"
        "from fastai.learner import Learner\n"
        "from fastai.metrics import mse\n"
        "from pyhectiqlab.integrations.fastai import HectiqlabCallback\n"
        "items = [(torch.ones(2), torch.zeros(1)) for _ in range(8)]\n"
        "dls = DataLoaders(DataLoader(items, bs=2), DataLoader(items, bs=4), device='cpu')\n"
        "learner = Learner(dls, torch.nn.Linear(2, 1), loss_func=torch.nn.MSELoss(), metrics=mse)\n"
        "callback = HectiqlabCallback(sys.argv[1], log_model=True)\n"
        "with learner.no_bar(), learner.no_logging():\n"
        "    learner.fit(2, cbs=callback)\n"
        "    learner.validate(cbs=callback)\n"
        "    learner.get_preds(cbs=callback)\n"
        "callback.lab_run.add_tag('baseline')\n"
        "print(learner.recorder.values[-1][1])\n"
    )
    done = site.run(script, name, timeout=110)
    assert done.returncode == 0, done.stderr
    run = site.ended(name)
    assert (run["state"], [tag["name"] for tag in run["tags"]]) == ("completed", ["baseline"])
    assert [s for s, _, _ in site.points(name, "train/loss")] == list(range(8))
    assert [round(v, 6) for _, v, _ in site.points(name, "train/lr")] == [0.001] * 8
    assert [s for s, _, _ in site.points(name, "valid/mse")] == [3, 7]
    assert site.points(name, "valid/loss")[-1][1] == pytest.approx(float(done.stdout.splitlines()[-1]))
    config = config_of(site, name)["fastai"]
    assert (config["epochs"], config["batch_size"], config["model"], config["parameters"]) == (2, 2, "Linear", 3)
    with site.client() as client:
        assert [a["name"] for a in client.get(f"/runs/{run['id']}/artifacts")["items"]] == ["model.pth"]
