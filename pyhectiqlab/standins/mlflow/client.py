"""MlflowClient: the calls that name the run by its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..quiet import cannot, inert
from . import active, files, fluent
from .entities import Experiment, Metric, Run, RunStatus
from .reading import chosen, runs_of


class MlflowClient:
    def __init__(self, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        self._tracking_uri = self.tracking_uri = tracking_uri or fluent.get_tracking_uri()

    def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None) -> str:
        return name

    def get_experiment(self, experiment_id: str) -> Experiment:
        return Experiment(experiment_id, experiment_id)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        return Experiment(name, name)

    def search_experiments(self, *args: Any, **kwargs: Any) -> list[Experiment]:
        return fluent.search_experiments(*args, **kwargs)

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Any:
        named = run_name or (tags or {}).get(active.NAME)
        return active.begin(experiment_id, named, tags)

    def get_run(self, run_id: str) -> Run:
        return runs_of(None, run_id)[0]

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        run_view_type: int = 1,
        max_results: int = 1000,
        **more: Any,
    ) -> list[Run]:
        return chosen(runs_of(list(experiment_ids)), filter_string)[:max_results]

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        from ... import read

        points = read.run(run_id).iter_points(key)
        return [Metric(key, point.value, int(point.time * 1000), point.step) for point in points]

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: Any,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
        **more: Any,
    ) -> None:
        active.of_id(run_id).metrics({key: value}, step)

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        active.of_id(run_id).params({key: value})
        return value

    def log_batch(
        self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = (), synchronous: bool | None = None
    ) -> None:
        run = active.of_id(run_id)
        if params:
            run.params({param.key: param.value for param in params})
        if tags:
            run.tags({tag.key: tag.value for tag in tags})
        for metric in metrics:
            run.metrics({metric.key: metric.value}, metric.step)

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> None:
        active.of_id(run_id).tags({key: value})

    def delete_tag(self, run_id: str, key: str) -> None:
        cannot("mlflow", "delete_tag()")

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        run = active.of_id(run_id)
        if name:
            run._run.rename(name)
        if status:
            self.set_terminated(run_id, status)

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        active.end_top(active.of_id(run_id), status or RunStatus.FINISHED)

    def log_artifact(self, run_id: str, local_path: Any, artifact_path: str | None = None) -> None:
        fluent.log_artifact(local_path, artifact_path, run_id)

    def log_artifacts(self, run_id: str, local_dir: Any, artifact_path: str | None = None) -> None:
        fluent.log_artifacts(local_dir, artifact_path, run_id)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        fluent.log_text(text, artifact_file, run_id)

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        fluent.log_dict(dictionary, artifact_file, run_id)

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        fluent.log_table(data, artifact_file, run_id)

    def log_figure(self, run_id: str, figure: Any, artifact_file: str, **more: Any) -> None:
        files.log_figure(active.of_id(run_id)._run, figure, artifact_file)

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        **more: Any,
    ) -> None:
        files.log_image(active.of_id(run_id)._run, image, key or artifact_file or "image", step)

    def log_inputs(self, run_id: str, *args: Any, **kwargs: Any) -> None:
        cannot("mlflow", "MlflowClient.log_inputs()")

    def delete_run(self, run_id: str) -> None:
        from ... import read

        read.run(run_id).delete()

    def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> str:
        from ... import read

        artifacts = [a for a in read.run(run_id).artifacts() if a.name.replace("%2F", "/") == path]
        return str(artifacts[0].download(f"{dst_path or '.'}/")) if artifacts else ""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return inert("mlflow", f"MlflowClient.{name}")
