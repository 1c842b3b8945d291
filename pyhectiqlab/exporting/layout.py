"""The layout of an export: which file is what, and how values become JSON and come back exactly. No network."""

from __future__ import annotations

import base64
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..base.fds import lock_alone
from ..errors import ConfigurationError

FORMAT, VERSION = "hectiqlab-export", 1
INDEX = "hectiqlab-export.json"
RUN, PROGRESS, PROJECT = "run.json", "progress.json", "project.json"
EVENTS, POINTS = "events-{:06}.jsonl", "points-{:06}.parquet"
COLUMNS = ("run", "key", "step", "value", "time", "rank", "attempt")


def open_index(folder: Path) -> dict[str, Any]:
    """Return what an export says of itself. Raises ConfigurationError for anything else, and for a newer format."""
    path = folder / INDEX
    if not path.is_file():
        raise ConfigurationError(f"{folder} is not an export of a lab: it has no {INDEX}. Give the folder of one.")
    index = read_json(path)
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise ConfigurationError(f"{path} does not describe an export of a lab.")
    if not isinstance(index.get("version"), int) or index["version"] > VERSION:
        raise ConfigurationError(
            f"{folder} has version {index.get('version')} of the format, and this pyhectiqlab knows {VERSION}: "
            "upgrade it."
        )
    return index


def read_json(path: Path) -> Any:
    """Return what `write_json` wrote. Raises ConfigurationError where the file is damaged, OSError."""
    try:
        return exact(json.loads(path.read_text("utf-8")))
    except (ValueError, RecursionError) as e:
        raise ConfigurationError(f"{path} is damaged: {e}. Export again: what is whole stays.") from None


def write_json(path: Path, value: Any) -> None:
    """Replace a file whole."""
    write_whole(path, _json_of(value))


def write_changed(path: Path, value: Any) -> None:
    """Replace a file whole, unless it is the same already."""
    data = _json_of(value)
    if not path.is_file() or path.read_bytes() != data:
        write_whole(path, data)


def _json_of(value: Any) -> bytes:
    text = json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", "surrogatepass")


def write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def part_of(path: Path) -> Path:
    """Return where a file grows until it is whole. What a killed export left there is replaced by the next one."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def for_us(folder: Path) -> Iterator[None]:
    """Make the folder of an export, and lock it for this process. Raises ConfigurationError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not lock_alone(fd):
            raise ConfigurationError(f"Another export writes to {folder}: wait for its end.")
        yield
    finally:
        os.close(fd)


def file_of(digest: str) -> str:
    """Return where the bytes with this SHA-256 are, relative to the export."""
    return f"files/{digest[:2]}/{digest}"


# Values. What JSON has is written as it is; the rest is a map with one name that begins with $: the bytes of a
# histogram, NaN and the infinities, maps whose keys are no texts.


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value) and not (len(value) == 1 and next(iter(value)).startswith("$")):
            return {key: plain(inner) for key, inner in value.items()}
        return {"$map": [[plain(key), plain(inner)] for key, inner in value.items()]}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def exact(value: Any) -> Any:
    """Return the value that `plain` was given. Raises ValueError for a map with $ that it does not know."""
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        name, inner = next(iter(value.items()))
        if name == "$float":
            return float(inner)
        if name == "$bytes":
            return base64.b64decode(inner)
        if name == "$map":
            return {exact(key): exact(its) for key, its in inner}
        if name.startswith("$"):
            raise ValueError(f"{name} is of a newer version")
    return {name: exact(inner) for name, inner in value.items()}


def line_of(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def lines(path: Path) -> Iterator[Any]:
    """Yield the values of a file of JSON lines. Raises ConfigurationError where one is damaged, OSError."""
    with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield exact(json.loads(line))
            except (ValueError, RecursionError) as e:
                raise ConfigurationError(f"{path}, line {number}: {e}") from None
