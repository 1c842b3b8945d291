"""SwanLab's stand-in: `import swanlab` with HECTIQLAB_INSTEAD_OF=swanlab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..opening import find_run, open_for
from ..quiet import inert
from ..wandb.config import Config, as_dict
from ..wandb.data_types import Audio, Image, Molecule, Object3D, Table, Video
from ..wandb.run import Run
from ..wandb.settings import Settings
from . import echarts

__version__ = "0.7.0"  # of the SwanLab that this behaves as
config: Any = Config()
_current: list[SwanLabRun] = []


class Text:
    def __init__(self, data: Any, caption: str | None = None, **more: Any) -> None:
        self.data, self.caption = str(data), caption

    def _hectiqlab_put(self, run: Any, key: str, step: int) -> None:
        run.add_text(self.data, key, step)


class SwanLabRun(Run):
    """A run, as `swanlab.init` returns it."""

    def log(self, data: Mapping[str, Any], step: int | None = None, print_to_console: bool = False) -> None:  # type: ignore[override]
        """Log values: at the next step, or at `step`. Never waits for the network."""
        super().log(data, step, commit=True)

    @property
    def public(self) -> SwanLabRun:
        return self

    @property
    def cloud(self) -> SwanLabRun:
        return self

    @property
    def experiment_url(self) -> str | None:
        return self.url


def init(
    project: str | None = None,
    workspace: str | None = None,
    experiment_name: str | None = None,
    description: str | None = None,
    config: Any = None,
    logdir: Any = None,
    mode: str | None = None,
    tags: Any = None,
    resume: Any = None,
    id: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    **more: Any,
) -> SwanLabRun:
    """Begin a run in the lab. A run that goes on is returned. With `id` and `resume` a run is continued."""
    if _current:
        return _current[-1]
    its = globals()["config"]
    name = experiment_name or more.get("experimentName") or more.get("name")
    view = find_run(id, project) if id and resume else None
    if view is None and resume == "must":
        raise RuntimeError(f"resume='must' and there is no run {id!r}.")
    run = open_for(
        "swanlab",
        name=name,
        ident=id,
        project=project,
        dry=mode == "disabled",
        tags=tags or (),
        note=description,
        group=group,
        facts={"workspace": workspace, "group": group, "job_type": job_type},
    )
    step = max((info.step_max for info in view.key_infos()), default=-1) + 1 if view is not None else 0
    facts = {"name": name, "project": project, "group": group, "id": id}
    begun = SwanLabRun(run, facts, Settings(), resumed=view is not None, step=step, drops_late=False)
    begun.config.update(as_dict(config), allow_val_change=True)
    object.__setattr__(its, "_items", begun.config._items)
    object.__setattr__(its, "_store", begun.config._store)
    _current.append(begun)
    return begun


def get_run() -> SwanLabRun | None:
    return _current[-1] if _current else None


def has_run() -> bool:
    return bool(_current)


def _run() -> SwanLabRun:
    if not _current:
        raise RuntimeError("You must call swanlab.init() before using log()")
    return _current[-1]


def log(data: Mapping[str, Any], step: int | None = None, print_to_console: bool = False) -> None:
    _run().log(data, step)


def finish(state: Any = None, error: str | None = None) -> None:
    run = _run()
    _current.remove(run)
    run.finish(1 if error else 0)


def login(*args: Any, **kwargs: Any) -> bool:
    """Do nothing: the lab is the one of the profile."""
    return True


def merge_settings(*args: Any, **kwargs: Any) -> None:
    """Do nothing: SwanLab's settings mean nothing here."""


def _of_kind(kind: str) -> Any:
    def log_one(data: Any, step: int | None = None, **more: Any) -> None:
        made = {key: _KINDS[kind](value) for key, value in data.items()}
        log(made, step)

    return log_one


_KINDS: dict[str, Any] = {"text": Text, "image": Image, "audio": Audio, "video": Video}
log_text, log_image, log_audio, log_video = (_of_kind(kind) for kind in _KINDS)
sync_wandb = inert("swanlab", "sync_wandb")
sync_tensorboardX = inert("swanlab", "sync_tensorboardX")
sync_tensorboard_torch = inert("swanlab", "sync_tensorboard_torch")
sync_mlflow = inert("swanlab", "sync_mlflow")
register_callbacks = inert("swanlab", "register_callbacks")
sync_tensorboard = inert("swanlab", "sync_tensorboard")
Api = OpenApi = inert("swanlab", "Api", "read back by Run.existing(name)")


def save(*args: Any, **kwargs: Any) -> Any:
    """Store files, as W&B's `save` does."""
    return _run().save(*args, **kwargs)


def _curve(name: str) -> Any:
    """Return a function for a chart of SwanLab that W&B has too."""

    def chart(y_true: Any, values: Any, *more: Any, title: Any = None, **options: Any) -> Any:
        from ..wandb import plot

        if name == "confusion_matrix":
            names = more[0] if more else options.get("class_names")
            return plot.confusion_matrix(y_true=y_true, preds=values, class_names=names)
        rows = [row if hasattr(row, "__len__") else (1.0 - row, row) for row in values]
        return getattr(plot, name)(y_true, rows)

    return chart


roc_curve, pr_curve, confusion_matrix = map(_curve, ("roc_curve", "pr_curve", "confusion_matrix"))

__all__ = [
    "Api",
    "Audio",
    "Image",
    "Molecule",
    "Object3D",
    "OpenApi",
    "Settings",
    "SwanLabRun",
    "Table",
    "Text",
    "Video",
    "config",
    "confusion_matrix",
    "echarts",
    "finish",
    "get_run",
    "has_run",
    "init",
    "log",
    "log_audio",
    "log_image",
    "log_text",
    "log_video",
    "login",
    "merge_settings",
    "pr_curve",
    "register_callbacks",
    "roc_curve",
    "save",
    "sync_mlflow",
    "sync_tensorboard",
    "sync_tensorboardX",
    "sync_tensorboard_torch",
    "sync_wandb",
]
