"""HectiqlabCallback with the real Stable-Baselines3 and Gymnasium."""

from __future__ import annotations

import importlib.util

import pytest

from .conftest import Site, config_of, unique

for package in ("torch", "stable_baselines3", "gymnasium"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install '.[integrations]'", allow_module_level=True)

pytestmark = pytest.mark.slow  # importing PyTorch alone takes seconds


def test_a_training_is_a_run_with_what_the_logger_records_by_timestep(site: Site) -> None:
    name = unique("ppo")
    script = (
        "import sys\n"
        "import numpy as np\n"
        "from stable_baselines3 import PPO\n"
        "from stable_baselines3.common.logger import Figure, HParam, Image, Logger\n"
        "from pyhectiqlab import Run\n"
        "from pyhectiqlab.integrations.stable_baselines3 import HectiqlabCallback, HectiqlabOutputFormat\n"
        "model = PPO('MlpPolicy', 'CartPole-v1', n_steps=64, batch_size=32, n_epochs=1, device='cpu', seed=0)\n"
        "callback = HectiqlabCallback(sys.argv[1], log_model=True, checkpoint_every=100)\n"
        "model.learn(192, callback=callback)\n"
        "print(model.num_timesteps, len(model.logger.output_formats))\n"
        "with Run(sys.argv[1] + '-own') as run:\n"
        "    logger = Logger(folder=None, output_formats=[HectiqlabOutputFormat(run)])\n"
        "    logger.record('a/number', np.float32(1.5))\n"
        "    logger.record('time/total', 3, exclude='tensorboard')\n"
        "    logger.record('a/picture', Image(np.zeros((3, 4, 5), np.uint8), 'CHW'))\n"
        "    logger.record('a/values', np.arange(5.0))\n"
        "    logger.record('hparams', HParam({'lr': 0.1}, {'a/number': 0}))\n"
        "    logger.dump(7)\n"
    )
    done = site.run(script, name, timeout=110)
    assert (done.returncode, done.stdout) == (0, "192 0\n"), done.stderr
    run = site.ended(name)
    assert run["state"] == "completed"
    assert [s for s, _, _ in site.points(name, "rollout/ep_rew_mean")] == [64, 128, 192]
    assert [s for s, _, _ in site.points(name, "train/loss")] == [128, 192]
    config = config_of(site, name)
    assert (config["algorithm"], config["model"]["n_steps"]) == ("PPO", 64)
    with site.client() as client:
        files = client.get(f"/runs/{run['id']}/artifacts")["items"]
        own = site.find(f"{name}-own")["id"]
        media = {a["name"] for a in client.get(f"/runs/{own}/artifacts")["items"]}
        keys = {key["key"] for key in client.get(f"/runs/{own}/keys")["items"]}
    assert {(file["name"], file["step"]) for file in files} == {("model.zip", 100), ("model.zip", None)}
    assert site.points(f"{name}-own", "a/number") == [(7, 1.5, 0)]
    assert (keys, media) == ({"a/number"}, {"a%2Fpicture.png"})
    assert config_of(site, f"{name}-own") == {"hparams": {"lr": 0.1}}
