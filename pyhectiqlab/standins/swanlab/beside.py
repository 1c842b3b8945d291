"""The mirror of SwanLab: the real module goes on working, and what it is told is told to a lab, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyhectiqlab.standins.swanlab as ours

from ..quiet import mirror
from ..values import number_of


def attach(swanlab: Any) -> None:
    """Mirror the calls of a module `swanlab` that has just been imported."""
    mirror(swanlab, "init", _begun)
    mirror(swanlab, "log", _log)
    mirror(swanlab, "finish", _finished)


def _begun(run: Any, project: Any = None, *args: Any, **kwargs: Any) -> None:
    names = ("workspace", "experiment_name", "description", "config", "tags", "group", "job_type")
    ours.init(project, **{name: kwargs[name] for name in names if name in kwargs})


def _log(result: Any, data: Mapping[str, Any], step: int | None = None, *args: Any, **kwargs: Any) -> None:
    if ours._current:
        known = {
            k: v for k, v in data.items() if number_of(k, v) is not None or not type(v).__module__.startswith("swanlab")
        }
        ours.log(known, step)


def _finished(result: Any, *args: Any, **kwargs: Any) -> None:
    if ours._current:
        ours.finish()
