"""What the integrations share: the run that is given or made once, who logs among ranks, and numbers out of reports."""

from __future__ import annotations

import atexit
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .. import settings
from ..base.loops import aside
from ..capture.ending import Ending, ending_by
from ..capture.launcher import place
from ..capture.values import as_float
from ..client.saying import say_once
from ..client.uploads import Upload
from ..protocol.names import artifact_name
from ..run import Run


def missing(error: ModuleNotFoundError, package: str, install: str | None = None) -> ImportError:
    """Return what to raise where a framework cannot be imported: what to install, or the error itself if the framework
    is there and something that it needs is not.
    """
    if error.name is None or error.name.split(".")[0] != package:
        return error
    return ImportError(f"{package} is not installed: pip install {install or package}")


def rank() -> int:
    """Return the rank of this process in its job: what torch.distributed, JAX or TF_CONFIG say, else the launcher."""
    torch = sys.modules.get("torch.distributed")
    if torch is not None and torch.is_available() and torch.is_initialized():
        return int(torch.get_rank())
    jax = sys.modules.get("jax")
    if jax is not None and getattr(jax.distributed, "is_initialized", lambda: False)():
        return int(jax.process_index())
    return place().rank or _tensorflow_rank(os.environ.get("TF_CONFIG"))


def _tensorflow_rank(text: str | None) -> int:
    """Return the rank that TF_CONFIG says: the chief comes before the workers. 0 if it says nothing."""
    try:
        config = json.loads(text or "{}")
        task, cluster = config["task"], config["cluster"]
        before = len(cluster.get("chief", ())) if task["type"] == "worker" else 0
        return int(before + task["index"]) if task["type"] in ("chief", "worker") else 1
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0


def numbers(values: Mapping[Any, Any], group: str = "", *, source: str = "") -> dict[str, float]:
    """Return the numbers among `values` by key, nested ones as `outer/inner`, all below `group`.

    `source`: whose values these are. If given, what is no number is named on stderr, once; else it is left out.
    """
    kept = {}
    for key, value in _leaves(values, f"{group}/" if group else ""):
        try:
            kept[key] = as_float(key, value)
        except (TypeError, ValueError):
            if source:
                say_once(f"{source}'s {key!r} is not a number, and so no metric of the run.")
    return kept


def _leaves(values: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


class CallbackRun:
    """The run of a callback: one that is given, or one that is made when it is first needed.

    In a process that does not log, it is a run that drops everything, so calls of the script on it do not fail. No
    method raises into the training: a mistake, such as a run that is closed, is said once on stderr.
    """

    def __init__(
        self,
        owner: str,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        run: Run | None = None,
        dry: bool = False,
        all_ranks: bool = False,
    ) -> None:
        if run is not None and name is not None:
            raise TypeError(f"{owner} takes the name of a run, or run=Run(...), and not both")
        if run is not None and not isinstance(run, Run):
            raise TypeError(f"{owner}: run is a Run, not {type(run).__name__}")
        self.given = run is not None
        self.run = run
        self._owner = owner
        self._name, self._project, self._create, self._dry = name, project, should_create_project, dry
        self._all_ranks = all_ranks

    def __deepcopy__(self, memo: object) -> CallbackRun:
        return self  # frameworks copy their callbacks with an estimator; all log to the same run

    @property
    def logs(self) -> bool:
        """Whether this process logs."""
        return self._all_ranks or self.rank() == 0

    def rank(self) -> int:
        """The rank of this process. For frameworks that know it from elsewhere."""
        return rank()

    def get(self, default: str | None = None) -> Run:
        """Return the run. Waits for the lab where it is made now.

        `default` names it if the user gave no name and `hectiqlab run` none; None: a new name is made up.
        """
        if self.run is None:
            self.run = self.make(self._name or (None if settings.get("run") else default))
        return self.run

    def make(self, name: str | None, group: str | None = None) -> Run:
        """Make a run of this name where the user wants it."""
        if not self.logs:
            return Run(name or self._owner, dry=True)
        here = self.rank() if self._all_ranks else 0
        placed: dict[str, Any] = {"rank": here} if here and here != place().rank and not self._dry else {}
        return Run(name, self._project, self._create, self._dry, group=group, **placed)

    def begin(self, config: Mapping[str, Any], default: str | None = None) -> None:
        """Make the run if need be, mark it as training, and merge `config` into its config."""
        run = self.get(default)
        self.safely(run.training)
        if config:
            self.safely(run.add_config, config)

    def metrics(self, values: Mapping[Any, Any], step: int | None, group: str = "", *, quiet: bool = False) -> None:
        """Log the numbers among `values`. What is no number is said once, unless `quiet`."""
        if not self.logs:
            return
        kept = numbers(values, group, source="" if quiet else self._owner)
        if kept:
            self.safely(self.get().add_metrics, kept, step=step)

    def call(self, verb: str, *arguments: Any, **options: Any) -> None:
        """Call another verb of the run."""
        if self.logs:
            self.safely(getattr(self.get(), verb), *arguments, **options)

    def made_file(self, name: str, write: Callable[[Path], object], step: int | None = None) -> None:
        """Upload a file of this name that `write(path)` writes. Blocks while it does. What it raises is said, and not
        raised.
        """

        def make(target: Path) -> None:
            with TemporaryDirectory(dir=target.parent, prefix=os.urandom(16).hex(), suffix=".d") as folder:
                named = Path(folder, os.path.basename(name))  # many a format is chosen by the ending
                write(named)
                os.replace(named, target)

        if self.logs:
            self.safely(self.get()._put_made, Upload(artifact_name(name), step), make)

    def completed(self) -> None:
        """Mark a run that was made here as completed. It stays open, as an evaluation may follow; the end of the script
        closes it. A run that was given is its owner's to end.
        """
        if self.run is not None and not self.given:
            self.safely(self.run.completed)

    def failed(self, error: BaseException | None) -> None:
        """End a run that was made here by an error that the framework has caught: failed, or stopped after Ctrl-C."""
        if self.run is not None and not self.given:
            if error is None:
                self.safely(self.run.failed)
            else:
                end_run(self.run, ending_by(error))

    def safely(self, call: Callable[..., object], *arguments: Any, **options: Any) -> None:
        try:
            call(*arguments, **options)
        except (TypeError, ValueError, OSError) as e:
            say_once(f"{self._owner}: Run.{call.__name__} did nothing: {e}")


def end_run(run: Run, ending: Ending) -> None:
    """Close a run while the script goes on with others. The wait for its delivery is a thread's, and the script's end
    waits for that thread.
    """
    run._set_state(ending.state)  # at once: the script may end before the thread begins
    if not _closing:
        atexit.register(_wait_for_closing)
    _closing[:] = [thread for thread in _closing if thread.is_alive()]
    try:
        _closing.append(aside("end", partial(run._close, ending)))
    except RuntimeError:  # the system gives no thread
        run._close(ending)


def _wait_for_closing() -> None:
    for thread in _closing:
        thread.join()  # within the bound of a run's end


_closing: list[Any] = []  # threads
