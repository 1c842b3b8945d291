"""Versions of models and datasets to the lab: first the files that it lacks, then the version that names them."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConflictError, NotFoundError
from ..protocol.registry import (
    DESCRIPTION_BYTES_MAX,
    MANIFEST,
    NOUNS,
    SHORT_DESCRIPTION_BYTES_MAX,
    file_paths,
    registry_name,
    version_of,
)
from .answers import not_a_lab
from .file_upload import upload_file
from .files import TRIES, Progress, hash_file, no_progress, retried
from .http import LabClient, quoted
from .projects import project_path
from .registry import contents_of

SENT_AT_ONCE = 4  # files of a version; each takes a piece of 8 MiB of memory
READMES = ("README.md", "README.rst", "README.txt", "README")


@dataclass(frozen=True)
class NewVersion:
    """What is to be uploaded, checked as far as possible here. `files`: path in the version → file on disk."""

    kind: str
    name: str
    version: str | None
    short_description: str
    description: str
    files: dict[str, Path]
    bytes: int

    @classmethod
    def of(
        cls, kind: str, source: str | os.PathLike[str], name: str, version: str | None, short_description: str | None
    ) -> NewVersion:
        """Return a version of a file, or of a directory with all below it. The README at its top is the description.

        Links are read where they stay inside the directory. Raises FileNotFoundError, PermissionError, and ValueError
        for a name or version that cannot be one, a directory without files, a link that leads out of it, a pipe.
        """
        registry_name(name)
        if version is not None:
            version_of(version)
        short = short_description or ""
        if len(short.encode()) > SHORT_DESCRIPTION_BYTES_MAX:
            raise ValueError(f"a short description has at most {SHORT_DESCRIPTION_BYTES_MAX} bytes: use a README.md")
        top = Path(source)
        mode = top.stat().st_mode
        if stat.S_ISDIR(mode):
            files = dict(_below(top, top.resolve(), ""))
        elif stat.S_ISREG(mode):
            files = {Path(os.path.abspath(top)).name: top}
        else:
            raise ValueError(f"{top} is neither a file nor a directory")
        if not files:
            raise ValueError(f"{top} holds no files")
        file_paths(files)
        for path in files.values():
            if not os.access(path, os.R_OK):
                raise PermissionError(errno.EACCES, "the file cannot be read", str(path))
        size = sum(path.stat().st_size for path in files.values())
        return cls(kind, name, version, short, _readme(files), files, size)


def _below(folder: Path, top: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as scanned:
        entries = sorted(scanned, key=lambda e: e.name)
    for entry in entries:
        path, inside = Path(entry.path), f"{prefix}{entry.name}"
        if inside == MANIFEST:  # the manifest of a version that was downloaded, not of this one
            continue
        if entry.is_symlink() and (entry.is_dir() or not path.resolve().is_relative_to(top)):
            raise ValueError(f"{path} is a link to a directory, or leads out of the directory: put a copy in its place")
        if entry.is_dir(follow_symlinks=False):
            yield from _below(path, top, f"{inside}/")
        elif entry.is_file():
            yield inside, path
        else:
            raise ValueError(f"{path} is not a file that can be stored: take it out of the directory")


def _readme(files: dict[str, Path]) -> str:
    for name in READMES:
        if name in files:
            with open(files[name], "rb") as f:
                text = f.read(DESCRIPTION_BYTES_MAX).decode(errors="replace")
            while len(text.encode()) > DESCRIPTION_BYTES_MAX:  # the replacement of a bad byte takes more bytes
                text = text[:-1000]
            return text
    return ""


def upload_version(
    client: LabClient,
    project: str,
    new: NewVersion,
    *,
    run: str | None = None,
    ident: str | None = None,
    created: float | None = None,
    hashed: Progress = no_progress,
    progress: Progress = no_progress,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[str, Any]:
    """Send what the lab lacks of the files, then name them as a version. Return the version as the lab describes it; if
    it is there already with these very files, return that one.

    `ident`, 32 hex digits: whoever repeats a call with it gets the version that the first one made. `progress` is
    called with the bytes of all files together, `hashed` with those of one of them that are hashed. Raises OSError;
    LabRequestError; before anything is sent, a ConflictError of code "version_exists" where the version is there with
    other files. Blocks until it is there.
    """
    project_at = retried(lambda _: project_path(client, project), tries, sleep)
    where = f"{project_at}/{new.kind}/{quoted(new.name)}/versions"
    if new.version is not None:
        there = _there(client, f"{where}/{new.version}", tries, sleep)
        if there is not None:
            if contents_of(client, there) == _hashed(new, there):
                progress(new.bytes)
                return _without_files(there)
            raise ConflictError(
                f"The {NOUNS[new.kind]} {new.name!r} has a version {new.version} with other files: choose another "
                "version, or none for the next one.",
                status=409,
                code="version_exists",
            )
    files = _send(client, project, new, hashed, progress, tries, sleep)
    body = {
        "id": ident or secrets.token_hex(16),
        "version": new.version,
        "files": files,
        "short_description": new.short_description,
        "description": new.description,
        "run": run,
        "created": time.time() if created is None else created,
    }
    answer = retried(lambda _: client.post(where, body), tries, sleep)
    if not isinstance(answer, dict) or not isinstance(answer.get("version"), str):
        raise not_a_lab(client.url, "its answer to a version has another shape")
    return answer


def _send(
    client: LabClient,
    project: str,
    new: NewVersion,
    hashed: Progress,
    progress: Progress,
    tries: int,
    sleep: Callable[[float], object],
) -> list[dict[str, Any]]:
    """Send the files, some at a time: each small file waits for the lab's disk, which takes several together."""
    lock, done = threading.Lock(), dict.fromkeys(new.files, 0)
    total = 0

    def send(path: str) -> dict[str, Any]:
        def so_far(n: int) -> None:
            nonlocal total
            with lock:
                total += n - done[path]
                done[path] = n
                progress(total)

        file = new.files[path]
        sent = upload_file(client, file, project=project, hashed=hashed, progress=so_far, tries=tries, sleep=sleep)
        return {"path": path, "digest": sent.digest, "bytes": sent.bytes}

    pool = ThreadPoolExecutor(SENT_AT_ONCE, "hectiqlab-version")
    try:
        return list(pool.map(send, new.files))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _there(client: LabClient, path: str, tries: int, sleep: Callable[[float], object]) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = retried(lambda _: client.get(path), tries, sleep)
    except NotFoundError as e:
        if e.code != "version_not_found":
            raise
        return None
    return answer


def _hashed(new: NewVersion, there: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Return `contents_of` for the files on disk; empty where their names and sizes show that they differ."""
    named = {(f["path"], f["bytes"]) for f in there["contents"]}
    if {(path, file.stat().st_size) for path, file in new.files.items()} != named:
        return {}
    hashed = {}
    for path, file in new.files.items():
        with open(file, "rb") as f:
            hashed[path] = hash_file(f.fileno())
    return hashed


def _without_files(version: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in version.items() if key not in {"contents", "used_by"}}
