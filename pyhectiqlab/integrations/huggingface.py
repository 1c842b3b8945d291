"""HectiqlabCallback: logs what a Hugging Face Trainer reports to a Run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import settings
from ..capture.values import as_float
from ..client.saying import say_once
from ..run import Run

if TYPE_CHECKING:
    TrainerCallback = object
else:
    try:
        from transformers.trainer_callback import TrainerCallback
    except ModuleNotFoundError as e:
        if e.name != "transformers":
            raise  # transformers is there, and something that it needs is not
        raise ImportError("transformers is not installed: pip install transformers") from None

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
        if run is not None and name is not None:
            raise TypeError("HectiqlabCallback takes the name of a run, or run=Run(...), and not both")
        self.run = run
        self._name, self._project, self._create, self._dry = name, project, should_create_project, dry
        self._configured = False

    def _named(self, args: Any) -> str:
        return self._name or getattr(args, "run_name", None) or Path(args.output_dir or "").name or "trainer"

    def _drop_all(self, args: Any) -> None:
        """Use a run that drops everything, in a process that logs nothing: so calls of the script on the run do not
        fail there.
        """
        if self.run is None:
            self.run = Run(self._named(args), dry=True)

    def _run_for(self, args: Any, model: Any) -> Run:
        """Return the run, with the trainer's arguments in its config."""
        if self.run is None:
            joins = self._name is None and settings.get("run") is not None
            self.run = Run(None if joins else self._named(args), self._project, self._create, self._dry)
        if not self._configured:
            self._configured = True
            config = getattr(model, "config", None)
            values: dict[str, Any] = {"args": args.to_dict()}  # without tokens: the trainer takes them out
            if config is not None:
                values["model"] = config.to_dict() if hasattr(config, "to_dict") else config
            self.run.add_config(values)
        return self.run

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            self._run_for(args, model).training()
        else:
            self._drop_all(args)

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
        if not state.is_world_process_zero:
            self._drop_all(args)
        if not state.is_world_process_zero or not logs:
            return
        run = self._run_for(args, model)
        values = {}
        for key, value in logs.items():
            try:
                values[key] = as_float(key, value)
            except (TypeError, ValueError):
                say_once(f"the Trainer's {key!r} is no number, and so no metric of the run.")
        if values:
            run.add_metrics({_grouped(key): value for key, value in values.items()}, step=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the run as completed. It stays open, since an evaluation may follow; the end of the script closes
        it.
        """
        if state.is_world_process_zero and self.run is not None:
            self.run.completed()


def _grouped(key: str) -> str:
    """Return the key of the run: `eval_loss` → `eval/loss`, `loss` → `train/loss`. `train_loss`, the mean that comes at
    the end, is no point of that curve: it becomes `train/train_loss`.
    """
    group, _, rest = key.partition("_")
    return f"{group}/{rest}" if rest and group in _GROUPS else f"train/{key}"
