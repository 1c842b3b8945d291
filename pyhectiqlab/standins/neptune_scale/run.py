"""Run of Neptune Scale, over a run of a lab."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...client.saying import say_once
from ...protocol.media import file_name
from ..opening import open_for
from ..quiet import cannot, harmless
from ..values import number_of
from .types import File, Histogram


class Run:
    """Args: as of Neptune's. An experiment's name is the name of the run; `run_id` identifies it, where it is given."""

    def __init__(
        self,
        *,
        run_id: str | None = None,
        experiment_name: str | None = None,
        project: str | None = None,
        api_token: str | None = None,
        resume: bool = False,
        mode: str | None = None,
        creation_time: Any = None,
        log_directory: Any = None,
        fork_run_id: str | None = None,
        fork_step: Any = None,
        enable_console_log_capture: bool = True,
        **more: Any,
    ) -> None:
        if fork_run_id is not None:
            cannot("neptune_scale", "Run(fork_run_id=…)")
        mode = mode or os.environ.get("NEPTUNE_MODE") or "async"
        if mode == "offline":
            os.environ.setdefault("HECTIQLAB_MODE", "offline")
        given = project or os.environ.get("NEPTUNE_PROJECT") or ""
        self._project = given.rpartition("/")[2] or None
        self._run_id = run_id
        self._run = open_for(
            "neptune",
            name=experiment_name,
            ident=run_id,
            project=self._project,
            dry=mode == "disabled",
            facts={"workspace": given.rpartition("/")[0], "run_id": run_id},
            console=enable_console_log_capture,
        )

    # What is logged ---------------------------------------------------------------------------------------------

    @harmless
    def log_metrics(self, data: Mapping[str, Any], step: Any = None, *, timestamp: Any = None, **more: Any) -> None:
        """Log points. A step that is no whole number counts as the whole number below it."""
        numbers = {key: number for key, value in data.items() if (number := number_of(key, value)) is not None}
        if len(numbers) < len(data):
            say_once(f"neptune_scale: {sorted(set(data) - set(numbers))[:3]} are no numbers, and so no metrics.")
        if numbers:
            self._run.add_metrics(numbers, step=_whole(step))

    @harmless
    def log_configs(self, data: Mapping[str, Any], *, flatten: bool = False, cast_unsupported: bool = False) -> None:
        """Merge into the run's config; `/` in a name nests."""
        nested: dict[str, Any] = {}
        for path, value in data.items():
            put_at(nested, path, value)
        self._run.add_config(nested)

    def log(
        self,
        step: Any = None,
        timestamp: Any = None,
        configs: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        tags_add: Mapping[str, Any] | None = None,
        tags_remove: Mapping[str, Any] | None = None,
    ) -> None:
        if metrics:
            self.log_metrics(metrics, step)
        if configs:
            self.log_configs(configs)
        for tags in (tags_add or {}).values():
            self.add_tags(tags)
        if tags_remove:
            cannot("neptune_scale", "log(tags_remove=…)")

    @harmless
    def log_string_series(self, data: Mapping[str, str], step: Any = None, *, timestamp: Any = None) -> None:
        for key, text in data.items():
            self._run.add_text(str(text), key, _whole(step))

    @harmless
    def log_histograms(self, histograms: Mapping[str, Histogram], step: Any = None, *, timestamp: Any = None) -> None:
        for key, histogram in histograms.items():
            counts = histogram.counts if histogram.counts is not None else histogram.densities
            self._run.add_histogram(
                [float(c) for c in counts], key, _whole(step), edges=[float(e) for e in histogram.bin_edges]
            )

    @harmless
    def assign_files(self, files: Mapping[str, Any]) -> None:
        for path, file in files.items():
            self._file(path, file, None)

    @harmless
    def log_files(self, files: Mapping[str, Any], step: Any = None, *, timestamp: Any = None) -> None:
        for path, file in files.items():
            self._file(path, file, _whole(step))

    def _file(self, path: str, file: Any, step: int | None) -> None:
        source = file.source if isinstance(file, File) else file
        if isinstance(source, bytes):
            with tempfile.NamedTemporaryFile(suffix=Path(path).suffix or ".bin") as kept:
                kept.write(source)
                kept.flush()
                self._run._add_file(
                    kept.name, name=file_name(path, Path(path).suffix or ".bin"), step=step, stays=False
                )
        else:
            self._run._add_file(source, name=file_name(path, Path(os.fspath(source)).suffix), step=step)

    @harmless
    def add_tags(self, tags: Any, group_tags: bool = False) -> None:
        for tag in [tags] if isinstance(tags, str) else tags:
            self._run.add_tag(str(tag))

    def remove_tags(self, tags: Any, group_tags: bool = False) -> None:
        cannot("neptune_scale", "remove_tags()", "tags are removed on the run's page")

    # The end ----------------------------------------------------------------------------------------------------

    def wait_for_processing(self, timeout: float | None = None, verbose: bool = True) -> bool:
        return bool(self._run.flush(30.0 if timeout is None else timeout))

    wait_for_submission = wait_for_processing

    def close(self, *, timeout: float | None = None) -> None:
        self._run.close(timeout)

    terminate = close

    def get_run_url(self) -> str:
        return self._run.url or ""

    get_experiment_url = get_run_url

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._run.__exit__(kind, error, trace)


def _whole(step: Any) -> int | None:
    if step is None:
        return None
    whole = math.floor(float(step))
    if whole != step:
        say_once("neptune_scale: a step that is no whole number counts as the whole number below it.")
    return whole


def put_at(nested: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path with `/` into nested dicts."""
    *above, name = str(path).strip("/").split("/")
    for part in above:
        below = nested.get(part)
        nested[part] = nested = below if isinstance(below, dict) else {}
    nested[name] = value
