"""Media: W&B's classes. Each keeps what it was given and stores it, when it is logged, by the verb of Run that fits."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...protocol.media import file_name
from ...run import Run
from ..pictures import animated, drawn, overlay_rows, picture_of
from ..quiet import cannot
from ..sounds import wave_file
from .table import JoinedTable, Table

__all__ = [
    "Audio",
    "Classes",
    "Graph",
    "Histogram",
    "Html",
    "Image",
    "JoinedTable",
    "Molecule",
    "Object3D",
    "Plotly",
    "Table",
    "Video",
    "WBValue",
]


class WBValue:
    """What all media have in common."""

    _log_type = "media"

    def _hectiqlab_put(self, run: Run, key: str, step: int) -> None:
        raise NotImplementedError


def put_caption(run: Run, key: str, caption: Any, step: int) -> None:
    if caption:
        run.add_text(str(caption), f"{key}/caption", step)


def put_file(run: Run, key: str, path: Any, step: int, *, stays: bool = True) -> None:
    """Store a file as an artifact of the run that is named after its key. `stays`: False where it is removed soon."""
    path = os.fspath(path)
    run._add_file(path, name=file_name(key, Path(path).suffix or ".bin"), step=step, stays=stays)


class Image(WBValue):
    """An image: an array, a tensor, a PIL image, a figure, a path. Boxes and masks are drawn into it."""

    image: Any
    _caption: Any

    def __init__(
        self,
        data_or_path: Any,
        mode: str | None = None,
        caption: str | None = None,
        grouping: int | None = None,
        classes: Any = None,
        boxes: dict[str, Any] | None = None,
        masks: dict[str, Any] | None = None,
        file_type: str | None = None,
        normalize: bool = True,
    ) -> None:
        if isinstance(data_or_path, Image):
            caption = caption or data_or_path._caption
            data_or_path = data_or_path.image
        self.image = (
            data_or_path if isinstance(data_or_path, str | os.PathLike) else picture_of(data_or_path, normalize)
        )
        self._caption, self._grouping, self._classes = caption, grouping, classes
        self._boxes, self._masks = boxes or {}, masks or {}
        self.format = file_type

    def _hectiqlab_put(self, run: Run, key: str, step: int) -> None:
        image = self.image
        if self._boxes or self._masks:
            image = drawn(image, self._boxes, self._masks)
        run.add_image(image, key, step)
        put_caption(run, key, self._caption, step)
        rows = overlay_rows(self._boxes)
        if rows:
            run.add_table(rows, f"{key}/boxes", step)


class Classes(WBValue):
    def __init__(self, class_set: Sequence[dict[str, Any]]) -> None:
        self._class_set = list(class_set)

    def _hectiqlab_put(self, run: Run, key: str, step: int) -> None:
        run.add_table(self._class_set, key, step)


class Histogram(WBValue):
    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64) -> None:
        if (sequence is None) == (np_histogram is None):
            raise ValueError("wandb.Histogram takes a sequence or np_histogram, and not both")
        if num_bins > 512:
            raise ValueError("The maximum length of a histogram is 512")
        self._sequence, self._counted, self._bins = sequence, np_histogram, num_bins

    @property
    def histogram(self) -> list[float]:
        return [float(count) for count in self._computed()[0]]

    @property
    def bins(self) -> list[float]:
        return [float(edge) for edge in self._computed()[1]]

    def _computed(self) -> Any:
        if self._counted is None:
            import numpy

            self._counted = numpy.histogram(numpy.asarray(self._sequence).ravel(), bins=self._bins)
        return self._counted

    def _hectiqlab_put(self, run: Run, key: str, step: int) -> None:
        if self._counted is not None:
            run.add_histogram(self._counted[0], key, step, edges=self._counted[1])
        else:
            run.add_histogram(self._sequence, key, step, self._bins)


class _FileMedia(WBValue):
    """A medium that is a file. `_own`: it was made here, and is removed once it is stored."""

    _path: str
    _own = False
    _caption: Any = None

    def _hectiqlab_put(self, run: Run, key: str, step: int) -> None:
        put_file(run, key, self._path, step, stays=not self._own)
        put_caption(run, key, self._caption, step)

    def __del__(self) -> None:
        if self._own:
            shutil.rmtree(os.path.dirname(self._path), ignore_errors=True)

    def _write(self, name: str, data: bytes) -> None:
        self._path = os.path.join(tempfile.mkdtemp(prefix="hectiqlab-"), name)
        self._own = True
        Path(self._path).write_bytes(data)


class Video(_FileMedia):
    """A video: a file, or an array of the shape time × channel × height × width, which becomes an animated GIF."""

    def __init__(
        self,
        data_or_path: Any,
        caption: str | None = None,
        fps: float | None = None,
        format: str | None = None,
    ) -> None:
        self._caption, self._fps = caption, fps or 4
        if isinstance(data_or_path, str | os.PathLike):
            self._path = os.fspath(data_or_path)
        elif hasattr(data_or_path, "getvalue"):
            self._write(f"video.{format or 'gif'}", data_or_path.getvalue())
        else:
            self._write("video.gif", animated(data_or_path, self._fps))

    def _hectiqlab_put(self, run: Run, key: str, step: int) -> None:
        if self._path.lower().endswith(".gif"):
            run.add_image(self._path, key, step)
            put_caption(run, key, self._caption, step)
        else:
            super()._hectiqlab_put(run, key, step)


class Audio(_FileMedia):
    def __init__(self, data_or_path: Any, sample_rate: int | None = None, caption: str | None = None) -> None:
        self._caption, self._sample_rate = caption, sample_rate
        if isinstance(data_or_path, str | os.PathLike):
            self._path = os.fspath(data_or_path)
        elif sample_rate is None:
            raise ValueError('Argument "sample_rate" is required when instantiating wandb.Audio with raw data.')
        else:
            self._write("audio.wav", wave_file(data_or_path, sample_rate))


class Html(_FileMedia):
    def __init__(self, data: Any, inject: bool = True, data_is_not_path: bool = False) -> None:
        text = data.read() if hasattr(data, "read") else os.fspath(data)
        if not data_is_not_path and not hasattr(data, "read") and len(text) < 4096 and os.path.isfile(text):
            text = Path(text).read_text()
        self.html = text
        self._write("page.html", text.encode())


class Object3D(_FileMedia):
    """Points or a model in a file, kept as a file."""

    def __init__(self, data_or_path: Any, caption: str | None = None, **options: Any) -> None:
        self._caption = caption
        if isinstance(getattr(data_or_path, "name", None), str) and not isinstance(data_or_path, os.PathLike):
            data_or_path = data_or_path.name  # an open file
        if isinstance(data_or_path, str | os.PathLike):
            self._path = os.fspath(data_or_path)
        elif hasattr(data_or_path, "read"):
            data = data_or_path.read()
            self._write(f"object.{options.get('file_type', 'obj')}", data if isinstance(data, bytes) else data.encode())
        else:
            import json

            plain = data_or_path.tolist() if hasattr(data_or_path, "tolist") else data_or_path
            self._write("points.json", json.dumps(plain, default=lambda one: one.tolist()).encode())

    @classmethod
    def from_numpy(cls, data: Any) -> Object3D:
        return cls(data)

    @classmethod
    def from_file(cls, data_or_path: Any, file_type: str | None = None) -> Object3D:
        return cls(data_or_path, file_type=file_type or "obj")


class Molecule(Object3D):
    """A molecule in a file, kept as a file."""


class Plotly(WBValue):
    def __init__(self, val: Any) -> None:
        self._figure = val

    def _hectiqlab_put(self, run: Run, key: str, step: int) -> None:
        run.add_figure(self._figure, key, step)


class Graph(WBValue):
    """The graph of a model: its text."""

    def __init__(self, format: str = "keras") -> None:
        self.text = ""

    def _hectiqlab_put(self, run: Run, key: str, step: int) -> None:
        if self.text:
            run.add_text(self.text, key, step)
        else:
            cannot("wandb", "Graph")
