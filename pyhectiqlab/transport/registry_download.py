"""Versions of models and datasets from the lab.

An interrupted download goes on where it was; a folder gets its name only when it is whole.

A version is downloaded into `.NAME-VERSION.part` beside its place. Each file is continued behind the bytes that it has
already, and compared with its digest. At last the folder gets its name, with a manifest in it that says what it is.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..protocol.registry import MANIFEST, NOUNS, file_paths, registry_name, version_of
from .file_download import claim, receive
from .files import TRIES, Progress, no_progress
from .http import LabClient, quoted
from .registry import contents_of


def download_version(
    client: LabClient,
    version: dict[str, Any],
    save_path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress = no_progress,
    tries: int = TRIES,
    sleep: Callable[[float], object] = time.sleep,
) -> Path:
    """Bring a version (of `find_version`) to the folder `save_path`/NAME-VERSION and return that folder. A folder that
    is there and whole is left as it is.

    Raises FileExistsError where something else is there, unless `overwrite`; OSError (disk full …); LabRequestError.
    Blocks until it is here.
    """
    target = folder_of(save_path, version["name"], version["version"])
    size = sum(f["bytes"] for f in version["contents"])
    if os.path.lexists(target) and not overwrite:
        _require_whole(target, version)
        progress(size)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    with _for_us(part):
        _keep_only(part, version)
        done = 0
        for path, (digest, length) in contents_of(client, version).items():
            file = part / path
            file.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            try:
                content = f"/{version['kind']}/{quoted(version['uuid'])}/content?path={quoted(path)}"

                def so_far(n: int, before: int = done) -> None:
                    progress(before + n)

                receive(client, content, file, fd, length, digest, progress=so_far, tries=tries, sleep=sleep)
            finally:
                os.close(fd)
            done += length
            progress(done)
        _write_manifest(part, client.url, version)
        _take_name(part, target, overwrite)
    return target


def folder_of(save_path: str | os.PathLike[str], name: str, version: str) -> Path:
    """Return the folder that a version is downloaded to. Raises ValueError where name or version would lead
    elsewhere.
    """
    return Path(save_path) / f"{registry_name(name)}-{version_of(version)}"


def manifest_of(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a downloaded folder is: "kind", "name", "version", "uuid", "project", "url", "files".

    Raises ValueError where the folder is not a download, FileNotFoundError where there is nothing.
    """
    path = Path(folder)
    path.stat()
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        registry_name(manifest["name"])
        version_of(manifest["version"])
        right = manifest["kind"] in NOUNS and isinstance(manifest["uuid"], str) and isinstance(manifest["project"], str)
        if not (right and isinstance(manifest["files"], dict)):
            raise ValueError
        file_paths(manifest["files"])
    except (OSError, LookupError, TypeError, ValueError, AttributeError):
        raise ValueError(f"{path} is not a model or dataset that was downloaded: it has no {MANIFEST}") from None
    return dict(manifest)


def is_whole(folder: Path, manifest: dict[str, Any]) -> bool:
    """Return whether every file is there with the size that it came with."""
    try:
        return all((folder / path).stat().st_size == size for path, size in manifest["files"].items())
    except OSError:
        return False


def _require_whole(target: Path, version: dict[str, Any]) -> None:
    try:
        manifest = manifest_of(target)
    except ValueError:
        manifest = {}
    if manifest.get("uuid") != version["uuid"] or not is_whole(target, manifest):
        raise FileExistsError(
            errno.EEXIST, "something else, or a changed download, is there: overwrite it or choose another place",
            str(target),
        )  # fmt: skip


@contextmanager
def _for_us(part: Path) -> Iterator[None]:
    """Make the folder that a download grows in, and lock it for this process."""
    part.mkdir(exist_ok=True)
    fd = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        claim(part, fd, "version")
        yield
    finally:
        os.close(fd)


def _keep_only(part: Path, version: dict[str, Any]) -> None:
    """Remove what is no file of this version, above all links, so that nothing of another version comes with it."""
    files = {f["path"] for f in version["contents"]}
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


def _write_manifest(folder: Path, url: str, version: dict[str, Any]) -> None:
    manifest = {
        "kind": version["kind"],
        "name": version["name"],
        "version": version["version"],
        "uuid": version["uuid"],
        "project": version["project"]["id"],
        "url": url,
        "files": {f["path"]: f["bytes"] for f in version["contents"]},
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
