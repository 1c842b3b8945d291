"""The folder `mlruns` in which MLflow keeps runs as files: `EXPERIMENT/RUN/{meta.yaml,metrics/,params/,tags/}`."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ..base.installing import install_advice
from ..errors import ConfigurationError
from .files import reporting
from .mlflow_rows import PARENT, ModelVersion, Row
from .points import Problems, digest_of

_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


def rows_of(root: Path, problems: Problems) -> Iterator[Row]:
    """Yield the runs of all experiments. Raises ConfigurationError for another folder, or without pyyaml."""
    experiments = sorted(path.parent for path in root.glob("*/meta.yaml"))
    if not experiments:
        raise ConfigurationError(
            f"{root} is not a folder of MLflow: it has no experiments with a meta.yaml. Give mlruns, or mlflow.db."
        )
    versions = _versions(root, problems)
    for folder in (*experiments, *sorted(path.parent for path in root.glob(".trash/*/meta.yaml"))):
        its = _meta(folder / "meta.yaml", problems)
        for path in sorted(folder.glob("*/meta.yaml")):
            row = None
            with reporting(path.parent, problems):
                row = _row(path.parent, its, problems)
            if row is not None:
                row.versions = versions.get(row.id, [])
                row.deleted = row.deleted or folder.parent != root
                yield row


def _row(folder: Path, experiment: dict[str, Any], problems: Problems) -> Row | None:
    its = _meta(folder / "meta.yaml", problems)
    run_id = its.get("run_id") or its.get("run_uuid")
    if not run_id:
        return None
    files = [
        path
        for part in ("meta.yaml", "metrics", "params", "tags")
        for path in ([folder / part] if part.endswith(".yaml") else sorted((folder / part).rglob("*")))
        if path.is_file()
    ]
    status = its.get("status", 3)
    tags = _texts(folder / "tags")
    return Row(
        id=str(run_id),
        name=str(its.get("run_name") or tags.get("mlflow.runName") or its.get("name") or ""),
        experiment=str(experiment.get("name", "")),
        experiment_id=str(experiment.get("experiment_id", folder.parent.name)),
        user=str(its.get("user_id") or ""),
        status=_STATUS.get(status, "FINISHED") if isinstance(status, int) else str(status),
        start=its.get("start_time"),
        end=its.get("end_time"),
        artifact_uri=str(its.get("artifact_uri") or ""),
        deleted=its.get("lifecycle_stage") == "deleted",
        digest=digest_of("mlflow", [(path, path.stat().st_size) for path in files]),
        params=_texts(folder / "params"),
        tags=tags,
        metrics=partial(_metrics, folder / "metrics"),
        parent=_name_of(folder.parent, tags.get(PARENT, ""), problems),
    )


def _name_of(experiment: Path, run: str, problems: Problems) -> str:
    """Return the name of a run of an experiment by its id; "" where it is not there."""
    path = experiment / run / "meta.yaml"
    inside = run and Path(run).name == run  # the id is a text of the files: it leads nowhere else
    return str(_meta(path, problems).get("run_name") or "") if inside and path.is_file() else ""


def _texts(folder: Path) -> dict[str, str]:
    """Return the files of a folder by name, and what is in each."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8", "replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _metrics(folder: Path, problems: Problems) -> Iterator[tuple[str, float, int, int]]:
    """Yield the points of all keys in the order of their times: so those of a run that has grown come behind."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    rows = [_lines(path, path.relative_to(folder).as_posix(), problems) for path in files]
    return heapq.merge(*rows, key=lambda row: row[2])


def _lines(path: Path, key: str, problems: Problems) -> Iterator[tuple[str, float, int, int]]:
    """A file for each key, a line for each point: time (ms), value, and the step, which the oldest releases lack."""
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1):
        parts = line.split()
        try:
            yield key, float(parts[1]), int(parts[0]), int(parts[2]) if len(parts) > 2 else 0
        except (ValueError, IndexError):
            problems.add(f"line {path}", f"{path}, line {number}: {line[:60]!r} is not a point")


def _versions(root: Path, problems: Problems) -> dict[str, list[ModelVersion]]:
    """Return the versions of registered models by the run that made them."""
    made: dict[str, list[ModelVersion]] = {}
    for path in sorted(root.glob("models/*/version-*/meta.yaml")):
        its = _meta(path, problems)
        aliases = _texts(path.parent.parent / "aliases")
        number = int(its.get("version") or path.parent.name.removeprefix("version-"))
        source = str(its.get("storage_location") or its.get("source") or "")
        version = ModelVersion(
            str(its.get("name") or path.parent.parent.name),
            number,
            source,
            str(its.get("description") or ""),
            [name for name, text in aliases.items() if text.strip() == str(number)],
            (its.get("creation_timestamp") or 0) / 1000,
        )
        made.setdefault(str(its.get("run_id")), []).append(version)
    return made


def _meta(path: Path, problems: Problems) -> dict[str, Any]:
    try:
        import yaml
    except ImportError:
        raise ConfigurationError(f"A folder mlruns is read with pyyaml: {install_advice('yaml')}") from None
    try:
        its = yaml.safe_load(path.read_text("utf-8", "replace"))
    except (yaml.YAMLError, OSError) as e:
        problems.add(f"meta {path}", f"{path}: {str(e).splitlines()[0]}")
        return {}
    return its if isinstance(its, dict) else {}
