"""HectiqlabCallback for Hydra: each job is a run with its config and overrides, ended as the job ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..capture.ending import Ending, ending_by
from ..client.saying import say_once
from ..run import Run
from .common import CallbackRun, end_run, missing

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from omegaconf import DictConfig

    Callback = object
else:
    try:
        from hydra.experimental.callback import Callback
    except ModuleNotFoundError as e:
        raise missing(e, "hydra", "hydra-core") from None

from omegaconf import OmegaConf  # which Hydra brings
from omegaconf.errors import OmegaConfBaseException

__all__ = ["HectiqlabCallback", "current_run"]

_current: CallbackRun | None = None


def current_run() -> Run:
    """Return the run of the Hydra job that is under way.

    Raises RuntimeError where no job is, or Hydra was not told of the callback.
    """
    if _current is None:
        raise RuntimeError(
            "no Hydra job has a run: put hydra.callbacks.hectiqlab._target_: "
            "pyhectiqlab.integrations.hydra.HectiqlabCallback into the config"
        )
    return _current.get()


class HectiqlabCallback(Callback):
    """Make a run of each job that Hydra starts; those of a multirun are a group.

        python train.py +hydra.callbacks.hectiqlab._target_=pyhectiqlab.integrations.hydra.HectiqlabCallback

    The config of the application becomes the run's config; below `hydra` stand the overrides, the job's name and number
    and its output directory. A job that raises is a failed run. `current_run()` in the job is its run.

    The arguments are given beside `_target_`.

    Args:
        name: name of the run; in a multirun the number of the job follows it. None: the name of the job and its output
            directory, such as train-2026-01-31-12-00-00-0.
        project, should_create_project, dry: as of `Run`.
        output: upload the directory `.hydra`, which has Hydra's own record of the job.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        dry: bool = False,
        output: bool = False,
    ) -> None:
        self._name, self._project, self._create, self._dry = name, project, should_create_project, dry
        self._output = output
        self._job: CallbackRun | None = None

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        global _current
        job = config.hydra.job
        number = job.get("num") if "MULTIRUN" in str(config.hydra.mode) else None
        name = self._name
        if name is not None and number is not None:
            name = f"{name}-{number}"
        self._job = _current = CallbackRun("Hydra", name, self._project, self._create, None, self._dry)
        record = {
            "job": job.name,
            "overrides": _plain(config.hydra.overrides.task),
            "output_dir": config.hydra.runtime.output_dir,
        }
        if number is not None:
            record["number"] = number
        application = _plain(config, leave_out=("hydra",))
        default = _default_name(job.name, config.hydra.runtime.output_dir, number is not None)
        self._job.begin(application | {"hydra": record}, default)
        if number is not None:
            folder = str(Path(config.hydra.runtime.output_dir).parent)
            self._job.call("set_group", self._name or _default_name(job.name, folder, False))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """End the run. The next job of a multirun does not wait until it is delivered; the end of the script does."""
        global _current
        job, self._job = self._job, None
        if job is None or job.run is None:
            return
        if self._output and config.hydra.output_subdir:
            folder = Path(config.hydra.runtime.output_dir, config.hydra.output_subdir)
            job.call("add_directory_as_zip_artifact", folder)
        if _current is job:
            _current = None
        error = job_return._return_value
        failed = job_return.status.name == "FAILED"
        end_run(job.run, ending_by(error) if failed else Ending("completed", "the job is complete", None))


def _plain(config: Any, leave_out: tuple[str, ...] = ()) -> Any:
    """Return a config as dicts and lists. An interpolation that cannot be resolved stays as it is written."""
    if not OmegaConf.is_config(config) or config._is_none() or config._is_missing():
        return config
    keys = config.keys() if OmegaConf.is_dict(config) else range(len(config))
    values = {key: _value(config, key) for key in keys if key not in leave_out}
    return values if OmegaConf.is_dict(config) else [*values.values()]


def _value(config: Any, key: Any) -> Any:
    if OmegaConf.is_missing(config, key):
        return "???"
    try:
        return _plain(config[key])
    except OmegaConfBaseException as e:
        say_once(f"Hydra's config {key!r} is stored as it is written: {str(e).splitlines()[0]}")
        return OmegaConf.to_container(config, resolve=False)[key]


def _default_name(job: str, output_dir: str, in_multirun: bool) -> str:
    """Return the job's name and the last parts of its output directory: the day, the time, the number of the job."""
    parts = Path(output_dir).parts[-3 if in_multirun else -2 :]
    return "-".join([job, *(part for part in parts if part.strip("/"))])
