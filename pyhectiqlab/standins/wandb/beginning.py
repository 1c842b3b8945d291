"""wandb.init: from its arguments and variables to a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ...client.saying import say_once
from ...run import Run as LabRun
from ..opening import find_run, open_for
from ..quiet import cannot, harmless
from ..tensorboard.following import follow
from . import _state
from .config import as_dict
from .errors import UsageError
from .run import Run
from .settings import Settings, of_environment

_OFF = {"disabled", "dryrun-disabled"}
NOT_HERE = ("monitor_gym", "fork_from", "resume_from", "force")


def init(
    entity: str | None = None,
    project: str | None = None,
    dir: Any = None,
    id: str | None = None,
    name: str | None = None,
    notes: str | None = None,
    tags: Sequence[str] | None = None,
    config: Any = None,
    config_exclude_keys: Sequence[str] | None = None,
    config_include_keys: Sequence[str] | None = None,
    allow_val_change: bool | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: str | None = None,
    force: bool | None = None,
    anonymous: Any = None,
    reinit: Any = None,
    resume: Any = None,
    resume_from: str | None = None,
    fork_from: str | None = None,
    save_code: bool | None = None,
    tensorboard: bool | None = None,
    sync_tensorboard: bool | None = None,
    monitor_gym: bool | None = None,
    settings: Any = None,
    **unknown: Any,
) -> Run:
    """Begin a run in the lab. Waits for the lab as `Run(...)` does, and goes on without it if it cannot be reached.

    While a run goes on, it is returned, as W&B does; with reinit="finish_previous" it is finished first, with
    "create_new" it goes on beside the new one. With `id` and `resume` a run is continued.

    Raises UsageError: resume="must" and there is no such run; resume="never" and there is one.
    """
    running: Run | None = sys.modules[_state.PACKAGE].__dict__.get("run")
    if running is not None and not running._finished:
        if reinit in (True, "finish_previous"):
            running.finish()
        elif reinit != "create_new":
            if config:
                running.config.update(config, allow_val_change=True)
            return running
    chosen = Settings(**(settings if isinstance(settings, Mapping) else getattr(settings, "__dict__", {})))
    for what, value in zip(NOT_HERE, (monitor_gym, fork_from, resume_from, force), strict=True):
        if value:
            cannot("wandb", f"init({what}=…)")
    facts = {
        "entity": of_environment("WANDB_ENTITY", entity or chosen.get("entity")),
        "project": of_environment("WANDB_PROJECT", project or chosen.get("project")),
        "name": of_environment("WANDB_NAME", name or chosen.get("run_name")),
        "group": of_environment("WANDB_RUN_GROUP", group or chosen.get("run_group")),
        "job_type": of_environment("WANDB_JOB_TYPE", job_type or chosen.get("run_job_type")),
        "notes": of_environment("WANDB_NOTES", notes or chosen.get("run_notes")),
        "tags": _tags(tags or chosen.get("run_tags")),
    }
    ident = of_environment("WANDB_RUN_ID", id or chosen.get("run_id"))
    wants = of_environment("WANDB_RESUME", resume if resume is not None else chosen.get("resume"))
    mode = mode or of_environment("WANDB_MODE", chosen.get("mode")) or "online"
    dry = mode in _OFF or os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes")
    if mode in ("offline", "dryrun"):
        os.environ.setdefault("HECTIQLAB_MODE", "offline")
    if wants is not None and ident is None and str(wants) != "False":
        say_once("wandb: init(resume=…) continues a run only with an id.")
    resumed, step = _resumed(ident, facts["project"], wants, dry)
    run = _opened(facts, ident, dry, chosen)
    given = _of_keys(as_dict(config), config_include_keys, config_exclude_keys)
    if tensorboard or sync_tensorboard:
        follow(run)
    begun = Run(run, {**facts, "id": ident}, chosen, resumed=resumed, step=step)
    begun.config.update(given, allow_val_change=True)
    if allow_val_change:
        object.__setattr__(begun.config, "_may_change", True)
    if save_code:
        _save_script(begun)
    if reinit != "create_new" or running is None:
        _state.begun(begun)
    return begun


def _opened(facts: dict[str, Any], ident: str | None, dry: bool, chosen: Settings) -> LabRun:
    also = {name: facts[name] for name in ("entity", "group", "job_type")}
    run = open_for(
        "wandb",
        name=facts["name"],
        ident=ident,
        project=facts["project"],
        dry=dry,
        tags=facts["tags"],
        note=facts["notes"],
        group=facts["group"],
        facts=also,
        console=(chosen.get("console") or os.environ.get("WANDB_CONSOLE")) not in ("off", "False"),
    )
    if facts["job_type"]:
        run.add_tag(f"job_type: {facts['job_type']}")
    return run


def _resumed(ident: str | None, project: str | None, wants: Any, dry: bool) -> tuple[bool, int]:
    """Return (whether a run is continued, the step of its next row). Waits for the lab, if a run may be continued."""
    if ident is None or dry or wants in (None, False, "False"):
        return False, 0
    view = find_run(str(ident), project)
    if view is None and wants == "must":
        raise UsageError(f"resume='must' and there is no run {ident!r}.")
    if view is not None and wants == "never":
        raise UsageError(f"resume='never' and there is a run {ident!r}.")
    if view is None:
        return False, 0
    steps = [info.step_max for info in view.key_infos() if not info.key.startswith("system/")]
    return True, max(steps, default=-1) + 1


def _tags(given: Any) -> list[str]:
    if isinstance(given, str):
        given = [given]
    if not given:
        given = [tag for tag in os.environ.get("WANDB_TAGS", "").split(",") if tag]
    return [str(tag) for tag in given]


def _of_keys(config: dict[str, Any], include: Sequence[str] | None, exclude: Sequence[str] | None) -> dict[str, Any]:
    if include:
        return {key: config[key] for key in include if key in config}
    return {key: value for key, value in config.items() if key not in (exclude or ())}


@harmless
def _save_script(run: Run) -> None:
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    if path and os.path.isfile(path):
        run._run.add_artifact(path)
