"""Runs of Weights & Biases: the `.wandb` files that it writes on disk, offline or beside its upload.

A file is a log of protobuf records (records.py). The files of one run id are the attempts of one run, as resuming makes
another file. Media and saved files lie beside, in `files/`; files of artifacts where the record says.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..protocol import states
from ..protocol.media import file_name
from .files import below, reporting
from .fill import valid
from .incoming import Event, Incoming, NewFile, NewVersion, Placed, hex_of, key_from, name_from, record_of, text_item
from .points import Point, Problems, digest_of
from .protobuf import Message, message, messages, text, texts, whole
from .records import records
from .wandb_forks import Branch, began_with, branch_of, parent_of, parents_first
from .wandb_media import Media, media_of
from .wandb_values import add_environment, json_of, merge, packages, row_of, time_of

# Numbers of the fields of a Record, and what they hold.
_HISTORY, _SUMMARY, _OUTPUT, _CONFIG, _STATS, _ARTIFACT = 2, 3, 4, 5, 7, 8
_ALERT, _METRIC, _OUTPUT_RAW, _RUN, _EXIT, _ENVIRONMENT, _USE_ARTIFACT = 10, 12, 13, 17, 18, 26, 25
_CHANNELS = {0: "stderr", 1: "stdout"}
_Item = Point | Event | NewFile
_OWN_KEYS = {"_timestamp", "_step", "_runtime", "_wandb"}
_LOG_CHARS_MAX = 65_536


@dataclass
class _Attempt:
    """What a file says of a run, apart from its history and console: they are read again when they are sent."""

    path: Path
    size: int
    run: Message
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    last: float = 0.0  # the newest time in it

    branch: Branch | None = None

    @property
    def started(self) -> float:
        return time_of(self.run, 17) or self.path.stat().st_mtime

    @property
    def files(self) -> Path:
        return self.path.parent / "files"


def runs(paths: tuple[Path, ...], problems: Problems) -> Iterator[Incoming]:
    """Yield the runs of files and folders, with all folders below. Blocks on the disk.

    Raises ConfigurationError where there is no `.wandb` file, OSError.
    """
    by_id: dict[tuple[str, str], list[_Attempt]] = {}
    for path in _files(paths, problems):
        attempt = None
        with reporting(path, problems):
            attempt = _read(path, problems)
        if attempt is not None:
            by_id.setdefault((text(attempt.run, 3), text(attempt.run, 1)), []).append(attempt)
    for attempts in by_id.values():
        attempts.sort(key=lambda one: one.started)
    for project, run_id in parents_first(by_id):
        yield _incoming(project, run_id, by_id)


def _files(paths: tuple[Path, ...], problems: Problems) -> list[Path]:
    below_all: dict[Path, Path] = {}
    for path in paths:
        known = problems.lines()
        files = below(path, lambda name: name.endswith(".wandb"), problems)
        if not files and problems.lines() == known:
            missing = "holds no .wandb files" if path.exists() else "does not exist"
            raise ConfigurationError(f"{path} {missing}: give the folder `wandb` of your script, or one below it.")
        below_all |= {one.resolve(): one for one in files}  # latest-run is a link
    return list(below_all)


def _records(path: Path, size: int, problems: Problems | None = None) -> Iterator[Message]:
    def damaged(at: int, what: str) -> None:
        if problems is not None:
            problems.add(f"damage {path}", f"{path}: {what} at byte {at:,}: the records there are left out")

    with path.open("rb") as file:
        for data in records(file, size, damaged):
            try:
                yield message(data)
            except ValueError:
                damaged(file.tell(), "a record that is none before")


def _read(path: Path, problems: Problems) -> _Attempt | None:
    """Return what a file says of its run; None where it says nothing."""
    with path.open("rb") as file:
        head = file.read(7)
        if head[:4] not in (b":W&B", b""):
            what = "is not a file of W&B, or its beginning is damaged: copy it again, or give the folder `wandb`"
            problems.add(f"kind {path}", f"{path} {what}")
            return None
        if head[6:] not in (b"\0", b""):
            what = f"is of version {head[6]} of W&B's format, and this pyhectiqlab knows 0: upgrade it"
            problems.add(f"version {path}", f"{path} {what}")
            return None
    attempt: _Attempt | None = None
    for record in _records(path, path.stat().st_size, problems):
        try:
            if _RUN in record:
                run = next(messages(record, _RUN))
                attempt = attempt or _Attempt(path, path.stat().st_size, run)
                attempt.run |= run
                attempt.branch = branch_of(attempt.run)
                for config in messages(run, 4):
                    merge(attempt.config, config)
            if attempt is None:
                continue
            for config in messages(record, _CONFIG):
                merge(attempt.config, config)
            for summary in messages(record, _SUMMARY):
                merge(attempt.summary, summary)
            for metric in messages(record, _METRIC):
                if text(metric, 4):
                    attempt.axes[text(metric, 1) or text(metric, 2)] = text(metric, 4)
            for end in messages(record, _EXIT):
                attempt.exit_code = whole(end, 1)
            for its in messages(record, _ENVIRONMENT):
                add_environment(attempt.environment, its)
            attempt.last = max(
                attempt.last, *(time_of(one, 2) for n in (_STATS, _OUTPUT_RAW) for one in messages(record, n)), 0.0
            )
            for row in messages(record, _HISTORY):
                time = row_of(row).get("_timestamp")
                attempt.last = max(attempt.last, time if isinstance(time, float) else 0.0)
        except (ValueError, StopIteration, struct.error) as e:
            problems.add(f"record {path}", f"{path}: a record that cannot be read: {e}")
    if attempt is None:
        problems.add(f"empty {path}", f"{path} says nothing of a run: its script ended before it was written")
    return attempt


def _incoming(project: str, run_id: str, by_id: Mapping[tuple[str, str], list[_Attempt]]) -> Incoming:
    attempts, before = by_id[project, run_id], began_with(by_id, project, run_id)
    run, parent = attempts[-1].run, parent_of(run_id, attempts)
    files = [(one.path, one.size) for one in (*attempts, *(older for older, _ in before))]
    beside = [(path, path.stat().st_size) for one in attempts for path in _saved(one)]
    name = text(run, 8) or run_id
    origin = hex_of("wandb", text(run, 2), project, run_id)
    return Incoming(
        origin,
        digest_of("wandb", files + beside),
        name_from(name, f"{name} {run_id}"),
        project or None,
        {
            **{_before(older): partial(_inherited, older, last) for older, last in before},
            "history": lambda problems: valid(_all(attempts, problems), attempts[0].path.name, problems),
        },
        lambda problems: _all_files(origin, attempts, problems),
        lambda problems: _record(attempts),
        versions=lambda problems: _versions(origin, attempts, problems),
        facts=lambda problems: valid(_about(run_id, attempts), attempts[0].path.name, problems),
        fork=None if parent is None else (hex_of("wandb", text(run, 2), project, parent.run), parent.last),
    )


def _about(run_id: str, attempts: list[_Attempt]) -> Iterator[Placed]:
    """Yield what is known of the run as a whole: config, summary, axes, environment."""
    for number, one in enumerate(attempts, start=1):
        its = {"id": run_id, "entity": text(one.run, 2), "group": text(one.run, 6), "job_type": text(one.run, 7)}
        its["sweep"] = text(one.run, 12)
        config = {**one.config, "wandb": {name: value for name, value in its.items() if value}}
        yield Placed(Event("config", one.started, {"values": config}), 0, number)
        if one.environment:
            yield Placed(Event("packages", one.started, {**one.environment, **packages(one.files)}), 0, number)
        summary = {name: value for name, value in one.summary.items() if name not in _OWN_KEYS}
        if summary:
            yield Placed(Event("meta", one.last or one.started, {"key": "summary", "value": summary}), 0, number)
        if one.axes:
            yield Placed(Event("meta", one.started, {"key": "x_axes", "value": dict(one.axes)}), 0, number)


def _all(attempts: list[_Attempt], problems: Problems) -> Iterator[Placed]:
    for number, one in enumerate(attempts, start=1):
        for item in _items(one, problems):
            yield Placed(item, 0, number)


def _before(older: _Attempt) -> str:
    """Return the name of the section with points of another run's file: one more file moves no points of the others."""
    return f"before {text(older.run, 1)} {older.started!r}"


def _inherited(older: _Attempt, last: int, problems: Problems) -> Iterator[Placed]:
    """Yield the points that a fork began with, as its attempt 0: curves, not what was measured of a machine."""
    its = (item for item in _items(older, problems) if isinstance(item, Point) and item.step <= last)
    placed = (Placed(point, attempt=0) for point in its if not point.key.startswith("system/"))
    return valid(placed, older.path.name, problems)


def _items(attempt: _Attempt, problems: Problems) -> Iterator[_Item]:
    """Yield points, texts, histograms and printed lines in their order."""
    now = attempt.started  # an alert has no time of its own
    for record in _records(attempt.path, attempt.size):
        try:
            for row in messages(record, _HISTORY):
                values = row_of(row)
                now = _moment(values.get("_timestamp"), now)
                yield from _of_row(attempt, values, next((whole(s, 1) for s in messages(row, 2)), None), problems)
            for stats in messages(record, _STATS):
                time = time_of(stats, 2) or attempt.started
                for item in messages(stats, 3):
                    value = json_of(text(item, 16))
                    if isinstance(value, int | float):
                        yield Point(
                            key_from("system/" + text(item, 1)), int(time - attempt.started), float(value), time
                        )
            for number in (_OUTPUT, _OUTPUT_RAW):
                for line in messages(record, number):
                    fields = {"channel": _CHANNELS.get(whole(line, 1), "stdout"), "level": None}
                    printed, now = text(line, 3), time_of(line, 2) or now
                    for start in range(0, len(printed), _LOG_CHARS_MAX):
                        part = printed[start : start + _LOG_CHARS_MAX]
                        yield Event("log", time_of(line, 2) or attempt.started, {**fields, "text": part})
            for alert in messages(record, _ALERT):
                said = f"{text(alert, 1)}: {text(alert, 2)}\n"
                level = text(alert, 3) or "INFO"
                fields = {"channel": "alert", "level": "WARNING" if level == "WARN" else level, "text": said}
                yield Event("log", now, fields)
        except (ValueError, struct.error):
            continue  # it was reported


def _of_row(attempt: _Attempt, row: dict[str, Any], number: int | None, problems: Problems) -> Iterator[_Item]:
    time, step = row.get("_timestamp"), row.get("_step", number)
    time = _moment(time, attempt.started)
    step = int(step) if isinstance(step, int | float) and math.isfinite(step) else 0
    for name, value in row.items():
        if name not in _OWN_KEYS:
            yield from _of_value(name, value, step, time, problems)


def _moment(time: Any, otherwise: float) -> float:
    return float(time) if isinstance(time, int | float) else otherwise


def _of_value(name: str, value: Any, step: int, time: float, problems: Problems) -> Iterator[_Item]:
    if isinstance(value, bool | int | float):
        yield Point(name, step, float(value), time)
    elif isinstance(value, dict) and isinstance(value.get("_type"), str):
        event = media_of(name, value, step).event
        if event is not None:
            yield Event(*event[:1], time, event[1])
        elif not media_of(name, value, step).files:
            problems.add(f"type {value['_type']}", f"{name!r}: a value of the type {value['_type']}")
    elif isinstance(value, dict):
        for inner, its in value.items():
            yield from _of_value(f"{name}.{inner}", its, step, time, problems)
    elif value is not None:
        said = value if isinstance(value, str) else json.dumps(value)
        yield text_item(name, step, said, time)


def _record(attempts: list[_Attempt]) -> dict[str, Any]:
    last = attempts[-1]
    code = last.exit_code
    state = states.LOST if code is None else states.COMPLETED if code == 0 else states.FAILED
    why = "its file has no end: the script was killed, or it still runs" if code is None else f"exit status {code}"
    record = record_of(
        state, created=attempts[0].started, started=last.started, ended=max(last.last, last.started), why=why,
        exit_code=code, host=text(last.run, 13), note=text(last.run, 9) or None, tags=texts(last.run, 10),
        group=text(last.run, 6), client="wandb",
    )  # fmt: skip
    first = record["sessions"][0]
    record["sessions"] = [
        {**first, "session": f"imported-{n}", "attempt": n, "started": one.started}
        for n, one in enumerate(attempts, start=1)
    ]
    for change in record["history"]:
        change["attempt"] = len(attempts)
    return {**record, "attempt": len(attempts)}


# Files ----------------------------------------------------------------------------------------------------------------


def _all_files(origin: str, attempts: list[_Attempt], problems: Problems) -> Iterator[NewFile]:
    for number, one in enumerate(attempts, start=1):
        shown: set[Path] = set()
        its = (
            one.path.name if number == 1 else f"{one.path.name} {one.started!r}"
        )  # all attempts have files of one name
        for record in _records(one.path, one.size):
            for row in messages(record, _HISTORY):
                values = row_of(row)
                step, time = int(values.get("_step", 0) or 0), values.get("_timestamp", one.started)
                for name, value in values.items():
                    if isinstance(value, dict) and isinstance(value.get("_type"), str):
                        yield from _of_media(origin, one, media_of(name, value, step), step, time, its, shown, problems)
        for path in _saved(one):
            inside = path.relative_to(one.files).as_posix()
            if path not in shown and not inside.startswith("media/"):
                yield NewFile(hex_of(origin, "saved", its, inside), file_name(inside, ""), path)


def _of_media(
    origin: str, one: _Attempt, media: Media, step: int, time: float, its: str, shown: set[Path], problems: Problems
) -> Iterator[NewFile]:
    for place, (inside, name, kind, ending, convert, meta) in enumerate(media.files):
        path = one.files / inside
        if not path.resolve().is_relative_to(one.path.parent.resolve()) or not path.is_file():
            problems.add(f"media {path}", f"{path} is missing: {name!r} of step {step}")
            continue
        shown.add(path)
        data = None
        if convert is not None:
            try:
                data = convert(path.read_bytes())
            except (ValueError, LookupError, TypeError, AttributeError) as e:
                problems.add(f"media {path}", f"{path}: {e}")
                kind = "file"
        yield NewFile(
            hex_of(origin, "media", its, str(step), name, str(place), inside), file_name(name, ending),
            None if data is not None else path, data, step, kind, {"name": key_from(name), **meta}, float(time),
        )  # fmt: skip


def _saved(one: _Attempt) -> list[Path]:
    if not one.files.is_dir():
        return []
    return [path for path in sorted(one.files.rglob("*")) if path.is_file()]


def _versions(origin: str, attempts: list[_Attempt], problems: Problems) -> Iterator[NewVersion]:
    """Yield the artifacts that the run logged."""
    for one in attempts:
        for record in _records(one.path, one.size):
            for artifact in messages(record, _ARTIFACT):
                name, kind = text(artifact, 5), text(artifact, 4)
                if kind == "run_table":  # a table of the history, which is there
                    continue
                entries = [entry for manifest in messages(artifact, 12) for entry in messages(manifest, 4)]
                files = {text(entry, 1): Path(text(entry, 6)) for entry in entries if text(entry, 6)}
                strange = [path for path in files.values() if not _is_ours(one, path)]
                if strange:
                    problem = f"{strange[0]} is outside of W&B's own folders (WANDB_DATA_DIR), and is not read"
                    problems.add(f"artifact {name}", f"the artifact {name!r}: {problem}")
                    continue
                missing = [path for path in files.values() if not path.is_file()]
                linked = [text(entry, 3) for entry in entries if text(entry, 3)]
                if linked:
                    problems.add(
                        f"artifact {name}", f"the artifact {name!r} refers to {linked[0]}, which is not copied"
                    )
                if missing or not files:
                    what = f"{missing[0]} is missing" if missing else "it names no files here"
                    problems.add(f"artifact {name}", f"the artifact {name!r}: {what}: W&B keeps it elsewhere")
                    continue
                yield NewVersion(
                    hex_of(origin, "artifact", name, text(artifact, 6)),
                    "models" if kind == "model" else "datasets",
                    name,
                    files,
                    text(artifact, 7),
                    [alias for alias in texts(artifact, 11) if alias != "latest"],
                    one.last or one.started,
                )


def _is_ours(one: _Attempt, path: Path) -> bool:
    """Return whether a path in a record leads into W&B's own folders: a record may name any file of this machine."""
    data = Path(os.environ.get("WANDB_DATA_DIR") or Path.home() / ".local" / "share" / "wandb")
    roots = (data.resolve(), one.path.resolve().parent.parent)
    return any(path.resolve().is_relative_to(root) for root in roots)
