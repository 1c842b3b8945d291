"""Runs of Trackio: a database of SQLite for each project, or the Parquet files that it makes of one."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from ..capture.tables import packed, table_of
from ..errors import ConfigurationError
from ..exporting.parquet import arrow
from ..protocol import states
from ..protocol.media import HISTOGRAM, IMAGE, TABLE, Histogram, check_histogram, file_name
from .files import reporting
from .fill import valid
from .incoming import Event, Incoming, NewFile, Placed, hex_of, key_from, name_from, record_of, text_item
from .points import Point, Problems, is_time

_NAMED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_STRUCTURE = {"id", "run_id", "run_name", "timestamp", "step", "log_id", "space_id", "created_at"}
_FILES = {"trackio.image": IMAGE, "trackio.video": "file", "trackio.audio": "file", "trackio.html": "file",
          "trackio.object3d": "file"}  # fmt: skip
_ORDERS = dict.fromkeys(("configs", "metrics", "system_metrics", "alerts"), "id")
_SQLITE, _PARQUET = b"SQLite format 3\0", b"PAR1"  # how the files begin
_PARTS = (
    "_system",
    "_configs",
    "_traces",
    "_artifacts",
    "_artifact_versions",
    "_artifact_aliases",
    "_run_artifact_links",
)


@dataclass
class _Run:
    project: str
    key: str  # the run's id; of older releases, its name
    name: str
    media: Path
    config: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)  # time, step, values
    system: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    alerts: list[tuple[float, str, str]] = field(default_factory=list)  # time, level, text


def runs(paths: tuple[Path, ...], problems: Problems) -> Iterator[Incoming]:
    """Yield the runs of databases and Parquet files, and of those in folders. Takes the memory of one project.

    Raises ConfigurationError where there is none, OSError.
    """
    for path in _files(paths, problems):
        its: dict[str, _Run] = {}
        with reporting(path, problems):
            its = _of_file(path, problems)
        for run in its.values():
            yield _incoming(run)


def _files(paths: tuple[Path, ...], problems: Problems) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        known, there = problems.lines(), []
        with reporting(path, problems):
            its = [path] if path.is_file() else sorted(path.iterdir() if path.is_dir() else ())
            there = [one for one in its if one.is_file() and (one == path or one.suffix in (".db", ".parquet"))]
        databases = {one.stem for one in there if one.suffix == ".db"}
        projects = [
            one
            for one in there
            if one.suffix == ".db" or not (one.stem in databases or any(one.stem.endswith(part) for part in _PARTS))
        ]
        if not projects and problems.lines() == known:
            missing = "holds no projects of Trackio (*.db, *.parquet)" if path.exists() else "does not exist"
            raise ConfigurationError(f"{path} {missing}: give its folder (TRACKIO_DIR), or a file in it.")
        files += projects
    return files


def _of_file(path: Path, problems: Problems) -> dict[str, _Run]:
    """Return the runs of a file by what it is, whatever its name. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(len(_SQLITE))
    if head == _SQLITE:
        return _of_database(path, problems)
    if head.startswith(_PARQUET) and path.suffix == ".parquet":
        return _of_parquet(path, problems)
    what = "is empty" if not head else "is neither a database nor a Parquet file, or its beginning is damaged"
    problems.add(f"kind {path}", f"{path} {what}: give the folder of Trackio (TRACKIO_DIR), or a file in it")
    return {}


def _of_database(path: Path, problems: Problems) -> dict[str, _Run]:
    known: dict[str, _Run] = {}

    def add(table: str, fields: dict[str, Any]) -> None:
        if table == "alerts":
            said = f"{fields['title']}: {fields['text'] or ''}\n"
            run = _run(known, path, fields)
            run.alerts.append((_time(fields["timestamp"]), str(fields.get("level") or "info"), said))
        elif table in ("traces", "artifact_versions"):
            what = f"{table.replace('_', ' ')}: they have no place here"
            problems.add(f"{table} {path}", f"{path}: {what}")
        else:
            column = "config" if table == "configs" else "metrics"
            _add(known, path, table, fields, _values(path, fields[column], problems), problems)

    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        tables: set[str] = set()
        with _reporting_damage(path, "all of it", problems):
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "metrics" not in tables:
                problems.add(f"kind {path}", f"{path} is not a database of Trackio: it has no table metrics")
        for table in ("configs", "metrics", "system_metrics", "alerts", "traces", "artifact_versions"):
            if table in tables:
                with _reporting_damage(path, f"the rest of its table {table}", problems):
                    for row in db.execute(f"SELECT * FROM {table} ORDER BY {_ORDERS.get(table, 'rowid')}"):
                        add(table, dict(row))
    return known


@contextmanager
def _reporting_damage(path: Path, what: str, problems: Problems) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as e:
        advice = f"`sqlite3 {path.name} .recover | sqlite3 NEW.db` may make a file with more of it"
        problems.add(f"damage {path} {what}", f"{path}: {what}: {e}: {advice}")
    except (LookupError, TypeError, ValueError) as e:
        said = f"a row of another format ({e!r}): a newer pyhectiqlab may know it"
        problems.add(f"damage {path} {what}", f"{path}: {what}: {said}")


def _of_parquet(path: Path, problems: Problems) -> dict[str, _Run]:
    pa = arrow()
    known: dict[str, _Run] = {}
    parts = (("configs", f"{path.stem}_configs"), ("metrics", path.stem), ("system_metrics", f"{path.stem}_system"))
    for table, stem in parts:
        file = path.with_name(f"{stem}.parquet")
        if not file.is_file():
            continue
        try:
            rows = pa.parquet.read_table(file).to_pylist()
        except (pa.ArrowException, OSError) as e:
            problems.add(f"damage {file}", f"{file}: {str(e).splitlines()[0]}")
            continue
        for row in sorted(rows, key=lambda row: row.get("id") or 0):
            values = {name: value for name, value in row.items() if name not in _STRUCTURE and value is not None}
            _add(known, path, table, row, values, problems)
    return known


def _add(
    known: dict[str, _Run], path: Path, table: str, row: Mapping[str, Any], values: dict[str, Any], problems: Problems
) -> None:
    run = _run(known, path, row)
    if table == "configs":
        run.config = values
        return
    time = _time(row["timestamp"])
    if not is_time(time):
        problems.add(f"time {path}", f"{path}: {row['timestamp']!r} is not a time")
    elif table == "metrics":
        run.rows.append((time, int(row["step"] or 0), values))
    else:
        run.system.append((time, values))


def _run(known: dict[str, _Run], path: Path, row: Mapping[str, Any]) -> _Run:
    key = str(row.get("run_id") or row["run_name"])
    if key not in known:
        media = path.parent / "media"
        known[key] = _Run(path.stem, key, str(row["run_name"]), media)
    return known[key]


def _values(path: Path, data: Any, problems: Problems) -> dict[str, Any]:
    if data is None:
        return {}
    try:
        values = json.loads(data)
        if not isinstance(values, dict):
            raise ValueError("it is not an object")
    except (ValueError, TypeError, RecursionError) as e:
        problems.add(f"json {path}", f"{path}: a row that is not JSON: {e}")
        return {}
    return values


def _time(text: Any) -> float:
    """Return a time of ISO 8601 as seconds; without a zone, as older releases wrote it, it is of this machine's."""
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError, OSError):
        return math.nan


def _incoming(run: _Run) -> Incoming:
    origin = hex_of("trackio", run.project, run.key)
    facts = json.dumps([run.name, run.config, run.rows, run.system, run.alerts], default=str)
    return Incoming(
        origin,
        hex_of(facts),
        name_from(run.name, f"{run.name} {run.project if run.key == run.name else run.key[:8]}"),
        name_from(run.project)[0],
        {
            "alerts": lambda problems: valid(_alerts(run), run.name, problems),
            "metrics": lambda problems: valid(_items(run, problems), run.name, problems),
            "system": lambda problems: valid(_system(run), run.name, problems),
        },
        lambda problems: _media(origin, run, problems),
        lambda problems: _record(run),
        str(run.config.get("_Username") or "") or None,
        facts=lambda problems: valid(_about(run), run.name, problems),
    )


def _started(run: _Run) -> float:
    created = _time(run.config.get("_Created"))
    return created if is_time(created) else min(_times(run), default=0.0)


def _ended(run: _Run) -> float:
    return max(_times(run), default=_started(run))


def _times(run: _Run) -> list[float]:
    return [row[0] for row in run.rows] + [row[0] for row in run.system]


def _record(run: _Run) -> dict[str, Any]:
    began, ended = _started(run), _ended(run)
    why = "Trackio keeps no states: it ended with its last row"
    group = str(run.config.get("_Group") or "")
    return record_of(states.COMPLETED, created=began, ended=max(began, ended), why=why, group=group, client="trackio")


def _about(run: _Run) -> Iterator[Placed]:
    config = {name: value for name, value in run.config.items() if not name.startswith("_")}
    its = {name[1:].lower(): value for name, value in run.config.items() if name.startswith("_") and value is not None}
    values = {**config, **({"trackio": its} if its else {})}
    if values:
        yield Placed(Event("config", _started(run), {"values": values}))


def _alerts(run: _Run) -> Iterator[Placed]:
    for time, level, text in run.alerts:
        level = {"warn": "WARNING"}.get(level, level.upper())
        yield Placed(Event("log", time, {"channel": "alert", "level": level, "text": text}))


def _items(run: _Run, problems: Problems) -> Iterator[Placed]:
    for time, step, values in run.rows:
        for name, value in values.items():
            for item in _of_value(name, value, step, time, problems):
                yield Placed(item)


def _of_value(name: str, value: Any, step: int, time: float, problems: Problems) -> Iterator[Point | Event | NewFile]:
    value = _NAMED.get(value, value) if isinstance(value, str) else value
    if isinstance(value, bool | int | float):
        yield Point(name, step, float(value), time)
    elif isinstance(value, dict) and isinstance(value.get("_type"), str):
        event = _event(name, value, step)
        if value["_type"] == "trackio.markdown":
            yield text_item(name, step, str(value.get("_value", value.get("text", ""))), time)
        elif event is not None:
            yield Event(event[0], time, event[1])
        elif value["_type"] not in _FILES and value["_type"] != "trackio.table":
            problems.add(f"type {value['_type']}", f"{name!r}: a value of the type {value['_type']}")
    elif isinstance(value, dict):
        for inner, its in value.items():
            yield from _of_value(f"{name}.{inner}", its, step, time, problems)
    elif value is not None:
        text = value if isinstance(value, str) else json.dumps(value, default=str)
        yield text_item(name, step, text, time)


def _event(name: str, value: Mapping[str, Any], step: int) -> tuple[str, dict[str, Any]] | None:
    kind = value["_type"]
    if kind == "trackio.histogram":
        try:
            histogram = Histogram(tuple(map(float, value["bins"])), tuple(map(float, value["values"])))
            check_histogram(histogram)
        except (ValueError, LookupError, TypeError):
            return None
        return HISTOGRAM, {"name": key_from(name), "step": step, **histogram.fields()}
    return None


def _system(run: _Run) -> Iterator[Placed]:
    began = _started(run)
    for time, values in run.system:
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                key = name if name.startswith("system/") else f"system/{name}"
                yield Placed(Point(key_from(key), int(time - began), float(value), time))


def _media(origin: str, run: _Run, problems: Problems) -> Iterator[NewFile]:
    for number, (time, step, values) in enumerate(run.rows):
        for name, value in values.items():
            if not isinstance(value, dict):
                continue
            kind, shown = value.get("_type"), {"name": key_from(name)}
            uuid = hex_of(origin, str(number), name)
            if kind == "trackio.table":
                try:
                    data = packed(*table_of(value["_value"], None))
                except (ValueError, LookupError, TypeError) as e:
                    problems.add(f"table {name}", f"the table {name!r} of step {step}: {e}")
                    continue
                yield NewFile(uuid, file_name(name, ".table.json"), None, data, step, TABLE, shown, time)
            elif kind in _FILES:
                inside = str(value.get("file_path") or "")
                path = run.media / inside
                if not path.resolve().is_relative_to(run.media.resolve()) or not path.is_file():
                    problems.add(f"media {run.media}", f"{path} is missing: {name!r} of step {step}")
                    continue
                if value.get("caption"):
                    shown["caption"] = str(value["caption"])
                ending = PurePosixPath(inside).suffix.lower()
                yield NewFile(uuid, file_name(name, ending), path, None, step, _FILES[kind], shown, time)
