"""Runs of Aim, from its repository (aim_store.py): the folder `.aim` beside a script.

A context is a part of the key here: `subset` goes before the name, as in `train/loss`, and everything else behind it,
as in `loss/layer=3`. Aim keeps one value for each step of a sequence. In which order values of several sequences came
is known by their times alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..capture.variables import variables
from ..errors import ConfigurationError
from ..protocol import states
from ..protocol.media import FIGURE, HISTOGRAM, IMAGE, Histogram, check_histogram, file_name
from .aim_store import Sequence, Stored, stored_runs
from .fill import valid
from .incoming import Event, Incoming, NewFile, Placed, hex_of, key_from, name_from, record_of, text_item
from .points import Point, Problems

_NUMBERS = {"float", "int", "float64", "bool"}
_SYSTEM = "__system__"
_PARAMS = "__system_params"
_LINES, _RECORDS = "aim.log_line", "aim.log_record"
_EVENTS = {"aim.text", "aim.distribution"}
_FILES = {"aim.image", "aim.audio", "aim.figure"}
_LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
_LOG_CHARS_MAX = 65_536  # characters of one log event


def runs(folder: Path, artifacts: tuple[Path, ...], problems: Problems) -> Iterator[Incoming]:
    """Yield the runs of a repository. Takes the memory of the points of one run.

    Args:
        folder: the one that has `.aim`, or `.aim` itself.
        artifacts: folders with artifacts, besides `folder`.

    Raises ConfigurationError, OSError.
    """
    root = folder if folder.name == ".aim" else folder / ".aim"
    if not (root / "meta").is_dir():
        missing = "holds no repository of Aim (.aim)" if folder.exists() else "does not exist"
        raise ConfigurationError(f"{folder} {missing}: give the folder that has it.")
    project = root.resolve().parent.name or "aim"
    for run in stored_runs(root, problems):
        yield _incoming(run, project, (root.parent, *artifacts))


def _incoming(run: Stored, project: str, folders: tuple[Path, ...]) -> Incoming:
    origin = hex_of("aim", run.hash)
    name = run.name or run.hash
    keys = _Keys(run.sequences)
    numbers = [one for one in run.sequences if one.kind in _NUMBERS and not one.name.startswith(_SYSTEM)]
    system = [one for one in run.sequences if one.kind in _NUMBERS and one.name.startswith(_SYSTEM)]
    return Incoming(
        origin,
        run.digest,
        name_from(name, f"{name} {run.hash[:8]}"),
        name_from(project)[0],
        {
            "metrics": lambda problems: valid(_points(run, numbers, keys), run.hash, problems),
            "epochs": lambda problems: valid(_epochs(run, numbers, keys), run.hash, problems),
            "system": lambda problems: valid(_system(run, system, keys), run.hash, problems),
            "media": lambda problems: valid(_events(run, keys, problems), run.hash, problems),
            "logs": lambda problems: valid(_logs(run), run.hash, problems),
        },
        lambda problems: _files(origin, run, keys, folders, problems),
        lambda problems: _record(run),
        facts=lambda problems: valid(_about(run, keys), run.hash, problems),
    )


class _Keys:
    """The keys of sequences, none twice."""

    def __init__(self, sequences: list[Sequence]) -> None:
        self.contexts: dict[str, dict[str, Any]] = {}  # what the keys with a context were
        self._keys: dict[int, str] = {}
        for one in sorted(sequences, key=lambda one: bool(one.context)):
            key = _key(one)
            taken, wish, number = set(self._keys.values()), key, 2
            while key in taken:
                key, number = f"{wish} ({number})", number + 1
            self._keys[id(one)] = key
            if one.context:
                self.contexts[key] = {"name": one.name, "context": dict(one.context)}

    def of(self, one: Sequence) -> str:
        return self._keys[id(one)]


def _key(one: Sequence) -> str:
    name = f"system/{one.name[len(_SYSTEM) :]}" if one.name.startswith(_SYSTEM) else one.name
    subset = one.context.get("subset")
    parts = [subset] if isinstance(subset, str) and subset else []
    rest = [
        f"{part}={value if isinstance(value, str | int | float) else json.dumps(value, default=str)}"
        for part, value in sorted(one.context.items(), key=lambda its: str(its[0]))
        if not (part == "subset" and parts)
    ]
    return key_from("/".join([*parts, name, *rest]))


def _began(run: Stored) -> float:
    return run.created if run.created is not None else run.ended or 0.0


def _record(run: Stored) -> dict[str, Any]:
    over = run.ended is not None
    why = "Aim keeps no states: it was closed" if over else "it has no end in Aim: it was killed, or still runs"
    note = "\n\n".join(text for text in (run.description, *run.notes) if text)
    record = record_of(
        states.COMPLETED if over else states.LOST, created=_began(run), ended=run.ended or _began(run), why=why,
        note=note or None, tags=[tag[:200] for tag in run.tags][:200], client="aim",
        group="" if run.experiment == "default" else run.experiment,
    )  # fmt: skip
    return {**record, "archived": (run.ended or _began(run)) if run.archived else None}


def _about(run: Stored, keys: _Keys) -> Iterator[Placed]:
    at = _began(run)
    params = {str(name): _plain(value) for name, value in run.params.items() if name != _PARAMS}
    about = {"hash": run.hash, "experiment": run.experiment}
    its = run.params.get(_PARAMS)
    its = its if isinstance(its, Mapping) else {}
    about |= {name: _plain(its[name]) for name in ("executable", "arguments") if its.get(name)}
    yield Placed(Event("config", at, {"values": {"aim": about, **params}}))
    packages: dict[str, Any] = {}
    if isinstance(its.get("packages"), Mapping):
        packages["packages"] = {str(name): str(version) for name, version in its["packages"].items()}
    if isinstance(its.get("env_variables"), Mapping):
        packages["variables"] = variables({str(name): str(text) for name, text in its["env_variables"].items()})
    git = its.get("git_info")
    if isinstance(git, Mapping) and git:
        commit = git.get("commit")
        commit = commit.get("hash") if isinstance(commit, Mapping) else str(commit or "").partition("/")[0]
        packages["git"] = {
            "hash": str(commit or ""), "branch": str(git.get("branch") or ""),
            "origin": str(git.get("remote_origin_url") or ""),
        }  # fmt: skip
    if packages:
        yield Placed(Event("packages", at, packages))
    if keys.contexts:
        yield Placed(Event("meta", at, {"key": "contexts", "value": _plain(keys.contexts)}))


def _plain(value: Any) -> Any:
    """Return a param as a config has it. Objects such as images become files (`_files`); here is their type."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(getattr(value, "AIM_NAME", value))


# Numbers --------------------------------------------------------------------------------------------------------------


def _merged(run: Stored, sequences: list[Sequence]) -> Iterator[tuple[Sequence, int, float, float, float]]:
    """Yield sequence, step, value, time and epoch (NaN: none) of all, in the order of their times."""
    import numpy

    began = _began(run)
    columns = []
    for place, one in enumerate(sequences):
        rows = [(step, _number(value), began if time is None else time, math.nan if epoch is None else epoch)
                for step, value, epoch, time in one.rows()]  # fmt: skip
        rows.sort(key=lambda row: (row[2], row[0]))
        steps = numpy.array([row[0] for row in rows], numpy.int64)
        rest = [numpy.array([row[n] for row in rows], numpy.float64) for n in (1, 2, 3)]
        columns.append((numpy.full(len(rows), place, numpy.int64), steps, *rest))
    if not columns:
        return
    places, steps, values, times, epochs = (numpy.concatenate(part) for part in zip(*columns, strict=True))
    order = numpy.argsort(times, kind="stable")
    for start in range(0, len(order), 20_000):
        some = order[start : start + 20_000]
        for place, *row in zip(
            *(column[some].tolist() for column in (places, steps, values, times, epochs)), strict=True
        ):
            yield (sequences[place], *row)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _points(run: Stored, sequences: list[Sequence], keys: _Keys) -> Iterator[Placed]:
    for one, step, value, time, _ in _merged(run, sequences):
        yield Placed(Point(keys.of(one), step, value, time))


def _epochs(run: Stored, sequences: list[Sequence], keys: _Keys) -> Iterator[Placed]:
    """Yield the epochs that were given, as metrics at the steps of theirs."""
    for one, step, _, time, epoch in _merged(run, sequences):
        if not math.isnan(epoch):
            yield Placed(Point(key_from(f"aim/epoch/{keys.of(one)}"), step, epoch, time))


def _system(run: Stored, sequences: list[Sequence], keys: _Keys) -> Iterator[Placed]:
    for one, _, value, time, _ in _merged(run, sequences):
        yield Placed(Point(keys.of(one), int(time - _began(run)), value, time))


# What is no number ----------------------------------------------------------------------------------------------------


def _objects(run: Stored, kinds: set[str], keys: _Keys) -> Iterator[tuple[str, int, Any, float]]:
    """Yield name, step, object and time of what was tracked of these kinds: of a list each with its number."""
    for one in run.sequences:
        kind = one.kind.removeprefix("list(").removesuffix(")")
        if kind not in kinds:
            continue
        for step, value, _, time in sorted(one.rows(), key=lambda row: (row[3] or 0.0, row[0])):
            several = value if isinstance(value, list | tuple) else [value]
            for number, inner in enumerate(several):
                name = keys.of(one) if len(several) == 1 else f"{keys.of(one)}/{number}"
                yield name, step, inner, _began(run) if time is None else time


def _events(run: Stored, keys: _Keys, problems: Problems) -> Iterator[Placed]:
    """Yield texts and distributions in the order of their times, and report sequences of other kinds."""
    known = _NUMBERS | _EVENTS | _FILES | {_LINES, _RECORDS}
    for one in run.sequences:
        if one.kind.removeprefix("list(").removesuffix(")") not in known:
            problems.add(f"kind {one.kind}", f"{keys.of(one)!r}: values of the kind {one.kind}")
    for name, step, value, time in sorted(_objects(run, _EVENTS, keys), key=lambda its: (its[3], its[0], its[1])):
        if value.AIM_NAME == "aim.text":
            yield Placed(text_item(name, step, str(value.data), time))
            continue
        try:
            low, high = (float(edge) for edge in value.range)
            bins = int(value.bin_count)
            edges = [low + (high - low) * n / bins for n in range(bins)]
            histogram = Histogram((*edges, high), tuple(float(count) for count in value.weights))
            check_histogram(histogram)
        except (ValueError, LookupError, TypeError) as e:
            problems.add(f"histogram {name}", f"the distribution {name!r} of step {step}: {e}")
            continue
        yield Placed(Event(HISTOGRAM, time, {"name": key_from(name), "step": step, **histogram.fields()}))


def _logs(run: Stored) -> Iterator[Placed]:
    lines: list[tuple[float, int, str, str | None, str]] = []
    for one in run.sequences:
        for step, value, _, time in one.rows() if one.kind in (_LINES, _RECORDS) else ():
            at = _began(run) if time is None else time
            if one.kind == _LINES:
                lines.append((at, step, "stdout", None, str(value.data)))
            else:
                its = value.json()
                more = f" {json.dumps(its['args'], default=str)}" if its.get("args") else ""
                said = str(value.message) + more
                lines.append((float(its["timestamp"]), step, "log", _LEVELS.get(value.level, "INFO"), said))
    printed = [line for line in lines if line[2] == "stdout"]
    last = max(printed, key=lambda line: line[1], default=None)
    for line in sorted(lines, key=lambda line: line[:2]):
        at, _, channel, level, said = line
        if line is last and not said:  # where the next line would have begun
            continue
        whole = said + "\n"
        for start in range(0, len(whole), _LOG_CHARS_MAX):
            fields = {"channel": channel, "level": level, "text": whole[start : start + _LOG_CHARS_MAX]}
            yield Placed(Event("log", at, fields))


def _files(origin: str, run: Stored, keys: _Keys, folders: tuple[Path, ...], problems: Problems) -> Iterator[NewFile]:
    for name, step, value, time in _objects(run, _FILES, keys):
        yield _file(hex_of(origin, name, str(step)), name, step, value, time)
    for name, value in _objects_in(run.params, ()):
        if value.AIM_NAME in _FILES:
            yield _file(hex_of(origin, "param", name), name, None, value, _began(run))
        else:
            problems.add(f"param {value.AIM_NAME}", f"the param {name!r}: a value of the kind {value.AIM_NAME}")
    for name, artifact in run.artifacts.items():
        parts = urlsplit(str(artifact.uri))
        path = Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
        inside = path is not None and any(path.resolve().is_relative_to(one.resolve()) for one in folders)
        if path is None or not inside or not path.is_file():
            advice = "copy it here" if path is None else "if it is on this machine, name its folder by --artifacts"
            problems.add("artifact", f"the artifact {name!r} at {artifact.uri}: {advice}")
            continue
        yield NewFile(hex_of(origin, "artifact", str(name)), file_name(str(name), ""), path, created=_began(run))


def _file(ident: str, name: str, step: int | None, value: Any, time: float) -> NewFile:
    its = value.json()
    shown = {"name": key_from(name), **({"caption": str(its["caption"])} if its.get("caption") else {})}
    if value.AIM_NAME == "aim.figure":
        return NewFile(
            ident, file_name(name, ".plotly.json"), None, str(value.data).encode(), step, FIGURE, shown, time
        )
    data = bytes(value.storage["data"].load())
    kind = IMAGE if value.AIM_NAME == "aim.image" else "file"
    ending = str(its.get("format") or "bin").lower().replace("jpeg", "jpg")
    return NewFile(ident, file_name(name, f".{ending}"), None, data, step, kind, shown, time)


def _objects_in(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield the objects of Aim in params, with their paths."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _objects_in(inner, (*path, str(name)))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _objects_in(inner, (*path, str(number)))
    elif hasattr(value, "AIM_NAME"):
        yield "/".join(path), value
