"""The mirror of W&B: the real module goes on working, and what it is told is told to a lab, too."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from ..opening import open_for
from ..quiet import mirror
from ..tensorboard.following import follow
from ..values import PLAIN, flattened
from . import data_types
from .artifacts import Artifact
from .run import Run
from .settings import Settings

_mirrors: WeakKeyDictionary[Any, Run] = WeakKeyDictionary()


def attach(wandb: Any) -> None:
    """Mirror the calls of a module `wandb` that has just been imported."""
    mirror(wandb, "init", _begun)
    cls = wandb.Run if hasattr(wandb, "Run") else wandb.sdk.wandb_run.Run
    calls: dict[str, Callable[..., Any]] = {
        "log": _log,
        "define_metric": _define_metric,
        "_config_callback": _config,
        "log_artifact": _log_artifact,
        "save": _save,
        "alert": _alert,
        "finish": _finish,
        "__exit__": _exit,
    }
    for name, call in calls.items():
        mirror(cls, name, call)
    summary = getattr(wandb.sdk.wandb_summary, "Summary", None)
    if summary is not None:
        mirror(summary, "update", _summary)
        mirror(summary, "__setitem__", lambda result, its, key, value: _summary(result, its, {key: value}))


def _begun(run: Any, *args: Any, **kwargs: Any) -> None:
    if run is None or run in _mirrors or getattr(run, "disabled", False):
        return
    known = {"entity": run.entity, "group": run.group, "job_type": run.job_type, "id": run.id, "url": run.url}
    lab_run = open_for(
        "wandb",
        name=run.name or run.id,
        ident=None,
        project=run.project,
        tags=run.tags or (),
        note=run.notes,
        group=run.group or None,
        facts=known,
        console=False,
    )
    mirrored = Run(lab_run, {**known, "name": run.name, "project": run.project}, Settings(), step=run.step or 0)
    mirrored.config.update(dict(run.config), allow_val_change=True)
    _mirrors[run] = mirrored
    if kwargs.get("sync_tensorboard") or kwargs.get("tensorboard"):  # W&B's own process reads the event files
        follow(lab_run)


def _log(result: Any, run: Any, data: Any = None, step: Any = None, commit: Any = None, **more: Any) -> None:
    mirrored = _mirrors.get(run)
    if mirrored is None or not isinstance(data, Mapping):
        return
    if not PLAIN.issuperset(map(type, data.values())):
        data = {key: ours(value) for key, value in flattened(data).items()}
    mirrored._rows.log(data, step, commit)


def ours(value: Any) -> Any:
    """Return our medium for one of W&B's."""
    if isinstance(value, list | tuple):
        return [ours(item) for item in value]
    kind = type(value).__name__
    caption = getattr(value, "_caption", None)
    path = getattr(value, "_path", None)
    if kind == "Image":
        image = getattr(value, "_image", None)
        return data_types.Image(path if image is None else image, caption=caption)
    if kind == "Table":
        return data_types.Table(value.columns, [[ours(cell) for cell in row] for row in value.data])
    if kind == "Histogram":
        return data_types.Histogram(np_histogram=(value.histogram, value.bins))
    if kind == "Html":
        return data_types.Html(value.html, data_is_not_path=True)
    if kind in ("Video", "Audio", "Object3D", "Molecule") and path and os.path.isfile(path):
        return getattr(data_types, kind)(path, caption=caption)
    if kind == "Plotly" and path:
        import json

        return json.loads(Path(path).read_text())
    return value if not type(value).__module__.startswith("wandb") else None


def _define_metric(result: Any, run: Any, *args: Any, **kwargs: Any) -> None:
    if run in _mirrors:
        _mirrors[run].define_metric(*args, **kwargs)


def _config(result: Any, run: Any, key: Any = None, val: Any = None, data: Any = None) -> None:
    if run in _mirrors:
        change = data if isinstance(data, Mapping) else {".".join(key) if isinstance(key, tuple) else str(key): val}
        _mirrors[run].config.update({k: v for k, v in change.items() if k != "_wandb"}, allow_val_change=True)


def _summary(result: Any, summary: Any, given: Any = None) -> None:
    callback = getattr(summary, "_update_callback", None)
    mirrored = _mirrors.get(getattr(callback, "__self__", None))
    if mirrored is not None and isinstance(given, Mapping):
        mirrored.summary.update(given)


def _log_artifact(result: Any, run: Any, artifact: Any = None, *args: Any, **kwargs: Any) -> None:
    if run not in _mirrors:
        return
    if isinstance(artifact, str | os.PathLike):
        _mirrors[run].log_artifact(artifact, *args, **kwargs)
        return
    name, metadata = artifact.name.partition(":")[0], dict(artifact.metadata or {})
    mirrored = Artifact(name, artifact.type, artifact.description, metadata)
    for name, entry in artifact.manifest.entries.items():
        if getattr(entry, "local_path", None):
            mirrored.add_file(entry.local_path, name)
    _mirrors[run].log_artifact(mirrored, aliases=kwargs.get("aliases"))


def _save(result: Any, run: Any, *args: Any, **kwargs: Any) -> None:
    if run in _mirrors:
        _mirrors[run].save(*args, **kwargs)


def _alert(result: Any, run: Any, *args: Any, **kwargs: Any) -> None:
    if run in _mirrors:
        _mirrors[run].alert(*args, **kwargs)


def _finish(result: Any, run: Any, exit_code: int | None = None, *args: Any, **kwargs: Any) -> None:
    if run in _mirrors:
        _mirrors.pop(run).finish(exit_code)


def _exit(result: Any, run: Any, kind: Any, error: Any, trace: Any) -> None:
    if run in _mirrors:
        _mirrors.pop(run).__exit__(kind, error, trace)
