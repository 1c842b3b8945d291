"""Makes event files below the current folder, and prints what TensorBoard itself reads back of them, as JSON:
`python make_tensorboard.py torch tensorflow` or `… tensorboardX`: the writers. Samples were made by this script with
the releases that their folder names; it needs the package tensorboard.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import numpy as np

START = 1_600_000_000.25
NORMAL = np.random.default_rng(0).normal(size=30)


def write_by_torch(writer: Any) -> None:
    """Write with the calls that the writers of torch and tensorboardX share."""
    for step in range(5):
        writer.add_scalar("loss", 1 / (step + 1), step, START + step)
    writer.add_scalar("loss", float("nan"), 5, START + 5)
    writer.add_scalar("loss", 0.25, 2, START + 6)  # again
    writer.add_histogram("weights", NORMAL, 1, walltime=START)
    writer.add_image("image", np.full((3, 4, 5), 100, np.uint8), 2, START)
    writer.add_text("text", "some **words**", 3, START)
    writer.add_audio("sound", np.zeros((1, 100), np.float32), 4, 8000, START)


def write_by_tensorflow(folder: str) -> None:
    import tensorflow as tf

    with tf.summary.create_file_writer(folder).as_default():
        for step in range(3):
            tf.summary.scalar("loss", 0.5 / (step + 1), step=step)
        tf.summary.histogram("weights", NORMAL, step=1)
        tf.summary.image("image", np.full((2, 4, 5, 3), 100, np.uint8), step=2)
        tf.summary.text("text", "some **words**", step=3)
        tf.summary.text("texts", ["a", "b"], step=3)
        tf.summary.audio("sound", np.zeros((2, 100, 1), np.float32), 8000, step=4)


def read() -> dict[str, Any]:
    """Return what TensorBoard shows: run → tag → [plugin, [[wall time, step, value], …]]; bytes by their SHA-256."""
    from tensorboard.backend.event_processing import plugin_event_multiplexer
    from tensorboard.util import tensor_util

    every = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={"": 0}, purge_orphaned_data=False)
    every._tensor_size_guidance = dict.fromkeys(("scalars", "histograms", "images", "text", "audio"), 0)
    every.AddRunsFromDirectory(".").Reload()
    runs: dict[str, Any] = {}
    for run in sorted(every.Runs()):
        tags = every.GetAccumulator(run).Tags()["tensors"]
        for tag in sorted(tags):
            plugin = every.SummaryMetadata(run, tag).plugin_data.plugin_name
            rows = [
                [event.wall_time, event.step, value_of(tensor_util.make_ndarray(event.tensor_proto))]
                for event in every.Tensors(run, tag)
            ]
            runs.setdefault(run, {})[tag] = [plugin, rows]
    return runs


def value_of(array: Any) -> Any:
    if array.dtype == object:
        texts = [bytes(one) for one in np.ravel(array)]
        return [one.decode() if one.isascii() and len(one) < 50 else hashlib.sha256(one).hexdigest() for one in texts]
    if array.ndim == 2:  # a histogram, without its empty bins
        return [row for row in array.tolist() if row[2]]
    return array.tolist()


def main() -> None:
    if "torch" in sys.argv:
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter("old/torch") as writer:
            write_by_torch(writer)
            writer.add_scalar("new style", 0.1, 7, START, new_style=True)
            writer.add_hparams({"lr": 0.1, "name": "adam", "layers": 3}, {"hparam/accuracy": 0.5}, run_name="trial")
    if "tensorboardX" in sys.argv:
        from tensorboardX import SummaryWriter as Writer

        with Writer("x") as writer:
            write_by_torch(writer)
    if "tensorflow" in sys.argv:
        write_by_tensorflow("two/tensorflow")
    print(json.dumps(read(), indent=None))


if __name__ == "__main__":
    main()
