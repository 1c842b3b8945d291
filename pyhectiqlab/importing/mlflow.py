"""Runs of MLflow, from a folder `mlruns` (mlflow_files.py) or a database (mlflow_db.py): both give `Row`s."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import ConfigurationError
from ..protocol import states
from ..protocol.media import IMAGE, file_name
from .fill import valid
from .incoming import Event, Incoming, NewFile, NewVersion, Placed, hex_of, key_from, name_from, record_of
from .mlflow_rows import PARENT, Row
from .points import Point, Problems

_STATES = {
    "RUNNING": states.LOST, "SCHEDULED": states.PENDING, "FINISHED": states.COMPLETED, "FAILED": states.FAILED,
    "KILLED": states.KILLED,
}  # fmt: skip
_IMAGE = re.compile(r"images/(?P<name>[^/]+)%step%(?P<step>\d+)%timestamp%(?P<time>\d+)%[^/]*\.png")
_TAGS_OF_MLFLOW = "mlflow."
_TRUE = {"", "true", "True"}


@dataclass(frozen=True)
class Places:
    """The folders in which files of artifacts may be: those that the user named, and no others."""

    folders: tuple[Path, ...]

    def of(self, uri: str, row: Row) -> Path | None:
        """Return the folder that an address of artifacts means; None where it is not on this machine, or elsewhere."""
        parts = urlsplit(uri)
        relative = f"{row.experiment_id}/{row.id}/artifacts"
        ways = [folder / relative for folder in self.folders]
        if parts.scheme in ("", "file"):
            ways.insert(0, Path(unquote(parts.path)))
        elif parts.scheme == "mlflow-artifacts":
            ways = [folder / unquote(parts.path).lstrip("/") for folder in self.folders] + ways
        for way in ways:
            inside = any(way.resolve().is_relative_to(folder.resolve()) for folder in self.folders)
            if inside and way.is_dir():
                return way
        return None


def runs(source: str, artifacts: tuple[Path, ...], problems: Problems) -> Iterator[Incoming]:
    """Yield the runs of a folder `mlruns`, a file of SQLite, or a database by its address.

    Args:
        artifacts: folders with artifacts, besides the one that `source` is in.

    Raises ConfigurationError, OSError.
    """
    if source.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"{source} is the address of a server, which is not asked: give the database that it was started with "
            "(--backend-store-uri), mlflow.db or such as postgresql+psycopg://USER@HOST/NAME; or its folder mlruns."
        )
    path = Path(source.removeprefix("sqlite:///")) if "://" not in source or source.startswith("sqlite:///") else None
    if path is not None and not path.exists():
        raise ConfigurationError(
            f"{path} does not exist: give the folder mlruns, mlflow.db, or the address of a database."
        )
    rows: Iterator[Row]
    if path is not None and path.is_dir():
        from .mlflow_files import rows_of

        rows, places = rows_of(path, problems), Places((path, *artifacts))
    else:
        from .mlflow_db import rows_in

        rows, places = rows_in(path or source, problems), Places((*((path.parent,) if path else ()), *artifacts))
    for row in rows:
        if row.deleted:
            problems.add("deleted", f"the run {row.name!r} ({row.id}) was deleted in MLflow")
            continue
        yield _incoming(row, places)


def _incoming(row: Row, places: Places) -> Incoming:
    origin = hex_of("mlflow", row.id)
    folder = places.of(row.artifact_uri, row) if row.artifact_uri else None
    files = [] if folder is None else [path for path in sorted(folder.rglob("*")) if path.is_file()]
    stats = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    name = row.name or row.id
    return Incoming(
        origin,
        hex_of(row.digest, *stats),
        name_from(name, f"{name} {row.id[:8]}"),
        name_from(row.experiment)[0] if row.experiment else None,
        {
            "metrics": lambda problems: valid(_points(row, problems), row.id, problems),
        },
        lambda problems: _files(origin, row, folder, files, problems),
        lambda problems: _record(row),
        row.user or None,
        lambda problems: _versions(origin, row, places, problems),
        facts=lambda problems: valid(_about(row), row.id, problems),
    )


def _about(row: Row) -> Iterator[Placed]:
    at = (row.start or 0) / 1000
    if row.params:
        yield Placed(Event("config", at, {"values": {name: value_of(text) for name, text in row.params.items()}}))
    if row.tags:
        yield Placed(Event("meta", at, {"key": "tags", "value": dict(row.tags)}))
    yield Placed(Event("meta", at, {"key": "mlflow", "value": {"run_id": row.id, "user": row.user}}))
    commit = row.tags.get("mlflow.source.git.commit")
    if commit:
        git = {"hash": commit, "origin": row.tags.get("mlflow.source.git.repoURL", "")}
        git["branch"] = row.tags.get("mlflow.source.git.branch", "")
        yield Placed(Event("packages", at, {"git": git}))


def value_of(text: str) -> Any:
    """Return a number or a truth value where the text is exactly how Python writes one; else the text. MLflow keeps
    params as texts.
    """
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            if repr(kind(text)) == text and (kind is float or abs(int(text)) < 1 << 63):
                return kind(text)
        except ValueError:
            continue
    return None if text == "None" else text


def _points(row: Row, problems: Problems) -> Iterator[Placed]:
    for key, value, time, step in row.metrics(problems):
        yield Placed(Point(key, step, value, time / 1000))


def _record(row: Row) -> dict[str, Any]:
    state = _STATES.get(row.status, states.COMPLETED)
    why = "it had not ended in MLflow" if row.status in ("RUNNING", "SCHEDULED") else f"{row.status} in MLflow"
    started = (row.start or 0) / 1000
    tags = [
        name if text in _TRUE else f"{name}={text}"
        for name, text in row.tags.items()
        if not name.startswith(_TAGS_OF_MLFLOW) and len(text) <= 100
    ]
    return record_of(
        state, created=started, started=started, ended=None if row.end is None else row.end / 1000, why=why,
        note=row.tags.get("mlflow.note.content") or None, tags=[tag[:200] for tag in tags][:200], client="mlflow",
        group=_group(row),
    )  # fmt: skip


def _group(row: Row) -> str:
    """Return the group of a nested run: the name of the run around it, and a part of that one's id, as there may be
    several of a name.
    """
    parent = row.tags.get(PARENT, "")
    return f"{row.parent} {parent[:8]}".strip() if parent else ""


def _files(origin: str, row: Row, folder: Path | None, files: list[Path], problems: Problems) -> Iterator[NewFile]:
    if folder is None and row.artifact_uri and urlsplit(row.artifact_uri).scheme not in ("", "file"):
        problems.add(
            "artifacts",
            f"files of artifacts at {row.artifact_uri}: copy them here and name their folder by --artifacts",
        )
    created = (row.end or row.start or 0) / 1000
    for path in files:
        assert folder is not None
        inside = path.relative_to(folder).as_posix()
        image = _IMAGE.fullmatch(inside)
        if image is None:
            yield NewFile(hex_of(origin, inside), file_name(inside, ""), path, created=created)
            continue
        name, step = image["name"].replace("#", "/"), int(image["step"])
        yield NewFile(
            hex_of(origin, inside), file_name(name, ".png"), path, step=step, kind=IMAGE,
            meta={"name": key_from(name)}, created=int(image["time"]) / 1000,
        )  # fmt: skip


def _versions(origin: str, row: Row, places: Places, problems: Problems) -> Iterator[NewVersion]:
    for version in sorted(row.versions, key=lambda one: one.number):
        parts = urlsplit(version.source)
        folder = Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
        if parts.scheme in ("runs", "mlflow-artifacts", "models"):
            at = places.of(row.artifact_uri, row)
            folder = None if at is None else at / unquote(parts.path).partition("/artifacts/")[2]
            if parts.scheme == "runs":
                folder = None if at is None else at / unquote(parts.path).lstrip("/").partition("/")[2]
        files: dict[str, Path] = {}
        if folder is not None and any(folder.resolve().is_relative_to(one.resolve()) for one in places.folders):
            below = [path for path in sorted(folder.rglob("*")) if path.is_file()]
            files = {path.relative_to(folder).as_posix(): path for path in below}
        if not files:
            advice = "if they are on this machine, name their folder by --artifacts"
            problems.add(
                "model", f"the model {version.name!r} {version.number}: no files at {version.source}: {advice}"
            )
            continue
        yield NewVersion(
            hex_of(origin, version.name, str(version.number)), "models", version.name, files, version.description,
            version.aliases, version.created, f"{version.number}.0.0",
        )  # fmt: skip
