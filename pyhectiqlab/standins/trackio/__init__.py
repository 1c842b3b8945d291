"""Trackio's stand-in, which has W&B's shape: `import trackio` with HECTIQLAB_INSTEAD_OF=trackio."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from ...client.saying import say_once
from ..opening import find_run, open_for
from ..quiet import cannot, inert
from ..wandb.api import Api
from ..wandb.config import Config, as_dict
from ..wandb.data_types import Audio, Histogram, Image, Object3D, Table, Video
from ..wandb.errors import Error
from ..wandb.run import Run as _Run
from ..wandb.settings import Settings
from . import context_vars

__version__ = "0.30.0"  # of the Trackio that this behaves as
config: Any = Config()
_current: list[Run] = []


class AlertLevel(Enum):
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class Run(_Run):
    """A run, as `trackio.init` returns it."""

    def log(  # type: ignore[override]
        self, metrics: Any = None, step: int | None = None, data: Any = None, **more: Any
    ) -> None:
        """Log values: at the next step, or at `step`. Never waits for the network."""
        super().log(metrics if metrics is not None else data, step, commit=True)

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        super().finish(exit_code, quiet)
        if self in _current:
            _current.remove(self)


class Markdown:
    """A text of Markdown."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def _hectiqlab_put(self, run: Any, key: str, step: int) -> None:
        run.add_text(self.text, key, step)


class Trace:
    """A conversation: its messages and metadata, kept as a text of JSON."""

    def __init__(self, messages: Any = None, metadata: Any = None, **more: Any) -> None:
        self.messages, self.metadata, self._more = messages, metadata, more

    def _hectiqlab_put(self, run: Any, key: str, step: int) -> None:
        import json

        whole = {"messages": self.messages, "metadata": self.metadata, **self._more}
        run.add_text(json.dumps(whole, indent=1, default=str, ensure_ascii=False), key, step)


def init(
    project: str | None = None,
    name: str | None = None,
    group: str | None = None,
    space_id: str | None = None,
    config: Any = None,
    resume: str = "never",
    **more: Any,
) -> Run:
    """Begin a run in the lab; with resume="allow" or "must", the run of this name is continued."""
    global_config = globals()["config"]
    view = find_run(name, project) if name and resume in ("allow", "must") else None
    if resume == "must" and view is None:
        raise ValueError(f"Run '{name}' does not exist in project '{project}'")
    run = open_for(
        "trackio",
        name=name if view is None else view.name,
        project=project,
        continues=view is not None,
        group=group,
        facts={"group": group, "space_id": space_id},
    )
    step = max((info.step_max for info in view.key_infos()), default=-1) + 1 if view is not None else 0
    facts = {"name": name, "project": project, "group": group}
    begun = Run(run, facts, Settings(), resumed=view is not None, step=step, drops_late=False)
    begun.config.update(as_dict(config), allow_val_change=True)
    object.__setattr__(global_config, "_items", begun.config._items)
    object.__setattr__(global_config, "_store", begun.config._store)
    _current.append(begun)
    return begun


def _run() -> Run:
    if not _current:
        raise RuntimeError("Call trackio.init() before trackio.log().")
    return _current[-1]


def log(metrics: Any = None, step: int | None = None, *, data: Any = None) -> None:
    """Log values. `data`: the name that W&B has for them, and frameworks that call both by name."""
    _run().log(metrics if metrics is not None else data, step)


def finish() -> None:
    _run().finish()


def alert(title: str, text: str | None = None, level: Any = AlertLevel.WARN, **more: Any) -> None:
    _run().alert(title, text or "", str(level.value).upper())


def show(project: str | None = None, *args: Any, **kwargs: Any) -> None:
    """Say where the run is."""
    url = _current[-1].url if _current else None
    say_once(f"trackio: show() opens nothing; {f'the run is at {url}' if url else 'see the lab in a browser'}.")


def save(*args: Any, **kwargs: Any) -> Any:
    return _run().save(*args, **kwargs)


def log_system(metrics: Mapping[str, Any]) -> None:
    """Do nothing: system metrics are logged anyway."""


def log_gpu(*args: Any, **kwargs: Any) -> None:
    """Do nothing: system metrics are logged anyway."""


sync = inert("trackio", "sync")
freeze = inert("trackio", "freeze")
delete_project = inert("trackio", "delete_project")
import_csv = inert("trackio", "import_csv")


def log_cpu(*args: Any, **kwargs: Any) -> None:
    """Do nothing: system metrics are logged anyway."""


def log_artifact(*args: Any, **kwargs: Any) -> Any:
    return _run().log_artifact(*args, **kwargs)


def use_artifact(*args: Any, **kwargs: Any) -> Any:
    return _run().use_artifact(*args, **kwargs)


def import_tf_events(*args: Any, **kwargs: Any) -> None:
    cannot("trackio", "import_tf_events()", "see `hectiqlab import tensorboard`")


__all__ = [
    "AlertLevel",
    "Api",
    "Audio",
    "Error",
    "Histogram",
    "Image",
    "Markdown",
    "Object3D",
    "Run",
    "Table",
    "Trace",
    "Video",
    "alert",
    "config",
    "context_vars",
    "delete_project",
    "finish",
    "freeze",
    "import_csv",
    "import_tf_events",
    "init",
    "log",
    "log_artifact",
    "log_cpu",
    "log_gpu",
    "log_system",
    "save",
    "show",
    "sync",
    "use_artifact",
]
