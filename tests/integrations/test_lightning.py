"""HectiqlabLogger with the real Lightning. Its own extra; skipped where Lightning is not installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from .conftest import Site, config_of, unique

PACKAGES = {"lightning": "lightning.pytorch", "pytorch_lightning": "pytorch_lightning"}
INSTALLED = [name for name in PACKAGES if importlib.util.find_spec(name)]
if not INSTALLED:
    pytest.skip("Lightning is not installed: pip install '.[integrations]'", allow_module_level=True)

pytestmark = pytest.mark.slow  # importing the framework alone takes seconds

MODEL = """
import sys, torch, warnings
import {package} as pl
warnings.simplefilter("ignore")

class Line(pl.LightningModule):
    def __init__(self, width=1, lr=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(width, 1)
    def loss(self, batch):
        return ((self.layer(batch[0]) - batch[1]) ** 2).mean()
    def training_step(self, batch, i):
        loss = self.loss(batch)
        self.log("train/loss", loss)
        return loss
    def test_step(self, batch, i):
        self.log("test/loss", self.loss(batch))
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 1), torch.ones(8, 1)), batch_size=2)
quiet = dict(enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1, accelerator="cpu", devices=1)
from pyhectiqlab.integrations.lightning import HectiqlabLogger
"""


@pytest.mark.parametrize("package", INSTALLED)
def test_a_fit_and_a_test_are_one_run_with_metrics_config_and_an_end(site: Site, package: str, tmp_path: Path) -> None:
    name = unique("fit")
    script = MODEL.format(package=PACKAGES[package]) + (
        "logger = HectiqlabLogger(sys.argv[1], save_dir=sys.argv[2])\n"
        "import copy, pickle\n"
        "pickle.loads(pickle.dumps(logger)).log_metrics({'copies': 0.0}, 0)\n"  # before the run is made
        "trainer = pl.Trainer(max_epochs=2, logger=logger, **quiet)\n"
        "trainer.fit(Line(), data)\n"
        "trainer.test(trainer.lightning_module, data, verbose=False)\n"
        "copy.deepcopy(logger).log_metrics({'copies': torch.tensor(1.0)}, 1)\n"
        "pickle.loads(pickle.dumps(logger)).log_metrics({'copies': 2.0}, 2)\n"
        "print(logger.experiment.id == logger.version, trainer.checkpoint_callback.best_model_path)\n"
    )
    done = site.run(script, name, str(tmp_path), timeout=110)
    assert done.returncode == 0, done.stderr
    run = site.ended(name)
    assert done.stdout.startswith(f"True {tmp_path}/{name}/{run['id']}/checkpoints/")
    assert (run["state"], run["attempt"], len(run["sessions"])) == ("completed", 1, 1)
    assert [s for s, _, _ in site.points(name, "train/loss")] == list(range(8))
    assert [s for s, _, _ in site.points(name, "test/loss")] == [8]
    assert sorted(s for s, _, _ in site.points(name, "copies")) == [0, 1, 2]
    assert config_of(site, name) == {"width": 1, "lr": 0.1}


def test_a_fit_that_raises_is_a_failed_run_and_ctrl_c_a_stopped_one(site: Site) -> None:
    raises, stops = unique("raises"), unique("stops")
    script = MODEL.format(package=PACKAGES[INSTALLED[0]]) + (
        "import os, signal\n"
        "class Bad(Line):\n"
        "    def training_step(self, batch, i):\n"
        "        if i == 2: self.go_wrong()\n"
        "        return super().training_step(batch, i)\n"
        "    def go_wrong(self): raise ZeroDivisionError\n"
        "class Stopped(Bad):\n"
        "    def go_wrong(self): os.kill(os.getpid(), signal.SIGINT)\n"
        "def fit(name, model):\n"
        "    pl.Trainer(max_epochs=1, logger=HectiqlabLogger(name), enable_checkpointing=False, **quiet)"
        ".fit(model, data)\n"
        "try: fit(sys.argv[1], Bad())\n"
        "except ZeroDivisionError: print('raised')\n"
        "fit(sys.argv[2], Stopped())\n"
    )
    done = site.run(script, raises, stops, timeout=110)
    assert (done.returncode, done.stdout) == (1, "raised\n"), done.stderr
    assert (site.ended(raises)["state"], site.ended(stops)["state"]) == ("failed", "stopped")
    assert len(site.points(raises, "train/loss")) == 2


def test_of_two_ranks_only_the_first_makes_the_run_unless_all_are_asked(site: Site) -> None:
    ranks = (
        "one, every = HectiqlabLogger(sys.argv[1], prefix='ddp'), HectiqlabLogger(sys.argv[2], all_ranks=True)\n"
        "quiet |= dict(devices=2, strategy='ddp', max_epochs=1, use_distributed_sampler=False)\n"
        "pl.Trainer(logger=[one, every], enable_checkpointing=False, **quiet).fit(Line(), data)\n"
    )
    path = site.home.parent / "train.py"  # Lightning starts the script again for the other rank
    path.write_text(MODEL.format(package=PACKAGES[INSTALLED[0]]) + ranks)
    one, every = unique("one"), unique("every")
    start = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = site.run(start, str(path), one, every, timeout=110)
    assert done.returncode == 0, done.stderr
    site.ended(every)
    assert [(s, r) for s, _, r in site.points(one, "ddp/train/loss")] == [(s, 0) for s in range(4)]
    assert [s["rank"] for s in site.ended(one)["sessions"]] == [0]
    assert sorted((r, s) for s, _, r in site.points(every, "train/loss")) == [(r, s) for r in (0, 1) for s in range(4)]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("strategy", ["ddp_fork", "ddp_spawn"])
def test_a_launcher_that_forks_or_spawns_its_ranks_makes_one_attempt_which_ends_as_the_script_does(
    site: Site, strategy: str, tmp_path: Path
) -> None:
    name, path = unique(strategy), tmp_path / "train.py"
    train = (
        "if __name__ == '__main__':\n"
        "    logger = HectiqlabLogger(sys.argv[1])\n"
        f"    quiet |= dict(devices=2, strategy={strategy!r}, max_epochs=1, use_distributed_sampler=False)\n"
        "    trainer = pl.Trainer(logger=logger, enable_checkpointing=False, **quiet)\n"
        "    trainer.fit(Line(), data)\n"
        "    trainer.test(Line(), data, verbose=False)\n"
        "    logger.experiment.add_tag('done')\n"
        "    raise RuntimeError('after the fit')\n"
    )
    path.write_text(MODEL.format(package=PACKAGES[INSTALLED[0]]) + train)
    start = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    if strategy == "ddp_spawn":  # whose children import the script again
        start = "import os, sys; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    done = site.run(start, str(path), name, timeout=170)
    assert done.returncode == 1 and "after the fit" in done.stderr, done.stderr
    run = site.ended(name)
    assert (run["state"], run["attempt"], run["state_why"]) == ("failed", 1, "RuntimeError: after the fit")
    assert [s for s, _, _ in site.points(name, "train/loss")] == list(range(4))
    assert [tag["name"] for tag in run["tags"]] == ["done"]
