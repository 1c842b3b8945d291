"""Pictures of what trackers take as images and videos, with boxes and masks drawn into them. Needs pillow and numpy."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

from .values import is_figure

COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#f032e6", "#bcf60c", "#008080", "#9a6324")
MASK_ALPHA = 110  # of 255


def picture_of(data: Any, normalize: bool = True) -> Any:
    """Return an array of bytes for an array or tensor, scaled as W&B does it; an image for a figure or an image."""
    if type(data).__module__.startswith("PIL."):
        return data
    if is_figure(data):
        return _of_figure(data)
    import numpy

    array = data.detach().cpu().numpy() if hasattr(data, "detach") else numpy.asarray(data)
    if hasattr(data, "detach") and array.ndim == 3 and array.shape[0] in (1, 3, 4):  # a tensor has its channels first
        array = array.transpose(1, 2, 0)
    if array.ndim > 3:
        array = array.reshape(-1, *array.shape[-2:])[0]
    if array.dtype == numpy.uint8 or not normalize:
        return array.astype(numpy.uint8)
    if array.dtype == bool:
        return array.astype(numpy.uint8) * 255
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if low >= 0 and high <= 1:
        array = array * 255
    elif low >= -1 and high <= 1:
        array = (array + 1) * 127.5
    return array.clip(0, 255).astype(numpy.uint8)


def _of_figure(figure: Any) -> Any:
    from PIL import Image

    figure = figure.gcf() if hasattr(figure, "gcf") else getattr(figure, "figure", figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    buffer.seek(0)
    return Image.open(buffer)


def drawn(image: Any, boxes: Mapping[str, Any], masks: Mapping[str, Any]) -> Any:
    """Return a PIL image with masks laid over it and boxes drawn into it, labelled with their classes."""
    from PIL import Image, ImageDraw

    picture = _pil(image).convert("RGBA")
    for mask in masks.values():
        picture = _masked(picture, mask)
    canvas = ImageDraw.Draw(picture)
    for _, box, label in _each(boxes):
        corners = _corners(box, picture.size)
        if corners is None:
            continue
        color = COLORS[int(box.get("class_id") or 0) % len(COLORS)]
        canvas.rectangle(corners, outline=color, width=max(1, min(picture.size) // 150))
        if label:
            canvas.text((corners[0] + 2, corners[1] + 1), label, fill=color)
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _pil(image: Any) -> Any:
    from PIL import Image

    if isinstance(image, Image.Image):
        return image
    if hasattr(image, "shape"):
        return Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image)
    return Image.open(image)


def _masked(picture: Any, mask: Mapping[str, Any]) -> Any:
    import numpy
    from PIL import Image, ImageColor

    data = mask.get("mask_data")
    array = numpy.asarray(Image.open(mask["path"])) if data is None else numpy.asarray(data)
    layer = numpy.zeros((*array.shape[:2], 4), numpy.uint8)
    for number in numpy.unique(array):
        if number:
            layer[array == number] = (*ImageColor.getrgb(COLORS[int(number) % len(COLORS)]), MASK_ALPHA)
    return Image.alpha_composite(picture, Image.fromarray(layer, "RGBA").resize(picture.size, Image.Resampling.NEAREST))


def _each(boxes: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield (set, box, label) of all sets of boxes."""
    for name, group in boxes.items():
        labels = group.get("class_labels")
        for box in group.get("box_data") or ():
            number = box.get("class_id")
            label = labels.get(number) if labels is not None else f"class_{number}"  # as W&B names them
            yield name, box, str(box.get("box_caption") or label or "")


def _corners(box: Mapping[str, Any], size: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """Return (left, top, right, bottom) in pixels."""
    position = box.get("position") or {}
    scale = (1, 1) if box.get("domain") == "pixel" else size
    if "middle" in position:
        x, y = position["middle"]
        w, h = position["width"] / 2, position["height"] / 2
        low_x, high_x, low_y, high_y = x - w, x + w, y - h, y + h
    elif "minX" in position:
        low_x, high_x, low_y, high_y = (position[name] for name in ("minX", "maxX", "minY", "maxY"))
    else:
        return None
    left, right = sorted((low_x * scale[0], high_x * scale[0]))
    top, bottom = sorted((low_y * scale[1], high_y * scale[1]))
    return left, top, right, bottom


def overlay_rows(boxes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the boxes as rows of a table: nothing of them is lost in the picture."""
    return [
        {
            "set": name,
            "class": box.get("class_id"),
            "label": label,
            "domain": box.get("domain") or "fraction",
            **{str(k): str(v) if isinstance(v, list | tuple) else v for k, v in (box.get("position") or {}).items()},
            **{f"score/{k}": v for k, v in (box.get("scores") or {}).items()},
        }
        for name, box, label in _each(boxes)
    ]


def animated(data: Any, fps: float) -> bytes:
    """Return a GIF of an array of the shape (batch ×) time × channel × height × width."""
    import numpy
    from PIL import Image

    array = data.detach().cpu().numpy() if hasattr(data, "detach") else numpy.asarray(data)
    array = array[0] if array.ndim == 5 else array
    if array.ndim != 4:
        raise ValueError("Video must be at least 4 dimensions: time, channels, height, width")
    if array.dtype != numpy.uint8:
        array = (array * 255 if array.size and array.max() <= 1 else array).clip(0, 255).astype(numpy.uint8)
    frames = [Image.fromarray(f.transpose(1, 2, 0) if f.shape[0] > 1 else f[0]) for f in array]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=max(20, int(1000 / fps)), loop=0)
    return buffer.getvalue()
