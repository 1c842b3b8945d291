"""Backups of a lab's data: a snapshot taken while the lab runs, and its check. restoring.py puts one back.

A snapshot is a folder with both databases in parts (parts.py), each as of one moment (frozen.py), and the files that
they name. The order makes them consistent with each other: lab.db first, points.db next, files last. So points.db may
know more than lab.db, as after a crash of the lab; restoring adds it to lab.db. Each file that lab.db names is
there, as the lab removes none while a backup runs (`FilesLock`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...base.filedigest import digest_of_file
from ...base.texts import counted
from ...errors import StoreError
from ..copying import failing_as_store_error, reading, sync_folder, write_durably
from ..embedded import FileFilesLock
from ..meta import MetaTransaction, MetaView
from ..sqlite_files import damage
from ..sqlite_files.errors import SQLITE_ERRORS, sentence_of
from ..sqlite_points import check as points_check
from ..upgrading import DATABASES
from . import parts
from .frozen import as_of_now

LAST = "backup"  # key of the lab's value
DESCRIPTION = "backup.json"  # the file that says what a snapshot holds; it is written last, so without it none is whole
_ITS_DIGEST = "sha256"  # the entry of that file with the digest of all its other entries
NAMED = (
    "SELECT digest, bytes FROM artifacts UNION SELECT digest, bytes FROM registry_files"
    " UNION SELECT digest, bytes FROM uploads WHERE finished IS NOT NULL"
)
_COUNTED = "SELECT count(*), coalesce(sum(points), 0) FROM runs"
SCRATCH = ".checking-"
SCRATCH_S = 7 * 86_400.0
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Snapshot:
    """What a snapshot holds. Times in seconds since 1970.

    Attributes:
        digests: SHA-256 of each database's list of parts, by the database's name; in a snapshot of an earlier version,
            SHA-256 of the database. Those of files are in lab.db.
        damaged: digests of files that the lab itself no longer had as they were stored, when the snapshot was taken.
        spoiled: those of the damaged files of which this snapshot has a good copy, from the snapshot before it.
        wrong: what was wrong with the lab's databases at that time, a sentence each.
    """

    path: str
    taken: float
    version: str
    runs: int
    points: int
    files: int
    bytes: int  # of databases and files
    copied: int  # bytes that an earlier snapshot did not have
    digests: Mapping[str, str] = field(default_factory=dict)
    damaged: Sequence[str] = ()
    wrong: Sequence[str] = ()
    spoiled: Sequence[str] = ()


class DamagedError(StoreError):
    """A snapshot does not hold what was stored. `wrong`: a sentence for each problem."""

    def __init__(self, snapshot: Path, wrong: Sequence[str]) -> None:
        super().__init__(f"{snapshot} is damaged: {'; '.join(wrong[:3])}{'; …' * (len(wrong) > 3)}.")
        self.wrong = wrong


# The last one -------------------------------------------------------------------------------------------------------


def note(tx: MetaTransaction, taken: Snapshot) -> None:
    """Note a snapshot in the lab itself, so that the lab can say how old its last one is."""
    tx.set_lab_value(LAST, json.dumps(asdict(taken)))


def last_backup(view: MetaView) -> Snapshot | None:
    """Return the last snapshot that was noted."""
    value = view.lab_value(LAST)
    return None if value is None else _snapshot(json.loads(value))


def described_by(snapshot: Path) -> Snapshot:
    """Return the description of a snapshot. Raises StoreError."""
    try:
        fields = json.loads((snapshot / DESCRIPTION).read_text())
        digest = fields.pop(_ITS_DIGEST, None)
        known = {f.name for f in dataclasses.fields(Snapshot)}
        if digest != _digest_of(fields) and (digest is not None or fields.keys() - known):  # earlier versions have none
            raise ValueError("its digest is another")
        return _snapshot(fields)
    except (OSError, ValueError, TypeError, AttributeError) as e:
        raise StoreError(f"{snapshot / DESCRIPTION} cannot be read ({type(e).__name__}: {e})") from None


def _digest_of(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _snapshot(fields: Mapping[str, Any]) -> Snapshot:
    """Return the snapshot of a description, also of one by another version, which may have more or fewer fields."""
    return Snapshot(**{f.name: fields[f.name] for f in dataclasses.fields(Snapshot) if f.name in fields})


# Taking one ---------------------------------------------------------------------------------------------------------


def backup(data: Path, target: Path, progress: Progress = lambda _: None) -> Snapshot:
    """Take a snapshot of the lab at `data`, which may run meanwhile, into a new folder `target/<time>`.

    Files that the newest snapshot in `target` has, undamaged, are linked, not copied. So each snapshot is whole, and
    takes only the room of what is new. All files are read, of the lab and of that snapshot. Blocks for as long as the
    disks take. A backup that was killed leaves a folder `….partial`, which the next one removes. Raises StoreError.
    """
    if not (data / "lab.db").is_file():
        raise StoreError(f"{data} is not a lab's data: name the folder that `hectiqlab server` printed, with --data.")
    if target.resolve().is_relative_to(data.resolve()):
        raise StoreError(f"{target} is in the lab's own folder and would go with it: name one elsewhere.")
    with failing_as_store_error(target):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in target.glob("*.partial"):
            shutil.rmtree(left)
        for left in target.glob(f"{SCRATCH}*"):  # of a check that was killed
            if left.stat().st_mtime < time.time() - SCRATCH_S:
                shutil.rmtree(left)
    before = snapshots(target)
    taken = time.time()
    whole = target / time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(taken))
    if whole.exists():
        raise StoreError(f"{whole} is there already: wait a second.")
    partial = whole.with_suffix(".partial")
    with failing_as_store_error(partial), FileFilesLock(data).held():
        partial.mkdir(mode=0o700)
        earlier = before[-1] if before else None
        digests, damaged, spoiled, wrong = {}, [], [], []
        size = copied = 0
        for name in DATABASES:
            progress(name)
            wrong += damage.look(data / name)
            with as_of_now(data / name, partial) as database:
                its_parts, its_earlier = (parts.folder_of(f, name) if f else None for f in (partial, earlier))
                assert its_parts is not None
                stored = parts.store(database.read, database.size, its_parts, its_earlier)
                if name == "lab.db":
                    named = dict(database.connection.execute(NAMED))
                    runs, points = database.connection.execute(_COUNTED).fetchone()
            digests[name] = stored.digest
            size += stored.bytes
            copied += stored.copied
        for i, (digest, length) in enumerate(sorted(named.items())):
            if i % 1000 == 0:
                progress(f"file {i} of {len(named)}")
            its_copied, as_stored = _take_file(digest, length, data, partial, earlier)
            copied += its_copied
            size += length
            if not as_stored:
                damaged.append(digest)
            elif not its_copied and _wrong_with(blob_path(data, digest), digest, length):
                spoiled.append(digest)
        taken_snapshot = Snapshot(
            str(whole), taken, __version__, runs, points, len(named), size, copied, digests, damaged, wrong, spoiled
        )
        fields = asdict(taken_snapshot)
        fields[_ITS_DIGEST] = _digest_of(fields)
        write_durably(partial / DESCRIPTION, json.dumps(fields, indent=2).encode())
        partial.rename(whole)
        sync_folder(target)
    return taken_snapshot


def snapshots(target: Path) -> list[Path]:
    """Return the whole snapshots in a folder, oldest first."""
    return sorted(path.parent for path in target.glob(f"*/{DESCRIPTION}") if path.parent.suffix != ".partial")


def prune(target: Path, keep: int) -> list[Path]:
    """Remove all but the newest `keep` snapshots. Return what was removed."""
    old = snapshots(target)[:-keep] if keep > 0 else []
    with failing_as_store_error(target):
        for path in old:
            (path / DESCRIPTION).unlink()  # first, so that half a snapshot never looks whole
            shutil.rmtree(path)
    return old


def blob_path(folder: Path, digest: str) -> Path:
    return folder / "blobs" / digest[:2] / digest[2:4] / digest


def _take_file(digest: str, length: int, data: Path, snapshot: Path, before: Path | None) -> tuple[int, bool]:
    """Return (bytes that had to be copied, whether they are what was stored)."""
    target = blob_path(snapshot, digest)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if before is not None and not _wrong_with(blob_path(before, digest), digest, length):
        with contextlib.suppress(OSError):  # too many links, or no links there
            os.link(blob_path(before, digest), target)
            return 0, True
    try:
        copied = copy_file(blob_path(data, digest), target)
    except FileNotFoundError:
        return 0, False
    return copied, not _wrong_with(target, digest, length)


def copy_file(source: Path, target: Path) -> int:
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    target.chmod(0o400)
    return target.stat().st_size


# Checking one -------------------------------------------------------------------------------------------------------


def check(folder: Path, progress: Progress = lambda _: None) -> list[str]:
    """Return what is wrong with a snapshot, or with the data of a lab that does not run, a sentence each; empty where
    nothing is.

    Reads everything: the digests of a snapshot's databases, or the checksums of a lab's pages, their structure, that
    points.db is not behind lab.db, and the digest of each file. Databases in parts are put together in a folder beside
    the snapshot for as long as that takes. Raises StoreError where there is nothing to check, or no room for them.
    """
    if not is_lab(folder):
        raise StoreError(f"{folder} holds no lab: name a snapshot, or the folder of a lab's data.")
    if not parts.folder_of(folder, "lab.db").is_dir():
        with failing_as_store_error(folder):
            return check_into(folder, folder, progress)
    with _scratch(folder) as scratch, failing_as_store_error(scratch):
        return check_into(folder, scratch, progress)


def is_lab(folder: Path) -> bool:
    return (folder / "lab.db").is_file() or parts.folder_of(folder, "lab.db").is_dir()


@contextlib.contextmanager
def _scratch(snapshot: Path) -> Iterator[Path]:
    """Give a folder until the block ends: beside the snapshot, or elsewhere if nothing can be made there."""
    try:
        made = tempfile.TemporaryDirectory(prefix=SCRATCH, dir=snapshot.absolute().parent)
    except OSError:
        made = tempfile.TemporaryDirectory(prefix=SCRATCH)
    with made as scratch:
        yield Path(scratch)


def check_into(folder: Path, databases: Path, progress: Progress) -> list[str]:
    """Check as `check` does. `databases`: the folder in which databases in parts are put together. It has those that
    are whole files already.
    """
    wrong = []
    still = databases != folder  # the databases were put together here, so nobody else opens them
    digests: Mapping[str, str] = {}
    if (folder / DESCRIPTION).is_file():
        try:
            snapshot = described_by(folder)
            digests = snapshot.digests
            wrong += [f"{what}, as this was taken" for what in snapshot.wrong]
        except StoreError as e:
            wrong.append(str(e))
    else:
        for name in DATABASES:
            progress(f"pages of {name}")
            try:
                wrong += damage.look(folder / name)
            except OSError as e:
                wrong.append(f"{name}: {e.strerror or e}")
    readable = True
    for name in DATABASES:
        progress(name)
        before = len(wrong)
        try:
            if its_wrong := take_database(folder, databases, name, digests.get(name)):
                wrong += its_wrong
                readable = False
                continue
            with reading(databases / name, still) as db:
                wrong += [f"{name}: {row[0]}" for row in db.execute("PRAGMA integrity_check(10)") if row[0] != "ok"]
                wrong += [
                    f"{name}: a reference of table {row[0]} leads nowhere"
                    for row in db.execute("PRAGMA foreign_key_check")
                ]
        except (*SQLITE_ERRORS, OSError) as e:
            wrong.append(f"{name}: {sentence_of(e)}")
        readable = readable and len(wrong) == before
    if not readable:
        return wrong
    named: Mapping[str, int] = {}
    try:
        with reading(databases / "points.db", still) as points:
            wrong += points_check.damage(points)
            cursors = points_check.cursors(points)
        with reading(databases / "lab.db", still) as lab:
            # If lab.db's cursor of a writer is ahead of points.db, acknowledged points are missing.
            for writer, acked in lab.execute("SELECT writer, cursor FROM writers ORDER BY writer"):
                if acked > cursors.get(writer, 0):
                    wrong.append(f"writer {writer}: points up to {cursors.get(writer, 0)} of {acked}")
            named = dict(lab.execute(NAMED))
    except (*SQLITE_ERRORS, TypeError, ValueError) as e:
        wrong.append(f"the rows of a database are not what they were ({sentence_of(e)})")
    for i, (digest, length) in enumerate(sorted(named.items())):
        if i % 100 == 0:
            progress(f"file {i} of {len(named)}")
        if problem := _wrong_with(blob_path(folder, digest), digest, length):
            wrong.append(f"file {digest}: {problem}")
    return wrong


def take_database(folder: Path, databases: Path, name: str, digest: str | None) -> list[str]:
    """Make the database in `databases` from its parts. Return what is wrong with its bytes. Raises OSError. A snapshot
    of an earlier version has the whole database, which is copied.
    """
    its_parts = parts.folder_of(folder, name)
    if its_parts.is_dir():
        return [f"{name}: {line}" for line in parts.assemble(its_parts, digest, databases / name)]
    if digest is not None and digest_of_file(folder / name) != digest:
        return [f"{name}: {parts.WRONG}"]
    if databases != folder:
        shutil.copyfile(folder / name, databases / name)
    return []


def _wrong_with(path: Path, digest: str, length: int) -> str:
    try:
        size = path.stat().st_size
        actual = digest_of_file(path) if size == length else ""
    except OSError as e:
        return e.strerror or str(e)
    if size != length:
        return f"{size:,} of {counted(length, 'byte')}"
    return "" if actual == digest else parts.WRONG
