"""Runs of Neptune, as its exporter leaves them on the disk: Parquet files of attributes, and files beside.

A row is a value of an attribute: of a run as a whole, or of a series at a step, which is a decimal of six digits. Steps
here are whole. A series with decimal steps is kept at the whole part of each, and beside it, at the same steps and
times, a series `neptune/step/NAME` has the exact ones.

Of a fork the exporter writes what the fork itself logged. The points that it began with are read from the files of the
runs that it descends from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import ConfigurationError
from ..exporting.parquet import arrow
from ..protocol import states
from ..protocol.media import HISTOGRAM, IMAGE, Histogram, check_histogram, file_name
from .files import below
from .fill import valid
from .incoming import Event, Incoming, NewFile, Placed, hex_of, key_from, name_from, record_of, text_item
from .neptune_forks import Family, Kin, kin_of
from .points import Point, Problems, digest_of

_PART = re.compile(r"(?P<run>.+)_part_(?P<number>\d+)\.parquet")
_SERIES = {"float_series", "string_series", "histogram_series", "file_series"}
_IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".webp"}
_LOG_CHARS_MAX = 65_536  # characters of one log event
_CONSOLE = re.compile(r"monitoring/(?:[^/]+/)?(?P<channel>stdout|stderr)")
_MONITORING = re.compile(r"monitoring/(?:[^/]+/)?(?P<name>.+)")
Row = dict[str, Any]
_Section = Callable[[Problems], Iterator[Placed]]


@dataclass
class _Run:
    project: str
    id: str
    paths: list[Path]
    files: Path
    values: dict[str, Any] = field(default_factory=dict)  # attribute → value, of the run as a whole
    single: dict[str, str] = field(default_factory=dict)  # attribute → path of its file
    first: float = math.inf
    last: float = -math.inf
    decimal: set[str] = field(default_factory=set)  # series with decimal steps
    fork: tuple[str, int | None] | None = None  # the origin of its parent, and up to which step it has its points


def runs(data: Path, files: Path | None, problems: Problems) -> Iterator[Incoming]:
    """Yield the runs of an export. `data`: its --data-path, or the folder that has it as `data`; `files`: its
    --files-path. Raises ConfigurationError, OSError.
    """
    arrow()
    root = data / "data" if (data / "data").is_dir() else data
    beside = files or root.parent / "files"
    by_run: dict[tuple[Path, str], list[tuple[int, Path]]] = {}
    for path in below(root, lambda name: name.endswith(".parquet"), problems):
        part = _PART.fullmatch(path.name)
        if part is not None:
            by_run.setdefault((path.parent, part["run"]), []).append((int(part["number"]), path))
    if not by_run and not problems.lines():
        missing = "holds no runs (*_part_0.parquet)" if data.exists() else "does not exist"
        raise ConfigurationError(f"{data} {missing}: give the --data-path of neptune-exporter.")
    kin: list[Kin] = []
    for parts in by_run.values():
        paths = [path for _, path in sorted(parts)]
        absent = next((n for n, (number, _) in enumerate(sorted(parts)) if n != number), None)
        if absent is not None:
            first = re.sub(r"_part_\d+\.parquet$", f"_part_{absent}.parquet", str(paths[0]))
            problems.add(
                f"parts {first}", f"{first} is missing, so its run is left out: the exporter has not finished it"
            )
            continue
        kin.append(kin_of(paths))
    family = Family(kin)
    forked = {older for one in kin for older, _ in family.lineage(one)}
    parents: dict[Kin, _Run] = {}
    for one in family.parents_first():
        try:
            run = _read(list(one.paths), beside, problems)
        except (LookupError, TypeError, ValueError, AttributeError) as e:
            problems.add(f"format {one.paths[0]}", f"{one.paths[0]} is not of the format that is known: {e!r}")
            continue
        if run is not None:
            if one in forked:
                parents[one] = run
            if one.parent:
                parent = family.parent(one)
                origin = (
                    hex_of("neptune", run.project, one.parent) if parent not in parents else _origin(parents[parent])
                )
                run.fork = origin, None if one.last is None else math.floor(one.last)
            yield _incoming(run, [(parents[older], last) for older, last in family.lineage(one) if older in parents])


def _rows(paths: list[Path], problems: Problems | None = None) -> Iterator[Row]:
    pa = arrow()
    for path in paths:
        try:
            for batch in pa.parquet.ParquetFile(path).iter_batches(batch_size=20_000):
                yield from batch.to_pylist()
        except (pa.ArrowException, OSError) as e:
            if problems is not None:
                what = "this part of the run and those behind it are left out"
                problems.add(f"damage {path}", f"{path}: {str(e).splitlines()[0]}: {what}")
            return  # stop here: a later import has to bring the rest in the same order


def _read(paths: list[Path], files: Path, problems: Problems) -> _Run | None:
    run: _Run | None = None
    for row in _rows(paths, problems):
        if run is None:
            run = _Run(str(row["project_id"]), str(row["run_id"]), paths, files)
        kind, name = row["attribute_type"], row["attribute_path"]
        if kind in _SERIES:
            time = _seconds(row.get("timestamp"))
            if time is not None:
                run.first, run.last = min(run.first, time), max(run.last, time)
            if kind == "float_series" and _step(row) != (row.get("step") or 0):
                run.decimal.add(name)
        elif kind == "file":
            inside = (row.get("file_value") or {}).get("path")
            if inside:  # without a path or a value, another run of the exporter's table has it
                run.single[name] = str(inside)
        elif (value := row.get(f"{kind}_value")) is not None:
            run.values[name] = _seconds(value) if kind == "datetime" else value
    return run


def _seconds(moment: Any) -> float | None:
    return None if moment is None else float(moment.timestamp())


def _step(row: Row) -> int:
    step = row.get("step")
    return 0 if step is None else math.floor(Decimal(step))


def _origin(run: _Run) -> str:
    return hex_of("neptune", run.project, run.id)


def _incoming(run: _Run, before: list[tuple[_Run, Decimal | None]]) -> Incoming:
    """`before`: the runs that it descends from, the oldest first, and up to which step it has the points of each."""
    origin = _origin(run)
    title = str(run.values.get("sys/name") or run.id)
    used = [path for path in (_place(run, inside) for inside in run.single.values()) if path is not None]
    older = [path for parent, _ in before for path in parent.paths]
    sizes = [(path, path.stat().st_size) for path in (*run.paths, *used, *older)]
    names = name_from(title, f"{title} {run.id}") if title != run.id else name_from(run.id)
    return Incoming(
        origin,
        digest_of("neptune", sizes),
        names,
        name_from(run.project)[0],
        {
            **_sections_before(run, before),
            "series": lambda problems: valid(_items(run, problems), run.id, problems),
            **_steps(run, before),
        },
        lambda problems: _files(origin, run, problems),
        lambda problems: _record(run),
        str(run.values.get("sys/owner") or "") or None,
        fork=run.fork,
        facts=lambda problems: valid(_about(run), run.id, problems),
    )


def _began(run: _Run) -> float:
    created = run.values.get("sys/creation_time")
    return float(created) if created is not None else run.first if math.isfinite(run.first) else 0.0


def _record(run: _Run) -> dict[str, Any]:
    failed = run.values.get("sys/failed") is True
    began = _began(run)
    spent = run.values.get("sys/running_time")
    ended = began + float(spent) if isinstance(spent, int | float) and spent > 0 else run.last
    why = "Neptune says that it failed" if failed else "Neptune says of no failure"
    tags = [*(run.values.get("sys/tags") or ()), *(run.values.get("sys/group_tags") or ())]
    return record_of(
        states.FAILED if failed else states.COMPLETED, created=began, ended=max(began, ended), why=why,
        host=str(run.values.get("sys/hostname") or ""), note=run.values.get("sys/description") or None,
        tags=list(dict.fromkeys(map(str, tags)))[:200], client="neptune",
    )  # fmt: skip


def _about(run: _Run) -> Iterator[Placed]:
    config: dict[str, Any] = {"neptune": {"run_id": run.id}}
    for name, value in sorted(run.values.items()):
        path = ["neptune", *name.split("/")[1:]] if name.startswith("sys/") else name.split("/")
        place = config
        for part in path[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):  # a value and a folder of one name: Neptune allows both
                place[part] = inner = {"": inner}
            place = inner
        place[path[-1]] = list(value) if isinstance(value, list | tuple | set) else value
    yield Placed(Event("config", _began(run), {"values": config}))


def _items(run: _Run, problems: Problems) -> Iterator[Placed]:
    for row in _rows(run.paths):
        if row["attribute_type"] in _SERIES:
            for item in _of_row(run, row, problems):
                yield Placed(item)


def _exact(run: _Run, before: list[tuple[_Run, Decimal | None]]) -> set[str]:
    """Return the series that have decimal steps in it, or in a run that it descends from."""
    return run.decimal.union(*(parent.decimal for parent, _ in before))


def _sections_before(run: _Run, before: list[tuple[_Run, Decimal | None]]) -> dict[str, _Section]:
    """Return a section for each run that it descends from: one that is damaged moves no points of another."""
    exact = _exact(run, before)
    return {f"before {_origin(parent)}": partial(_inherited, run.id, parent, last, exact) for parent, last in before}


def _steps(run: _Run, before: list[tuple[_Run, Decimal | None]]) -> dict[str, _Section]:
    missing = _exact(run, before) - run.decimal
    return {"steps": partial(_exact_steps, run, missing)} if missing else {}


def _inherited(name: str, parent: _Run, last: Decimal | None, exact: set[str], problems: Problems) -> Iterator[Placed]:
    """Yield the points that a fork began with, as its attempt 0: curves, not what was measured of a machine."""
    given = replace(parent, decimal=exact)
    for row in _rows(parent.paths, problems):
        within = last is None or Decimal(row["step"] or 0) <= last
        if row["attribute_type"] == "float_series" and within and not _MONITORING.fullmatch(row["attribute_path"]):
            points = (Placed(item, attempt=0) for item in _of_row(given, row, problems))
            yield from valid(points, name, problems)


def _exact_steps(run: _Run, names: set[str], problems: Problems) -> Iterator[Placed]:
    """Yield the steps of series whose steps are whole here, but were not in a run that it descends from."""
    given = replace(run, decimal=names)
    for row in _rows(run.paths):
        if row["attribute_type"] == "float_series" and row["attribute_path"] in names:
            _, exact = _of_row(given, row, problems)
            yield from valid(iter([Placed(exact)]), run.id, problems)


def _of_row(run: _Run, row: Row, problems: Problems) -> Iterator[Point | Event | NewFile]:
    kind, name, step = row["attribute_type"], row["attribute_path"], _step(row)
    time = _seconds(row.get("timestamp"))
    time = _began(run) if time is None else time
    if kind == "float_series":
        value = row["float_value"]
        if value is None:
            return
        system = _MONITORING.fullmatch(name)
        key = key_from(f"system/{system['name']}" if system else name)
        yield Point(key, int(time - _began(run)) if system else step, float(value), time)
        if name in run.decimal and not system:
            yield Point(key_from(f"neptune/step/{name}"), step, float(row["step"] or 0), time)
    elif kind == "string_series":
        text = str(row["string_value"] or "")
        console = _CONSOLE.fullmatch(name)
        if console:
            line = text if text.endswith("\n") else text + "\n"
            for start in range(0, len(line), _LOG_CHARS_MAX):
                part = line[start : start + _LOG_CHARS_MAX]
                yield Event("log", time, {"channel": console["channel"], "level": None, "text": part})
        else:
            yield text_item(name, step, text, time)
    elif kind == "histogram_series":
        its = row.get("histogram_value") or {}
        try:
            histogram = Histogram(tuple(map(float, its["edges"])), tuple(map(float, its["values"])))
            check_histogram(histogram)
        except (ValueError, LookupError, TypeError) as e:
            problems.add(f"histogram {name}", f"the histogram {name!r} of step {step}: {e}")
            return
        yield Event(HISTOGRAM, time, {"name": key_from(name), "step": step, **histogram.fields()})


def _place(run: _Run, inside: str) -> Path | None:
    """Return where a file of the export is; None where it is not there, or would lie elsewhere."""
    for root in (run.files, run.files / run.paths[0].parent.name):
        path = root / inside
        if inside and path.resolve().is_relative_to(run.files.resolve()) and path.exists():
            return path
    return None


def _files(origin: str, run: _Run, problems: Problems) -> Iterator[NewFile]:
    named = [(name, inside, None, _began(run)) for name, inside in run.single.items()]
    yield from (file for one in named for file in _of_file(origin, run, *one, problems))
    for row in _rows(run.paths):
        if row["attribute_type"] == "file_series":
            inside = str((row.get("file_value") or {}).get("path") or "")
            if not inside:
                continue
            time = _seconds(row.get("timestamp"))
            place = row["attribute_path"], inside, _step(row), _began(run) if time is None else time
            yield from _of_file(origin, run, *place, problems)


def _of_file(
    origin: str, run: _Run, name: str, inside: str, step: int | None, time: float, problems: Problems
) -> Iterator[NewFile]:
    place = _place(run, inside)
    if place is None:
        problems.add("files", f"the file {name!r} is not at {run.files / inside}: name its folder by --files")
        return
    below = [place] if place.is_file() else [path for path in sorted(place.rglob("*")) if path.is_file()]
    for path in below:
        its = name if path == place else f"{name}/{path.relative_to(place).as_posix()}"
        ending = PurePosixPath(path.name).suffix.lower()
        shown = step is not None and ending in _IMAGES
        yield NewFile(
            hex_of(origin, its, str(step), inside), file_name(its, ending), path, step=step,
            kind=IMAGE if shown else "file", meta={"name": key_from(its)}, created=time,
        )  # fmt: skip
