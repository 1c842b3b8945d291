"""HectiqlabCallback for Ultralytics: losses, metrics and learning rates by epoch, plots, the best weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..run import Run
from .common import CallbackRun, missing

try:
    import ultralytics as _ultralytics  # noqa: F401 - so what is missing is said here
except ModuleNotFoundError as e:
    raise missing(e, "ultralytics") from None

__all__ = ["HectiqlabCallback"]


class HectiqlabCallback:
    """Log trainings of Ultralytics' models.

        HectiqlabCallback("yolo", project="vision").attach_to(model)
        model.train(data="coco8.yaml", epochs=10)

    Losses, metrics and learning rates are logged by epoch, from 1, by the names that Ultralytics' results have:
    `train/box_loss`, `metrics/mAP50(B)`, `lr/pg0`. What the best weights reach at the end is `best/…`. The trainer's
    arguments become the config. With `device=[0, 1]` Ultralytics starts processes that know nothing of callbacks of the
    script: nothing is logged then.

    Args:
        name: name of the run. None: that of `hectiqlab run`, else the trainer's name.
        project, should_create_project, dry: as of `Run`.
        run: log to this Run instead.
        plots: log the pictures that Ultralytics draws at the end.
        log_model: upload the best weights as best.pt.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        plots: bool = True,
        log_model: bool = False,
        dry: bool = False,
    ) -> None:
        self._run = CallbackRun("Ultralytics", name, project, should_create_project, run, dry)
        self._plots = plots
        self._log_model = log_model
        self._epoch = 0
        self._evaluated = False

    @property
    def run(self) -> Run | None:
        """The run, once it is made."""
        return self._run.run

    def attach_to(self, model: Any) -> HectiqlabCallback:
        """Add the callbacks to a model, such as `YOLO("yolo11n.pt")`, and return this."""
        for event in ("on_pretrain_routine_end", "on_train_epoch_end", "on_fit_epoch_end", "on_train_end"):
            model.add_callback(event, getattr(self, f"_{event}"))
        return self

    def _on_pretrain_routine_end(self, trainer: Any) -> None:
        self._epoch, self._evaluated = 0, False
        self._run.begin({"args": dict(vars(trainer.args))}, str(trainer.args.name or "") or None)

    def _on_train_epoch_end(self, trainer: Any) -> None:
        self._epoch, self._evaluated = trainer.epoch + 1, False
        losses = trainer.label_loss_items(trainer.tloss, prefix="train")
        self._run.metrics({**losses, **trainer.lr}, self._epoch)

    def _on_fit_epoch_end(self, trainer: Any) -> None:
        # Called once more after the last epoch, for the best weights.
        self._run.metrics(trainer.metrics, self._epoch, "best" if self._evaluated else "")
        self._evaluated = True

    def _on_train_end(self, trainer: Any) -> None:
        if self._plots:
            plots = {**trainer.plots, **getattr(trainer.validator, "plots", {})}
            for path in map(Path, plots):
                if path.suffix in (".png", ".jpg") and path.exists():
                    self._run.call("add_image", path, f"plots/{path.stem}", self._epoch)
        if self._log_model and Path(trainer.best).exists():
            self._run.call("add_artifact", trainer.best)
        self._run.completed()
