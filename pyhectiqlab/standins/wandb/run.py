"""Run: W&B's object, over a Run of a lab."""

from __future__ import annotations

import glob as globs
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...capture.ending import Ending
from ...client.saying import say
from ...protocol import states
from ...protocol.media import file_name
from ...run import Run as LabRun
from ..quiet import cannot, harmless
from ..values import PLAIN, flattened
from . import _state
from .artifacts import Artifact, registered_name, texts
from .config import Config
from .errors import UsageError
from .rows import Definition, Rows
from .settings import Settings
from .summary import Summary, plain
from .uploads import Uploads
from .used import Used
from .watching import Watches


class Run:
    """A run, as `wandb.init` returns it.

    Args:
        run: where everything goes.
        facts: what W&B was told of the run: entity, project, group, job_type and the like.
        step: of its first row; later than 0 where a run is continued.
        drops_late: whether the tracker that this stands in for drops a step below the newest one.
    """

    def __init__(
        self,
        run: LabRun,
        facts: Mapping[str, Any],
        settings: Settings,
        *,
        resumed: bool = False,
        step: int = 0,
        drops_late: bool = True,
    ):
        self._run, self._facts, self._settings = run, dict(facts), settings
        self._rows = Rows(run, step, drops_late)
        self._uploads = Uploads(run)
        self._watches = Watches(self)
        self.config = Config(run.add_config)
        self.summary = Summary(self._rows.last, lambda key, value: run.add_meta(key, plain(value)))
        self.resumed, self.starting_step = resumed, step
        self.start_time = time.time()
        self._finished = False
        self._name = facts.get("name")
        self._tags = tuple(facts.get("tags") or ())
        self._notes = facts.get("notes")
        self._files: str | None = None
        self._kept: dict[str, tuple[int, int]] = {}  # path in `_files` → bytes and time of what was stored of it
        run._outbox.at_end.append(lambda ending: self._keep_files())

    # Who and where ----------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """What identifies the run: `wandb.init(id=…, resume="allow")` continues it."""
        return str(self._facts.get("id") or self._run.name)

    @property
    def name(self) -> str:
        return str(self._name or self._run.name)

    @name.setter
    def name(self, name: str) -> None:
        self._name = name
        harmless(self._run.rename)(str(name))

    display_name = name

    @property
    def project(self) -> str:
        return str(self._run.project or self._facts.get("project") or "uncategorized")

    def project_name(self) -> str:
        return self.project

    @property
    def entity(self) -> str:
        return str(self._facts.get("entity") or self._run.author or "")

    @property
    def group(self) -> str:
        return str(self._facts.get("group") or "")

    @property
    def job_type(self) -> str:
        return str(self._facts.get("job_type") or "")

    @property
    def path(self) -> str:
        return "/".join((self.entity, self.project, self.id))

    @property
    def url(self) -> str | None:
        return self._run.url

    def get_url(self) -> str | None:
        return self._run.url

    def get_project_url(self) -> str | None:
        return self._run.url

    project_url = sweep_url = property(get_project_url)

    @property
    def dir(self) -> str:
        """A folder for the run's files, removed at the end of the run. What is in it then is stored."""
        if self._files is None:
            self._files = tempfile.mkdtemp(prefix="hectiqlab-files-")
        return self._files

    @property
    def tags(self) -> tuple[str, ...]:
        return self._tags

    @tags.setter
    def tags(self, tags: Sequence[str]) -> None:
        for tag in [tag for tag in tags if tag not in self._tags]:
            harmless(self._run.add_tag)(str(tag))
        self._tags = tuple(tags)

    @property
    def notes(self) -> str | None:
        return self._notes

    @notes.setter
    def notes(self, notes: str) -> None:
        self._notes = notes
        harmless(self._run.set_note)(str(notes))

    @property
    def step(self) -> int:
        return self._rows.step

    @property
    def mode(self) -> str:
        return {"online": "online", "dry": "disabled"}.get(self._run.mode, "offline")

    @property
    def offline(self) -> bool:
        return self.mode == "offline"

    @property
    def disabled(self) -> bool:
        return self.mode == "disabled"

    @property
    def settings(self) -> Settings:
        return self._settings

    sweep_id = None

    # What is logged ---------------------------------------------------------------------------------------------

    def log(
        self,
        data: Mapping[str, Any],
        step: int | None = None,
        commit: bool | None = None,
        sync: bool | None = None,
    ) -> None:
        """Log a row, or a part of one. Never waits for the network. Raises as W&B does for what is no dict of texts."""
        if not isinstance(data, Mapping):
            raise ValueError("wandb.log must be passed a dictionary")
        if any(not isinstance(key, str) for key in data):
            raise ValueError("Key values passed to `wandb.log` must be strings.")
        if self._finished:
            raise UsageError(f"Run ({self.id}) is finished. The call to `log` will be ignored.")
        self._log(data, step, commit)

    @harmless
    def _log(self, data: Mapping[str, Any], step: int | None, commit: bool | None) -> None:
        plain = PLAIN.issuperset(map(type, data.values()))
        self._rows.log(dict(data) if plain else flattened(data), step, commit)

    def define_metric(
        self,
        name: str,
        step_metric: Any = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        goal: str | None = None,
        overwrite: bool | None = None,
        **unknown: Any,
    ) -> Definition:
        name = getattr(name, "name", name)
        step = getattr(step_metric, "name", step_metric)
        if not isinstance(name, str) or not name:
            raise UsageError(f"define_metric takes the name of a metric, not {name!r}")
        sync = step is not None if step_sync is None else step_sync
        definition = Definition(name, step, sync, summary, goal, bool(hidden), bool(overwrite))
        self._rows.define(definition)
        return definition

    @harmless
    def save(self, glob_str: Any = None, base_path: Any = None, policy: str = "live") -> list[str]:
        """Store the files that match as artifacts, named by their paths below `base_path`. They are taken now."""
        if glob_str is None:
            cannot("wandb", "save() without a path")
            return []
        saved = []
        root = os.fspath(base_path) if base_path is not None else None
        for path in sorted(globs.glob(os.fspath(glob_str))):
            if os.path.isfile(path):
                self._store(path, os.path.relpath(path, root) if root else os.path.basename(path))
                saved.append(path)
        return saved

    def _store(self, path: str, name: str) -> None:
        goes = self._note_kept(path)
        self._run._add_file(path, name=file_name(name, Path(path).suffix), stays=not goes)

    def _note_kept(self, path: str) -> bool:
        """Note that the lab has a file as it is now, if it is in `dir`. Return whether it is."""
        real = os.path.realpath(path)
        if self._files is None or not real.startswith(os.path.join(os.path.realpath(self._files), "")):
            return False
        about = os.stat(real)
        self._kept[real] = about.st_size, about.st_mtime_ns
        return True

    @harmless
    def _keep_files(self) -> None:
        """Store what is in `dir` and was not saved as it is now, and remove the folder."""
        if self._files is None:
            return
        for folder, _, names in os.walk(os.path.realpath(self._files)):
            for name in sorted(names):
                path = os.path.join(folder, name)
                about = os.stat(path)
                if self._kept.get(path) != (about.st_size, about.st_mtime_ns):
                    self._store(path, os.path.relpath(path, os.path.realpath(self._files)))
        shutil.rmtree(self._files, ignore_errors=True)
        self._files = None

    def watch(
        self, models: Any, criterion: Any = None, log: Any = "gradients", log_freq: int = 1000, **more: Any
    ) -> None:
        self._watches.watch(models, log, log_freq)

    def unwatch(self, models: Any = None) -> None:
        self._watches.unwatch()

    @harmless
    def alert(self, title: str, text: str, level: Any = None, wait_duration: Any = None) -> None:
        """Print and log a message. Notices of a lab are sent for states of runs."""
        level = str(getattr(level, "value", level) or "INFO")
        say(f"alert: {title}: {text}")
        self._run.start_recording_logs().log({"ERROR": 40, "WARN": 30}.get(level, 20), "%s: %s", title, text)

    def log_code(
        self, root: str = ".", name: str | None = None, include_fn: Any = None, exclude_fn: Any = None
    ) -> None:
        """Store the Python files below a folder as one artifact."""
        artifact = Artifact(name or "code", "code")
        for path in sorted(Path(root).rglob("*.py")):
            if not any(part.startswith(".") or part in ("wandb", "site-packages") for part in path.parts):
                artifact.add_file(path, path.relative_to(root).as_posix())
        harmless(self._uploads.log)(artifact, ())

    # Artifacts --------------------------------------------------------------------------------------------------

    def log_artifact(
        self,
        artifact_or_path: Any,
        name: str | None = None,
        type: str | None = None,
        aliases: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
    ) -> Any:
        artifact = artifact_or_path
        if isinstance(artifact, str | os.PathLike):
            path = Path(artifact)
            artifact = Artifact(name or f"run-{self.id}-{path.name}", type or "unspecified")
            (artifact.add_dir if path.is_dir() else artifact.add_file)(path)
        harmless(self._uploads.log)(artifact, texts(aliases))
        return artifact

    upsert_artifact = finish_artifact = log_artifact

    def log_model(self, path: Any, name: str | None = None, aliases: Sequence[str] | None = None) -> Any:
        return self.log_artifact(path, name, "model", aliases)

    def use_artifact(
        self, artifact_or_name: Any, type: str | None = None, aliases: Any = None, use_as: Any = None
    ) -> Any:
        """Return an artifact whose `download` brings a model or dataset of the project. Raises CommError."""
        if isinstance(artifact_or_name, Artifact):
            return artifact_or_name
        name, _, version = str(artifact_or_name).rpartition("/")[2].partition(":")
        return Used(self._run, name, type, None if version in ("", "latest") else version)

    def use_model(self, name: str) -> str:
        folder = Path(self.use_artifact(name, "model").download())
        files = [path for path in folder.iterdir() if path.name != ".hectiqlab.json"]
        return str(files[0] if len(files) == 1 else folder)

    def link_artifact(self, artifact: Any, target_path: str, aliases: Any = None) -> Any:
        """Keep a model or dataset under the name of a collection, too."""
        harmless(self._uploads.link)(artifact, target_path, texts(aliases))
        return artifact

    def link_model(self, path: Any, registered_model_name: str, name: Any = None, aliases: Any = None) -> Any:
        """Log a model under the name of a registered one, and under `name`, if that is another."""
        registered = registered_model_name.rpartition("/")[2]
        if name is None or registered_name(name) == registered_name(registered):
            return self.log_artifact(path, registered, "model", aliases)
        return self.link_artifact(self.log_artifact(path, name, "model"), registered, aliases)

    # The end ----------------------------------------------------------------------------------------------------

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        """End the run. Waits, within bounds, until the lab has everything."""
        if self._finished:
            return
        self._finished = True
        self._watches.unwatch()
        self._rows.commit()
        self._keep_files()
        if exit_code:
            self._run._close(Ending(states.FAILED, f"finish(exit_code={exit_code})", int(exit_code)))
        else:
            self._run.close()
        self._uploads.note_versions()
        _state.ended(self)

    join = finish

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and not self._finished:
            self._rows.commit()
            self._keep_files()
            self._run.__exit__(kind, error, trace)
        self.finish(0 if error is None else 1)

    def mark_preempting(self) -> None:
        self._run.add_meta("preempting", True)

    def status(self) -> Any:
        return self._run.status()

    def restore(self, name: str, run_path: str | None = None, replace: bool = False, root: str | None = None) -> Any:
        from .api import Api

        run = Api().run(run_path or self.path)
        restored = run.file(name).download(root or self.dir, replace=replace)
        for path in (os.path.join(root or self.dir, name), getattr(restored, "name", "")):
            if isinstance(path, str) and os.path.isfile(path):
                self._note_kept(path)
        return restored

    def to_html(self, height: int = 420, hidden: bool = False) -> str:
        return self._run._repr_html_()

    _repr_html_ = to_html

    def display(self, height: int = 420, hidden: bool = False) -> bool:
        return False

    def get_tags(self) -> tuple[str, ...]:
        return self._tags

    def is_resumed(self) -> bool:
        return self.resumed

    def _label(self, code: str | None = None, **more: Any) -> None:
        """Take what integrations say of themselves."""
        if code:
            self._run.add_meta("code", code)

    _set_config_wandb = _label_probe_main = _label_internal = lambda self, *args, **kwargs: None

    def __repr__(self) -> str:
        return f"<wandb.Run {self.path} of pyhectiqlab, {self.url}>"
