"""Media of Weights & Biases: what a value of the history with a `_type` becomes here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from ..capture.tables import packed
from ..protocol.media import FIGURE, HISTOGRAM, IMAGE, TABLE, Histogram, check_histogram
from .incoming import key_from

_Convert = Callable[[bytes], bytes] | None
_File = tuple[str, str, str, str, _Convert, dict[str, Any]]
_FILES = {
    "image-file": IMAGE, "table-file": TABLE, "plotly-file": FIGURE, "html-file": "file", "audio-file": "file",
    "video-file": "file", "object3D-file": "file", "molecule-file": "file", "bokeh-file": "file",
}  # fmt: skip
_SEVERAL = {"images": "images", "audio": "audio", "videos": "videos", "html": "html", "object3D": "object3D"}


@dataclass
class Media:
    """`event`: kind and fields. `files`: path inside `files/`, name, kind, ending, how to change it, more meta."""

    event: tuple[str, dict[str, Any]] | None = None
    files: list[_File] = field(default_factory=list)


def media_of(name: str, value: Mapping[str, Any], step: int) -> Media:
    """Return what a value with a `_type` is here; nothing for a type that is not known."""
    kind = str(value["_type"])
    if kind == "histogram":
        event = _histogram(name, value, step)
        return Media(event) if event else Media()
    if kind in _FILES and isinstance(value.get("path"), str):
        return Media(files=[_file(name, kind, value)])
    if kind.partition("/")[0] in _SEVERAL:
        return Media(files=_several(name, value))
    return Media()


def _file(name: str, kind: str, value: Mapping[str, Any]) -> _File:
    path = str(value["path"]).replace("\\", "/")
    meta = {"caption": str(value["caption"])} if value.get("caption") else {}
    meta |= {part: value[part] for part in ("boxes", "masks") if value.get(part)}
    if kind == "table-file":
        return path, name, TABLE, ".table.json", _table, meta
    if kind == "plotly-file":
        return path, name, FIGURE, ".plotly.json", None, meta
    return path, name, _FILES[kind], PurePosixPath(path).suffix.lower(), None, meta


def _several(name: str, value: Mapping[str, Any]) -> list[_File]:
    """Return the files of a list: each with its number behind the name, or with the name where there is one."""
    kind = str(value["_type"]).partition("/")[0]
    captions = value.get("captions") or []
    paths: list[str] = []
    if isinstance(value.get("filenames"), list):
        paths = [str(path) for path in value["filenames"]]
    elif isinstance(value.get(_SEVERAL[kind]), list):
        inner = [one for one in value[_SEVERAL[kind]] if isinstance(one, dict)]
        paths = [str(one["path"]) for one in inner if isinstance(one.get("path"), str)]
        captions = [one.get("caption") for one in inner]
    files: list[_File] = []
    for i, path in enumerate(paths):
        its = name if len(paths) == 1 else f"{name}/{i}"
        caption = captions[i] if isinstance(captions, list) and i < len(captions) else None
        meta = {"caption": str(caption)} if caption else {}
        ending = PurePosixPath(path).suffix.lower()
        files.append((path, its, IMAGE if kind == "images" else "file", ending, None, meta))
    return files


def _histogram(name: str, value: Mapping[str, Any], step: int) -> tuple[str, dict[str, Any]] | None:
    """Return the event of a histogram, whose edges W&B writes out, or packs as a minimum, a width and a number."""
    bins, counts = value.get("bins"), value.get("values")
    its = value.get("packedBins")
    try:
        if isinstance(its, dict):
            bins = [its["min"] + its["size"] * i for i in range(int(its["count"]) + 1)]
        histogram = Histogram(tuple(map(float, bins or ())), tuple(map(float, counts or ())))
        check_histogram(histogram)
    except (ValueError, LookupError, TypeError):
        return None
    return HISTOGRAM, {"name": key_from(name), "step": step, **histogram.fields()}


def _table(data: bytes) -> bytes:
    """Return a table file as ours. Raises ValueError, LookupError, TypeError."""
    table = json.loads(data)
    return packed([str(column) for column in table["columns"]], table["data"])
