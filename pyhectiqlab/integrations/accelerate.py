"""HectiqlabTracker: a tracker for Accelerate that writes to a Run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..run import Run
from .common import CallbackRun, missing

if TYPE_CHECKING:
    GeneralTracker = object
else:
    try:
        from accelerate.tracking import GeneralTracker
    except ModuleNotFoundError as e:
        raise missing(e, "accelerate") from None

__all__ = ["HectiqlabTracker", "register"]


class HectiqlabTracker(GeneralTracker):
    """Log what an Accelerator logs to a Run.

        accelerator = Accelerator(log_with=HectiqlabTracker("bert-tiny", project="language"))
        accelerator.init_trackers("language", config={"lr": 0.1})
        accelerator.log({"loss": 0.5}, step=1)

    With Accelerate 1.15 or newer it is also known by its name, once this module was imported: `log_with="hectiqlab"`;
    then the name given to `init_trackers` is the project, and `init_kwargs={"hectiqlab": {"name": …}}` the rest. The
    main process logs. It makes the run when it first logs, which waits for the lab as `Run(...)` does.

    Args:
        run_name: name of the run.
        project: as of `Run`.
        should_create_project: as of `Run`.
        run: log to this Run instead.
        dry: as of `Run`.
    """

    name = "hectiqlab"
    requires_logging_directory = False
    main_process_only = True

    def __init__(
        self,
        run_name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        dry: bool = False,
        **more: Any,
    ) -> None:
        super().__init__()
        self._its = _AcceleratorsRun("HectiqlabTracker", run_name, project, should_create_project, run, dry)

    @property
    def tracker(self) -> Run:
        """The Run, made at the first use. On processes that do not log, one that drops everything."""
        return self._its.get()

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Merge a mapping into the run's config. Never waits, once there is a run."""
        self._its.begin(dict(values))

    def log(self, values: Mapping[str, Any], step: int | None = None, **more: Any) -> None:
        """Log numbers as points, texts as texts. Never waits, once there is a run."""
        texts = {key: value for key, value in values.items() if isinstance(value, str)}
        for key, text in texts.items():
            self._its.call("add_text", text, key, step)
        self._its.metrics({key: value for key, value in values.items() if key not in texts}, step)

    def log_images(self, values: Mapping[str, Any], step: int | None = None, **more: Any) -> None:
        """Store lists of images."""
        for key, images in values.items():
            for number, image in enumerate(images):
                self._its.call("add_image", image, f"{key}/{number}", step)

    def log_table(
        self,
        table_name: str,
        columns: list[str] | None = None,
        data: Any = None,
        dataframe: Any = None,
        step: int | None = None,
        **more: Any,
    ) -> None:
        """Store a table."""
        rows = data if dataframe is None else dataframe
        self._its.call("add_table", rows, table_name, step, None if dataframe is not None else columns)

    def finish(self) -> None:
        """End the run. Waits, within bounds, until the lab has everything."""
        if self._its.run is not None:
            self._its.run.close()


class _AcceleratorsRun(CallbackRun):
    """Accelerate knows the rank."""

    def rank(self) -> int:
        return int(importlib.import_module("accelerate").PartialState().process_index)


class _ByName(HectiqlabTracker):
    """What `log_with="hectiqlab"` makes: the name that `init_trackers` is given is that of the project."""

    def __init__(self, project_name: str, *, name: str | None = None, project: str | None = None, **more: Any) -> None:
        super().__init__(name, project or project_name, True, **more)


def register() -> None:
    """Make `log_with="hectiqlab"` known to Accelerate, where it can be (1.15 or newer). Safe twice."""
    tracking = importlib.import_module("accelerate.tracking")
    if hasattr(tracking, "register_tracker_class") and "hectiqlab" not in tracking.LOGGER_TYPE_TO_CLASS:
        tracking.register_tracker_class(_ByName)


register()
