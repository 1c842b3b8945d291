"""Make the bytes of a PNG of an array, a tensor or a figure.

Only libraries that the script has loaded are used.
"""

from __future__ import annotations

import io
import math
import struct
import sys
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from ..protocol.media import PIXEL_BYTES_MAX
from .values import is_extra, is_masked

ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp")  # of image files that the pages show
CHANNELS = {1: 0, 3: 2, 4: 6}  # number → colour type of a PNG; not 2, grey with alpha, as it is rarely meant
PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})  # PIL's modes that a PNG can hold
BEYOND = 1.5  # a float image with values above this was hardly meant to be from 0 to 1

Tell = Callable[[str], None]
Shape = tuple[int, int, int]  # height, width, channels


def is_pil(image: Any) -> bool:
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(image, pil.Image)


def pil_png(image: Any) -> bytes:
    out = io.BytesIO()
    (image if image.mode in PNG_MODES else image.convert("RGB")).save(out, "PNG")
    return out.getvalue()


def shape_of(image: Any) -> tuple[Shape, bool]:
    """Return (height, width, channels), and whether the channels come first. Raises TypeError or ValueError if it is no
    image.

    HxW, HxWxC and CxHxW with 1, 3 or 4 channels are images. If both HxWxC and CxHxW could be meant, it is HxWxC.
    """
    shape = getattr(image, "shape", None)
    if shape is None:
        if not isinstance(image, list | tuple):
            raise TypeError(
                "an image is a path, an array, a tensor, a PIL image or nested lists of numbers, "
                f"not {type(image).__name__}"
            )
        shape = []
        level: Any = image
        while isinstance(level, list | tuple) and len(shape) < 4:
            shape.append(len(level))
            level = level[0] if level else None
    sizes = tuple(int(n) for n in shape)
    if len(sizes) == 2:
        size, first = (sizes[0], sizes[1], 1), False
    elif len(sizes) == 3 and sizes[2] in CHANNELS:
        size, first = (sizes[0], sizes[1], sizes[2]), False
    elif len(sizes) == 3 and sizes[0] in CHANNELS:
        size, first = (sizes[1], sizes[2], sizes[0]), True
    else:
        raise ValueError(
            f"an image has the shape (height, width), (height, width, channels) or (channels, height, width), with 1, "
            f"3 or 4 channels, not {sizes}; one at a time"
        )
    if 0 in size:
        raise ValueError(f"an image of shape {sizes} has no pixels")
    if math.prod(size) > PIXEL_BYTES_MAX:
        raise ValueError(f"an image of shape {sizes} is too large: at most {PIXEL_BYTES_MAX >> 20} MiB of pixels")
    return size, first


def array_png(image: Any, tell: Tell) -> bytes:
    """Return the PNG of an image that `shape_of` takes: whole numbers from 0 to 255, bools, or floats from 0 to 1.
    Floats beyond that are cut; NaN is black. Blocks while it packs: 20 to 300 ms for a million pixels.

    Args:
        tell: called with one line of text if floats are hardly meant to be from 0 to 1.

    Raises TypeError if they are no real numbers, ValueError for whole numbers beyond 0 to 255 and for ragged lists.
    """
    shape, first = shape_of(image)
    if callable(getattr(image, "detach", None)):
        image = image.detach().cpu()
        if "bfloat16" in str(getattr(image, "dtype", "")):
            image = image.float()
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return png(shape, _bytes_of_lists(image, shape, first, tell))
    array = numpy.asarray(image.filled(0) if is_masked(image) else image)
    if is_extra(array.dtype):
        array = array.astype(numpy.int64 if "int" in array.dtype.name else numpy.float32)
    kind = array.dtype.kind
    if kind not in "biuf":
        raise TypeError(f"an image is of numbers, not of {array.dtype}")
    if kind == "f":
        high = float(numpy.nanmax(numpy.where(numpy.isfinite(array), array, 0)))
        _tell_beyond(high, tell)
        array = numpy.rint(numpy.clip(numpy.nan_to_num(array, nan=0.0), 0, 1) * 255)
    elif kind == "b":
        array = array * 255
    elif array.min() < 0 or array.max() > 255:
        raise ValueError(_beyond(int(array.min()), int(array.max())))
    array = array.astype(numpy.uint8)
    array = array.transpose(1, 2, 0) if first else array.reshape(shape)
    pil = sys.modules.get("PIL.Image")
    if pil is not None:
        return pil_png(pil.fromarray(numpy.ascontiguousarray(array[:, :, 0] if shape[2] == 1 else array)))
    return png(shape, array.tobytes())


def png(shape: Shape, pixels: bytes) -> bytes:
    """Return a PNG of 8 bits a channel. https://www.w3.org/TR/png-3/

    Args:
        pixels: row by row, channels of a pixel together.
    """
    height, width, channels = shape
    stride = width * channels
    rows = b"".join(b"\0" + pixels[at : at + stride] for at in range(0, height * stride, stride))
    head = struct.pack(">IIBBBBB", width, height, 8, CHANNELS[channels], 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 4)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def _bytes_of_lists(image: Any, shape: Shape, first: bool, tell: Tell) -> bytes:
    """Return the pixels of nested lists, or of anything that `tolist()` turns into lists. Scripts without numpy need
    this.
    """
    values = list(_flat(image.tolist() if callable(getattr(image, "tolist", None)) else image))
    height, width, channels = shape
    if len(values) != height * width * channels:
        raise ValueError("an image is nested lists of equal lengths; these differ")
    if first:
        plane = height * width
        values = [values[c * plane + i] for i in range(plane) for c in range(channels)]
    if any(isinstance(v, float) for v in values):
        _tell_beyond(max((v for v in values if math.isfinite(v)), default=0), tell)
        return bytes(0 if v != v else round(min(max(v, 0.0), 1.0) * 255) for v in values)
    if all(isinstance(v, bool) for v in values):
        return bytes(255 * v for v in values)
    low, high = min(values), max(values)
    if low < 0 or high > 255:
        raise ValueError(_beyond(low, high))
    return bytes(values)


def _flat(value: Any) -> Iterable[Any]:
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flat(one)
    elif isinstance(value, int | float):
        yield value
    else:
        raise TypeError(f"an image is of numbers, not of {type(value).__name__}")


def _tell_beyond(high: float, tell: Tell) -> None:
    if high >= BEYOND:
        tell(
            f"add_image: a float image is from 0 to 1; values up to {high:.4g} were cut. Divide by 255, or pass uint8."
        )


def _beyond(low: int, high: int) -> str:
    return f"an image of whole numbers is from 0 to 255, not from {low} to {high}: scale it, or pass floats from 0 to 1"


# Figures ------------------------------------------------------------------------------------------------------------


def figure_encoder(figure: Any) -> tuple[str, Callable[[], bytes]]:
    """Return (the file's ending, a function that makes its bytes) for a figure of matplotlib or plotly.

    Args:
        figure: a Figure, Axes or anything that has one as its `figure`; None or pyplot itself: the current figure.

    Raises TypeError if it is not a figure, ValueError if there is no current one.
    """
    drawn = _matplotlib_figure(figure)
    if drawn is not None:
        return ".png", lambda: _figure_png(drawn)
    plotly = sys.modules.get("plotly.basedatatypes")
    if plotly is not None and isinstance(figure, plotly.BaseFigure):
        return ".plotly.json", lambda: str(figure.to_json()).encode()
    raise TypeError(
        f"a figure is one of matplotlib (Figure, Axes, or None for pyplot's current one) or plotly, "
        f"not {type(figure).__name__}"
    )


def _matplotlib_figure(figure: Any) -> Any:
    pyplot = sys.modules.get("matplotlib.pyplot")
    if figure is None or (pyplot is not None and figure is pyplot):
        if pyplot is None or not pyplot.get_fignums():
            raise ValueError("there is no current figure: draw one with matplotlib.pyplot, or pass a figure")
        return pyplot.gcf()
    module = sys.modules.get("matplotlib.figure")
    for _ in range(4):  # Axes → SubFigure → Figure
        if module is not None and isinstance(figure, module.Figure):
            return figure
        figure = getattr(figure, "figure", None)
    return None


def _figure_png(figure: Any) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
