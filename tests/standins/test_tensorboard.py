"""TensorBoard's stand-in: what a SummaryWriter leaves in the lab."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from .conftest import Site, beside, config_of, instead, last_points, media_of

for package in ("numpy", "PIL"):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

SCALARS = """
import sys
from tensorboardX import SummaryWriter
writer = SummaryWriter(sys.argv[1])
for step in range(5):
    writer.add_scalar("train/loss", 1.0 / (step + 1), step)
writer.add_scalar("train/loss", float("nan"), 7)
writer.add_scalars("both", {"a": 1.0, "b": 2.0}, 3)
writer.add_scalar("late", 5.0, 2)
writer.add_text("note", "hello", 1)
writer.flush()
writer.close()
"""


def test_scalars_have_the_steps_that_they_were_given(site: Site, tmp_path: Path) -> None:
    """add_scalar, add_scalars, add_text, flush, close; the run is named after the folder."""
    instead(site, "tensorboard", SCALARS, "runs/exp/first", cwd=tmp_path)
    points = last_points(site, "exp/first")
    assert points["both/a"] == {3: 1.0} and points["both/b"] == {3: 2.0} and points["late"] == {2: 5.0}
    assert {k: v for k, v in points["train/loss"].items() if k != 7} == {s: 1.0 / (s + 1) for s in range(5)}
    assert str(points["train/loss"][7]) == "nan"
    assert media_of(site, "exp/first") == {"text": ["note"]}
    assert site.ended("exp/first")["state"] == "completed"
    assert not (tmp_path / "runs").exists()


@pytest.mark.skipif(importlib.util.find_spec("tensorboardX") is None, reason="tensorboardX is not installed")
def test_beside_the_real_one_both_keep_the_same(site: Site, tmp_path: Path) -> None:
    """beside: the real tensorboardX writes its event files, and the lab has the same values at the same steps."""
    beside(site, "tensorboard", SCALARS, "runs/mirrored", cwd=tmp_path)
    done = site.cli("import", "tensorboard", str(tmp_path / "runs" / "mirrored"), "--name", "real-files")
    assert "real-files" in done.stdout + done.stderr, done
    kept, mirrored = last_points(site, "real-files/mirrored"), last_points(site, "mirrored")
    for key in ("train/loss", "late"):
        assert kept[key].keys() == mirrored[key].keys()
        for step, value in kept[key].items():  # the file has 32 bits of each
            assert mirrored[key][step] == pytest.approx(value, rel=1e-6, nan_ok=True)


MEDIA = """
import sys, numpy
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams
from torch.utils import tensorboard
assert tensorboard.SummaryWriter is SummaryWriter
with SummaryWriter("runs/tb-media") as writer:
    writer.add_hparams({"lr": 0.1, "bs": 8}, {"hparam/accuracy": 0.9})
    writer.add_histogram("weights", numpy.arange(100.0), 1)
    writer.add_histogram("binned", numpy.arange(100.0), 1, bins=[0, 50, 100])
    writer.add_histogram_raw("raw", 0.0, 4.0, 10, 20, 40, [1.0, 2.0, 1e308], [3, 3, 4], 1)
    writer.add_image("chw", numpy.zeros((3, 8, 8), numpy.uint8), 1)
    writer.add_image("hw", numpy.random.rand(8, 8), 1, dataformats="HW")
    writer.add_images("batch", numpy.zeros((2, 3, 8, 8), numpy.uint8), 1)
    writer.add_image_with_boxes("boxed", numpy.zeros((3, 16, 16)), numpy.array([[1, 1, 8, 8]]), 1, labels=["cat"])
    writer.add_video("clip", numpy.zeros((1, 3, 3, 8, 8), numpy.uint8), 1, fps=4)
    writer.add_audio("sound", numpy.zeros((1, 100)), 1, sample_rate=8000)
    writer.add_pr_curve("pr", numpy.array([0, 1, 1]), numpy.array([0.2, 0.9, 0.4]), 1, num_thresholds=5)
    writer.add_embedding(numpy.eye(3), metadata=["a", "b", "c"], tag="vectors")
    writer.add_graph("Linear(1, 1)")
    writer.add_mesh("mesh", None)
    writer.add_custom_scalars({})
    exp, ssi, sei = hparams({"dropout": 0.5}, {"m": 0})
    writer._get_file_writer().add_summary(exp)
    writer.file_writer.add_summary(sei)
"""


def test_what_is_no_scalar_is_kept_by_the_kind_that_fits(site: Site, tmp_path: Path) -> None:
    """add_hparams, histograms, images, boxes, video, audio, PR curves, embeddings, graphs; add_summary(hparams(…))."""
    pytest.importorskip("torch")
    output = instead(site, "tensorboard", MEDIA, cwd=tmp_path)
    assert "add_mesh() does nothing here" in output and "did not log all" not in output
    assert config_of(site, "tb-media") == {"lr": 0.1, "bs": 8, "dropout": 0.5}
    media = media_of(site, "tb-media")
    assert media["histogram"] == ["binned", "raw", "weights"]
    assert media["image"] == ["batch/0", "batch/1", "boxed", "chw", "clip", "hw"]
    assert media["table"] == ["pr", "vectors/embedding"] and media["text"] == ["graph"]
    assert last_points(site, "tb-media")["hparam/accuracy"] == {0: 0.9}


def test_a_run_of_wandb_that_follows_tensorboard_gets_its_scalars(site: Site, tmp_path: Path) -> None:
    """wandb.init(sync_tensorboard=True) with a SummaryWriter, as in cleanrl: one run."""
    script = """
    import wandb
    wandb.init(project="standins", name="synced", sync_tensorboard=True, config={"seed": 1})
    from tensorboardX import SummaryWriter
    writer = SummaryWriter("runs/synced")
    writer.add_text("hyperparameters", "|param|value|")
    writer.add_scalar("charts/return", 1.5, global_step=100)
    wandb.log({"own": 1.0})
    writer.close()
    """
    instead(site, "wandb", script, cwd=tmp_path)
    points = last_points(site, "synced")
    assert (points["charts/return"], points["own"]) == ({100: 1.5}, {0: 1.0})
