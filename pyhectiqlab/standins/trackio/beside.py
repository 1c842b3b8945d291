"""The mirror of Trackio: the real module goes on working, and what it is told is told to a lab, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyhectiqlab.standins.trackio as ours

from ..quiet import mirror
from ..wandb.converting import ours as medium


def attach(trackio: Any) -> None:
    """Mirror the calls of a module `trackio` that has just been imported."""
    mirror(trackio, "init", _begun)
    mirror(trackio, "log", _log)
    mirror(trackio, "finish", _finished)
    cls = getattr(trackio, "Run", None)
    if cls is not None:
        mirror(cls, "log", lambda result, run, *args, **kwargs: _log(result, *args, **kwargs))


def _begun(run: Any, project: Any = None, *args: Any, **kwargs: Any) -> None:
    known = {key: kwargs[key] for key in ("group", "space_id", "config") if key in kwargs}
    ours.init(project, name=getattr(run, "name", None) or kwargs.get("name"), **known)


def _log(result: Any, metrics: Mapping[str, Any], step: int | None = None, **more: Any) -> None:
    if ours._current:
        ours.log({key: medium(value) for key, value in metrics.items()}, step)


def _finished(result: Any, *args: Any, **kwargs: Any) -> None:
    if ours._current:
        ours.finish()
