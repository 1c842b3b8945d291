"""HectiqlabCallback with the real Ray Tune on one machine."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from .conftest import Site, config_of, unique

if importlib.util.find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install 'ray[tune]'", allow_module_level=True)

pytestmark = pytest.mark.slow  # Ray starts a cluster of its own


@pytest.mark.timeout(300)
def test_each_trial_is_a_run_with_its_config_results_and_end(site: Site, tmp_path: Path) -> None:
    name = unique("tune")
    script = (
        "import json, sys\n"
        "import ray\n"
        "from ray import tune\n"
        "from pyhectiqlab.integrations.ray import HectiqlabCallback\n"
        "ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _node_ip_address='127.0.0.1')\n"
        "def train(config):\n"
        "    for i in range(3):\n"
        "        if config['lr'] > 1 and i == 2: raise ZeroDivisionError\n"
        "        tune.report({'loss': config['lr'] / (i + 1), 'valid': {'accuracy': i}, 'word': 'text'})\n"
        "tuner = tune.Tuner(train, param_space={'lr': tune.grid_search([0.5, 2.0])}, run_config=tune.RunConfig(\n"
        "    name=sys.argv[1], storage_path=sys.argv[2], verbose=0, callbacks=[HectiqlabCallback()]))\n"
        "results = tuner.fit()\n"
        "print(json.dumps([[r.metrics['trial_id'], r.config['lr']] for r in results]))\n"
    )
    done = site.run(script, name, str(tmp_path), timeout=280, RAY_AUTH_MODE="disabled")
    assert done.returncode == 0, done.stderr
    for trial, lr in json.loads(done.stdout.splitlines()[-1]):
        run = site.ended(f"{name}-{trial}")
        assert run["state"] == ("completed" if lr < 1 else "failed")
        assert config_of(site, f"{name}-{trial}") == {"lr": lr}
        losses = [(s, v) for s, v, _ in site.points(f"{name}-{trial}", "loss")]
        assert losses == [(1, lr), (2, lr / 2), (3, lr / 3)][: 3 if lr < 1 else 2]
        assert [v for _, v, _ in site.points(f"{name}-{trial}", "valid/accuracy")][:2] == [0, 1]
