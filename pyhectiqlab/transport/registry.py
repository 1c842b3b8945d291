"""Versions of models and datasets to and from the lab: folders that go on where they were and look whole only once they
are.

A version is downloaded into `.NAME-VERSION.part` beside its place, each file behind the bytes that it has already, and
compared with its digest; at last the folder takes its name, with a manifest in it that says what it is.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
from .files import TRIES, Progress, hash_file, no_progress, receive, retried, upload_file
from .http import LabClient, quoted

SENT_AT_ONCE = 4  # files of a version; each takes a piece of 8 MiB of memory
READMES = ("README.md", "README.rst", "README.txt", "README")


@dataclass(frozen=True)
class NewVersion:
    """What is to be uploaded, checked as far as it can be here. `files`: path in the version → file on disk."""

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
        """A file, or a directory with all below it; the README on top is the description.

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
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda e: e.name)
    for entry in entries:
        path, inside = Path(entry.path), f"{prefix}{entry.name}"
        if inside == MANIFEST:  # of a version that was downloaded: it is not this one
            continue
        if entry.is_symlink() and (entry.is_dir() or not path.resolve().is_relative_to(top)):
            raise ValueError(f"{path} is a link to a directory, or leads out of the directory: put a copy in its place")
        if entry.is_dir(follow_symlinks=False):
            yield from _below(path, top, f"{inside}/")
        elif entry.is_file():
            yield inside, path
        else:
            raise ValueError(f"{path} is no file that can be stored: take it out of the directory")


def _readme(files: dict[str, Path]) -> str:
    for name in READMES:
        if name in files:
            with open(files[name], "rb") as f:
                text = f.read(DESCRIPTION_BYTES_MAX).decode(errors="replace")
            while len(text.encode()) > DESCRIPTION_BYTES_MAX:  # what cannot be decoded takes more bytes replaced
                text = text[:-1000]
            return text
    return ""


def upload_version(
    client: LabClient,
    project: str,
    new: NewVersion,
    *,
    run: str | None = None,
    progress: Progress = no_progress,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[str, Any]:
    """Sends what the lab lacks of the files, then names them. Returns the version as the lab tells it; one that is
    there already, if it has these very files.

    `progress` is told bytes of all files together. Raises OSError; LabRequestError, a ConflictError of code
    "version_exists" where another such version is there, before anything is sent. Blocks until it is there.
    """
    where = f"/projects/{quoted(project)}/{new.kind}/{quoted(new.name)}/versions"
    if new.version is not None:
        there = _there(client, f"{where}/{new.version}", tries, sleep)
        if there is not None:
            if _contents(client, there) == _hashed(new, there):
                progress(new.bytes)
                return _without_files(there)
            raise ConflictError(
                f"The {NOUNS[new.kind]} {new.name!r} has a version {new.version} with other files: choose another "
                "version, or none for the next one.",
                status=409,
                code="version_exists",
            )
    files = _send(client, new, progress, tries, sleep)
    body = {
        "id": secrets.token_hex(16),
        "version": new.version,
        "files": files,
        "short_description": new.short_description,
        "description": new.description,
        "run": run,
        "created": time.time(),
    }
    answer = retried(lambda _: client.post(where, body), tries, sleep)
    if not isinstance(answer, dict) or not isinstance(answer.get("version"), str):
        raise not_a_lab(client.url, "its answer to a version has another shape")
    return answer


def _send(
    client: LabClient, new: NewVersion, progress: Progress, tries: int, sleep: Callable[[float], object]
) -> list[dict[str, Any]]:
    """Some files at a time: each small one waits for the lab's disk, which takes those of several together."""
    lock, done = threading.Lock(), dict.fromkeys(new.files, 0)
    total = 0

    def send(path: str) -> dict[str, Any]:
        def so_far(n: int) -> None:
            nonlocal total
            with lock:
                total += n - done[path]
                done[path] = n
                progress(total)

        sent = upload_file(client, new.files[path], progress=so_far, tries=tries, sleep=sleep)
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


def _contents(client: LabClient, version: Any) -> dict[str, tuple[str, int]]:
    """Path → digest and bytes, checked: they come from elsewhere. Raises NotALabError."""
    try:
        files = {f["path"]: (f["digest"], f["bytes"]) for f in version["contents"]}
        file_paths(files)
        right = len(files) == len(version["contents"]) and all(
            isinstance(d, str) and d.isalnum() and isinstance(n, int) and n >= 0 for d, n in files.values()
        )
        if not (right and isinstance(version["uuid"], str)):
            raise ValueError
        registry_name(version["name"])
        version_of(version["version"])
    except (LookupError, TypeError, ValueError, AttributeError):
        raise not_a_lab(client.url, "it tells of a version in another way") from None
    return files


def _hashed(new: NewVersion, there: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """As `_contents`, of the files on disk; empty where a look at their names and sizes tells that they are others."""
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


# Downloads


def find_version(
    client: LabClient,
    project: str,
    kind: str,
    name: str,
    version: str | None,
    *,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[str, Any]:
    """A version with its files, checked; None: the latest. Raises LabRequestError. Blocks."""
    where = f"/projects/{quoted(project)}/{kind}/{quoted(name)}/versions/{quoted(version or 'latest')}"
    found: dict[str, Any] = retried(lambda _: client.get(where), tries, sleep)
    _contents(client, found)
    if found["name"] != name or version not in {None, found["version"]} or found.get("kind") != kind:
        raise not_a_lab(client.url, "it tells of another version than the one it was asked for")
    return found


def download_version(
    client: LabClient,
    found: dict[str, Any],
    save_path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
) -> Path:
    """Brings a version (of `find_version`) to the folder `save_path`/NAME-VERSION and returns that. One that is there
    and whole is left as it is.

    Raises FileExistsError where something else is there, unless `overwrite`; OSError (disk full …); LabRequestError.
    Blocks until it is here.
    """
    target = folder_of(save_path, found["name"], found["version"])
    size = sum(f["bytes"] for f in found["contents"])
    if os.path.lexists(target) and not overwrite:
        _require_whole(target, found)
        progress(size)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    with _for_us(part):
        _keep_only(part, found)
        done = 0
        for path, (digest, length) in _contents(client, found).items():
            file = part / path
            file.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            try:
                content = f"/{found['kind']}/{quoted(found['uuid'])}/content?path={quoted(path)}"

                def so_far(n: int, before: int = done) -> None:
                    progress(before + n)

                receive(client, content, file, fd, length, digest, progress=so_far, tries=tries, sleep=sleep)
            finally:
                os.close(fd)
            done += length
            progress(done)
        _write_manifest(part, client.url, found)
        _take_name(part, target, overwrite)
    return target


def folder_of(save_path: str | os.PathLike[str], name: str, version: str) -> Path:
    """Where a version is downloaded to. Raises ValueError where name or version would lead elsewhere."""
    return Path(save_path) / f"{registry_name(name)}-{version_of(version)}"


def manifest_of(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """What a downloaded folder is: "kind", "name", "version", "uuid", "project", "url", "files".

    Raises ValueError where it is none, FileNotFoundError where there is nothing.
    """
    path = Path(folder)
    path.stat()
    try:
        told = json.loads((path / MANIFEST).read_text())
        registry_name(told["name"])
        version_of(told["version"])
        right = told["kind"] in NOUNS and isinstance(told["uuid"], str) and isinstance(told["project"], str)
        if not (right and isinstance(told["files"], dict)):
            raise ValueError
        file_paths(told["files"])
    except (OSError, LookupError, TypeError, ValueError, AttributeError):
        raise ValueError(f"{path} is no model or dataset that was downloaded: it has no {MANIFEST}") from None
    return dict(told)


def is_whole(folder: Path, manifest: dict[str, Any]) -> bool:
    """Whether every file is there with the size that it came with."""
    try:
        return all((folder / path).stat().st_size == size for path, size in manifest["files"].items())
    except OSError:
        return False


def _require_whole(target: Path, found: dict[str, Any]) -> None:
    try:
        manifest = manifest_of(target)
    except ValueError:
        manifest = {}
    if manifest.get("uuid") != found["uuid"] or not is_whole(target, manifest):
        raise FileExistsError(
            errno.EEXIST, "something else, or a changed download, is there: overwrite it or choose another place",
            str(target),
        )  # fmt: skip


@contextmanager
def _for_us(part: Path) -> Iterator[None]:
    """The folder that a download grows in, for this process alone."""
    part.mkdir(exist_ok=True)
    fd = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(part) from None
        except OSError:  # a file system without locks: digests tell at the end
            pass
        if not part.exists() or part.stat().st_ino != os.fstat(fd).st_ino:
            raise _busy(part)  # another process finished it between our two calls
        yield
    finally:
        os.close(fd)


def _busy(part: Path) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "another process downloads the same version there", str(part))


def _keep_only(part: Path, found: dict[str, Any]) -> None:
    """Removes what is no file of this version, so that nothing of another one comes with it; links above all."""
    files = {f["path"] for f in found["contents"]}
    for here, folders, names in os.walk(part):
        for name in names:
            path = Path(here) / name
            if path.is_symlink() or path.relative_to(part).as_posix() not in files:
                path.unlink()
        for name in folders:
            path = Path(here) / name
            if path.is_symlink():
                path.unlink()
            elif path.relative_to(part).as_posix() in files:
                shutil.rmtree(path)


def _write_manifest(folder: Path, url: str, found: dict[str, Any]) -> None:
    manifest = {
        "kind": found["kind"],
        "name": found["name"],
        "version": found["version"],
        "uuid": found["uuid"],
        "project": found["project"]["id"],
        "url": url,
        "files": {f["path"]: f["bytes"] for f in found["contents"]},
    }
    with open(folder / MANIFEST, "w") as f:
        json.dump(manifest, f, indent=1)
        f.flush()
        os.fsync(f.fileno())


def _take_name(part: Path, target: Path, overwrite: bool) -> None:
    old = target.with_name(f".{target.name}.old-{secrets.token_hex(4)}")
    if overwrite and os.path.lexists(target):
        target.rename(old)
    try:
        part.rename(target)
    except OSError as e:
        if e.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise FileExistsError(
                errno.EEXIST, "something else is there by now: choose another place", str(target)
            ) from None
        raise
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    elif os.path.lexists(old):
        old.unlink()
