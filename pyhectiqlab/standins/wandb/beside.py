"""The mirror of W&B: the real module goes on working, and what it is told is told to a lab, too."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from ..opening import open_for
from ..quiet import harmless, mirror, mirror_setter
from ..tensorboard.following import follow
from ..values import PLAIN, flattened
from .artifacts import Artifact
from .converting import ours
from .run import Run
from .settings import Settings

# Methods that the stand-in's run has with the same arguments.
ALIKE = (
    "define_metric",
    "save",
    "alert",
    "log_code",
    "log_model",
    "link_model",
    "watch",
    "unwatch",
    "mark_preempting",
)
# What W&B itself puts into the folder of a run.
OF_WANDB = {
    "artifact",
    "code",
    "conda-environment.yaml",
    "config.yaml",
    "diff.patch",
    "media",
    "output.log",
    "requirements.txt",
    "wandb-metadata.json",
    "wandb-summary.json",
}
_mirrors: WeakKeyDictionary[Any, Run] = WeakKeyDictionary()
_logged: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()  # W&B's artifacts → what their copies knew


def attach(wandb: Any) -> None:
    """Mirror the calls of a module `wandb` that has just been imported."""
    mirror(wandb, "init", _begun)
    cls = wandb.Run if hasattr(wandb, "Run") else wandb.sdk.wandb_run.Run
    calls: dict[str, Callable[..., Any]] = {
        "log": _log,
        "_config_callback": _config,
        "_summary_update_callback": _summary,
        "log_artifact": _log_artifact,
        "link_artifact": _link_artifact,
        "finish": _finish,
        "__exit__": _exit,
    }
    for name in ALIKE:
        calls[name] = _alike(name)
    for name, call in calls.items():
        mirror(cls, name, call)
    for name in ("upsert_artifact", "finish_artifact"):
        mirror(cls, name, _log_artifact)
    for name in ("name", "notes", "tags"):
        mirror_setter(cls, name, _alike_set(name))


def _alike(name: str) -> Callable[..., None]:
    def call(result: Any, run: Any, *args: Any, **kwargs: Any) -> None:
        if run in _mirrors:
            getattr(_mirrors[run], name)(*args, **kwargs)

    return call


def _alike_set(name: str) -> Callable[..., None]:
    def call(run: Any, value: Any) -> None:
        if run in _mirrors:
            setattr(_mirrors[run], name, value)

    return call


def _begun(run: Any, *args: Any, **kwargs: Any) -> None:
    if run is None or run in _mirrors or getattr(run, "disabled", False):
        return
    known = {"entity": run.entity, "group": run.group, "job_type": run.job_type, "id": run.id, "url": run.url}
    given_id = kwargs.get("id") or os.environ.get("WANDB_RUN_ID")
    lab_run = open_for(
        "wandb",
        name=run.name or run.id,
        ident=str(given_id) if given_id else None,
        project=run.project,
        tags=run.tags or (),
        note=run.notes,
        group=run.group or None,
        facts=known,
        console=False,
    )
    if run.job_type:
        lab_run.add_tag(f"job_type: {run.job_type}")
    mirrored = Run(lab_run, {**known, "name": run.name, "project": run.project}, Settings(), step=run.step or 0)
    mirrored.config.update(dict(run.config), allow_val_change=True)
    _mirrors[run] = mirrored
    folder = run.dir
    lab_run._outbox.at_end.append(lambda ending: _keep_files(mirrored, folder))
    if kwargs.get("sync_tensorboard") or kwargs.get("tensorboard"):  # W&B's own process reads the event files
        follow(lab_run)


def _log(result: Any, run: Any, data: Any = None, step: Any = None, commit: Any = None, **more: Any) -> None:
    mirrored = _mirrors.get(run)
    if mirrored is None or not isinstance(data, Mapping):
        return
    if not PLAIN.issuperset(map(type, data.values())):
        data = {key: ours(value) for key, value in flattened(data).items()}
    mirrored._rows.log(data, step, commit)


def _config(result: Any, run: Any, key: Any = None, val: Any = None, data: Any = None) -> None:
    if run in _mirrors:
        change = data if isinstance(data, Mapping) else {".".join(key) if isinstance(key, tuple) else str(key): val}
        _mirrors[run].config.update({k: v for k, v in change.items() if k != "_wandb"}, allow_val_change=True)


def _summary(result: Any, run: Any, record: Any) -> None:
    """Mirror what a script sets in the summary; W&B's own part of it is what was logged last."""
    if run in _mirrors:
        _mirrors[run].summary.update({".".join(item.key): item.value for item in record.update})


def _log_artifact(
    result: Any, run: Any, artifact: Any = None, name: Any = None, type: Any = None, aliases: Any = None, **more: Any
) -> None:
    if run not in _mirrors:
        return
    if isinstance(artifact, str | os.PathLike):
        _mirrors[run].log_artifact(artifact, name, type, aliases)
        return
    its = _copy_of(artifact)  # its files are gone when it is
    _mirrors[run].log_artifact(its, aliases=aliases)
    _logged[artifact] = {"_link": its._link, "_answer": its._answer, "version": its.version}


def _link_artifact(result: Any, run: Any, artifact: Any, target_path: str, aliases: Any = None) -> None:
    if run in _mirrors:
        its = _copy_of(artifact)
        vars(its).update(_logged.get(artifact, {}))
        _mirrors[run].link_artifact(its, target_path, aliases)


def _copy_of(artifact: Any) -> Artifact:
    mirrored = Artifact(
        artifact.name.partition(":")[0], artifact.type, artifact.description, dict(artifact.metadata or {})
    )
    for below, entry in artifact.manifest.entries.items():
        if getattr(entry, "local_path", None):
            mirrored.add_file(entry.local_path, below)
        elif entry.ref:
            mirrored.add_reference(entry.ref)
    return mirrored


@harmless
def _keep_files(mirrored: Run, folder: str) -> None:
    """Store what the script has left in W&B's folder of the run, which W&B sends at the end; its own files stay."""
    for path in sorted(Path(folder).rglob("*")):
        below = path.relative_to(folder)
        if path.is_file() and not path.is_symlink() and below.parts[0] not in OF_WANDB:  # links are what was saved
            mirrored._store(str(path), below.as_posix())


def _finish(result: Any, run: Any, exit_code: int | None = None, *args: Any, **kwargs: Any) -> None:
    if run in _mirrors:
        _mirrors.pop(run).finish(exit_code)


def _exit(result: Any, run: Any, kind: Any, error: Any, trace: Any) -> None:
    if run in _mirrors:
        _mirrors.pop(run).__exit__(kind, error, trace)
