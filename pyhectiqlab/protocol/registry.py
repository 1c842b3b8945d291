"""Names, versions and paths of models and datasets: which ones client and lab accept. None leads out of a folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from .names import artifact_name

NAME_BYTES_MAX = 200  # a folder is named NAME-VERSION, and file systems take 255 bytes
SEGMENT_BYTES_MAX = 255
PATH_BYTES_MAX = 1024
FILES_MAX = 10_000  # of one version
DESCRIPTION_BYTES_MAX = 256 << 10
SHORT_DESCRIPTION_BYTES_MAX = 2048
MANIFEST = ".hectiqlab.json"  # describes a downloaded version, in its folder; never a file of a version
MODELS, DATASETS = "models", "datasets"
NOUNS = {MODELS: "model", DATASETS: "dataset"}

LATEST = "latest"  # means the newest version, where an alias is allowed
ALIASES_MAX = 100  # of one name

_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")


class Version(NamedTuple):
    """major.minor.micro; ordered as numbers."""

    major: int
    minor: int
    micro: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.micro}"


def version_of(text: str) -> Version:
    """Return a version. Raises ValueError for anything but three numbers without leading zeros, of at most 9 digits
    each.
    """
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a version: it looks like 1.0.0 (major.minor.micro)")
    return Version(*map(int, match.groups()))


def alias_name(text: str) -> str:
    """Return `text` if it can be an alias of a version, such as best or production. Raises ValueError."""
    if _ALIAS.fullmatch(text) is None or text == LATEST:
        raise ValueError(f"{text[:60]!r} cannot be an alias: a-z, 0-9, - and _, a letter first, at most 64, not latest")
    return text


def version_or_alias(text: str) -> Version | str:
    """Return a version such as 1.0.0, or an alias, or `latest`. Raises ValueError."""
    if text[:1].isalpha():
        return text if text == LATEST else alias_name(text)
    return version_of(text)


def following(latest: Version | None) -> Version:
    """Return the version that is taken if none is given: 1.0.0, or the latest with minor + 1 and micro 0."""
    return Version(1, 0, 0) if latest is None else Version(latest.major, latest.minor + 1, 0)


def registry_name(text: str) -> str:
    """Return `text` if it can name a model or dataset: as an artifact's name, of at most 200 bytes. Raises
    ValueError.
    """
    if len(artifact_name(text).encode()) > NAME_BYTES_MAX:
        raise ValueError(f"the name of a model or dataset has at most {NAME_BYTES_MAX} bytes: {text[:60]!r}…")
    return text


def file_path(text: str) -> str:
    """Return `text` if it can be the path of a file in a version. Raises ValueError.

    The path is relative, with / between its parts. Each part could name an artifact. It has at most 1,024 bytes.
    """
    parts = text.split("/")
    for part in parts:
        try:
            artifact_name(part)
        except ValueError:
            raise ValueError(f"{text[:100]!r} cannot be the path of a file in a version: rename the file") from None
        if len(part.encode()) > SEGMENT_BYTES_MAX:
            raise ValueError(f"a file's name has at most {SEGMENT_BYTES_MAX} bytes: {part[:60]!r}…")
    if len(text.encode()) > PATH_BYTES_MAX:
        raise ValueError(f"a path in a version has at most {PATH_BYTES_MAX} bytes: {text[:60]!r}…")
    if parts == [MANIFEST]:
        raise ValueError(
            f"{MANIFEST} is the name of the file that describes a downloaded version: give this file another name"
        )
    return text


def file_paths(paths: Iterable[str]) -> list[str]:
    """Return the paths if they can be the files of one version. Raises ValueError."""
    checked = [file_path(path) for path in paths]
    files = set(checked)
    if not checked:
        raise ValueError("a version has at least one file")
    if len(checked) > FILES_MAX:
        raise ValueError(f"a version has at most {FILES_MAX:,} files: pack them into archives")
    if len(files) < len(checked):
        raise ValueError("two files of a version have the same path")
    for path in checked:
        folder = path.rpartition("/")[0]
        while folder:
            if folder in files:
                raise ValueError(f"{folder[:100]!r} is a file of the version and a folder too")
            folder = folder.rpartition("/")[0]
    return checked
