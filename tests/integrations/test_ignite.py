"""HectiqlabLogger with the real PyTorch Ignite."""

from __future__ import annotations

import importlib.util

import pytest

from .conftest import Site, config_of, unique

for package in ("torch", "ignite"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install '.[integrations]'", allow_module_level=True)

pytestmark = pytest.mark.slow  # importing PyTorch alone takes seconds

TRAINER = """
import sys, torch
from ignite.engine import Engine, Events
from ignite.metrics import Average
from pyhectiqlab.integrations.ignite import HectiqlabLogger

model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

def step(engine, batch):
    optimizer.zero_grad()
    loss = (model(batch) ** 2).mean()
    loss.backward()
    optimizer.step()
    return {"loss": loss, "batch": batch}

trainer = Engine(step)
evaluator = Engine(lambda engine, batch: float(batch.sum()))
Average().attach(evaluator, "mean")
data = [torch.ones(2, 1)] * 4

@trainer.on(Events.EPOCH_COMPLETED)
def evaluate(engine):
    evaluator.run(data)
"""


def test_engines_are_a_run_with_groups_learning_rate_and_an_end(site: Site) -> None:
    name = unique("ignite")
    script = TRAINER + (
        "logger = HectiqlabLogger(sys.argv[1], config={'width': 1})\n"
        "logger.attach_to(trainer, {'valid': evaluator}, optimizer, every=2)\n"
        "trainer.run(data, max_epochs=2)\n"
        "print(logger.run.name)\n"
    )
    done = site.run(script, name, timeout=110)
    assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr
    assert site.ended(name)["state"] == "completed"
    assert [s for s, _, _ in site.points(name, "train/loss")] == [2, 4, 6, 8]
    assert [(s, round(v, 6)) for s, v, _ in site.points(name, "train/lr")] == [(s, 0.1) for s in (2, 4, 6, 8)]
    assert site.points(name, "valid/mean") == [(4, 2.0, 0), (8, 2.0, 0)]
    assert config_of(site, name) == {"width": 1}


def test_a_with_block_that_raises_is_a_failed_run_and_handlers_are_attached_as_of_other_loggers(site: Site) -> None:
    name = unique("raises")
    script = TRAINER + (
        "trainer.add_event_handler(Events.EPOCH_COMPLETED(once=2), lambda: 1 / 0)\n"
        "with HectiqlabLogger(sys.argv[1]) as logger:\n"
        "    logger.attach_output_handler(trainer, Events.EPOCH_COMPLETED, tag='training',\n"
        "                                 output_transform=lambda output: {'loss': output['loss'].item()})\n"
        "    logger.attach_opt_params_handler(trainer, Events.EPOCH_STARTED, optimizer=optimizer)\n"
        "    trainer.run(data, max_epochs=3)\n"
    )
    done = site.run(script, name, timeout=110)
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr, done.stderr
    run = site.ended(name)
    assert (run["state"], run["state_why"]) == ("failed", "ZeroDivisionError: division by zero")
    assert [s for s, _, _ in site.points(name, "training/loss")] == [1]
    assert [s for s, _, _ in site.points(name, "lr")] == [1, 2]
