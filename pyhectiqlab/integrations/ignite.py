"""HectiqlabLogger for PyTorch Ignite: outputs and metrics of engines, parameters of optimizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..capture.ending import ending_by
from ..run import Run
from .common import CallbackRun, missing

try:
    from ignite.engine import Engine, Events
    from ignite.handlers import global_step_from_engine
    from ignite.handlers.base_logger import BaseLogger, BaseOptimizerParamsHandler, BaseOutputHandler
except ModuleNotFoundError as e:
    raise missing(e, "ignite", "pytorch-ignite") from None

__all__ = ["HectiqlabLogger", "OptimizerParamsHandler", "OutputHandler"]


class OutputHandler(BaseOutputHandler):  # type: ignore[misc]
    """Log an engine's metrics, output and attributes, as of Ignite's other loggers."""

    def __call__(self, engine: Engine, logger: HectiqlabLogger, event_name: Any) -> None:
        values = self._setup_output_metrics_state_attrs(engine, key_tuple=False)
        logger.log(values, self.global_step_transform(engine, event_name))


class OptimizerParamsHandler(BaseOptimizerParamsHandler):  # type: ignore[misc]
    """Log a parameter of an optimizer, such as its learning rate, as of Ignite's other loggers."""

    def __call__(self, engine: Engine, logger: HectiqlabLogger, event_name: Any) -> None:
        groups = self.optimizer.param_groups
        name = f"{self.tag}/{self.param_name}" if self.tag else self.param_name
        values = {
            name if len(groups) == 1 else f"{name}/group_{i}": group[self.param_name] for i, group in enumerate(groups)
        }
        logger.log(values, engine.state.get_event_attrib_value(event_name))


class HectiqlabLogger(BaseLogger):  # type: ignore[misc]
    """Log engines of PyTorch Ignite.

        HectiqlabLogger("mnist", project="vision").attach_to(trainer, {"valid": evaluator}, optimizer)

    Or attach the parts yourself, with `attach_output_handler` and `attach_opt_params_handler` as of Ignite's loggers.
    In a distributed training only the first process logs.

    Args:
        name: name of the run. None: that of `hectiqlab run`, else a new one.
        project, should_create_project, dry: as of `Run`.
        run: log to this Run instead.
        config: a mapping for the run's config.
        all_ranks: every process logs, under its rank, instead of the first alone.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        config: Mapping[str, Any] | None = None,
        all_ranks: bool = False,
        dry: bool = False,
    ) -> None:
        self._run = CallbackRun("Ignite", name, project, should_create_project, run, dry, all_ranks)
        self._config = dict(config or {})
        self._begun = False

    @property
    def run(self) -> Run:
        """The run, made at the first use."""
        if not self._begun:
            self._begun = True
            self._run.begin(self._config)
        return self._run.get()

    def log(self, values: Mapping[str, Any], step: int | None) -> None:
        """Log values. Waits only while the run is made."""
        if values and self.run is not None:
            self._run.metrics(values, step)

    def attach_to(
        self,
        trainer: Engine,
        evaluators: Mapping[str, Engine] | None = None,
        optimizers: Any = None,
        *,
        every: int = 1,
    ) -> HectiqlabLogger:
        """Log all that a training has, and return the logger.

        The trainer's output and metrics are logged at every `every`th iteration as `train/…`, by the iteration; the
        metrics of each evaluator, when it has run, by the iteration of the trainer. The run is completed as the trainer
        completes.

        Args:
            evaluators: by the first part of their metrics' keys.
            optimizers: one, or several by name, of which the learning rates are logged.
            every: the number of iterations.
        """
        iterations = Events.ITERATION_COMPLETED(every=every)
        self.attach_output_handler(trainer, iterations, tag="train", metric_names="all", output_transform=_numbers)
        step = global_step_from_engine(trainer, Events.ITERATION_COMPLETED)
        for tag, evaluator in (evaluators or {}).items():
            self.attach_output_handler(
                evaluator, Events.COMPLETED, tag=tag, metric_names="all", global_step_transform=step
            )
        named = optimizers if isinstance(optimizers, Mapping) else {"": optimizers} if optimizers is not None else {}
        for tag, optimizer in named.items():
            self.attach_opt_params_handler(
                trainer, iterations, optimizer=optimizer, tag=f"train/{tag}" if tag else "train"
            )
        trainer.add_event_handler(Events.STARTED, lambda: self.run)
        trainer.add_event_handler(Events.COMPLETED, self._run.completed)
        return self

    def close(self) -> None:
        """Close a run that was made here."""
        if self._run.run is not None and not self._run.given:
            self._run.run.close()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and self._run.run is not None and not self._run.given:
            self._run.run._close(ending_by(error))
        self.close()

    def _create_output_handler(self, *args: Any, **kwargs: Any) -> Callable[..., None]:
        return OutputHandler(*args, **kwargs)

    def _create_opt_params_handler(self, *args: Any, **kwargs: Any) -> Callable[..., None]:
        return OptimizerParamsHandler(*args, **kwargs)


def _numbers(output: Any) -> dict[str, Any]:
    """Return what of a trainer's output is a number: a loss, or a dict of them. Batches and predictions are not."""
    if isinstance(output, Mapping):
        return {str(key): value for key, value in output.items() if _is_number(value)}
    return {"output": output} if _is_number(output) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, float | int) or (getattr(value, "ndim", None) == 0)
