"""HectiqlabLogger for torchtitan: a logger with the two methods that its metrics processor calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..run import Run
from .common import CallbackRun

__all__ = ["HectiqlabLogger"]


class _OnRank(CallbackRun):
    """Logs in one process of a job, of any rank."""

    logging_rank = 0

    @property
    def logs(self) -> bool:
        return self._all_ranks or self.rank() == self.logging_rank


class HectiqlabLogger:
    """Log a training with torchtitan, or with any loop that calls `log(metrics, step)` and `close()`.

        trainer.metrics_processor.logger = HectiqlabLogger("llama3-8b", project="llm", config=job_config.to_dict())

    Beside torchtitan's own loggers: `trainer.metrics_processor.logger.add_logger(HectiqlabLogger(...))`, where one of
    them is enabled.

    Args:
        name: name of the run. None: that of `hectiqlab run`, else a new one.
        project, should_create_project, dry: as of `Run`.
        run: log to this Run instead.
        config: a mapping for the run's config.
        tag: put before every key, with a `/`.
        logging_rank: the rank that logs. With pipeline parallelism the loss is known to the first rank of the last
            stage.
        all_ranks: every process logs, under its rank.
    """

    def __init__(
        self,
        name: str | None = None,
        project: str | None = None,
        should_create_project: bool = False,
        *,
        run: Run | None = None,
        config: Mapping[str, Any] | None = None,
        tag: str | None = None,
        logging_rank: int = 0,
        all_ranks: bool = False,
        dry: bool = False,
    ) -> None:
        self._run = _OnRank("torchtitan", name, project, should_create_project, run, dry, all_ranks)
        self._run.logging_rank = logging_rank
        self._tag = tag or ""
        self._run.begin(dict(config or {}))

    @property
    def run(self) -> Run:
        """The run; in a process that does not log, one that drops everything."""
        return self._run.get()

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Log values. Never waits."""
        self._run.metrics(metrics, step, self._tag)

    def close(self) -> None:
        """Close a run that was made here."""
        if not self._run.given:
            self.run.close()
