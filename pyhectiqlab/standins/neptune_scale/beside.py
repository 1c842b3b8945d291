"""The mirror of Neptune Scale's Run: the real one goes on working, and what it is told is told to a lab, too."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from ..quiet import mirror
from .run import Run

_mirrors: WeakKeyDictionary[Any, Run] = WeakKeyDictionary()
CALLS = (
    "log_metrics",
    "log_configs",
    "log",
    "log_string_series",
    "log_histograms",
    "assign_files",
    "log_files",
    "add_tags",
)


def attach(neptune_scale: Any) -> None:
    """Mirror the runs of a module `neptune_scale` that has just been imported."""
    real = neptune_scale.Run
    mirror(real, "__init__", _begun)
    for name in CALLS:
        mirror(real, name, _calling(name))
    mirror(real, "close", _closed)


def _begun(result: Any, run: Any, *args: Any, **kwargs: Any) -> None:
    known = {name: kwargs[name] for name in ("run_id", "experiment_name", "project") if name in kwargs}
    _mirrors[run] = Run(**known, enable_console_log_capture=False)


def _calling(name: str) -> Any:
    def call(result: Any, run: Any, *args: Any, **kwargs: Any) -> None:
        if run in _mirrors:
            getattr(_mirrors[run], name)(*args, **kwargs)

    return call


def _closed(result: Any, run: Any, *args: Any, **kwargs: Any) -> None:
    if run in _mirrors:
        _mirrors.pop(run).close()
