"""The run of this process: what `wandb.run`, `wandb.config` and `wandb.summary` are."""

from __future__ import annotations

import sys
from typing import Any

from .config import Config
from .errors import Error
from .summary import Summary

PACKAGE = __package__


def begun(run: Any) -> None:
    _set(run, run.config, run.summary)


def ended(run: Any) -> None:
    package = sys.modules.get(PACKAGE)  # None while Python is being taken down
    if package is not None and package.__dict__.get("run") is run:
        _set(None, Preinit("config"), Preinit("summary"))


def _set(run: Any, config: Config | Preinit, summary: Summary | Preinit) -> None:
    sys.modules[PACKAGE].__dict__.update(run=run, config=config, summary=summary)


def current() -> Any:
    """Return the run of this process. Raises Error if there is none."""
    run = sys.modules[PACKAGE].__dict__.get("run")
    if run is None:
        raise Error("You must call wandb.init() before wandb.log()")
    return run


class Preinit:
    """Stands for the config or the summary until there is a run."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def _raise(self, *args: Any) -> Any:
        raise Error(f"You must call wandb.init() before wandb.{self._name}")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._raise()

    __getitem__ = __setitem__ = __setattr__ = __delitem__ = _raise
