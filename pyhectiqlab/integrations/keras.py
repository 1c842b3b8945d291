"""HectiqlabCallback for Keras 3, on any backend: metrics by epoch or batch, the model's settings, the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..run import Run
from .common import CallbackRun, missing

try:
    import keras
except ModuleNotFoundError as e:
    raise missing(e, "keras") from None

__all__ = ["HectiqlabCallback"]


class HectiqlabCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Log a training with Keras.

        model.fit(x, y, epochs=10, validation_split=0.1, callbacks=[HectiqlabCallback("mnist", project="vision")])

    At each epoch the metrics become `train/…` and `val/…` and the learning rate `train/learning_rate`, by the epoch.
    `model.evaluate(…, callbacks=[callback])` adds `test/…`. The optimizer, the loss and what `fit` was given become the
    config. In a distributed training only the first process logs.

    Args:
        name: name of the run. None: that of `hectiqlab run`, else a new one.
        project, should_create_project, dry: as of `Run`.
        run: log to this Run instead.
        batches: also log the metrics of every so many batches, as `batch/…` by the number of the batch. Keras then
            reads them from the device at each batch. None: of none.
        log_model: upload the model as model.keras at the end of `fit`.
        all_ranks: every process logs, under its rank, instead of the first alone.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        batches: int | None = None,
        log_model: bool = False,
        all_ranks: bool = False,
        dry: bool = False,
    ) -> None:
        super().__init__()
        if batches is not None and batches < 1:
            raise ValueError(f"batches is a number of batches from 1, not {batches!r}")
        self._run = CallbackRun("Keras", name, project, should_create_project, run, dry, all_ranks)
        self._log_model = log_model
        self._batches = batches
        self._batch = 0
        self._epoch = 0
        self._fits = False
        if batches is not None:  # Keras reads the metrics of each batch from the device if this method is there
            self.on_train_batch_end = self._on_train_batch_end

    @property
    def run(self) -> Run | None:
        """The run, once it is made."""
        return self._run.run

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._fits = True
        self._run.begin(self._config())

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch
        values: dict[str, Any] = {"train": {}, "val": {}}
        for key, value in (logs or {}).items():
            group, short = ("val", key[4:]) if key.startswith("val_") else ("train", key)
            values[group][short] = value
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None and "learning_rate" not in values["train"]:
            values["train"]["learning_rate"] = keras.ops.convert_to_numpy(optimizer.learning_rate)
        self._run.metrics(values, epoch)

    def _on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._batch % (self._batches or 1) == 0:
            self._run.metrics(logs or {}, self._batch, "batch")
        self._batch += 1

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self._fits:  # else this is the validation of an epoch
            self._run.metrics(logs or {}, self._epoch, "test")

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._fits = False
        if self._log_model:
            self._run.made_file("model.keras", self.model.save)
        self._run.completed()

    def _config(self) -> dict[str, Any]:
        model, config = self.model, {"fit": dict(self.params or {}), "backend": keras.backend.backend()}
        config["fit"].pop("verbose", None)
        if getattr(model, "optimizer", None) is not None:
            serialized = keras.saving.serialize_keras_object(model.optimizer)
            config["optimizer"] = {"class": serialized["class_name"], **serialized["config"]}
        loss = getattr(model, "loss", None)
        if loss is not None:
            config["loss"] = loss if isinstance(loss, str) else getattr(loss, "name", type(loss).__name__)
        config["model"] = {"name": model.name}
        if model.built:
            config["model"]["parameters"] = model.count_params()
        return config
