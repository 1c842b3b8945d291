"""MLflow's database: a file of SQLite, read as it is, or any that SQLAlchemy knows."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ..base.installing import install_advice
from ..errors import ConfigurationError
from .incoming import hex_of
from .mlflow_rows import ModelVersion, Row
from .points import Problems

Rows = Iterator[tuple[Any, ...]]
Query = Callable[[str, dict[str, Any]], Rows]
_LARGEST = 1.7976931348623157e308  # MLflow stores this for infinity
_RUNS = """SELECT r.run_uuid, r.name, e.name, e.experiment_id, r.user_id, r.status, r.start_time, r.end_time,
    r.artifact_uri, r.lifecycle_stage, e.lifecycle_stage, (SELECT p.name FROM tags t JOIN runs p
    ON p.run_uuid = t.value WHERE t.run_uuid = r.run_uuid AND t.key = 'mlflow.parentRunId') FROM runs r
    JOIN experiments e ON e.experiment_id = r.experiment_id ORDER BY r.start_time, r.run_uuid"""
# Reads rows in the order in which they were stored, so that what is added later comes last. Only these two databases
# have that order.
_ORDERS = {"sqlite": "rowid", "postgresql": "ctid"}
_METRICS = "SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = :run ORDER BY {order}"


def rows_in(place: Path | str, problems: Problems) -> Iterator[Row]:
    """Yield the runs of a database, and report those that cannot be read. Raises ConfigurationError where
    it is none of MLflow.
    """
    query, kind = _opened(place)
    metrics = _METRICS.format(order=_ORDERS.get(kind, "timestamp, key, step, value"))
    try:
        runs = list(query(_RUNS, {}))
        versions = _versions(query)
    except Exception as e:
        raise ConfigurationError(f"{_shown(place)} is not a database of MLflow: {str(e).splitlines()[0]}") from None
    for row in runs:
        try:
            yield _row(query, metrics, row, versions.get(row[0], []))
        except Exception as e:  # of whichever driver
            said = str(e).splitlines()[0]
            problems.add(f"run {row[0]}", f"the run {row[1]!r} ({row[0]}) cannot be read: {said}")


def _row(query: Query, metrics: str, row: tuple[Any, ...], made: list[ModelVersion]) -> Row:
    run_id, name, experiment, number, user, status, start, end, uri, stage, of_experiment, parent = row
    its = {"run": run_id}
    params: dict[str, str | None] = dict(query("SELECT key, value FROM params WHERE run_uuid = :run ORDER BY key", its))
    tags: dict[str, str | None] = dict(query("SELECT key, value FROM tags WHERE run_uuid = :run ORDER BY key", its))
    count = next(query("SELECT count(*), max(timestamp), max(step) FROM metrics WHERE run_uuid = :run", its))
    facts = (run_id, name, experiment, status, start, end, uri, params, tags, tuple(count), made)
    return Row(
        id=run_id, name=name or tags.get("mlflow.runName") or "", experiment=experiment or "",
        experiment_id=str(number), user=user or "", status=status or "FINISHED", start=start, end=end,
        artifact_uri=uri or "", deleted="deleted" in (stage, of_experiment), digest=hex_of(repr(facts)),
        params={key: value or "" for key, value in params.items()},
        tags={key: value or "" for key, value in tags.items()},
        metrics=partial(_metrics, query, metrics, run_id), versions=made, parent=parent or "",
    )  # fmt: skip


def _metrics(query: Query, sql: str, run_id: str, problems: Problems) -> Iterator[tuple[str, float, int, int]]:
    for key, value, time, step, is_nan in query(sql, {"run": run_id}):
        number = math.nan if is_nan else float(value)
        yield key, math.copysign(math.inf, number) if abs(number) >= _LARGEST else number, int(time), int(step or 0)


def _versions(query: Query) -> dict[str, list[ModelVersion]]:
    made: dict[str, list[ModelVersion]] = {}
    try:
        aliases = list(query("SELECT name, version, alias FROM registered_model_aliases", {}))
    except Exception:  # an older release has no such table
        aliases = []
    sql = "SELECT name, version, run_id, source, description, creation_time FROM model_versions ORDER BY name, version"
    for name, number, run_id, source, description, created in query(sql, {}):
        its = [alias for model, version, alias in aliases if (model, version) == (name, number)]
        version = ModelVersion(name, int(number), source or "", description or "", its, (created or 0) / 1000)
        made.setdefault(run_id, []).append(version)
    return made


def _opened(place: Path | str) -> tuple[Query, str]:
    if isinstance(place, Path):
        try:
            connection = sqlite3.connect(f"{place.resolve().as_uri()}?mode=ro", uri=True)
        except sqlite3.Error as e:
            raise ConfigurationError(f"{place} cannot be read: {e}") from None
        return lambda sql, values: iter(connection.execute(sql, values)), "sqlite"
    try:
        import sqlalchemy
    except ImportError:
        raise ConfigurationError(f"This database is read with SQLAlchemy: {install_advice('server')}") from None
    try:
        engine = sqlalchemy.create_engine(place)
        reading = engine.connect().execution_options(stream_results=True)
    except Exception as e:
        raise ConfigurationError(f"{_shown(place)} cannot be read: {str(e).splitlines()[0]}") from None
    return lambda sql, values: (
        tuple(row) for row in reading.execute(sqlalchemy.text(sql), values)
    ), engine.dialect.name


def _shown(place: Path | str) -> str:
    """Return it without a password."""
    text = str(place)
    return text if "@" not in text else text.partition("://")[0] + "://…@" + text.rpartition("@")[2]
