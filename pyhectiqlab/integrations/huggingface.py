"""HectiqlabCallback: logs what a Hugging Face Trainer reports to a Run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..run import Run
from .common import CallbackRun, missing

if TYPE_CHECKING:
    TrainerCallback = object
else:
    try:
        from transformers.trainer_callback import TrainerCallback
    except ModuleNotFoundError as e:
        raise missing(e, "transformers") from None

__all__ = ["HectiqlabCallback"]

_GROUPS = ("eval", "test")


class HectiqlabCallback(TrainerCallback):
    """Log a Trainer's metrics by global step, its arguments and the model's config.

        trainer = Trainer(model, args, callbacks=[HectiqlabCallback("bert-tiny", project="language")])

    Keys become `train/…`, `eval/…` and `test/…`. The run is made when the training begins. That waits for the lab as
    `Run(...)` does, and goes on with nothing pushed if the lab cannot be reached. In a distributed training only the
    first process makes one. Afterwards `callback.run` is the Run, or None.

    Args:
        name: name of the run. None: below `hectiqlab run` its run; else the trainer's `run_name`, else the last part
            of its `output_dir`.
        project: as of `Run`.
        should_create_project: as of `Run`.
        run: log to this Run instead.
        dry: as of `Run`.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        dry: bool = False,
    ) -> None:
        self._its = _TrainersRun("HectiqlabCallback", name, project, should_create_project, run, dry)
        self._is_configured = False

    @property
    def run(self) -> Run | None:
        return self._its.run

    def _open(self, args: Any, state: Any, model: Any) -> CallbackRun:
        """Return the run, made if need be, with the trainer's arguments in its config."""
        self._its.is_first = state.is_world_process_zero
        self._its.get(getattr(args, "run_name", None) or Path(args.output_dir or "").name or "trainer")
        if not self._is_configured:
            self._is_configured = True
            config = getattr(model, "config", None)
            values: dict[str, Any] = {"args": args.to_dict()}  # without tokens: the trainer takes them out
            if config is not None:
                values["model"] = config.to_dict() if hasattr(config, "to_dict") else config
            self._its.call("add_config", values)
        return self._its

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self._open(args, state, model).call("training")

    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: Mapping[str, Any] | None = None,
        model: Any = None,
        **kwargs: Any,
    ) -> None:
        """Log values. Waits only while the run is made. What is no number is left out, which is printed once."""
        its = self._open(args, state, model)
        if logs:
            its.metrics({_grouped(key): value for key, value in logs.items()}, state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark a run that was made here as completed. It stays open, since an evaluation may follow; the end of the
        script closes it.
        """
        if self._its.logs:
            self._its.completed()


class _TrainersRun(CallbackRun):
    """The Trainer says which process is the first."""

    is_first = True

    def rank(self) -> int:
        return 0 if self.is_first else 1


def _grouped(key: str) -> str:
    """Return the key of the run: `eval_loss` → `eval/loss`, `loss` → `train/loss`. `train_loss`, the mean that comes at
    the end, is not a point of that curve: it becomes `train/train_loss`.
    """
    group, _, rest = key.partition("_")
    return f"{group}/{rest}" if rest and group in _GROUPS else f"train/{key}"
