"""HectiqlabLogger: a logger for PyTorch Lightning (`lightning`, or `pytorch_lightning`) that writes to a Run."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..run import Run
from .common import CallbackRun

__all__ = ["HectiqlabLogger"]

_PACKAGES = {"lightning": "lightning.pytorch", "pytorch_lightning": "pytorch_lightning"}


def _lightning() -> Any:
    """Return the Lightning that the script has loaded, else the one that is installed.

    Both packages may be installed. Each has a Logger of its own, and takes seconds to load. The trainer of either takes
    the logger of either.
    """
    for package in [name for name in _PACKAGES if name in sys.modules] or list(_PACKAGES):
        try:
            return importlib.import_module(_PACKAGES[package])
        except ModuleNotFoundError as e:
            if e.name not in (package, _PACKAGES[package]):
                raise  # Lightning is there, and something that it needs is not
    raise ImportError("PyTorch Lightning is not installed: pip install lightning")


_pl = _lightning()
if TYPE_CHECKING:
    _Logger = object
else:
    _Logger = importlib.import_module(f"{_pl.__name__}.loggers").Logger
_rank_zero_only = importlib.import_module(f"{_pl.__name__}.utilities").rank_zero_only


class HectiqlabLogger(_Logger):
    """Log a Lightning training to a Run: metrics, hyperparameters, and how the training ended.

        trainer = Trainer(logger=HectiqlabLogger("mnist", project="vision"))

    The run is made when it is first used. That waits for the lab as `Run(...)` does, and goes on with nothing pushed if
    the lab cannot be reached. In a distributed training only rank 0 makes one. `logger.experiment` is the Run, for all
    that Lightning has no call for. The logger may be copied, and pickled into other processes of the same machine.

    Args:
        name: name of the run.
        project: as of `Run`.
        should_create_project: as of `Run`.
        run: log to this Run instead. Give either `name` or `run`, or TypeError is raised.
        prefix: put before every key, with a `/`.
        save_dir: where Lightning puts checkpoints, under the run's name and id. None: the trainer's default_root_dir.
        all_ranks: every rank logs its own metrics, under its rank, instead of rank 0 alone.
        dry: as of `Run`.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        prefix: str = "",
        save_dir: str | None = None,
        all_ranks: bool = False,
        dry: bool = False,
    ) -> None:
        super().__init__()
        if (name is None) == (run is None):
            raise TypeError("HectiqlabLogger takes the name of a run, or run=Run(...), and not both")
        self._name = run.name if run is not None else str(name)
        self._its = _TrainersRun("HectiqlabLogger", name, project, should_create_project, run, dry, all_ranks)
        self._prefix = f"{prefix}/" if prefix else ""
        self._save_dir = save_dir
        self._step = 0
        self._finished = False
        self._since = time.strftime("%Y%m%d-%H%M%S")

    @property
    def experiment(self) -> Run:
        """The Run, made at the first use. On ranks that do not log, one that drops everything."""
        return self._its.get(self._name)

    @property
    def name(self) -> str:
        """The name of the run."""
        return self._name

    @property
    def version(self) -> str | None:
        """The lab's id of the run; where the lab has not been asked, when this logger was made. None on ranks that do
        not log.
        """
        return self.experiment.id or self._since if self._its.logs else None

    @property
    def save_dir(self) -> str | None:
        return self._save_dir

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log values. Never waits. `step`: None repeats the last one. Raises TypeError for what is no number."""
        if not self._its.logs:
            return
        self._step = self._step if step is None else step
        if self._finished:  # a fit has ended and a test, or another fit, goes on in the same run
            self._finished = False
            self.experiment.running()
        self.experiment.add_metrics({self._prefix + key: value for key, value in metrics.items()}, step=self._step)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Merge a mapping or an argparse.Namespace into the run's config. Never waits."""
        if self._its.logs and params is not None:
            self.experiment.add_config(params)

    def save(self) -> None:
        """Do nothing: what was logged is on its way already."""

    def finalize(self, status: str) -> None:
        """Called by the trainer at the end of each fit, validation and test: marks the run as completed or failed. It
        stays open, since a test follows a fit; the end of the script closes it. After Ctrl-C, when the trainer ends
        the script, the run is closed as stopped, which waits as the end of a script does.
        """
        run = self._its.run
        if run is None or not self._its.logs:
            return
        error = sys.exc_info()[1]
        self._finished = True
        if status == "success":
            run.completed()
        elif isinstance(error, KeyboardInterrupt):  # else the trainer's sys.exit(1) would look like a failure
            run.__exit__(type(error), error, error.__traceback__)
            self._its.run = None  # in a notebook, which lives on, the next fit continues the run of this name
        else:
            run.failed()


class _TrainersRun(CallbackRun):
    """Lightning's own launcher sets LOCAL_RANK and NODE_RANK, from which only Lightning knows the rank."""

    def rank(self) -> int:
        return int(getattr(_rank_zero_only, "rank", None) or 0)
