"""Neptune's stand-in: `neptune.init_run()` and its field paths, with HECTIQLAB_INSTEAD_OF=neptune."""

from __future__ import annotations

from typing import Any

from ..quiet import cannot, inert
from . import exceptions, handler, types, utils
from .handler import Handler
from .run import Run, init_run

__version__ = "1.14.0"  # of the Neptune that this behaves as
ANONYMOUS_API_TOKEN = ANONYMOUS = "ANONYMOUS"


init_project = inert("neptune", "init_project")
init_model = inert("neptune", "init_model", "models are versioned by Run.add_mlmodel")
init_model_version = init_model


def set_project(*args: Any, **kwargs: Any) -> None:
    cannot("neptune", "set_project()")


__all__ = [
    "ANONYMOUS",
    "ANONYMOUS_API_TOKEN",
    "Handler",
    "Run",
    "exceptions",
    "handler",
    "init_model",
    "init_model_version",
    "init_project",
    "init_run",
    "set_project",
    "types",
    "utils",
]
