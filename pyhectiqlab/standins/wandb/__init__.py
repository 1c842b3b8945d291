"""W&B's stand-in: `import pyhectiqlab.standins.wandb as wandb`, or `import wandb` with HECTIQLAB_INSTEAD_OF=wandb.

Everything that `log`, `config`, `summary` and the media are given goes to a run of a lab. docs/guide/trackers.md says
what differs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from typing import Any

from ..quiet import cannot, inert
from . import _state, env, errors, plot, util
from .api import Api
from .artifacts import Artifact
from .beginning import init
from .config import Config
from .data_types import (
    Audio,
    Classes,
    Graph,
    Histogram,
    Html,
    Image,
    JoinedTable,
    Molecule,
    Object3D,
    Plotly,
    Table,
    Video,
)
from .errors import CommError, Error, UsageError
from .plot import plot_table
from .run import Run
from .sdk.lib.runid import generate_id
from .settings import Settings

__version__ = "0.31.0"  # of the W&B that this behaves as
run: Run | None = None
config: Any = _state.Preinit("config")
summary: Any = _state.Preinit("summary")
api = Api()
patched: dict[str, Any] = {"tensorboard": [], "keras": [], "gym": []}


class AlertLevel(Enum):
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


def _of_run(name: str) -> Callable[..., Any]:
    """Return a function that calls the method of the run of this process."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(_state.current(), name)(*args, **kwargs)

    call.__name__, call.__doc__ = name, getattr(Run, name).__doc__
    return call


log = _of_run("log")
save = _of_run("save")
alert = _of_run("alert")
watch = _of_run("watch")
unwatch = _of_run("unwatch")
define_metric = _of_run("define_metric")
log_artifact = _of_run("log_artifact")
use_artifact = _of_run("use_artifact")
log_model = _of_run("log_model")
use_model = _of_run("use_model")
link_model = _of_run("link_model")
mark_preempting = _of_run("mark_preempting")
restore = _of_run("restore")


def finish(exit_code: int | None = None, quiet: bool | None = None) -> None:
    """End the run of this process, if there is one."""
    if run is not None:
        run.finish(exit_code, quiet)


join = finish


def login(*args: Any, **kwargs: Any) -> bool:
    """Do nothing: the lab is the one of the profile. Return True, as W&B does when it knows a key."""
    return True


def setup(settings: Any = None) -> Any:
    return sys.modules[__name__]


def teardown(exit_code: int | None = None) -> None:
    finish(exit_code)


def ensure_configured() -> None:
    """Do nothing: a lab needs no configuration here."""


def require(*args: Any, **kwargs: Any) -> None:
    """Do nothing: W&B's switches mean nothing here."""


def termlog(string: str = "", newline: bool = True, repeat: bool = True, prefix: bool = True) -> None:
    sys.stderr.write(f"wandb: {string}" + ("\n" if newline else ""))


def termwarn(string: str = "", newline: bool = True, repeat: bool = True, prefix: bool = True) -> None:
    termlog(f"WARNING {string}", newline)


def termerror(string: str = "", newline: bool = True, repeat: bool = True, prefix: bool = True) -> None:
    termlog(f"ERROR {string}", newline)


def _attach(attach_id: str | None = None, run_id: str | None = None, *, run: Any = None, **options: Any) -> Any:
    """Return the run of an id, for another process of the same script."""
    current: Run | None = sys.modules[__name__].__dict__["run"]
    if current is not None:
        return current
    return init(id=attach_id or run_id or getattr(run, "id", None), resume="allow")


attach = _attach


def controller(*args: Any, **kwargs: Any) -> None:
    cannot("wandb", "controller()")


def sweep(sweep: Any, entity: str | None = None, project: str | None = None, **more: Any) -> str:
    """Say that sweeps are not run here. Return an id, so that scripts go on."""
    cannot("wandb", "sweep()", "start the runs yourself, or by Optuna, and compare them in the lab")
    return generate_id()


agent = inert("wandb", "agent")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    import importlib

    try:
        return importlib.import_module(f".{name}", __name__)
    except ModuleNotFoundError:
        raise AttributeError(f"pyhectiqlab's stand-in for wandb has no {name!r}") from None


__all__ = [
    "AlertLevel",
    "Api",
    "Artifact",
    "Audio",
    "Classes",
    "CommError",
    "Config",
    "Error",
    "Graph",
    "Histogram",
    "Html",
    "Image",
    "JoinedTable",
    "Molecule",
    "Object3D",
    "Plotly",
    "Run",
    "Settings",
    "Table",
    "UsageError",
    "Video",
    "agent",
    "alert",
    "api",
    "attach",
    "config",
    "controller",
    "define_metric",
    "ensure_configured",
    "env",
    "errors",
    "finish",
    "init",
    "join",
    "link_model",
    "log",
    "log_artifact",
    "log_model",
    "login",
    "mark_preempting",
    "plot",
    "plot_table",
    "require",
    "restore",
    "run",
    "save",
    "setup",
    "summary",
    "sweep",
    "teardown",
    "termerror",
    "termlog",
    "termwarn",
    "unwatch",
    "use_artifact",
    "use_model",
    "util",
    "watch",
]
