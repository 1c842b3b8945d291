"""Upgrades of a lab's data: which schemas the databases have, and the snapshot before they are migrated.

The snapshot is the way back.

    DATA/before-upgrade/2026-11-30T15-00-00Z-from-0.1.0-to-0.2.0/    lab.db, points.db, upgrade.json

A snapshot has the databases alone: an upgrade changes no files. `upgrade.json` is written last but for the rename of
the folder, so a folder without the ending `.partial` is whole.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import shlex
import shutil
import sqlite3
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .._version import __version__
from ..base import crashpoints
from ..base.installing import upgrade_advice
from ..base.texts import size_text
from ..errors import NewerSchemaError, OlderSchemaError, StoreError
from .copying import copy_database, failing_as_store_error, reading, renew_generation, sync_folder, write_durably
from .sql.meta_migrations import MADE_BY, MIGRATIONS
from .sqlite_files.errors import SQLITE_ERRORS, sentence_of
from .sqlite_points.database import SCHEMA_VERSION

log = logging.getLogger("hectiqlab.server")

META, POINTS = DATABASES = ("lab.db", "points.db")
FOLDER = "before-upgrade"
DESCRIPTION = "upgrade.json"
KEPT_S = 30 * 86_400.0
ROOM_BYTES = 64 << 20  # a snapshot leaves so much free


@dataclass(frozen=True)
class Schemas:
    """Schemas of the databases in a folder.

    Attributes:
        meta, points: numbers of the schemas; 0: there is no such database, or an empty one.
        version: the release that brought lab.db to its schema; "": one that did not note it.
    """

    meta: int
    points: int
    version: str = ""

    @property
    def is_older(self) -> bool:
        return 0 < self.meta < CURRENT.meta or 0 < self.points < CURRENT.points

    @property
    def is_newer(self) -> bool:
        return self.meta > CURRENT.meta or self.points > CURRENT.points

    def fits(self) -> bool:
        """Return whether this version can use them, perhaps after an upgrade."""
        return not self.is_newer

    def __str__(self) -> str:
        its = f"schemas {self.meta} of lab.db and {self.points} of points.db"
        return f"pyhectiqlab {self.version}, {its}" if self.version else its


CURRENT = Schemas(len(MIGRATIONS), SCHEMA_VERSION, __version__)


@dataclass(frozen=True)
class Before:
    """A snapshot of the databases before an upgrade. `taken`: in seconds since 1970."""

    path: Path
    taken: float
    before: Schemas
    after: Schemas
    bytes: int = field(default=0)


# What there is ------------------------------------------------------------------------------------------------------


def schemas_of(folder: Path) -> Schemas:
    """Return the schemas of the databases in a folder. Changes nothing. Raises StoreError."""
    meta, version = 0, ""
    if (folder / META).exists():
        with _failing(folder / META), reading(folder / META) as lab:
            if lab.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'").fetchone() == (1,):
                (meta,) = lab.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchone()
                row = lab.execute("SELECT value FROM lab WHERE key = ?", (MADE_BY,)).fetchone()
                version = row[0] if row else ""
    points = 0
    if (folder / POINTS).exists():
        with _failing(folder / POINTS), reading(folder / POINTS) as db:
            (points,) = db.execute("PRAGMA user_version").fetchone()
    return Schemas(meta, points, version)


def snapshots(folder: Path) -> list[Before]:
    """Return the snapshots before upgrades of the data in a folder, oldest first."""
    snapshots = []
    for path in (folder / FOLDER).glob(f"*/{DESCRIPTION}"):
        if path.parent.suffix == ".partial":
            continue
        try:
            fields = json.loads(path.read_text())
            before, after = (_schemas(fields[name]) for name in ("before", "after"))
            size = sum((path.parent / name).stat().st_size for name in DATABASES if (path.parent / name).exists())
            snapshots.append(Before(path.parent, float(fields["taken"]), before, after, size))
        except (OSError, ValueError, TypeError, KeyError):
            continue  # of another version, or not ours
    return sorted(snapshots, key=lambda snapshot: snapshot.taken)


def _schemas(fields: dict[str, Any]) -> Schemas:
    return Schemas(int(fields["meta"]), int(fields["points"]), str(fields.get("version", "")))


@contextlib.contextmanager
def _failing(path: Path) -> Any:
    try:
        yield
    except SQLITE_ERRORS as e:
        raise StoreError(f"{path}: {sentence_of(e)}.") from e


# Before an upgrade --------------------------------------------------------------------------------------------------


def refuse_newer(folder: Path) -> Schemas:
    """Return the schemas of the data in a folder. Raises NewerSchemaError if a later version made them: it says which,
    and how to go back.
    """
    its = schemas_of(folder)
    if not its.is_newer:
        return its
    needed = f"pyhectiqlab {its.version}" if its.version else "a later pyhectiqlab"
    usable = [snapshot for snapshot in snapshots(folder) if snapshot.before.fits()]
    if usable:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(usable[-1].taken))
        back = (
            f"Or go back to the data as they were before that upgrade, on {when}, without what came since: "
            f"`hectiqlab admin downgrade --data {shlex.quote(str(folder))}` takes {usable[-1].path}."
        )
    else:
        back = "There is no snapshot of before that upgrade; a backup of that time can be restored."
    raise NewerSchemaError(
        f"The data in {folder} were upgraded by {needed} ({its.meta}/{its.points}); this is {__version__} "
        f"({CURRENT.meta}/{CURRENT.points}). Nothing was changed. Install that version or a newer one: "
        f"{upgrade_advice('server')}. {back}"
    )


def refuse_other(folder: Path) -> None:
    """Raise NewerSchemaError, or OlderSchemaError if the data in a folder are of an earlier version."""
    its = refuse_newer(folder)
    if its.is_older:
        named = f"--data {shlex.quote(str(folder))}"
        raise OlderSchemaError(
            f"The data in {folder} are of an earlier version ({its}); this is {__version__}. Nothing was changed. "
            f"Upgrade them: start the lab (`hectiqlab server {named}`), or run `hectiqlab admin upgrade {named}`."
        )


def prepare(folder: Path, snapshot: bool = True) -> Before | None:
    """Take a snapshot if opening the data in a folder will migrate them. Return it; None: there is nothing to migrate,
    or no snapshot is wanted. Call with the right to the data. Blocks while the databases are copied.

    Raises NewerSchemaError; StoreError, also if there is no room.
    """
    its = refuse_newer(folder)
    if not its.is_older:
        return None
    log.warning("upgrading the data in %s, of %s, to %s", folder, its, CURRENT)
    return _take(folder, its) if snapshot else None


def _take(folder: Path, its: Schemas) -> Before:
    earlier = [s for s in snapshots(folder) if (s.after.meta, s.after.points) == (CURRENT.meta, CURRENT.points)]
    for snapshot in earlier:
        if its.meta == CURRENT.meta > snapshot.before.meta and its.points == snapshot.before.points:
            return snapshot  # the upgrade ended between the two databases
    size = sum(_size(folder / f"{name}{suffix}") for name in DATABASES for suffix in ("", "-wal"))
    free = shutil.disk_usage(folder).free
    if free < size + ROOM_BYTES:
        raise StoreError(
            f"The disk of {folder} has no room for a snapshot of the databases before they are upgraded: that takes "
            f"{size_text(size)}, and {size_text(free)} are free. Nothing was changed. Make room, or upgrade without it "
            "(`--without-snapshot`), with a copy of the folder elsewhere."
        )
    taken = time.time()
    whole = _new(folder, taken, f"from-{_short(its)}-to-{__version__}")
    partial = whole.with_name(f"{whole.name}.partial")
    with failing_as_store_error(partial):
        whole.parent.mkdir(mode=0o700, exist_ok=True)
        for left in whole.parent.glob("*.partial"):
            shutil.rmtree(left)
        partial.mkdir(mode=0o700)
        for name in DATABASES:
            if (folder / name).exists():
                copy_database(folder / name, partial / name)
        crashpoints.passing("upkeep.snapshot")
        fields = {"taken": taken, "before": asdict(its), "after": asdict(CURRENT)}
        write_durably(partial / DESCRIPTION, json.dumps(fields, indent=2).encode())
        sync_folder(partial)
        partial.rename(whole)
        sync_folder(whole.parent)
        for snapshot in earlier:
            if (snapshot.before.meta, snapshot.before.points) == (its.meta, its.points):
                _remove(snapshot)  # of an upgrade that changed nothing
    log.warning("the databases as they were before are kept for %d days in %s", KEPT_S / 86_400, whole)
    return Before(whole, taken, its, CURRENT, size)


def _short(its: Schemas) -> str:
    return its.version or f"schema-{its.meta}.{its.points}"


def _new(folder: Path, taken: float, what: str) -> Path:
    """Return a path that is not there yet."""
    when = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(taken))
    paths = (folder / FOLDER / f"{when}{f'-{n}' * (n > 1)}-{what}" for n in itertools.count(1))
    return next(path for path in paths if not path.exists())


def remove_old(folder: Path, now: float, kept_s: float = KEPT_S) -> list[Before]:
    """Remove snapshots that are older than `kept_s`. Return them. Raises StoreError."""
    old = [snapshot for snapshot in snapshots(folder) if snapshot.taken < now - kept_s]
    with failing_as_store_error(folder / FOLDER):
        for snapshot in old:
            _remove(snapshot)
    return old


def _remove(snapshot: Before) -> None:
    (snapshot.path / DESCRIPTION).unlink()  # first: half a snapshot must not look whole
    shutil.rmtree(snapshot.path)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


# Going back ---------------------------------------------------------------------------------------------------------


def chosen(folder: Path) -> Before:
    """Return the snapshot to which the data in a folder can go back: the newest of another schema than theirs that this
    version can use. Raises StoreError if there is none.
    """
    its = schemas_of(folder)
    others = [s for s in snapshots(folder) if (s.before.meta, s.before.points) != (its.meta, its.points)]
    usable = [snapshot for snapshot in others if snapshot.before.fits()]
    if not usable:
        raise StoreError(
            f"{folder} has no snapshot of before an upgrade to which this version ({__version__}) could go back. "
            "Restore a backup of that time into another folder (`hectiqlab admin restore`)."
        )
    return usable[-1]


def go_back(folder: Path, snapshot: Before) -> Path:
    """Put the databases of a snapshot in the place of those in the folder. Return where those are kept now. Call with
    the right to the data, which are not open. If it is killed half-way, calling it again ends it.

    The lab gets a new generation id: clients notice that it is behind what it acked, and send again what they keep.
    Raises StoreError.
    """
    its = schemas_of(folder)
    aside = _new(folder, time.time(), f"gone-back-from-{_short(its)}")
    ready = folder / FOLDER / "going-back.partial"
    with failing_as_store_error(ready):
        if ready.exists():
            shutil.rmtree(ready)
        ready.mkdir(mode=0o700)
        aside.mkdir(mode=0o700)
        for name in DATABASES:
            if (snapshot.path / name).exists():
                copy_database(snapshot.path / name, ready / name)
        renew_generation(ready / META)
        for name in DATABASES:
            _close_log(folder / name)
            if (folder / name).exists():
                _link(folder / name, aside / name)
        sync_folder(aside)
        for name in DATABASES:  # lab.db first: points.db may know more than it does, as after a crash of the lab
            if (ready / name).exists():
                with (ready / name).open("rb") as file:
                    os.fsync(file.fileno())
                (ready / name).replace(folder / name)
            else:  # it was not there before the upgrade
                (folder / name).unlink(missing_ok=True)
            if name == META:
                crashpoints.passing("upkeep.going_back")
        sync_folder(folder)
        shutil.rmtree(ready)
    return aside


def _close_log(path: Path) -> None:
    """Write the log of a database into it, and remove the log. Otherwise SQLite would take it for the log of the
    database that comes in its place.
    """
    if path.exists():
        with contextlib.closing(sqlite3.connect(path)) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        if mode != "delete":
            raise StoreError(f"{path} is in use: end what uses it, then try again.")


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # no links there
        shutil.copyfile(source, target)
