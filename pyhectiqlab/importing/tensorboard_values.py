"""What the values of TensorBoard's event files become: points, histograms, texts, config, image and sound files.

A value has one of three forms: an old one, a field of its own, or a tensor of a plugin, as TensorFlow 2 writes it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from ..protocol.limits import STEP_MAX, STEP_MIN
from ..protocol.media import BINS_MAX, HISTOGRAM, IMAGE, Histogram, check_histogram, file_name
from .incoming import Event, NewFile, hex_of, key_from, text_item
from .points import Point, Problems, is_time, trouble_with_key
from .protobuf import Message, message, messages, text, whole
from .source import Item
from .tensors import Tensor, tensor_of

_SILENT = ("graph", "custom_scalars", "projector")  # how the names of plugins begin that show the program, not results
_VERSIONS = (b"brain.Event:1", b"brain.Event:2")
_ENDINGS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"RIFF": ".wav", b"BM": ".bmp"}


class Values:
    """Converts the values of one file, which are given in their order.

    Args:
        head: what names the file wherever it is imported.
    """

    def __init__(self, path: Path, head: str, problems: Problems) -> None:
        self._path, self._head, self._problems = path, head, problems
        self._plugins: dict[str, str] = {}  # only a tag's first value names the plugin

    def check_version(self, version: bytes) -> None:
        """Report that the file is of a newer format."""
        if version not in _VERSIONS:
            known = _VERSIONS[-1].decode()
            self._left_out("version", f"it is of the format {version[:40]!r}, and is read as if of {known}")

    def of(self, data: memoryview, step: int, time: float) -> Iterator[Item]:
        """Yield what a value becomes. Raises ValueError, struct.error where it is none.

        Summary.Value: 1 tag, 2 simple_value (float), 4 image, 5 histogram, 6 audio, 8 tensor, 9 metadata, whose 1
        (plugin_data) has 1 (plugin_name) and 2 (content).
        """
        its = message(data)
        tag = _utf8(its, 1)
        content = b""
        for metadata in messages(its, 9):
            for plugin in messages(metadata, 1):
                self._plugins.setdefault(tag, text(plugin, 1))
                content = _raw(plugin, 2)
        trouble = trouble_with_key(tag)
        if trouble and len(its) > 1:
            self._left_out("key", f"the tag {tag[:40]!r} {trouble} and is left out")
        elif not is_time(time):
            self._left_out("time", f"step {step} of {tag!r} has no valid time")
        elif not STEP_MIN <= step <= STEP_MAX:
            self._left_out("step", f"{tag!r} has a step that a lab has not")
        else:
            yield from self._valid(its, tag, step, time, content)

    def _left_out(self, kind: str, what: str) -> None:
        self._problems.add(f"{kind} {self._path}", f"{self._path}: {what}")

    def _valid(self, its: Message, tag: str, step: int, time: float, content: bytes) -> Iterator[Item]:
        plugin = self._plugins.get(tag, "")
        if 2 in its:
            yield Point(tag, step, struct.unpack("<f", _raw(its, 2))[0], time)
        for image in messages(its, 4):  # 4 encoded_image_string
            yield self._file(tag, step, time, _raw(image, 4), IMAGE, ".png")
        for histogram in messages(its, 5):
            yield from self._histogram(tag, step, time, *_of_old_histogram(histogram))
        for sound in messages(its, 6):  # 4 encoded_audio_string
            yield self._file(tag, step, time, _raw(sound, 4), "file", ".wav")
        if plugin == "hparams":
            yield from _of_hparams(tag, content, time)
        elif 8 in its:
            tensor = tensor_of(memoryview(_raw(its, 8)))
            if tensor is not None:
                yield from self._of_tensor(plugin, tensor, tag, step, time)

    def _of_tensor(self, plugin: str, tensor: Tensor, tag: str, step: int, time: float) -> Iterator[Item]:
        shape, numbers, texts = tensor
        if plugin in ("", "scalars"):
            if not shape and texts is None:
                yield Point(tag, step, numbers[0], time)
        elif plugin == "text" and texts is not None:
            for name, said in zip(_names(tag, shape), texts, strict=True):
                yield text_item(name, step, said.decode("utf-8", "replace"), time)
        elif plugin == "images" and texts is not None:
            images = texts[2:]  # behind width and height
            for name, data in zip(_names(tag, (len(images),)), images, strict=True):
                yield self._file(name, step, time, data, IMAGE, ".png")
        elif plugin == "audio" and texts is not None:
            sounds = texts[:: shape[-1] if len(shape) > 1 else 1]  # each before its label
            for name, data in zip(_names(tag, (len(sounds),)), sounds, strict=True):
                yield self._file(name, step, time, data, "file", ".wav")
        elif plugin == "histograms" and len(shape) == 2 and shape[1] == 3 and texts is None:
            edges = [*numbers[::3], numbers[-2]] if numbers else []
            yield from self._histogram(tag, step, time, edges, numbers[2::3])
        elif not plugin.startswith(_SILENT):
            self._left_out(f"plugin {plugin}", f"{tag!r}: values of the plugin {plugin[:40]!r} are left out")

    def _histogram(self, tag: str, step: int, time: float, edges: list[float], counts: list[float]) -> Iterator[Event]:
        try:
            histogram = Histogram(*_fewer(edges, counts))
            check_histogram(histogram)
        except ValueError as e:
            self._left_out("histogram", f"the histogram {tag!r} of step {step}: {e}")
            return
        yield Event(HISTOGRAM, time, {"name": tag, "step": step, **histogram.fields()})

    def _file(self, name: str, step: int, time: float, data: bytes, kind: str, ending: str) -> NewFile:
        known = next((its for begins, its in _ENDINGS.items() if data.startswith(begins)), ending)
        ident = hex_of(self._head, name, str(step), str(time))
        return NewFile(ident, file_name(name, known), None, data, step, kind, {"name": key_from(name)}, time)


def _names(tag: str, shape: tuple[int, ...]) -> list[str]:
    """Return a name for each value: the tag, or where there are several, with their places behind it."""
    if math.prod(shape) == 1:
        return [tag]
    return ["/".join((tag, *map(str, place))) for place in product(*map(range, shape))]


def _of_old_histogram(its: Message) -> tuple[list[float], list[float]]:
    """Return edges and counts, as TensorBoard shows them: without empty bins at both ends, from the least to the
    largest value.

    HistogramProto: 1 min, 2 max, 6 bucket_limit, 7 bucket (doubles).
    """
    low, high = _doubles(its, 1), _doubles(its, 2)
    limits, counts = _doubles(its, 6), _doubles(its, 7)
    filled = [at for at, count in enumerate(counts) if count > 0]
    if not filled or len(limits) != len(counts):
        return [], []
    start, end = filled[0], filled[-1]
    inner = limits[start:end]
    return [(low or [0.0])[-1], *inner, (high or [0.0])[-1]], counts[start : end + 1]


def _fewer(edges: list[float], counts: list[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return a histogram in at most BINS_MAX bins: empty bins beside each other become one, which loses nothing; then
    the narrowest bin and its neighbour become one, as often as that is needed.
    """
    if len(counts) > BINS_MAX:
        kept = [at for at in range(len(counts)) if at == 0 or counts[at] or counts[at - 1]]
        edges, counts = [*(edges[at] for at in kept), edges[-1]], [counts[at] for at in kept]
    while len(counts) > BINS_MAX:
        widths = [edges[at + 2] - edges[at] for at in range(len(counts) - 1)]
        at = widths.index(min(widths))
        counts[at : at + 2] = [counts[at] + counts[at + 1]]
        del edges[at + 1]
    return tuple(edges), tuple(counts)


def _of_hparams(tag: str, content: bytes, time: float) -> Iterator[Event]:
    """HParamsPluginData: 3 session_start_info, whose 1 are the parameters (a map of google.protobuf.Value)."""
    for start in messages(message(content), 3):
        values: dict[str, Any] = {}
        for entry in messages(start, 1):
            values[text(entry, 1)] = next((_value(one) for one in messages(entry, 2)), None)
        yield Event("config", time, {"values": values})


def _value(its: Message) -> Any:
    """google.protobuf.Value: 2 number (double), 3 text, 4 boolean, 6 list, whose 1 are values; 1 and all else: none."""
    if 2 in its:
        number = _doubles(its, 2)[-1]
        return int(number) if number.is_integer() and abs(number) < 1 << 53 else number
    if 4 in its:
        return bool(whole(its, 4))
    if 6 in its:
        return [_value(one) for listed in messages(its, 6) for one in messages(listed, 1)]
    return text(its, 3) if 3 in its else None


def _doubles(its: Message, number: int) -> list[float]:
    packed = b"".join(bytes(one) for one in its.get(number, []) if not isinstance(one, int))
    return list(struct.unpack(f"<{len(packed) // 8}d", packed))


def _raw(its: Message, number: int) -> bytes:
    value = its.get(number, [b""])[-1]
    return b"" if isinstance(value, int) else bytes(value)


def _utf8(its: Message, number: int) -> str:
    """Return a text. Raises ValueError where it is none."""
    return _raw(its, number).decode()
