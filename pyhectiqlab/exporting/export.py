"""Writing an export: projects and runs into a folder.

What is there already stays, so that an export that was killed goes on, and a later one adds what is new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._version import __version__
from ..base.texts import counted
from ..errors import ConfigurationError, NotFoundError
from ..transport.http import LabClient, quoted
from ..transport.projects import project_path
from . import layout
from .files import Files
from .parquet import arrow
from .run import export_run

Report = Callable[[str], object]
INDEX_S = 2.0
_PAGE = 1000
_KINDS = ("models", "datasets")


@dataclass
class Exported:
    """What an export brought. `points`, `events` and `files` count what is new."""

    folder: str
    projects: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    points: int = 0
    events: int = 0
    files: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


def export(lab: LabClient, refs: Iterable[str], folder: Path, report: Report = lambda line: None) -> Exported:
    """Write projects and runs to a folder. Blocks on the lab and on the disk.

    Args:
        refs: names or ids of projects; ids, links or names of runs. A project of that name comes before a run.
        report: called with a line about each run.

    Raises ConfigurationError: the folder holds something else, or pyarrow is missing; LabRequestError; OSError.
    """
    arrow()
    with layout.for_us(folder):
        return _export(lab, refs, folder, report)


def _export(lab: LabClient, refs: Iterable[str], folder: Path, report: Report) -> Exported:
    greeting = lab.handshake()
    index = _Index(folder, _index(folder, greeting.lab_id, lab.url))
    files, done = Files(lab, folder), Exported(str(folder))
    try:
        _all(lab, refs, folder, index, files, done, report)
    finally:
        index.write()
    done.files, done.bytes = files.new, files.new_bytes
    return done


def _all(
    lab: LabClient, refs: Iterable[str], folder: Path, index: _Index, files: Files, done: Exported, report: Report
) -> None:
    for ref in refs:
        project = _project(lab, ref)
        if project is None:
            _one_run(lab, lab.get("/runs/resolve", {"ref": ref})["id"], folder, index, files, done, report)
            continue
        for term in ("archived=false", "archived=true"):
            asked = {"project": project["id"], "filter": term, "sort": "created", "limit": _PAGE}
            for run in list(lab.pages("/runs", asked)):
                try:
                    _one_run(lab, run["id"], folder, index, files, done, report)
                except NotFoundError:  # it was deleted meanwhile
                    done.problems.append(f"{run['name']}: it was deleted meanwhile")
        layout.write_json(folder / "projects" / project["id"] / layout.PROJECT, _whole_project(lab, project, files))
        index.note("projects", project["id"])
        done.projects.append(project["name"])


def _index(folder: Path, lab_id: str, url: str) -> dict[str, Any]:
    part = layout.part_of(folder / layout.INDEX)
    if (folder / layout.INDEX).exists():
        index = layout.open_index(folder)
        if index.get("lab_id") != lab_id:
            raise ConfigurationError(f"{folder} is an export of another lab ({index.get('lab')}): give another folder.")
        return index
    if any(path.name != part.name for path in folder.iterdir()):
        raise ConfigurationError(f"{folder} holds other files: give an empty folder, or one of an earlier export.")
    index = {"format": layout.FORMAT, "version": layout.VERSION, "lab_id": lab_id, "lab": url}
    index |= {"made_by": f"pyhectiqlab {__version__}", "made": time.time(), "projects": [], "runs": []}
    layout.write_json(folder / layout.INDEX, index)
    return index


class _Index:
    """The list of what is there. It grows with each run, so it is written each INDEX_S at most, and at the end: what a
    killed export had not listed yet, the next one finds whole and lists.
    """

    def __init__(self, folder: Path, index: dict[str, Any]) -> None:
        self._path, self._index = folder / layout.INDEX, index
        self._there = {kind: set(index[kind]) for kind in ("projects", "runs")}
        self._is_new, self._written = False, time.monotonic()

    def note(self, kind: str, one: str) -> None:
        if one in self._there[kind]:
            return
        self._there[kind].add(one)
        self._index[kind].append(one)
        self._is_new = True
        if time.monotonic() - self._written >= INDEX_S:
            self.write()

    def write(self) -> None:
        if self._is_new:
            layout.write_json(self._path, self._index)
            self._is_new, self._written = False, time.monotonic()


def _project(lab: LabClient, ref: str) -> dict[str, Any] | None:
    if "://" in ref:
        return None
    try:
        project: dict[str, Any] = lab.get(project_path(lab, ref))
    except NotFoundError:
        return None
    return project


def _one_run(
    lab: LabClient, run_id: str, folder: Path, index: _Index, files: Files, done: Exported, report: Report
) -> None:
    written = export_run(lab, run_id, folder / "runs" / run_id, files)
    index.note("runs", run_id)
    done.runs.append(written.name)
    done.points += written.points
    done.events += written.events
    report(f"{written.name}: {counted(written.points, 'new point')}, {counted(written.events, 'new event')}")


def _whole_project(lab: LabClient, project: dict[str, Any], files: Files) -> dict[str, Any]:
    """Return a project with its views, shared artifacts, models and datasets, whose files are then there."""
    at = f"/projects/{quoted(project['id'])}"
    kept = ("id", "name", "created", "owner", "private", "archived", "former_names", "objective")
    whole = {name: project.get(name) for name in kept}
    view_fields = ("name", "author", "shared", "created", "changed", "document")
    views = lab.pages(f"{at}/views", {"documents": "true", "limit": 100})
    whole["views"] = [{name: view[name] for name in view_fields} for view in views]
    whole["artifacts"] = list(files.artifacts(lab.pages(f"{at}/artifacts", {"versions": "all", "limit": _PAGE})))
    for kind in _KINDS:
        whole[kind] = [_version(lab, at, kind, row, files) for row in _versions(lab, at, kind)]
    return whole


def _versions(lab: LabClient, at: str, kind: str) -> Iterator[dict[str, Any]]:
    """Yield every version, the oldest of each name first."""
    for named in lab.pages(f"{at}/{kind}", {"limit": _PAGE}):
        rows = list(lab.pages(f"{at}/{kind}/{quoted(named['name'])}/versions", {"limit": _PAGE}))
        yield from reversed(rows)


def _version(lab: LabClient, at: str, kind: str, row: dict[str, Any], files: Files) -> dict[str, Any]:
    whole = lab.get(f"{at}/{kind}/{quoted(row['name'])}/versions/{quoted(row['version'])}")
    for file in whole["contents"]:
        content = f"/{kind}/{quoted(whole['uuid'])}/content?path={quoted(file['path'])}"
        files.bring(content, file["digest"], file["bytes"])
    names = ("uuid", "name", "version", "short_description", "description", "author", "created", "aliases")
    return {
        **{name: whole.get(name) for name in names},
        "run": whole["run"] and whole["run"]["id"],
        "used_by": [run["id"] for run in whole.get("used_by", ())],
        "contents": [{name: file[name] for name in ("path", "digest", "bytes")} for file in whole["contents"]],
    }
