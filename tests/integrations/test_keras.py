"""HectiqlabCallback and LabCallback with the real Keras, on TensorFlow and on PyTorch where they are installed."""

from __future__ import annotations

import importlib.util

import pytest

from .conftest import Site, config_of, unique

BACKENDS = [name for name in ("tensorflow", "torch") if importlib.util.find_spec(name)]
if importlib.util.find_spec("keras") is None or not BACKENDS:
    pytest.skip("Keras is not installed: pip install keras", allow_module_level=True)

pytestmark = pytest.mark.slow  # importing the framework alone takes seconds

MODEL = """
import sys
import keras, numpy as np
keras.utils.set_random_seed(0)
x, y = np.ones((16, 2)), np.zeros((16, 1))
def made():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse", metrics=["mae"])
    return model
"""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.timeout(200)
def test_a_fit_is_a_run_with_groups_config_learning_rate_and_the_model(site: Site, backend: str) -> None:
    name = unique("keras")
    script = MODEL + (
        "from pyhectiqlab import Run\n"
        "from pyhectiqlab.integrations.keras import HectiqlabCallback\n"
        "callback = HectiqlabCallback(sys.argv[1], batches=2, log_model=True)\n"
        "model = made()\n"
        "history = model.fit(x, y, epochs=3, batch_size=4, validation_split=0.25, verbose=0, callbacks=[callback])\n"
        "model.evaluate(x, y, verbose=0, callbacks=[callback])\n"
        "callback.run.add_tag('baseline')\n"
        "from pyhectiqlab.tf_callback import LabCallback\n"
        "with Run(sys.argv[1] + '-own') as run:\n"
        "    made().fit(x, y, epochs=2, verbose=0, callbacks=[LabCallback(run)])\n"
        "    run.add_metrics('after', 1.0, 0)\n"
        "print(history.history['val_loss'][-1])\n"
    )
    done = site.run(script, name, timeout=180, KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr
    run = site.ended(name)
    assert (run["state"], [tag["name"] for tag in run["tags"]]) == ("completed", ["baseline"])
    assert [s for s, _, _ in site.points(name, "train/loss")] == [0, 1, 2]
    assert site.points(name, "val/loss")[-1][:2] == (2, float(done.stdout.splitlines()[-1]))
    assert [round(v, 6) for _, v, _ in site.points(name, "train/learning_rate")] == [0.01] * 3
    assert [s for s, _, _ in site.points(name, "batch/loss")] == [0, 2, 4, 6, 8]
    assert [s for s, _, _ in site.points(name, "test/mae")] == [2]
    config = config_of(site, name)
    assert (config["backend"], config["loss"], config["fit"]["epochs"]) == (backend, "mse", 3)
    assert config["optimizer"]["class"] == "SGD" and config["model"]["parameters"] == 3
    with site.client() as client:
        assert [a["name"] for a in client.get(f"/runs/{run['id']}/artifacts")["items"]] == ["model.keras"]
    assert len(site.points(f"{name}-own", "train/mae")) == 2
    assert len(site.points(f"{name}-own", "after")) == 1
