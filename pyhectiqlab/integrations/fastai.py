"""HectiqlabCallback for fastai: losses and hyperparameters by batch, metrics by epoch, the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..run import Run
from .common import CallbackRun, missing

try:
    from fastai.callback.core import Callback
except ModuleNotFoundError as e:
    raise missing(e, "fastai") from None

__all__ = ["HectiqlabCallback"]


class HectiqlabCallback(Callback):  # type: ignore[misc]
    """Log a training with fastai.

        learner.fit_one_cycle(5, cbs=HectiqlabCallback("pets", project="vision"))

    Losses, learning rates and momenta are logged by batch as `train/…`, the losses and metrics of an epoch as `valid/…`
    and `train/epoch_loss` by the number of batches so far. A learning rate search and predictions are not logged. In a
    distributed training only the first process logs. `callback.lab_run` is the run.

    Args:
        name: name of the run. None: that of `hectiqlab run`, else a new one.
        project, should_create_project, dry: as of `Run`.
        run: log to this Run instead.
        every: log every so many batches. A loss is read from the device for that.
        log_model: upload the weights as model.pth at the end of a fit.
        all_ranks: every process logs, under its rank, instead of the first alone.
    """

    order = 51  # after the Recorder, which has 50
    remove_on_fetch = True

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        every: int = 1,
        log_model: bool = False,
        all_ranks: bool = False,
        dry: bool = False,
    ) -> None:
        self._lab = CallbackRun("fastai", name, project, should_create_project, run, dry, all_ranks)
        self._every = every
        self._log_model = log_model
        self._batches = 0

    @property
    def lab_run(self) -> Run | None:
        """The run, once it is made. fastai itself has another meaning for `run`."""
        return self._lab.run

    def before_fit(self) -> None:
        self.run = not hasattr(self.learn, "lr_finder") and not hasattr(self.learn, "gather_preds")
        if not self.run:
            return
        learner = self.learn
        config = {
            "epochs": self.n_epoch,
            "batch_size": getattr(self.dls, "bs", None),
            "batches": len(self.dls.train),
            "model": type(self.model).__name__,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "loss": getattr(self.loss_func, "__name__", type(self.loss_func).__name__),
            "optimizer": getattr(learner.opt_func, "__name__", str(learner.opt_func)),
            "weight_decay": learner.wd,
            "callbacks": [callback.name for callback in learner.cbs],
        }
        self._lab.begin({"fastai": config})

    def after_batch(self) -> None:
        if not self.training:
            return
        if self._batches % self._every == 0:
            hypers = self.opt.hypers[-1]  # of the last group, as fastai itself shows them
            self._lab.metrics(
                {"loss": self.loss, "smooth_loss": self.smooth_loss, **hypers}, self._batches, "train", quiet=True
            )
        self._batches += 1

    def after_epoch(self) -> None:
        values: dict[str, Any] = {}
        for name, value in zip(self.recorder.metric_names, self.recorder.log, strict=False):
            if name == "train_loss":
                values["train/epoch_loss"] = value
            elif name == "valid_loss":
                values["valid/loss"] = value
            elif name not in ("epoch", "time"):
                values[f"valid/{name}"] = value
        self._lab.metrics(values, max(self._batches - 1, 0), quiet=True)

    def after_fit(self) -> None:
        if self.run:
            if self._log_model:
                self._lab.made_file("model.pth", self._save)
            self._lab.completed()
        self.run = True

    def _save(self, path: Path) -> None:
        import torch

        torch.save(self.model.state_dict(), path)
