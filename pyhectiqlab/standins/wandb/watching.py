"""wandb.watch: histograms of parameters and gradients of a PyTorch model, every so many backward passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ...run import Run as LabRun
from ..quiet import harmless


class Watching(Protocol):
    """What a run is asked for: where to log, and the step of the row that is under way."""

    _run: LabRun

    @property
    def step(self) -> int: ...


class Watches:
    """The models that one run watches. The values are logged with the row that is under way."""

    def __init__(self, run: Watching) -> None:
        self._run = run
        self._handles: list[Any] = []

    @harmless
    def watch(self, models: Any, log: Any, every: int) -> None:
        for number, model in enumerate(models if isinstance(models, list | tuple) else [models]):
            prefix = f"graph_{number}_" if number else ""
            for name, parameter in model.named_parameters():
                if log in ("gradients", "all") and parameter.requires_grad:
                    hook = self._logger(f"gradients/{prefix}{name}", every, lambda grad: grad)
                    self._handles.append(parameter.register_hook(hook))
                if log in ("parameters", "all") and parameter.requires_grad:
                    hook = self._logger(f"parameters/{prefix}{name}", every, _always(parameter))
                    self._handles.append(parameter.register_hook(hook))

    def _logger(self, key: str, every: int, value_of: Callable[[Any], Any]) -> Callable[[Any], None]:
        calls = 0

        @harmless
        def logger(gradient: Any) -> None:
            nonlocal calls
            calls += 1
            if calls % max(1, every) == 1 or every <= 1:
                values = value_of(gradient).detach()
                self._run._run.add_histogram(values, key, self._run.step)

        return logger

    def unwatch(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


def _always(value: Any) -> Callable[[Any], Any]:
    return lambda gradient: value
