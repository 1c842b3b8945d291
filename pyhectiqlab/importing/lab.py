"""`hectiqlab import folder`: an export into a lab, with its projects, views, models and datasets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import REFUSALS, ConflictError, LabRequestError, NotFoundError
from ..exporting import layout
from ..exporting.files import is_whole
from ..transport.file_upload import register, upload_file
from ..transport.http import LabClient, quoted
from ..transport.projects import project_path
from .fill import Filling
from .folder import Export
from .incoming import hex_of
from .points import Problems
from .send import Imported

_KINDS = ("models", "datasets")


@dataclass
class Brought:
    """What an import of an export brought."""

    runs: list[Imported] = field(default_factory=list)
    projects: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def import_folder(
    lab: LabClient,
    folder: Path,
    project: str | None,
    users: Mapping[str, str],
    report: Callable[[Imported], object] = lambda done: None,
) -> Brought:
    """Bring an export into a lab. Blocks on both.

    Args:
        project: where everything goes; None: into projects of the names that they had.
        users: the author's name there → here.

    Raises ConfigurationError, LabRequestError, OSError.
    """
    opened, problems, brought = Export(folder), Problems(), Brought()
    me = lab.get("/me")["user"]
    projects, paths, closed = [], {}, set()
    for its in opened.projects():
        try:
            paths[its["id"]] = _project(lab, its, project)
            projects.append(its)
        except REFUSALS as e:
            if project is not None:
                raise
            problems.add(f"project {its['id']}", f"the project {its['name']!r} and its runs: {e}")
            closed.add(its["name"])
    fillings: list[Filling] = []
    for incoming in opened.runs(problems):
        if project is None and incoming.project in closed:
            continue
        try:
            filling = Filling(lab, incoming, project)
            filling.fill()
        except LabRequestError as e:
            problems.add(f"run {incoming.origin}", f"the run {incoming.names[0]!r}: {e}")
            continue
        fillings.append(filling)
    by_origin = {filling.origin: filling for filling in fillings}
    ids = opened.index["runs"]
    here = {origin: filling.run["run"] for origin, filling in by_origin.items()}
    runs = {run: here[origin] for run in ids if (origin := opened.origin(run)) in here}
    fresh = {f.run["run"] for f in fillings if not f.was_there}
    for its in projects:
        _Project(lab, opened, its, paths[its["id"]], runs, fresh, problems).bring()
        brought.projects.append(project or its["name"])
    for filling in fillings:  # a fork names its parent, which is there by now
        done = filling.finish({**_author(filling, users, me), **filling.fork_among(here)})
        brought.runs.append(done)
        report(done)
    for its in projects:
        if its.get("archived") is not None and project is None:
            _try(problems, f"archive {its['name']}", partial(lab.patch, paths[its["id"]], {"archived": True}))
    brought.problems = problems.lines()
    return brought


def _author(filling: Filling, users: Mapping[str, str], me: dict[str, Any]) -> dict[str, Any]:
    """Return whose the run is here. Only an admin of a lab gives runs to others."""
    if filling.was_there:
        return {}
    author = filling.author
    author = users.get(author or "", author)
    if author is None or author == me["username"]:
        return {"author": None}
    if me["role"] not in ("admin", "owner"):
        filling.problems.add(
            "author", f"its author {author!r}: only an admin of the lab gives a run to them: it is yours"
        )
        return {"author": None}
    return {"author": author}


def _project(lab: LabClient, its: dict[str, Any], project: str | None) -> str:
    """Return the path of the project, which is made where there is none: private if it was."""
    name = project or its["name"]
    try:
        at = project_path(lab, name)
        lab.get(at)
        return at
    except NotFoundError:
        made = lab.post("/projects", {"name": name, "created": its.get("created")})
    at = f"/projects/{quoted(made['id'])}"
    if its.get("private"):
        lab.patch(at, {"private": True})
    return at


def _try(problems: Problems, what: str, call: Callable[[], Any]) -> Any:
    """Return what a call returns. If the lab refuses it, report that and return None."""
    try:
        return call()
    except LabRequestError as e:
        problems.add(what, f"{what}: {e}")
        return None


class _Project:
    """A project's own things on their way: objective, views, shared artifacts, models and datasets."""

    def __init__(
        self,
        lab: LabClient,
        opened: Export,
        its: dict[str, Any],
        at: str,
        runs: Mapping[str, str],
        fresh: set[str],
        problems: Problems,
    ) -> None:
        self._lab, self._opened, self._its, self._at = lab, opened, its, at
        self._runs, self._fresh, self._problems = runs, fresh, problems

    def bring(self) -> None:
        there = self._lab.get(self._at)
        if self._its.get("objective") and not there.get("objective"):
            self._try("objective", lambda: self._lab.put(f"{self._at}/objective", self._its["objective"]))
        known = {view["name"] for view in self._lab.pages(f"{self._at}/views", {"limit": 1000}) if view["own"]}
        for view in self._its["views"]:
            if view["name"] not in known:
                body = {name: view[name] for name in ("name", "document", "shared", "created", "changed")}
                self._try(f"view {view['name']}", partial(self._lab.post, f"{self._at}/views", body))
        for row in sorted(self._its["artifacts"], key=lambda row: (row["version"], row["created"])):
            self._try(f"file {row['name']}", partial(self._artifact, row, there["id"]))
        for kind in _KINDS:
            for row in self._its[kind]:
                self._try(f"{kind[:-1]} {row['name']} {row['version']}", partial(self._version, kind, row, there["id"]))
            for row in self._its[kind]:
                for alias in row["aliases"]:
                    where = f"{self._at}/{kind}/{quoted(row['name'])}/aliases/{quoted(alias)}"
                    self._try(f"alias {alias}", partial(self._lab.put, where, {"version": row["version"]}))

    def _try(self, what: str, call: Callable[[], Any]) -> None:
        _try(self._problems, f"{self._its['name']}: {what}", call)

    def _sent(self, digest: str, project: str = "") -> bool:
        """Bring the bytes of a file to the lab. Return whether they are there."""
        path = self._opened.folder / layout.file_of(digest)
        if not is_whole(self._opened.folder, digest):
            self._problems.add(f"file {path}", f"{path} is missing or damaged: export again")
            return False
        upload_file(self._lab, path, project=project)
        return True

    def _artifact(self, row: dict[str, Any], project: str) -> None:
        if self._sent(row["digest"], project):
            body = {name: row[name] for name in ("name", "digest", "bytes", "step", "kind", "meta", "created")}
            uuid = hex_of(self._opened.lab_id, project, row["uuid"])
            register(self._lab, {**body, "id": uuid}, project=project)

    def _version(self, kind: str, row: dict[str, Any], project: str) -> None:
        where = f"{self._at}/{kind}/{quoted(row['name'])}/versions"
        try:
            self._lab.get(f"{where}/{quoted(row['version'])}")
        except NotFoundError:
            if not all(self._sent(file["digest"]) for file in row["contents"]):
                return
            made_by = self._runs.get(row["run"] or "")
            body = {
                "version": row["version"], "files": row["contents"], "short_description": row["short_description"],
                "description": row["description"], "created": row["created"],
                "run": made_by if made_by in self._fresh else None,
                "id": hex_of(self._opened.lab_id, project, row["uuid"]),
            }  # fmt: skip
            self._lab.post(where, body)
        for user in row["used_by"]:
            run = self._runs.get(user)
            if run in self._fresh:
                usage = f"{where}/{quoted(row['version'])}/usage"
                try:
                    self._lab.post(usage, {"run": run})
                except ConflictError:
                    continue  # it is noted already
