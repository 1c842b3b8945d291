"""Aim's repository as Aim's own modules read it: runs, their trees of values, and their sequences. It is only read."""

from __future__ import annotations

import importlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..errors import ConfigurationError
from .incoming import hex_of
from .points import Problems

Row = tuple[int, Any, float | None, float | None]  # step, value, epoch, time
_ROCKSDB = {".sst", ".log"}  # what has values; other files of RocksDB change when it is opened


@dataclass
class Sequence:
    """What was tracked under a name and a context. `kind`: float, int, or such as aim.image."""

    name: str
    context: Mapping[str, Any]
    kind: str
    _aim: Any
    _of: Any

    def rows(self) -> Iterator[Row]:
        """Yield each value once, in no order. Takes the memory of one sequence. Raises whatever Aim raises."""
        data = self._aim.sequence.Sequence(self.name, self._aim.context.Context(dict(self.context)), self._of).data
        values, epochs, times = (dict(array.items()) for array in data.arrays)
        steps = dict(data.steps.items()) if data.version == 2 else {at: at for at in values}
        for at, step in steps.items():
            if at in values:  # the values of a run that goes on may be half written
                yield int(step), values[at], epochs.get(at), times.get(at)


@dataclass
class Stored:
    """A run as Aim stores it; times in seconds since 1970.

    Attributes:
        digest: 32 hex digits of all that is stored of it, apart from artifacts.
        params: what was set on the run.
    """

    hash: str
    name: str = ""
    description: str = ""
    experiment: str = ""
    archived: bool = False
    created: float | None = None
    ended: float | None = None
    tags: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    params: dict[Any, Any] = field(default_factory=dict)
    artifacts: dict[str, Any] = field(default_factory=dict)
    sequences: list[Sequence] = field(default_factory=list)
    digest: str = ""


def stored_runs(root: Path, problems: Problems) -> Iterator[Stored]:
    """Yield the runs of a repository, and report those that cannot be read. `root`: its folder `.aim`.

    Raises ConfigurationError where Aim is missing, or the repository is of another format.
    """
    aim = _aim()
    _check_version(root, aim)
    known = _rows(root / "run_metadata.sqlite", problems)
    chunks = root / "meta" / "chunks"
    names = [path.name for path in chunks.iterdir() if path.is_dir()] if chunks.is_dir() else []
    for run in sorted(names, key=lambda one: (known[one].created or 0.0 if one in known else 0.0, one)):
        try:
            yield _read(aim, root, known.get(run) or Stored(run))
        except Exception as e:  # of Aim's storage
            said = str(e).partition("\n")[0] or repr(e)
            problems.add(f"run {run}", f"the run {run} of {root} cannot be read: {type(e).__name__}: {said}")


def _aim() -> Any:
    """Return the modules of Aim that read. Raises ConfigurationError."""
    parts = {"rocks": "storage.rockscontainer", "sequence": "sdk.sequence", "context": "storage.context",
             "tracker": "sdk.tracker", "version": "sdk.data_version", "objects": "sdk.objects", "logs": "sdk.logging",
             "lines": "ext.resource.log"}  # fmt: skip
    try:
        modules = {name: importlib.import_module(f"aim.{part}") for name, part in parts.items()}
    except ImportError as e:
        advice = "use the Python environment that your scripts track with, and install pyhectiqlab there"
        raise ConfigurationError(
            f"A repository of Aim is read with Aim, which is missing here ({e}): {advice}"
        ) from None
    return SimpleNamespace(**modules)


def _check_version(root: Path, aim: Any) -> None:
    text = (root / "VERSION").read_text().strip() if (root / "VERSION").is_file() else "0"
    try:
        version = tuple(int(part) for part in text.split("."))
    except ValueError:
        raise ConfigurationError(
            f"{root / 'VERSION'} says {text[:40]!r}, which is not a version of Aim's format."
        ) from None
    known = aim.version.DATA_VERSION
    if version > known:
        what = f"{root} has version {text} of Aim's format, and the Aim here knows {'.'.join(map(str, known))}"
        raise ConfigurationError(f"{what}: upgrade aim.")
    if version[0] < known[0]:
        raise ConfigurationError(f"{root} was made by an older Aim: run `aim upgrade` on it first.")


def _rows(path: Path, problems: Problems) -> dict[str, Stored]:
    """Return what Aim's database says, by the hash of the run. Columns and tables that an older one lacks are empty."""
    known: dict[str, Stored] = {}
    if not path.is_file():
        problems.add("database", f"{path} is missing: names, tags, notes and experiments are left out")
        return known
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            experiments = {row["id"]: row["name"] for row in db.execute("SELECT id, name FROM experiment")}
            ids: dict[int, Stored] = {}
            for row in map(dict, db.execute("SELECT * FROM run ORDER BY id")):
                run = known[row["hash"]] = ids[row["id"]] = Stored(
                    row["hash"], row.get("name") or "", row.get("description") or "",
                    experiments.get(row.get("experiment_id")) or "", bool(row.get("is_archived")),
                    _time(row.get("created_at")), _time(row.get("finalized_at")),
                )  # fmt: skip
                run.name = "" if run.name == f"Run: {run.hash}" else run.name  # what Aim calls one without a name
            asked = "SELECT run_id, name FROM run_tag JOIN tag ON tag.id = tag_id ORDER BY tag_id"
            for run_id, name in db.execute(asked):
                if run_id in ids:
                    ids[run_id].tags.append(name)
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for run_id, text in db.execute("SELECT run_id, content FROM note ORDER BY id") if "note" in tables else ():
                if run_id in ids:
                    ids[run_id].notes.append(text)
    except sqlite3.DatabaseError as e:
        problems.add("database", f"{path}: {e}: names, tags, notes and experiments behind it are left out")
    return known


def _time(text: Any) -> float | None:
    """Return a time of the database, which is in UTC, in seconds."""
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=timezone.utc).timestamp() if text else None
    except ValueError:
        return None


def _tree(aim: Any, folder: Path) -> Any:
    """Return what a database of RocksDB has. It is only read: else Aim writes into one that was not closed."""
    return aim.rocks.RocksContainer(str(folder), read_only=True, skip_read_optimization=True).tree()


def _read(aim: Any, root: Path, run: Stored) -> Stored:
    place, series = root / "meta" / "chunks" / run.hash, root / "seqs" / "chunks" / run.hash
    meta = _tree(aim, place).subtree("meta")
    its = meta.subtree(("chunks", run.hash))
    names = set(its.keys())
    run.params = its.collect("attrs") if "attrs" in names else {}
    run.artifacts = its.collect("artifacts") if "artifacts" in names else {}
    run.ended = (its.collect("end_time") if "end_time" in names else None) or run.ended
    traces = its.collect("traces") if "traces" in names else {}
    contexts = meta.collect("contexts") if traces else {}
    trees: dict[int, Any] = {}
    if traces:
        seqs = _tree(aim, series).subtree("seqs")
        for version in aim.tracker.STEP_HASH_FUNCTIONS:
            trees[version] = seqs.subtree(("chunks", run.hash) if version == 1 else (f"v{version}", "chunks", run.hash))
    of = SimpleNamespace(meta_run_tree=its, series_run_trees=trees, hash=run.hash)
    run.sequences = [
        Sequence(name, contexts[context], str(about.get("dtype", "float")), aim, of)
        for context, tracked in traces.items()
        for name, about in tracked.items()
    ]
    run.sequences.sort(key=lambda one: (one.name, json.dumps(one.context, sort_keys=True, default=str)))
    files = [path for folder in (place, series) if folder.is_dir() for path in sorted(folder.iterdir())]
    sizes = [
        f"{path.parent.parent.parent.name} {path.name} {path.stat().st_size}"
        for path in files
        if path.suffix in _ROCKSDB
    ]
    facts = [run.name, run.description, run.experiment, run.archived, run.created, run.ended, run.tags, run.notes]
    run.digest = hex_of(json.dumps(facts), *sizes)
    return run
