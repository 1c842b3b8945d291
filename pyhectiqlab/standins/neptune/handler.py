"""Fields: what `run["path"]` returns. Numbers of a series are points, single values are config, files are files."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...protocol.media import file_name
from ...run import Run as LabRun
from ..neptune_scale.run import put_at
from ..pictures import picture_of
from ..quiet import NOTHING, cannot, harmless
from ..values import is_figure, number_of, put
from .exceptions import MissingFieldException
from .types import File


class Fields:
    """What all fields of one run share: the run, and the single values that were set."""

    def __init__(self, run: LabRun) -> None:
        self.run = run
        self.values: dict[str, Any] = {}
        self.counts: dict[str, int] = {}


class Handler:
    """One path of a run. Paths below it are had by items: `run["a"]["b"]` is `run["a/b"]`."""

    def __init__(self, fields: Fields, path: str) -> None:
        self._fields, self._path = fields, path.strip("/")

    def __getitem__(self, path: str) -> Handler:
        return Handler(self._fields, f"{self._path}/{path}")

    def __setitem__(self, path: str, value: Any) -> None:
        self[path].assign(value)

    @property
    def _run(self) -> LabRun:
        return self._fields.run

    # Single values ----------------------------------------------------------------------------------------------

    @harmless
    def assign(self, value: Any, *, wait: bool = False) -> None:
        if isinstance(value, Handler):
            return
        if isinstance(value, File) or is_figure(value):
            self.upload(value)
        elif self._path == "sys/name":
            self._run.rename(str(value))
        elif self._path == "sys/description":
            self._run.set_note(str(value))
        elif isinstance(value, Mapping):
            for name, below in value.items():
                Handler(self._fields, f"{self._path}/{name}").assign(below)
        else:
            self._fields.values[self._path] = value
            config: dict[str, Any] = {}
            put_at(config, self._path, value)
            self._run.add_config(config)

    def fetch(self) -> Any:
        """Return the value that this process set; of a path with others below it, a dict of them. Raises
        MissingFieldException.
        """
        known = {"sys/id": self._run.id or self._run.name, "sys/name": self._run.name, **self._fields.values}
        below = {path: value for path, value in known.items() if path.startswith(f"{self._path}/")}
        if below and self._path not in known:
            nested: dict[str, Any] = {}
            for path, value in below.items():
                put_at(nested, path[len(self._path) + 1 :], value)
            return nested
        if self._path not in known:
            raise MissingFieldException(f"The field {self._path!r} was not set by this process.")
        return known[self._path]

    def fetch_last(self) -> Any:
        return self.fetch()

    def fetch_values(self, *args: Any, **kwargs: Any) -> Any:
        cannot("neptune", f"{self._path}.fetch_values()", "series are read back by Run.existing(name)")
        return NOTHING

    def __delitem__(self, path: str) -> None:
        self[path].remove()

    # Series -----------------------------------------------------------------------------------------------------

    @harmless
    def append(self, value: Any, *, step: Any = None, timestamp: Any = None, wait: bool = False, **more: Any) -> None:
        """Add to a series: a number, a text, an image. Without a step, they are counted."""
        if isinstance(value, Mapping):
            for name, below in value.items():
                Handler(self._fields, f"{self._path}/{name}").append(below, step=step)
            return
        at = self._fields.counts.get(self._path, 0) if step is None else int(step)
        self._fields.counts[self._path] = at + 1
        number = number_of(self._path, value)
        if number is not None:
            self._fields.values[self._path] = number
            self._run.add_metrics(self._path, number, at)
        elif isinstance(value, File) and value.picture is not None:
            self._picture(value.picture, at)
        elif isinstance(value, File):
            self._file(value, at)
        else:
            put(self._run, self._path, value, at)

    def log(self, value: Any, *, step: Any = None, timestamp: Any = None, wait: bool = False, **more: Any) -> None:
        """Like `append`; a list as `extend`."""
        if isinstance(value, list | tuple):
            self.extend(value)
        else:
            self.append(value, step=step)

    def extend(
        self, values: Any, *, steps: Any = None, timestamps: Any = None, wait: bool = False, **more: Any
    ) -> None:
        if isinstance(values, Mapping):
            for name, below in values.items():
                Handler(self._fields, f"{self._path}/{name}").extend(below)
            return
        for number, value in enumerate(values):
            self.append(value, step=None if steps is None else steps[number])

    @harmless
    def add(self, values: Any, *, wait: bool = False) -> None:
        """Add to a set: tags of the run."""
        for value in [values] if isinstance(values, str) else values:
            self._run.add_tag(str(value))

    # Files ------------------------------------------------------------------------------------------------------

    @harmless
    def upload(self, value: Any, *, wait: bool = False) -> None:
        if isinstance(value, File) and value.picture is not None:
            self._picture(value.picture, None)
        elif is_figure(value):
            self._run.add_figure(value, self._path)
        else:
            self._file(value if isinstance(value, File) else File(value), None)

    @harmless
    def upload_files(self, globs: Any, *, wait: bool = False) -> None:
        for pattern in [globs] if isinstance(globs, str | os.PathLike) else globs:
            for path in sorted(glob.glob(os.fspath(pattern), recursive=True)):
                if os.path.isfile(path):
                    name = f"{self._path}/{os.path.relpath(path)}".replace("../", "")
                    self._run._add_file(path, name=file_name(name, Path(path).suffix))

    track_files = upload_files

    def _picture(self, picture: Any, step: int | None) -> None:
        self._run.add_image(picture_of(picture), self._path, step)

    def _file(self, file: File, step: int | None) -> None:
        if file.content is None:
            path = os.fspath(file.path)
            self._run._add_file(path, name=file_name(self._path, Path(path).suffix), step=step)
            return
        ending = f".{file.extension or 'bin'}"
        with tempfile.NamedTemporaryFile(suffix=ending) as kept:
            kept.write(file.content)
            kept.flush()
            self._run._add_file(kept.name, name=file_name(self._path, ending), step=step, stays=False)

    def remove(self, *args: Any, **kwargs: Any) -> None:
        cannot("neptune", f"{self._path}.remove()")

    pop = clear = delete_files = remove

    def download(self, *args: Any, **kwargs: Any) -> None:
        cannot("neptune", f"{self._path}.download()", "files are read back by Run.existing(name).artifacts()")
