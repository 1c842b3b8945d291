"""One run of an export: what it is, its events, points and files.

`progress.json` says how far the parts reach that are there, and is replaced after each large one and at the end: a
killed export goes on behind the last part that it names, and a later one brings what came since. `run.json` is written
at last. What did not change is not written again: a small run costs little but the waits for the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.filedigest import digest_of_file
from ..errors import ConfigurationError, LabRequestError
from ..transport.http import LabClient, Points, quoted
from . import layout
from .files import Files
from .parquet import PointsFile

PART_POINTS = 4_000_000  # of a file of points
PART_EVENTS = 100_000
_PAGE = 1000
_FIELDS = (
    "id", "name", "author", "state", "state_rank", "state_why", "created", "started", "ended", "attempt", "ranks",
    "points", "note", "tags", "group", "fork", "archived", "meta", "history", "losses", "capture", "paper",
)  # fmt: skip


@dataclass
class Written:
    name: str
    points: int = 0
    events: int = 0


def export_run(lab: LabClient, run_id: str, folder: Path, files: Files) -> Written:
    """Write a run, or what is new of it. Blocks. Raises LabRequestError, OSError, ConfigurationError."""
    progress = _progress(folder)
    its = _Record(
        lab, run_id, progress["events_after"]
    )  # before the points: what comes meanwhile is for the next export
    page = its.page
    written = Written(page["name"])
    written.events = _events(its, folder, progress)
    written.points = _points(lab, run_id, its, folder, progress)
    run = {name: page.get(name) for name in _FIELDS}
    run["project"] = page["project"]
    run["config"] = its.config()
    run["configs"] = {str(n): its.config(n) for n in page["config_attempts"]}
    run["metas"] = {str(n): its.meta(n) for n in page["meta_attempts"]}
    run["sessions"] = list(its.rows("sessions"))
    run["attempts"] = list(its.rows("attempts"))
    run["artifacts"] = list(files.artifacts(its.rows("artifacts", versions="all")))
    run["files"] = progress["files"]
    if written.points or written.events:
        layout.write_json(folder / layout.PROGRESS, progress)
    layout.write_changed(folder / layout.RUN, run)
    return written


class _Record:
    """What the lab has of a run: as one answer, what was too large for it by further ones. An older lab gives all by
    further ones.
    """

    def __init__(self, lab: LabClient, run_id: str, events_after: str | None) -> None:
        self._lab, self._run, self._at, self._after = lab, run_id, f"/runs/{quoted(run_id)}", events_after
        self._there: dict[str, Any] = {}
        try:
            self._there = lab.record(run_id, events_after)
            self.page: dict[str, Any] = self._there["page"]
        except LabRequestError as e:
            if e.status != 405:
                raise
            self.page = lab.get(self._at)

    def config(self, attempt: int | None = None) -> dict[str, Any]:
        there = self._there.get("config") if attempt is None else self._there.get("configs", {}).get(str(attempt))
        return self._lab.config(self._run, attempt) if there is None else dict(there)

    def meta(self, attempt: int) -> dict[str, Any]:
        there = self._there.get("metas", {}).get(str(attempt))
        return dict(self._lab.get(f"{self._at}/meta", {"attempt": attempt})["meta"] if there is None else there)

    def rows(self, name: str, **asked: Any) -> Iterator[dict[str, Any]]:
        """Yield what the list of this name has."""
        after = None
        if name in self._there:
            yield from self._there[name]["items"]
            after = self._there[name]["next"]
            if after is None:
                return
        yield from self._lab.pages(f"{self._at}/{name}", {**asked, "limit": _PAGE, "after": after})

    def events(self) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
        """Yield events with the cursor behind them; None where there are none."""
        after = self._after
        if "events" in self._there:
            first = self._there["events"]
            yield first["items"], first["end"]
            after = first["next"]
            if after is None:
                return
        yield from self._lab.events_behind(self._at, after)


def _progress(folder: Path) -> dict[str, Any]:
    path = folder / layout.PROGRESS
    if path.is_file():
        progress: dict[str, Any] = layout.read_json(path)
        missing = [name for name in progress["files"] if not (folder / name).is_file()]
        if not missing:
            return progress
        raise ConfigurationError(f"{folder / missing[0]} is missing: remove {folder} to export this run again.")
    return {"events_after": None, "keys": {}, "files": {}}


def _keep(folder: Path, progress: dict[str, Any], name: str, rows: int) -> None:
    """Note a part that is whole. Whoever goes on behind it writes the progress first."""
    path = folder / name
    progress["files"][name] = {"digest": digest_of_file(path), "bytes": path.stat().st_size, "rows": rows}


def _next_name(progress: dict[str, Any], pattern: str) -> str:
    kind = pattern.partition("-")[0]
    return pattern.format(1 + sum(name.startswith(kind) for name in progress["files"]))


def _events(its: _Record, folder: Path, progress: dict[str, Any]) -> int:
    new = 0
    some: list[str] = []

    def keep() -> None:
        name = _next_name(progress, layout.EVENTS)
        layout.write_whole(folder / name, "".join(some).encode("utf-8", "surrogatepass"))
        _keep(folder, progress, name, len(some))
        some.clear()

    for events, end in its.events():
        some += [layout.line_of(event) for event in events]
        new += len(events)
        if end is not None:
            progress["events_after"] = end
        if len(some) >= PART_EVENTS:
            keep()
            layout.write_json(folder / layout.PROGRESS, progress)
    if some:
        keep()
    return new


def _points(lab: LabClient, run_id: str, its: _Record, folder: Path, progress: dict[str, Any]) -> int:
    """Bring the points behind each key's cursor, in files of at most about PART_POINTS."""
    new, file = 0, None
    try:
        for key, points, end in _behind(lab, run_id, its, progress["keys"]):
            if not len(points.step):
                continue
            if end is None:
                raise ConfigurationError("This lab is older than this pyhectiqlab and exports nothing: upgrade it.")
            if file is None:
                name = _next_name(progress, layout.POINTS)
                file = PointsFile(folder / name, run_id)
            file.add(key, points)
            new += len(points.step)
            count = progress["keys"].get(key, {"count": 0})["count"]
            progress["keys"][key] = {"count": count + len(points.step), "after": end}
            if file.rows >= PART_POINTS:
                file.close()
                _keep(folder, progress, name, file.rows)
                layout.write_json(folder / layout.PROGRESS, progress)
                file = None
        if file is not None:
            file.close()
            _keep(folder, progress, name, file.rows)
            file = None
    finally:
        if file is not None:
            file.discard()
    return new


def _behind(
    lab: LabClient, run_id: str, its: _Record, known: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, Points, str | None]]:
    """Yield what is new of each key: those of many keys in one request. `known`: how far each is there."""
    wanted = []
    for info in list(its.rows("keys")):
        there = known.get(info["key"], {"count": 0, "after": None})
        if there["count"] != info["count"]:
            wanted.append((info["key"], there["after"]))
    try:
        yield from lab.points_of_keys(run_id, wanted)
    except LabRequestError as e:
        if e.status != 405:
            raise
        for key, after in wanted:  # an older lab
            for points, end in lab.points_behind(run_id, key, after):
                yield key, points, end
