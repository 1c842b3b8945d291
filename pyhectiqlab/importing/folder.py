"""Exports of a lab (docs/export.md): projects and runs, as they were in the lab that they come from."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ..base.filedigest import digest_of_file
from ..errors import ConfigurationError
from ..exporting import layout
from ..exporting.files import is_whole
from ..exporting.parquet import arrow, batches
from .incoming import Cut, Event, Incoming, NewFile, Placed, hex_of
from .points import Point, Problems

_SESSION = (
    "session", "rank", "attempt", "sets_state", "said", "lost", "started", "last_seen", "ended", "state", "job",
    "host", "pid", "world_size", "client_version", "cause", "exit_code", "signal", "detail", "skew", "backlog",
)  # fmt: skip
_RECORD = (
    "created", "started", "ended", "state", "state_rank", "state_why", "attempt", "archived", "note", "tags", "history",
)  # fmt: skip


class Export:
    """An export that was opened. Raises ConfigurationError for anything else, or where pyarrow is missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = layout.open_index(folder)
        self.lab_id = str(self.index.get("lab_id"))
        arrow()

    def projects(self) -> list[dict[str, Any]]:
        at = self.folder / "projects"
        return [layout.read_json(at / one / layout.PROJECT) for one in self.index["projects"]]

    def runs(self, problems: Problems) -> Iterator[Incoming]:
        """Yield each run whose files are whole; report the others. Reads every file of a run once."""
        for run_id in self.index["runs"]:
            try:
                yield self._run(str(run_id))
            except (ConfigurationError, OSError) as e:
                problems.add(f"run {run_id}", str(e))

    def origin(self, run_id: str) -> str:
        """Return what names a run of this export in the lab that it comes into."""
        return hex_of("hectiqlab", self.lab_id, run_id)

    def _run(self, run_id: str) -> Incoming:
        folder = self.folder / "runs" / run_id
        run = layout.read_json(folder / layout.RUN)
        for name, its in run["files"].items():
            if digest_of_file(folder / name) != its["digest"]:
                raise ConfigurationError(
                    f"{folder / name} is damaged, so the run {run['name']!r} is left out: remove {folder} and export "
                    "again."
                )
        names = sorted(run["files"])
        events = [folder / name for name in names if name.startswith("events")]
        points = [folder / name for name in names if name.startswith("points")]
        fork = run.get("fork")
        zeros: dict[int, int | None] = {one["attempt"]: round(one["zero"] * 1e6) for one in run["attempts"]}
        if "fork" not in run or fork:  # an older export does not say it
            zeros[0] = None  # what a fork began with has no relative time
        return Incoming(
            self.origin(run_id),
            digest_of_file(folder / layout.RUN)[:32],
            (run["name"],),
            run["project"]["name"],
            {"events": lambda problems: _events(events), "points": lambda problems: _points(points, zeros)},
            partial(self._files, self.origin(run_id), run),
            lambda problems: _record(run),
            run["author"],
            fork=(self.origin(fork["parent"]), fork["step"]) if fork else None,
        )

    def _files(self, origin: str, run: dict[str, Any], problems: Problems) -> Iterator[NewFile]:
        # The lab counts versions of a name as they come.
        for row in sorted(run["artifacts"], key=lambda row: (row["version"], row["created"], row["uuid"])):
            if not is_whole(self.folder, row["digest"]):
                at = self.folder / layout.file_of(row["digest"])
                problems.add(f"file {at}", f"{run['name']}: {at} is missing or damaged: export again")
                continue
            yield NewFile(
                hex_of(origin, row["uuid"]), row["name"], self.folder / layout.file_of(row["digest"]),
                step=row["step"], kind=row["kind"], meta=row["meta"], created=row["created"],
            )  # fmt: skip


def _events(paths: list[Path]) -> Iterator[Placed]:
    for path in paths:
        for row in layout.lines(path):
            yield Placed(Event(row["kind"], row["time"], row["fields"]), row["rank"], row["attempt"])


def _points(paths: list[Path], zeros: dict[int, int | None]) -> Iterator[Placed]:
    """Yield the points, one attempt after the other, each key in its order.

    The lab counts the relative time of an attempt from the least time in its first batch. So the point that has this
    time goes alone, before the others.
    """
    for attempt, zero in sorted(zeros.items()):
        lead = None if zero is None else _lead(paths, attempt, zero)
        if lead is not None:
            yield _placed(lead, attempt)
            yield Placed(Cut())
        for row in _rows(paths, attempt):
            if lead is not None and row[0] == lead[0] and row[4] == lead[4]:
                lead = None  # it is there: the first one of its series
                continue
            yield _placed(row, attempt)


def _rows(paths: list[Path], attempt: int) -> Iterator[tuple[str, int, float, int, int]]:
    """Yield key, step, value, time (µs) and rank of each point of an attempt."""
    for path in paths:
        for key, step, value, time, rank, its in batches(path):
            if attempt in its:
                rows = zip(key, step, value, time, rank, its, strict=True)
                yield from (row[:5] for row in rows if row[5] == attempt)


def _lead(paths: list[Path], attempt: int, zero: int) -> tuple[str, int, float, int, int] | None:
    """Return the first point of a key that has this time, else of a key and rank; None: there is none."""
    keys: set[str] = set()
    series: set[tuple[str, int]] = set()
    second = None
    for row in _rows(paths, attempt):
        key, _, _, time, rank = row
        if time == zero and key not in keys:
            return row
        if time == zero and second is None and (key, rank) not in series:
            second = row
        keys.add(key)
        series.add((key, rank))
    return second


def _placed(row: tuple[str, int, float, int, int], attempt: int) -> Placed:
    key, step, value, time, rank = row
    return Placed(Point(key, step, value, time / 1e6), rank, attempt)


def _record(run: dict[str, Any]) -> dict[str, Any]:
    record = {name: run[name] for name in _RECORD}
    sessions = [{name: session[name] for name in _SESSION} for session in run["sessions"]]
    # An older export has no groups.
    return {**record, "sessions": sessions, "group": run.get("group")}
